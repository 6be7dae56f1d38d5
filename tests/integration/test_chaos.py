"""Whatever is killed during mixed work, what was acknowledged is there afterwards."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ..chaos import Chaos, wreak

pytestmark = pytest.mark.anyio

SEED = int(os.environ.get("SEED") or 0)


@pytest.mark.parametrize("seed", [SEED + 1, SEED + 2])
async def test_kills_of_kernels_clients_and_browsers_lose_nothing(
    tmp_path: Path, seed: int
) -> None:
    report = await wreak(Chaos(tmp_path, seed), ["kernel", "client", "browser"])
    assert not report.violations
    assert report.done["calls without an answer"] and report.done["status ok"]


async def test_a_stopped_server_loses_nothing_and_a_killed_one_only_what_was_not_saved_yet(
    tmp_path: Path,
) -> None:
    report = await wreak(Chaos(tmp_path, SEED + 3), ["stop", "server"])
    assert not report.violations


async def test_a_kill_of_the_gateway_loses_nothing_and_work_goes_on(tmp_path: Path) -> None:
    near, far = tmp_path / "near", tmp_path / "far"
    report = await wreak(Chaos(near, SEED + 4, far), ["gateway"])
    assert not report.violations

"""Nothing is lost and nothing is mixed up when two agents and a person work at once."""

from __future__ import annotations

import os
from random import randrange

import pytest

from ..mixed_work import work
from ..server import Server

pytestmark = pytest.mark.anyio


@pytest.mark.timeout(180)
async def test_all_replicas_and_the_file_agree_after_mixed_work(server: Server) -> None:
    seed = int(os.environ.get("SEED") or randrange(10**6))
    print(f"SEED={seed}")
    done = await work(server, seed, agent_steps=40, bursts=40)
    assert len(done.typed) > 40 and done.done["run done"] > 0

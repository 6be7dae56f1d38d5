"""Fixtures: one Hub for all tests, with the servers of Alice and Bob."""

from __future__ import annotations

from collections.abc import AsyncIterator

import anyio
import pytest

from ..conformance.conftest import programs  # noqa: F401 - a fixture of ours as well
from ..conformance.node import NodePrograms
from .hub import Hub, run_hub


@pytest.fixture(scope="session")
async def hub(
    programs: NodePrograms,  # noqa: F811
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Hub]:
    async with run_hub(tmp_path_factory.mktemp("hub"), programs) as hub:
        async with anyio.create_task_group() as tasks:
            for user in ("alice", "bob"):
                tasks.start_soon(hub.start_server, user)
        yield hub

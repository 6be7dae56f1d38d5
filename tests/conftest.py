"""Fixtures of all tests: a server, its notebooks, agents and peers."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from .agent import HANDSHAKE, STATELESS, Agent, Era, connect_agent
from .peer import Peer, join_room
from .server import Server, run_server


def pytest_configure() -> None:
    # A shell lets what it runs in the background ignore it, and servers inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """One event loop for the whole run, which session fixtures need."""
    return "asyncio"


@pytest.fixture(scope="session")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """JupyterLab with the extension, shared by all tests: use your own notebook in it."""
    async with run_server(tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest.fixture
async def start_server(tmp_path: Path) -> AsyncIterator[Callable[..., Any]]:
    """`await start_server("--Trait.name=value", module="jupyter_server")`: one for this test."""
    async with AsyncExitStack() as servers:
        count = 0

        async def start(*options: str, **settings: Any) -> Server:
            nonlocal count
            count += 1
            base = tmp_path / f"server{count}"
            return await servers.enter_async_context(run_server(base, *options, **settings))

        yield start


@pytest.fixture
def notebook(server: Server, request: pytest.FixtureRequest) -> str:
    """A copy of `plain.ipynb`, or of the one named by `@pytest.mark.parametrize(indirect=True)`."""
    return server.copy_notebook(getattr(request, "param", "plain.ipynb"))


@pytest.fixture(params=[HANDSHAKE, STATELESS])
def era(request: pytest.FixtureRequest) -> Era:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
async def agent(server: Server) -> AsyncIterator[Agent]:
    """An agent in the stateless era, connected to the shared server."""
    async with connect_agent(server.mcp_url, server.token) as agent:
        yield agent


@pytest.fixture
async def peer(server: Server, notebook: str) -> AsyncIterator[Peer]:
    """Ada, who has this test's notebook open."""
    async with join_room(server, notebook) as peer:
        yield peer

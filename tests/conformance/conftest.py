"""Fixtures: the Node programs, and servers without a token, since the suite can send none."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ..server import Server, run_server
from .node import NodePrograms, NodeUnavailable, find_programs

# `run_server` sets a token for IdentityProvider; its subclass, which Jupyter uses, goes first.
WITHOUT_TOKEN = "--PasswordIdentityProvider.token="
FIXTURE_INSTEAD_OF_OURS = (
    "--ServerApp.jpserver_extensions=jupyter_mcp_ext=False",
    "--ServerApp.jpserver_extensions=tests.conformance.fixture_extension=True",
)
REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> NodePrograms:
    try:
        return find_programs(tmp_path_factory.mktemp("node"))
    except NodeUnavailable as missing:
        if os.environ.get("CI"):
            pytest.fail(str(missing))
        pytest.skip(str(missing))


@pytest.fixture(scope="module")
async def fixture_server(
    programs: NodePrograms, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Server]:
    """The suite's fixture tools behind our handler and our transport."""
    async with run_server(
        tmp_path_factory.mktemp("fixture"),
        WITHOUT_TOKEN,
        *FIXTURE_INSTEAD_OF_OURS,
        module="jupyter_server",
        environment={"PYTHONPATH": str(REPOSITORY)},
    ) as server:
        yield server


@pytest.fixture(scope="module")
async def product(
    programs: NodePrograms, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Server]:
    """The product as it is, but for its token."""
    async with run_server(
        tmp_path_factory.mktemp("product"), WITHOUT_TOKEN, module="jupyter_server"
    ) as server:
        yield server

"""Kernels in other environments than the server's."""

from __future__ import annotations

import sys
import sysconfig
import venv
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from ..agent import Agent, connect_agent, text

pytestmark = pytest.mark.anyio


def make(prefix: Path, *, with_ipykernel: bool = True) -> Path:
    """A virtual environment, which finds ipykernel where these tests do."""
    venv.create(prefix, symlinks=True)
    if with_ipykernel:
        [packages] = prefix.glob("lib/python3*/site-packages")
        (packages / "tests.pth").write_text(sysconfig.get_path("purelib"))
    return prefix


@pytest.fixture
async def envs(
    start_server: Callable[..., Any], tmp_path: Path
) -> AsyncIterator[tuple[Agent, Path]]:
    """An agent, and the directory in which its server looks for environments."""
    directory = tmp_path / "envs"
    directory.mkdir()
    trait = f"--MCPExtension.environment_directories={directory}"
    server = await start_server(trait, module="jupyter_server")
    async with connect_agent(server.mcp_url, server.token) as agent:
        yield agent, directory


async def run(agent: Agent, kernel: str, code: str) -> str:
    return await agent.tell("execute_code", kernel=kernel, code=code)


async def test_a_kernel_runs_in_the_environment_that_is_named(envs: tuple[Agent, Path]) -> None:
    agent, directory = envs
    prefix = make(directory / "work")
    for name in ("work", str(prefix), str(prefix / "bin/python")):
        answer = await agent.tell("start_kernel", name="k", environment=name)
        assert answer.startswith("Started k: mcp-env-work-")
        assert f"| {str(prefix)!r}" in await run(agent, "k", "import sys; sys.prefix")
        answer = await run(agent, "k", "!python -c 'import sys; print(sys.prefix)'")
        assert f"| {prefix}" in answer
        answer = await run(agent, "k", "import os; os.environ['VIRTUAL_ENV']")
        assert f"| {str(prefix)!r}" in answer
        await agent.tell("shutdown_kernel", kernel="k")


async def test_an_environment_of_the_directory_is_found_there(envs: tuple[Agent, Path]) -> None:
    agent, directory = envs
    root = directory.parent / "server1/root"
    prefix = make(root / "project/.venv")
    call = {"environment": ".venv", "directory": "project"}
    await agent.tell("start_kernel", name="k", **call)
    assert f"| {str(prefix)!r}" in await run(agent, "k", "import sys; sys.prefix")
    refused = await agent.call("start_kernel", environment=".venv")
    assert refused.is_error and "There is no environment '.venv'" in text(refused)


async def test_an_environment_without_ipykernel_is_refused_with_the_command(
    envs: tuple[Agent, Path],
) -> None:
    agent, directory = envs
    prefix = make(directory / "bare", with_ipykernel=False)
    refused = await agent.call("start_kernel", environment="bare")
    python = prefix / "bin/python"
    assert refused.is_error
    assert f"{python} cannot run a kernel: it has no ipykernel." in text(refused)
    assert f"{python} -m pip install ipykernel" in text(refused)
    make(prefix)
    assert "Started scratch-1: " in await agent.tell("start_kernel", environment="bare")


@pytest.mark.parametrize("name", ["nothing", "/nowhere/python", "..", "/bin", "~/nothing", "a\0b"])
async def test_what_is_no_environment_is_refused_with_what_is_known(
    envs: tuple[Agent, Path], name: str
) -> None:
    agent, directory = envs
    make(directory / "known")
    refused = await agent.call("start_kernel", environment=name)
    assert refused.is_error and "There is no environment" in text(refused)
    assert "known, python3" in text(refused).replace("python3, known", "known, python3")


async def test_a_server_that_allows_certain_kernelspecs_starts_no_other(
    start_server: Callable[..., Any], tmp_path: Path
) -> None:
    trait = "--KernelSpecManager.allowed_kernelspecs={'python3'}"
    server = await start_server(trait, module="jupyter_server")
    async with connect_agent(server.mcp_url, server.token) as agent:
        refused = await agent.call("start_kernel", environment=sys.executable)
        assert refused.is_error and "only the kernelspecs that its administrator" in text(refused)
        assert "Started scratch-1" in await agent.tell("start_kernel", environment="python3")

"""Kernels that other programs started, connected by their files."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.abc import Process

from ..agent import Agent, connect_agent, execution_in, text
from ..server import Server

pytestmark = pytest.mark.anyio

TOOLSETS = [f"--MCPExtension.toolsets={name}" for name in ("execution", "kernels", "external")]
# As `jupyter console --existing <file>` attaches, in a program of its own.
CONSOLE = """
import sys
from jupyter_client.blocking.client import BlockingKernelClient

client = BlockingKernelClient(connection_file=sys.argv[1])
client.load_connection_file()
client.start_channels()
client.wait_for_ready(timeout=20)
client.execute_interactive(sys.argv[2], timeout=20)
client.stop_channels()
"""
RUNS_ON = "import time\nprint('begun', flush=True)\ntime.sleep(300)"


@asynccontextmanager
async def ipython_kernel(file: Path) -> AsyncIterator[Process]:
    """A kernel as `ipython kernel -f <file>` starts it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "IPython", "kernel", "-f", str(file)]
    async with await anyio.open_process(command, stdout=None, stderr=None) as process:
        with anyio.fail_after(30):
            while not file.exists():
                await anyio.sleep(0.05)  # A file appears without an event.
        try:
            yield process
        finally:
            if process.returncode is None:
                process.terminate()


@pytest.fixture
async def served(
    start_server: Callable[..., Any], tmp_path: Path
) -> AsyncIterator[tuple[Server, Agent, Path]]:
    """A server, its agent, and a directory whose kernels may be connected."""
    directory = tmp_path / "theirs"
    directory.mkdir()
    options = [*TOOLSETS, f"--MCPExtension.connection_directories={directory}"]
    server = await start_server(
        *options,
        module="jupyter_server",
        environment={"JUPYTER_MCP_CONNECTION_FILE": str(tmp_path / "elsewhere/kernel-own.json")},
    )
    async with connect_agent(server.mcp_url, server.token) as agent:
        yield server, agent, directory


async def run(agent: Agent, code: str, **more: Any) -> str:
    return await agent.tell("execute_code", kernel="spy", code=code, **more)


async def console(file: Path, code: str) -> str:
    with anyio.fail_after(40):
        done = await anyio.run_process([sys.executable, "-c", CONSOLE, str(file), code])
    return done.stdout.decode()


async def test_a_kernel_of_another_program_is_used_interrupted_and_left_alive(
    served: tuple[Server, Agent, Path],
) -> None:
    _, agent, directory = served
    file = directory / "kernel-1.json"
    async with ipython_kernel(file) as process:
        refused = await agent.call("connect_kernel", connection_file=str(file), name="a b")
        assert refused.is_error and "is no name for a kernel" in text(refused)
        assert "external" not in await agent.tell("list_kernels")
        assert await console(file, "theirs = 5") == ""
        for connection_file in (str(file), "kernel-1.json"):
            call = {"connection_file": connection_file, "name": "spy"}
            answer = await agent.tell("connect_kernel", **call)
            assert answer.startswith("Connected spy: external ")
        assert "| 5" in await run(agent, "ours = 6; theirs")
        assert await console(file, "print(ours)") == "6\n"
        listed = await agent.tell("list_kernels")
        assert "spy: external " in listed and f"connection file {file}" in listed
        assert json.loads(file.read_text())["key"] not in listed
        more = {"wait_seconds": 0.7, "on_timeout": "interrupt"}
        assert "status: interrupted" in await run(agent, RUNS_ON, **more)
        for tool in ("restart_kernel", "shutdown_kernel"):
            refused = await agent.call(tool, kernel="spy")
            assert refused.is_error and "another program" in text(refused)
        assert "ours  int  6" in await agent.tell("list_variables", kernel="spy")
        assert "runs on" in await agent.tell("disconnect_kernel", kernel="spy")
        assert "spy" not in await agent.tell("list_kernels")
        assert process.returncode is None and await console(file, "print(ours)") == "6\n"


async def test_a_connected_kernel_is_not_left_while_it_runs_something_of_ours(
    served: tuple[Server, Agent, Path],
) -> None:
    _, agent, directory = served
    file = directory / "kernel-1.json"
    async with ipython_kernel(file):
        await agent.tell("connect_kernel", connection_file=str(file), name="spy")
        begun = await run(agent, RUNS_ON, wait_seconds=2)
        assert "| begun" in begun
        refused = await agent.call("disconnect_kernel", kernel="spy")
        assert refused.is_error and "still runs" in text(refused)
        await agent.tell("interrupt_kernel", kernel="spy")
        poll = {"execution": execution_in(begun), "wait_seconds": 10}
        assert "status: interrupted" in await agent.tell("get_execution", **poll)
        assert "runs on" in await agent.tell("disconnect_kernel", kernel="spy")


async def test_the_server_leaves_a_connected_kernel_alive_when_it_stops(
    served: tuple[Server, Agent, Path],
) -> None:
    server, agent, directory = served
    file = directory / "kernel-1.json"
    async with ipython_kernel(file) as process:
        await agent.tell("connect_kernel", connection_file=str(file), name="spy")
        await run(agent, "x = 5")
        with anyio.fail_after(20):
            server.process.terminate()
            await server.process.wait()
        assert await console(file, "print(x)") == "5\n"
        assert process.returncode is None and file.exists()


async def test_the_end_of_a_connected_kernel_is_told(served: tuple[Server, Agent, Path]) -> None:
    _, agent, directory = served
    file = directory / "kernel-1.json"
    async with ipython_kernel(file) as process:
        await agent.tell("connect_kernel", connection_file=str(file), name="spy")
        begun = await run(agent, RUNS_ON, wait_seconds=0.7)
        assert "| begun" in begun
        process.kill()
        poll = {"execution": execution_in(begun), "wait_seconds": 10}
        assert "status: kernel_died" in await agent.tell("get_execution", **poll)
        assert "spy: external " in await agent.tell("list_kernels")
        refused = await agent.call("execute_code", kernel="spy", code="1")
        assert refused.is_error and "has ended with the program" in text(refused)
    assert "runs on" in await agent.tell("disconnect_kernel", kernel="spy")
    stale = await agent.call("connect_kernel", connection_file=str(file))
    assert stale.is_error and "does not answer" in text(stale)
    assert "external" not in await agent.tell("list_kernels")


async def test_the_file_of_the_environment_is_the_default(
    served: tuple[Server, Agent, Path],
) -> None:
    _, agent, directory = served
    refused = await agent.call("connect_kernel")
    assert refused.is_error and "There is no connection file" in text(refused)
    async with ipython_kernel(directory.parent / "elsewhere/kernel-own.json"):
        assert "Connected scratch-1: " in await agent.tell("connect_kernel")
        assert "Connected scratch-1: " in await agent.tell("connect_kernel")


async def test_files_that_are_none_or_not_allowed_are_refused(
    served: tuple[Server, Agent, Path],
) -> None:
    _, agent, directory = served
    outside = directory.parent / "kernel-2.json"
    outside.write_text('{"shell_port": 1, "iopub_port": 2, "key": "secret"}')
    (directory / "link.json").symlink_to(outside)
    (directory / "other.json").write_text('{"password": "secret"}')
    (directory / "text.json").write_text("secret")
    reasons = {
        str(outside): "is in no directory",
        f"{directory}/link.json": "is in no directory",
        "link.json": "There is no connection file",
        f"{directory}/../kernel-2.json": "is in no directory",
        "../kernel-2.json": "is in no directory",
        "~/nothing.json": "is in no directory",
        "other.json": "is no connection file",
        "text.json": "is no connection file",
        "nothing.json": "There is no connection file",
    }
    for file, reason in reasons.items():
        refused = await agent.call("connect_kernel", connection_file=file)
        assert refused.is_error and reason in text(refused) and "secret" not in text(refused), file


async def test_a_kernel_of_this_server_is_not_one_of_another_program(
    served: tuple[Server, Agent, Path],
) -> None:
    _, agent, _ = served
    kernel_id = (await agent.tell("start_kernel", name="own")).split()[3]
    refused = await agent.call("connect_kernel", connection_file=f"kernel-{kernel_id}.json")
    assert refused.is_error and f"This is kernel {kernel_id!r}" in text(refused)
    refused = await agent.call("disconnect_kernel", kernel="own")
    assert refused.is_error and "was not connected" in text(refused)


async def test_the_tools_are_off_by_default(agent: Agent) -> None:
    offered = {tool.name for tool in (await agent.client.list_tools()).tools}
    assert offered.isdisjoint({"connect_kernel", "disconnect_kernel"})

"""Kernels that nobody uses: who ends them, and who does not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio
import pytest

from ..agent import Agent, connect_agent, execution_in
from ..server import Server
from .test_kernel_traps import HOLD, join_kernel, start_session

pytestmark = pytest.mark.anyio

ENDS_SOON = "--MCPExtension.agent_kernel_idle_timeout=5"


async def started_by_a_person(server: Server) -> str:
    return str((await server.http.post("api/kernels", json={"name": "python3"})).json()["id"])


async def running(server: Server) -> set[str]:
    return {kernel["id"] for kernel in await server.get("api/kernels")}


async def until_gone(server: Server, kernel: str) -> None:
    with anyio.fail_after(40):
        while kernel in await running(server):
            await anyio.sleep(0.1)  # A kernel ends without an event that another process sees.


async def start(agent: Agent, name: str) -> str:
    """Start a kernel; returns its id."""
    return (await agent.tell("start_kernel", name=name)).split()[3]


async def test_only_kernels_that_agents_started_and_left_are_ended(
    start_server: Callable[..., Any],
) -> None:
    server = await start_server(ENDS_SOON, module="jupyter_server")
    path = server.copy_notebook("plain.ipynb")
    persons, notebooks = await started_by_a_person(server), await start_session(server, path)
    async with connect_agent(server.mcp_url, server.token) as agent:
        await agent.tell("execute_code", kernel=persons, code="x = 1")
        await agent.tell("execute_code", notebook=path, code="x = 1")
        shared = await start(agent, "shared")
        async with join_kernel(server, shared) as person:
            assert await person.run("print(1)") == "1\n"
        opened = await start(agent, "open")
        async with join_kernel(server, opened):
            left = await start(agent, "left")
            listed = (await agent.tell("list_kernels")).splitlines()
            ending = [listed[at - 1] for at, line in enumerate(listed) if "ends after 5 s" in line]
            assert [line.split(":")[0] for line in ending] == ["open", "left"]
            await until_gone(server, left)
            assert await running(server) == {persons, notebooks, shared, opened}
        # Nobody has it open any more.
        await until_gone(server, opened)
    assert await running(server) == {persons, notebooks, shared}


async def test_a_kernel_is_not_ended_while_it_runs(start_server: Callable[..., Any]) -> None:
    server = await start_server(ENDS_SOON, module="jupyter_server")
    async with connect_agent(server.mcp_url, server.token) as agent:
        await start(agent, "busy")
        code = "import time; time.sleep(12)"
        begun = await agent.tell("execute_code", kernel="busy", code=code, wait_seconds=0)
        await until_gone(server, await start(agent, "left"))
        call = {"execution": execution_in(begun), "wait_seconds": 20}
        assert "status: ok" in await agent.tell("get_execution", **call)


async def test_jupyter_ends_no_kernel_that_an_agent_uses(start_server: Callable[..., Any]) -> None:
    culling = [f"--MappingKernelManager.cull_{name}" for name in ("idle_timeout=5", "interval=1")]
    server = await start_server(*culling, module="jupyter_server")
    async with connect_agent(server.mcp_url, server.token) as agent:
        await agent.tell("start_kernel", name="used")
        await agent.tell("execute_code", kernel="used", code="x = 5")
        for _ in range(2):
            await until_gone(server, await started_by_a_person(server))
        assert "| 5" in await agent.tell("execute_code", kernel="used", code="x")


async def test_a_person_who_reloads_the_page_gets_what_was_printed_meanwhile(
    server: Server, agent: Agent, notebook: str
) -> None:
    kernel = await start_session(server, notebook)
    await agent.tell("execute_code", notebook=notebook, code="1")
    gate, done = server.root / f"{notebook}.go", server.root / f"{notebook}.done"
    async with join_kernel(server, kernel, "page") as person:
        msg_id = await person.send(f"{HOLD.format(gate=str(gate))}\nopen({str(done)!r}, 'w')")
        await person.printed(msg_id, "held")
    gate.touch()
    with anyio.fail_after(20):
        while not done.exists():
            await anyio.sleep(0.05)
    async with join_kernel(server, kernel, "page") as person:
        assert "released" in await person.printed(msg_id)

"""Kernels that were lost: what is said of them, and what can be run again."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from ..agent import Agent, connect_agent, text
from ..server import Server, run_server
from .test_idle_kernels import ENDS_SOON, start, until_gone
from .test_scratch_kernels import run

pytestmark = pytest.mark.anyio

DIE = "import os; os._exit(1)"


async def fail(agent: Agent, tool: str, **arguments: Any) -> str:
    result = await agent.call(tool, **arguments)
    assert result.is_error
    return text(result)


async def fill(agent: Agent, kernel: str) -> None:
    """Three runs, of which the second fails."""
    await run(agent, kernel, "x = 5")
    assert "status: error" in await run(agent, kernel, "1 / 0")
    await run(agent, kernel, "import math\ny = math.floor(x / 2)")


@pytest.fixture
async def etl(agent: Agent) -> AsyncIterator[str]:
    await agent.tell("start_kernel", name="etl")
    await fill(agent, "etl")
    yield "etl"
    await agent.tell("shutdown_kernel", kernel="etl")


async def test_after_a_death_the_names_are_told_and_the_code_can_be_run_again(
    agent: Agent, etl: str
) -> None:
    assert "status: kernel_died" in await run(agent, etl, DIE)
    answer = await run(agent, etl, "'x' in vars()")
    assert "(it died): all variables are lost.\nLost: x, math, y." in answer
    assert "| False" in answer
    assert f"list_kernels(recorded='{etl}') shows the 4 runs" in answer
    assert f"execute_code(kernel='{etl}', rerun=\"1,3\")" in answer
    shown = await agent.tell("list_kernels", recorded=etl)
    assert "3  status: ok" in shown and "| y = math.floor(x / 2)" in shown
    assert "lost" not in await run(agent, etl, "1")
    answer = await agent.tell("execute_code", kernel=etl, rerun="1,3")
    assert answer.startswith("2 runs: 2 ok")
    assert "| 2" in await run(agent, etl, "y")


async def test_a_restart_is_told_and_a_rerun_ends_with_the_first_failure(
    agent: Agent, etl: str
) -> None:
    await agent.tell("restart_kernel", kernel=etl)
    assert "(it was restarted)" in await run(agent, etl, "1")
    answer = await agent.tell("execute_code", kernel=etl, rerun="1-3")
    assert answer.startswith("3 runs: 1 ok, 1 error, 1 cancelled")
    assert "nothing with the numbers '77'" in await fail(
        agent, "execute_code", kernel=etl, rerun="77"
    )
    assert "names no numbers" in await fail(agent, "execute_code", kernel=etl, rerun="x")
    assert "either code or rerun" in await fail(agent, "execute_code", kernel=etl)


async def test_what_was_shut_down_on_purpose_is_forgotten(agent: Agent) -> None:
    await agent.tell("start_kernel", name="done")
    await run(agent, "done", "x = 5")
    await agent.tell("shutdown_kernel", kernel="done")
    assert "There is no kernel 'done'" in await fail(agent, "execute_code", kernel="done", code="x")
    assert "0 runs" in await agent.tell("list_kernels", recorded="done")
    assert "lost" not in await agent.tell("start_kernel", name="done")
    await agent.tell("shutdown_kernel", kernel="done")


async def test_the_end_of_an_idle_kernel_is_told(start_server: Callable[..., Any]) -> None:
    server = await start_server(ENDS_SOON, module="jupyter_server")
    async with connect_agent(server.mcp_url, server.token) as agent:
        kernel = await start(agent, "left")
        await run(agent, "left", "x = 5")
        await until_gone(server, kernel)
        for name in ("left", kernel):
            problem = await fail(agent, "execute_code", kernel=name, code="x")
            assert f"'{name}' is gone: it was not used for 5 s. Lost: x." in problem
        answer = await agent.tell("start_kernel", name="left")
        assert "execute_code(kernel='left', rerun=\"1\")" in answer and "It had x." in answer


async def test_code_of_named_kernels_survives_the_server(tmp_path: Path) -> None:
    async with serve(tmp_path) as server, connect_agent(server.mcp_url, server.token) as agent:
        await agent.tell("start_kernel", name="etl")
        await fill(agent, "etl")
    [file] = recorded_in(tmp_path)
    assert file.stat().st_mode & 0o077 == 0 and file.parent.stat().st_mode & 0o077 == 0
    async with serve(tmp_path) as server, connect_agent(server.mcp_url, server.token) as agent:
        problem = await fail(agent, "execute_code", kernel="etl", code="x")
        assert "is gone: the server was restarted. Lost: x, math, y." in problem
        assert 'rerun="1,3")' in await agent.tell("start_kernel", name="etl")
        await agent.tell("execute_code", kernel="etl", rerun="1,3")
        assert "| 2" in await run(agent, "etl", "y")


async def test_nothing_is_recorded_where_that_is_off(tmp_path: Path) -> None:
    options = ("--MCPExtension.recorded_days=0",)
    async with serve(tmp_path, *options) as server:
        async with connect_agent(server.mcp_url, server.token) as agent:
            await agent.tell("start_kernel", name="etl")
            await fill(agent, "etl")
            await agent.tell("restart_kernel", kernel="etl")
            answer = await run(agent, "etl", "1")
            assert "Lost: x, math, y." in answer and "rerun" not in answer
    assert recorded_in(tmp_path) == []


async def test_cells_that_had_run_are_named_after_a_loss(
    server: Server, agent: Agent, notebook: str
) -> None:
    first = (await agent.run(notebook, "a = 1")).split()[1]
    second = (await agent.run(notebook, "b = a + 1", after="start")).split()[1]
    await agent.tell("restart_kernel", notebook=notebook)
    answer = await agent.execute(notebook, "'a' in vars()")
    assert "(it was restarted)" in answer and "Lost: a, b." in answer and "| False" in answer
    call = f'execute_cells(cells="{first},{second}") runs them again, top down; they ran in this'
    assert call in answer
    answer = await agent.execute(notebook, "1")
    assert "execute_cells" not in answer
    kernel = (await server.sessions_of(notebook))[0]["kernel"]["id"]
    await server.http.delete(f"api/kernels/{kernel}")
    answer = await agent.tell("execute_cells", notebook=notebook)
    assert "(it was shut down)" in answer and "had run before" not in answer


async def test_cells_that_had_run_before_the_server_was_restarted_are_named(tmp_path: Path) -> None:
    async with serve(tmp_path) as server, connect_agent(server.mcp_url, server.token) as agent:
        path = server.copy_notebook("plain.ipynb")
        await agent.run(path, "a = 1")
    async with serve(tmp_path) as server, connect_agent(server.mcp_url, server.token) as agent:
        answer = await agent.execute(path, "'a' in vars()")
        assert "has none of the variables of earlier ones" in answer
        assert "Cells that had run before: execute_cells(cells=" in answer
        assert "execute_cells" not in await agent.execute(path, "1")


def serve(base: Path, *options: str) -> Any:
    return run_server(base, *options, module="jupyter_server")


def recorded_in(base: Path) -> list[Path]:
    return list((base / "data").rglob("jupyter_mcp_ext/*/*.json"))

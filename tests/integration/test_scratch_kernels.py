"""Kernels without a notebook."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any

import anyio
import pytest

from ..agent import HANDSHAKE, Agent, connect_agent, execution_in, text
from ..server import Server
from .test_executions import add_kernelspec

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
async def cleared(agent: Agent) -> AsyncIterator[None]:
    yield
    for line in (await agent.tell("list_kernels")).splitlines():
        name, colon, _ = line.partition(": python3 ")
        if colon:
            await agent.tell("shutdown_kernel", kernel=name)


async def run(agent: Agent, kernel: str, code: str) -> str:
    return await agent.tell("execute_code", kernel=kernel, code=code)


async def test_state_persists_across_calls_and_clients(server: Server, agent: Agent) -> None:
    answer = await agent.tell("start_kernel", name="etl")
    assert answer.startswith("Started etl: python3 ")
    assert "status: ok" in await run(agent, "etl", "x = 5")
    async with connect_agent(server.mcp_url, server.token, HANDSHAKE, name="other") as other:
        assert "| 5" in await run(other, "etl", "x")
        assert "\netl: python3 " in await other.tell("list_kernels")
        assert "x  int  5" in await other.tell("list_variables", kernel="etl")
    await agent.tell("restart_kernel", kernel="etl")
    answer = await run(agent, "etl", "'x' in vars()")
    assert "| False" in answer and "variables are lost" in answer


async def test_several_run_beside_each_other_and_one_after_the_other_on_each(agent: Agent) -> None:
    for name in ("one", "two"):
        await agent.tell("start_kernel", name=name)
    sleep = "import time; time.sleep(1)"
    started = monotonic()
    async with anyio.create_task_group() as tasks:
        for name in ("one", "two"):
            tasks.start_soon(run, agent, name, sleep)
    assert monotonic() - started < 1.8
    busy = await agent.tell("execute_code", kernel="one", code=sleep, wait_seconds=0)
    waiting = await agent.tell("execute_code", kernel="one", code="1", wait_seconds=0)
    assert "status: queued" in waiting
    poll = {"execution": execution_in(waiting), "wait_seconds": 10}
    assert "status: ok" in await agent.tell("get_execution", **poll)
    poll = {"execution": execution_in(busy), "wait_seconds": 0}
    assert "status: ok" in await agent.tell("get_execution", **poll)


async def test_a_kernel_starts_in_the_directory_that_is_named(server: Server, agent: Agent) -> None:
    (server.root / "deep er").mkdir(exist_ok=True)
    await agent.tell("start_kernel", name="here", directory="deep er")
    assert "deep er'" in await run(agent, "here", "import os; os.getcwd()")
    refused = await agent.call("start_kernel", directory="nowhere")
    assert refused.is_error and "There is no directory 'nowhere'" in text(refused)


async def test_a_name_is_chosen_checked_and_free_again(agent: Agent) -> None:
    assert "Started scratch-1: " in await agent.tell("start_kernel")
    assert "Started scratch-2: " in await agent.tell("start_kernel", environment="python3")
    refused = await agent.call("start_kernel", name="scratch-1")
    assert refused.is_error and "There is a kernel 'scratch-1' already" in text(refused)
    for name in ("a b", "../x", "x" * 51, "a:b"):
        refused = await agent.call("start_kernel", name=name)
        assert refused.is_error and "is no name for a kernel" in text(refused)
    await agent.tell("shutdown_kernel", kernel="scratch-1")
    refused = await agent.call("execute_code", kernel="scratch-1", code="1")
    assert refused.is_error and "There is no kernel 'scratch-1'" in text(refused)
    assert "Started scratch-1: " in await agent.tell("start_kernel", name="scratch-1")


async def test_two_who_ask_for_one_name_at_once_get_one_kernel(agent: Agent) -> None:
    answers: list[str] = []

    async def start() -> None:
        answers.append(text(await agent.call("start_kernel", name="both")))

    async with anyio.create_task_group() as tasks:
        for _ in range(2):
            tasks.start_soon(start)
    assert sorted(answer.split(" ")[0] for answer in answers) == ["Started", "There"]
    assert (await agent.tell("list_kernels")).count("both: ") == 1


async def test_an_unknown_environment_is_refused_with_the_known_ones(agent: Agent) -> None:
    refused = await agent.call("start_kernel", name="x", environment="python4")
    assert refused.is_error and "There is no environment 'python4'" in text(refused)
    assert "python3" in text(refused)
    assert "\nx: " not in await agent.tell("list_kernels")


async def test_a_name_never_stands_for_another_kernels_id(agent: Agent, notebook: str) -> None:
    await agent.execute(notebook, "x = 5")
    listed = await agent.tell("list_kernels")
    line = next(line for line in listed.splitlines() if notebook in line)
    kernel_id = line.split()[1]
    refused = await agent.call("start_kernel", name=kernel_id)
    assert refused.is_error and "is no name for a kernel" in text(refused)
    await agent.tell("start_kernel", name=kernel_id[:8])
    assert "| 5" in await run(agent, kernel_id, "x")
    await agent.tell("restart_kernel", kernel=kernel_id[:8])
    assert "| 5" in await agent.execute(notebook, "x")


async def test_kernels_without_a_name_start_at_once(agent: Agent) -> None:
    answers: list[str] = []

    async def start() -> None:
        answers.append(await agent.tell("start_kernel"))

    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(start)
    assert len({answer.split(":")[0] for answer in answers}) == 3


async def test_the_start_of_a_kernel_holds_up_no_other(
    start_server: Callable[..., Any], tmp_path: Path
) -> None:
    server = await start_server(module="jupyter_server")
    add_kernelspec(tmp_path / "server1", "mute", "sleep", "60")
    async with connect_agent(server.mcp_url, server.token) as agent:
        await agent.tell("start_kernel", name="one")
        async with anyio.create_task_group() as tasks:
            mute = {"name": "slow", "environment": "mute"}
            tasks.start_soon(partial(agent.call, "start_kernel", **mute))
            with anyio.fail_after(20):
                while "slow: mute" not in await agent.tell("list_kernels"):
                    await anyio.lowlevel.checkpoint()
                assert "| 5" in await run(agent, "one", "5")
                await agent.tell("start_kernel", name="two")
            tasks.cancel_scope.cancel()

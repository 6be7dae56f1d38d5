"""What the listing knows of running kernels, without asking them."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from time import monotonic

import pytest
from anyio import fail_after, run_process

from ..agent import Agent
from ..server import Server

pytestmark = pytest.mark.anyio


@pytest.fixture
async def kernel(agent: Agent) -> AsyncIterator[str]:
    """The name of a kernel that this test's agent started."""
    await agent.tell("start_kernel", name="facts")
    yield "facts"
    await agent.tell("shutdown_kernel", kernel="facts")


async def listed(agent: Agent, kernel: str) -> str:
    """The lines of the listing about a kernel."""
    lines = (await agent.tell("list_kernels")).splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith(kernel) or kernel in line)
    return "\n".join(lines[at : at + 2])


def file_in(listing: str) -> Path:
    return Path(listing.split("connection file ")[1].splitlines()[0])


async def test_process_environment_and_runs_are_listed(agent: Agent, kernel: str) -> None:
    answer = await agent.tell("execute_code", kernel=kernel, code="import os; os.getpid()")
    pid = answer.rsplit("| ", 1)[1]
    await agent.tell("execute_code", kernel=kernel, code="big = b'x' * 60_000_000")
    with fail_after(10):
        # Jupyter may hear a little later than we do that the kernel is idle.
        while " idle\n  up " not in (found := await listed(agent, kernel)):
            pass
    assert found.startswith("facts: python3 ")
    assert f", pid {pid}, " in found and ", 2 runs, " in found
    assert int(found.split(" MB, ")[0].rsplit(" ", 1)[1]) > 100
    assert f" {sys.prefix}, " in found and "started by Test Agent, " in found
    await agent.tell("restart_kernel", kernel=kernel)
    found = await listed(agent, kernel)
    assert f", pid {pid}, " not in found and " run" not in found.split("started by")[0]


async def test_a_busy_kernel_is_listed_at_once(agent: Agent, kernel: str) -> None:
    code = "import time; time.sleep(30)"
    await agent.tell("execute_code", kernel=kernel, code=code, wait_seconds=0.5)
    started = monotonic()
    found = await listed(agent, kernel)
    assert " busy\n" in found and ", pid " in found and monotonic() - started < 5
    await agent.tell("interrupt_kernel", kernel=kernel)


async def test_the_key_of_a_connection_file_is_never_shown(agent: Agent, kernel: str) -> None:
    found = await listed(agent, kernel)
    key = json.loads(file_in(found).read_text())["key"]
    assert key and key not in await agent.tell("list_kernels")


async def test_a_kernel_that_a_person_started_is_not_said_to_be_an_agents(
    server: Server, agent: Agent
) -> None:
    model = (await server.http.post("api/kernels", json={"name": "python3"})).json()
    found = await listed(agent, model["id"])
    assert ", pid " in found and "started by" not in found
    await server.http.delete(f"api/kernels/{model['id']}")


async def test_a_console_attaches_by_the_listed_file(agent: Agent, kernel: str) -> None:
    await agent.tell("execute_code", kernel=kernel, code="x = 5")
    file = file_in(await listed(agent, kernel))
    command = [sys.executable, "-m", "jupyter_console", "--simple-prompt", f"--existing={file}"]
    with fail_after(40):
        console = await run_process(
            command, input=b"y = x + 1\nprint('seen', y)\nexit(keep_kernel=True)\n"
        )
    assert b"seen 6" in console.stdout
    assert "| 6" in await agent.tell("execute_code", kernel=kernel, code="y")

"""Executions: in order, in batches, beside each other, asking for input, and after losses."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import psutil
import pytest
from mcp_types import ElicitResult

from ..agent import Agent, Era, connect_agent, execution_in, text
from ..peer import Peer
from ..server import Server, with_modules

pytestmark = pytest.mark.anyio

RUNS_ON = "import time\nprint('begun', flush=True)\ntime.sleep(30)"


def with_cells(server: Server, *sources: str) -> str:
    """A notebook of code cells with the ids c0000000, c0000001, ..."""
    cells = [
        {
            "cell_type": "code",
            "id": f"c{number:07}",
            "source": source,
            "metadata": {},
            "outputs": [],
            "execution_count": None,
        }
        for number, source in enumerate(sources)
    ]
    return server.write_notebook(
        {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    )


async def ended(pid: int) -> None:
    """Wait until a process has ended."""
    with suppress(ProcessLookupError), anyio.fail_after(10):
        descriptor = os.pidfd_open(pid)
        await anyio.wait_readable(descriptor)
        os.close(descriptor)


async def pid_of(agent: Agent, notebook: str) -> int:
    answer = await agent.execute(notebook, "import os; os.getpid()")
    return int(answer.rsplit("| ", 1)[1])


# Several cells


async def test_cells_run_in_order_and_each_is_answered(server: Server, agent: Agent) -> None:
    path = with_cells(server, "x = 1", "print(x + 1)", "x + 2")
    answer = await agent.tell("execute_cells", notebook=path)
    assert answer.startswith("3 cells: 3 ok\nok: [0] c0000000\n")
    assert re.search(r"\[1\] c0000001  status: ok  execution: r\d+ .*\nstdout:\n\| 2\n", answer)
    assert re.search(r"\[2\] c0000002  status: ok .*\nresult:\n\| 3", answer)


async def test_cells_stop_at_the_first_error(server: Server, agent: Agent) -> None:
    path = with_cells(server, "x = 1", "1 / 0", "x = 3", "x = 4")
    answer = await agent.tell("execute_cells", notebook=path)
    assert answer.startswith("4 cells: 1 ok, 1 error, 2 cancelled\n")
    assert "cancelled: [2] c0000002, [3] c0000003" in answer and "ZeroDivisionError" in answer
    assert "| 1" in await agent.execute(path, "x")


async def test_cells_go_on_after_an_error_if_asked(server: Server, agent: Agent) -> None:
    path = with_cells(server, "x = 1", "1 / 0", "x = 3")
    answer = await agent.tell("execute_cells", notebook=path, stop_on_error=False)
    assert answer.startswith("3 cells: 2 ok, 1 error\n")
    assert "| 3" in await agent.execute(path, "x")


async def test_a_choice_of_cells_runs_top_down_without_what_is_no_code(
    server: Server, agent: Agent
) -> None:
    path = server.copy_notebook("mixed.ipynb")
    answer = await agent.tell("execute_cells", notebook=path, stop_on_error=False)
    assert answer.startswith("3 cells: ")  # Of 4 code cells one is empty.
    path = with_cells(server, "x = [0]", "x.append(1)", "x.append(2)")
    await agent.tell("execute_cells", notebook=path, cells="2,0-1")
    assert "| [0, 1, 2]" in await agent.execute(path, "x")
    answer = await agent.call("execute_cells", notebook=path, cells="9")
    assert answer.is_error and "9" in text(answer)


async def test_waiting_for_cells_ends_and_they_go_on(server: Server, agent: Agent) -> None:
    path = with_cells(server, "import time\nprint('a', flush=True)\ntime.sleep(2)", "print('b')")
    await agent.tell("open_notebook", notebook=path)
    answer = await agent.tell("execute_cells", notebook=path, wait_seconds=0.7)
    assert answer.startswith("2 cells: 1 running, 1 queued\nqueued: [1] c0000001\nThey go on.")
    last = answer.split("get_execution('")[1].split("'")[0]
    answer = await agent.tell("get_execution", execution=last, wait_seconds=20)
    assert "[1] c0000001  status: ok" in answer and "| b" in answer


async def test_an_interrupt_ends_all_cells_of_the_call(server: Server, agent: Agent) -> None:
    path = with_cells(server, RUNS_ON, "x = 'ran'")
    await agent.tell("open_notebook", notebook=path)
    first = await agent.tell("execute_cells", notebook=path, wait_seconds=0.7)
    assert "| begun" in first
    await agent.tell("interrupt_kernel", notebook=path)
    assert "False" in await agent.execute(path, "'x' in globals()")


# Progress


async def test_a_waiting_client_is_told_that_the_run_goes_on(server: Server, era: Era) -> None:
    path = with_cells(server, "import time\ntime.sleep(4.5)")
    async with connect_agent(server.mcp_url, server.token, era) as agent:
        await agent.tell("open_notebook", notebook=path)
        answer, messages = await agent.call_with_progress("execute_cell", notebook=path, cell=0)
    assert "status: ok" in answer
    assert messages == ["[0] c0000000 running for 2 s", "[0] c0000000 running for 4 s"]


# input()


async def test_input_is_asked_of_the_person_at_the_client(
    server: Server, notebook: str, era: Era
) -> None:
    questions: list[str] = []

    async def reply(context: Any, params: Any) -> ElicitResult:
        questions.append(params.message)
        return ElicitResult(action="accept", content={"text": ["Ada", "36"][len(questions) - 1]})

    async with connect_agent(server.mcp_url, server.token, era, on_elicit=reply) as agent:
        answer = await agent.run(notebook, "input('Name: ') + input('Age: ')")
    assert "status: ok" in answer and "| 'Ada36'" in answer
    assert [notebook in question for question in questions] == [True, True]
    assert "'Name: '" in questions[0] and "'Age: '" in questions[1]


async def test_input_that_the_person_declines_ends_the_run(
    server: Server, notebook: str, era: Era
) -> None:
    async def decline(context: Any, params: Any) -> ElicitResult:
        return ElicitResult(action="decline")

    async with connect_agent(server.mcp_url, server.token, era, on_elicit=decline) as agent:
        answer = await agent.run(notebook, "input('Name: ')")
        assert "status: interrupted" in answer and "gave no answer" in answer
        assert "status: ok" in await agent.run(notebook, "1")


async def test_a_password_is_never_asked_for(server: Server, notebook: str, era: Era) -> None:
    async def fail(context: Any, params: Any) -> ElicitResult:
        raise AssertionError("asked")

    async with connect_agent(server.mcp_url, server.token, era, on_elicit=fail) as agent:
        answer = await agent.run(notebook, "import getpass\ngetpass.getpass()")
        assert "status: interrupted" in answer and "password" in answer
        assert "status: ok" in await agent.run(notebook, "1")


async def test_input_without_elicitation_is_a_clear_error(
    server: Server, notebook: str, era: Era
) -> None:
    async with connect_agent(server.mcp_url, server.token, era) as agent:
        answer = await agent.run(notebook, "input('Name: ')")
        assert "status: error" in answer and "put the value in the code" in answer
        assert "status: ok" in await agent.run(notebook, "1")


async def test_input_that_nobody_waits_for_is_asked_by_the_next_poll(
    server: Server, agent: Agent, notebook: str, era: Era
) -> None:
    async def reply(context: Any, params: Any) -> ElicitResult:
        return ElicitResult(action="accept", content={"text": "later"})

    async with connect_agent(server.mcp_url, server.token, era, on_elicit=reply) as asking:
        answer = await asking.run(notebook, "input('When? ')", wait_seconds=0)
        poll = {"execution": execution_in(answer), "wait_seconds": 10}
        answer = await agent.tell("get_execution", **poll)
        assert "status: running" in answer and "waits for input(): 'When? '" in answer
        answer = await asking.tell("get_execution", **poll)
        assert "status: ok" in answer and "| 'later'" in answer


async def test_a_persons_interrupt_ends_the_question(
    server: Server, agent: Agent, notebook: str, era: Era
) -> None:
    asked = anyio.Event()

    async def hesitate(context: Any, params: Any) -> ElicitResult:
        asked.set()
        if era == "2026-07-28":
            # Here the call has ended with the question, and the answer comes too late.
            await interrupt()
        else:
            await anyio.sleep_forever()
        return ElicitResult(action="accept", content={"text": "too late"})

    async def interrupt() -> None:
        await asked.wait()
        [session] = await server.sessions_of(notebook)
        await server.http.post(f"api/kernels/{session['kernel']['id']}/interrupt")

    async with (
        connect_agent(server.mcp_url, server.token, era, on_elicit=hesitate) as asking,
        anyio.create_task_group() as tasks,
    ):
        if era != "2026-07-28":
            tasks.start_soon(interrupt)
        assert "status: interrupted" in await asking.run(notebook, "input('Name: ')")
        assert "status: ok" in await asking.run(notebook, "1")


# Beside a run


async def test_code_runs_beside_a_busy_cell(agent: Agent, notebook: str) -> None:
    await agent.execute(notebook, "x = 5")
    busy = await agent.run(notebook, RUNS_ON, wait_seconds=0.7)
    assert "status: running" in busy
    for number in range(2):
        answer = await agent.execute(notebook, f"print(x + {number})", while_busy=True)
        assert "status: ok" in answer and f"| {5 + number}\n" in answer + "\n"
    assert "status: running" in await agent.tell("get_execution", execution=execution_in(busy))
    await agent.tell("interrupt_kernel", notebook=notebook)
    answer = await agent.tell("get_execution", execution=execution_in(busy), wait_seconds=10)
    assert "status: interrupted" in answer and "| begun" in answer


async def test_what_runs_beside_a_cell_is_not_interrupted_with_it(
    agent: Agent, notebook: str
) -> None:
    await agent.tell("open_notebook", notebook=notebook)
    busy = await agent.run(notebook, RUNS_ON, wait_seconds=0.7)
    code = "import time\ntime.sleep(1.5)\nprint('beside')"
    more = {"while_busy": True, "wait_seconds": 0.3, "on_timeout": "interrupt"}
    beside = await agent.execute(notebook, code, **more)
    assert "status: running" in beside and "cannot be interrupted" in beside
    assert "status: running" in await agent.tell("get_execution", execution=execution_in(busy))
    await agent.tell("interrupt_kernel", notebook=notebook)
    answer = await agent.tell("get_execution", execution=execution_in(beside), wait_seconds=10)
    assert "status: ok" in answer and "| beside" in answer


async def test_code_beside_nothing_runs_as_always(agent: Agent, notebook: str) -> None:
    assert "| 2" in await agent.execute(notebook, "1 + 1", while_busy=True)


# Losses


async def test_a_run_after_an_unnoticed_death_runs_once_on_the_new_kernel(
    agent: Agent, notebook: str
) -> None:
    pid = await pid_of(agent, notebook)
    os.kill(pid, signal.SIGKILL)
    await ended(pid)
    answer = await agent.run(notebook, "print('once')")
    assert "status: ok" in answer and "| once" in answer and "variables are lost" in answer


async def test_a_run_sent_while_the_kernel_dies_never_runs_behind_our_back(
    agent: Agent, notebook: str, tmp_path: Path
) -> None:
    ran = tmp_path / "ran"
    os.kill(await pid_of(agent, notebook), signal.SIGKILL)
    answer = await agent.run(notebook, f"open({str(ran)!r}, 'a').write('x')")
    assert "status: ok" in answer or "status: kernel_died" in answer
    assert "status: ok" in await agent.run(notebook, "1")
    assert ran.exists() == ("status: ok" in answer)


async def test_runs_around_a_persons_restart_are_told_as_they_were(
    server: Server, agent: Agent, notebook: str, tmp_path: Path
) -> None:
    ran = tmp_path / "ran"
    await pid_of(agent, notebook)
    [session] = await server.sessions_of(notebook)
    answers: list[str] = []

    async def submit() -> None:
        for number in range(20):
            code = f"print(open({str(ran)!r}, 'a').write('{number},'))"
            answers.append(await agent.execute(notebook, code))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(submit)
        await server.http.post(f"api/kernels/{session['kernel']['id']}/restart")
    told = [number for number, answer in enumerate(answers) if "status: ok" in answer]
    died = [answer for answer in answers if "status: ok" not in answer]
    assert all("status: kernel_died" in answer for answer in died) and len(died) <= 1
    done = [int(number) for number in ran.read_text().split(",")[:-1]]
    assert set(told) <= set(done) and len(done) == len(set(done))
    assert sum("variables are lost" in answer for answer in answers) >= 1


async def test_a_restart_recovers_a_kernel_that_ignores_interrupts_and_its_queue(
    agent: Agent, notebook: str
) -> None:
    await agent.execute(notebook, "1")  # The kernel has started.
    deaf = "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n" + RUNS_ON
    stuck = await agent.run(notebook, deaf, wait_seconds=0.7)
    waiting = await agent.run(notebook, "print('after')", wait_seconds=0)
    answer = await agent.call("interrupt_kernel", notebook=notebook)
    assert answer.is_error and "restart_kernel" in text(answer)
    await agent.tell("restart_kernel", notebook=notebook)
    answer = await agent.tell("get_execution", execution=execution_in(stuck), wait_seconds=10)
    assert "status: kernel_died" in answer
    answer = await agent.tell("get_execution", execution=execution_in(waiting), wait_seconds=10)
    assert "status: ok" in answer and "| after" in answer and "variables are lost" in answer


def add_kernelspec(server_base: Path, name: str, *argv: str, **more: Any) -> None:
    directory = server_base / "data/kernels" / name
    directory.mkdir(parents=True)
    spec = {"argv": argv, "display_name": name, "language": "python"} | more
    (directory / "kernel.json").write_text(json.dumps(spec))


async def test_a_kernel_that_never_starts_is_an_error_and_leaves_nothing(
    start_server: Callable[..., Any], tmp_path: Path
) -> None:
    server = await start_server("--MCPExtension.kernel_start_timeout=5", module="jupyter_server")
    add_kernelspec(tmp_path / "server1", "mute", "sleep", "60")
    without_site = (sys.executable, "-S", "-m", "ipykernel_launcher", "-f", "{connection_file}")
    add_kernelspec(tmp_path / "server1", "without-ipykernel", *without_site)
    add_kernelspec(tmp_path / "server1", "gone", str(tmp_path / "gone"), "{connection_file}")
    path = server.copy_notebook("plain.ipynb")
    reasons = {
        "mute": "did not answer within 5 s",
        "without-ipykernel": "its process ended",
        "gone": f"{tmp_path / 'gone'} cannot be run (No such file or directory)",
    }
    async with connect_agent(server.mcp_url, server.token) as agent:
        for name, reason in reasons.items():
            answer = await agent.call(
                "open_notebook", notebook=f"{name}.ipynb", create=True, kernel_name=name
            )
            assert answer.is_error and reason in text(answer) and "python3" in text(answer)
        answer = await agent.call("start_kernel", environment="gone")
        assert answer.is_error and reasons["gone"] in text(answer)
        assert await server.get("api/sessions") == [] == await server.get("api/kernels")
        assert "status: ok" in await agent.run(path, "1")
    server.process.terminate()
    with anyio.fail_after(15):
        await server.process.wait()


SLOW_MANAGER = """
import asyncio
from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager

class Slow(AsyncMappingKernelManager):
    async def _async_start_kernel(self, **options):
        while not (self.parent.contents_manager.exists("let-go")):
            await asyncio.sleep(0.05)
        return await super()._async_start_kernel(**options)

    start_kernel = _async_start_kernel
"""


async def test_a_start_that_takes_too_long_is_an_error_and_goes_on(
    start_server: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "slow_start.py").write_text(SLOW_MANAGER)
    server = await start_server(
        "--ServerApp.kernel_manager_class=slow_start.Slow",
        "--MCPExtension.kernel_start_timeout=10",
        module="jupyter_server",
        environment=with_modules(tmp_path),
    )
    path = server.copy_notebook("plain.ipynb")
    async with connect_agent(server.mcp_url, server.token) as agent:
        answer = await agent.call("open_notebook", notebook=path)
        assert answer.is_error and "'python3' did not start: it did not start within 10 s" in text(
            answer
        )
        (server.root / "let-go").touch()
        assert "status: ok" in await agent.run(path, "1", wait_seconds=30)
        assert len(await server.get("api/kernels")) == 1


SILENT_KERNEL = """
from ipykernel.ipkernel import IPythonKernel
from ipykernel.kernelapp import IPKernelApp

class SilentKernel(IPythonKernel):
    def _publish_status(self, status, channel, parent=None):
        of = (parent or self.get_parent(channel) or {}).get("header", {}).get("msg_type")
        if (status, of) != ("idle", "execute_request"):
            super()._publish_status(status, channel, parent)

IPKernelApp.launch_instance(kernel_class=SilentKernel)
"""


async def test_a_run_whose_end_of_output_is_lost_ends_with_its_reply(
    start_server: Callable[..., Any], tmp_path: Path
) -> None:
    script = tmp_path / "silent.py"
    script.write_text(SILENT_KERNEL)
    server = await start_server(module="jupyter_server")
    argv = (sys.executable, str(script), "-f", "{connection_file}")
    add_kernelspec(tmp_path / "server1", "silent", *argv)
    async with connect_agent(server.mcp_url, server.token) as agent:
        await agent.tell("open_notebook", notebook="a.ipynb", create=True, kernel_name="silent")
        answer = await agent.run("a.ipynb", "print('all of it')")
        assert "status: ok" in answer and "| all of it" in answer
        assert "Nothing was running" in await agent.tell("interrupt_kernel", notebook="a.ipynb")


async def test_a_kernel_that_is_interrupted_by_message_stops(
    start_server: Callable[..., Any], tmp_path: Path
) -> None:
    server = await start_server(module="jupyter_server")
    argv = (sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}")
    add_kernelspec(tmp_path / "server1", "by-message", *argv, interrupt_mode="message")
    async with connect_agent(server.mcp_url, server.token) as agent:
        await agent.tell("open_notebook", notebook="a.ipynb", create=True, kernel_name="by-message")
        more = {"wait_seconds": 0.7, "on_timeout": "interrupt"}
        assert "status: interrupted" in await agent.execute("a.ipynb", RUNS_ON, **more)
        assert "status: ok" in await agent.run("a.ipynb", "1")


async def test_a_restart_whose_call_is_cancelled_goes_on(agent: Agent, notebook: str) -> None:
    await agent.execute(notebook, "x = 1")
    old = psutil.Process(await pid_of(agent, notebook))
    async with anyio.create_task_group() as calls:
        calls.start_soon(partial(agent.call, "restart_kernel", notebook=notebook))
        await anyio.to_thread.run_sync(old.wait, 30)
        calls.cancel_scope.cancel()
    assert "| False" in await agent.execute(notebook, "'x' in globals()")
    assert await pid_of(agent, notebook) != old.pid


DEAF = """import collections, itertools
collections.deque(itertools.repeat(0, 10**12), maxlen=0)"""


@pytest.mark.parametrize(
    ("begin", "status"), [("import time; time.sleep(0.2)\n", "running"), ("", "(running|queued)")]
)
async def test_a_call_into_c_that_ignores_the_interrupt_is_told(
    agent: Agent, notebook: str, begin: str, status: str
) -> None:
    """Where it never lets go of the interpreter, the kernel may not even say that it has begun."""
    await agent.execute(notebook, "1")  # The kernel has started.
    more = {"wait_seconds": 0.7, "on_timeout": "interrupt"}
    answer = await agent.execute(notebook, begin + DEAF, **more)
    assert re.search(f"status: {status} ", answer) and "call restart_kernel" in answer
    await agent.tell("restart_kernel", notebook=notebook)
    assert "status: ok" in await agent.run(notebook, "1")


@asynccontextmanager
async def kernel_of_another_program(
    start_server: Callable[..., Any], directory: Path
) -> AsyncIterator[tuple[Agent, str, anyio.abc.Process]]:
    """An agent at a server that may use the kernel, the kernel's id, and its process."""
    file = directory / "kernel-theirs.json"
    command = [sys.executable, "-m", "ipykernel_launcher", "-f", str(file)]
    async with await anyio.open_process(command) as theirs:
        with anyio.fail_after(30):
            while not file.exists():
                await anyio.lowlevel.checkpoint()
        server = await start_server(
            "--ServerApp.allow_external_kernels=True",
            f"--ServerApp.external_connection_dir={directory}",
            module="jupyter_server",
        )
        async with connect_agent(server.mcp_url, server.token) as agent:
            [kernel] = await server.get("api/kernels")
            yield agent, kernel["id"], theirs
        if theirs.returncode is None:
            theirs.terminate()


async def test_a_kernel_of_another_program_runs_and_is_interrupted_but_stays(
    start_server: Callable[..., Any], tmp_path: Path
) -> None:
    async with kernel_of_another_program(start_server, tmp_path) as (agent, kernel, theirs):
        call = {"kernel": kernel}
        assert "status: ok" in await agent.tell("execute_code", code="x = 5", **call)
        more = {"wait_seconds": 0.7, "on_timeout": "interrupt"}
        answer = await agent.tell("execute_code", code=RUNS_ON, **call, **more)
        assert "status: interrupted" in answer
        for tool in ("restart_kernel", "shutdown_kernel"):
            result = await agent.call(tool, **call)
            assert result.is_error and "another program" in text(result)
        assert "| 5" in await agent.tell("execute_code", code="x", **call)
        assert theirs.returncode is None


async def test_the_death_of_a_kernel_of_another_program_is_told(
    start_server: Callable[..., Any], tmp_path: Path
) -> None:
    async with kernel_of_another_program(start_server, tmp_path) as (agent, kernel, theirs):
        code = {"code": RUNS_ON, "kernel": kernel}
        begun = await agent.tell("execute_code", wait_seconds=0.7, **code)
        assert "| begun" in begun
        theirs.kill()
        poll = {"execution": execution_in(begun), "wait_seconds": 10}
        answer = await agent.tell("get_execution", **poll)
        assert "status: kernel_died" in answer and "| begun" in answer
        result = await agent.call("execute_code", code="1", kernel=kernel)
        assert result.is_error and "has ended with the program that owned it" in text(result)


async def test_outputs_that_another_client_has_rewritten_are_left_and_the_run_goes_on(
    agent: Agent, peer: Peer, notebook: str
) -> None:
    code = "import time\nfor n in range(15):\n    print(n, flush=True)\n    time.sleep(0.1)"
    answers: list[str] = []

    async def insert() -> None:
        answers.append(await agent.run(notebook, code))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(insert)
        await peer.wait_until(lambda: bool(peer.cells()[-1].get("outputs")))
        theirs = {"output_type": "display_data", "data": {"text/plain": "mine"}, "metadata": {}}
        peer.notebook.ycells[-1]["outputs"][0] = theirs
    assert "status: ok" in answers[0] and "| 14" in answers[0]
    await peer.wait_until(lambda: peer.notebook.ycells[-1]["execution_state"] == "idle")
    assert peer.cells()[-1]["outputs"] == [theirs]


async def test_a_late_output_follows_a_renamed_notebook(
    server: Server, agent: Agent, notebook: str
) -> None:
    code = (
        "import threading, pathlib, time\ngate = pathlib.Path('gate')\n"
        "def later():\n    while not gate.exists():\n        time.sleep(0.05)\n    print('late')\n"
        "threading.Thread(target=later).start()"
    )
    assert "status: ok" in await agent.run(notebook, code)
    await agent.tell("close_notebook", notebook=notebook)
    renamed = f"renamed-{notebook}"
    answer = await server.http.patch(f"api/contents/{notebook}", json={"path": renamed})
    assert answer.is_success
    (server.root / "gate").touch()
    with anyio.fail_after(20):
        while "| late" not in await agent.tell("read_cell", notebook=renamed, cell=-1):
            await anyio.lowlevel.checkpoint()


async def test_cells_go_on_with_their_kernel_when_the_notebook_is_renamed(
    server: Server, agent: Agent
) -> None:
    path = with_cells(server, "x = 1\nimport time\ntime.sleep(2)", "print('x is', x)")
    await agent.tell("open_notebook", notebook=path)
    begun = await agent.tell("execute_cells", notebook=path, wait_seconds=0.5)
    [session] = await server.sessions_of(path)
    renamed = f"renamed-{path}"
    for place in (f"api/contents/{path}", f"api/sessions/{session['id']}"):
        assert (await server.http.patch(place, json={"path": renamed})).is_success
    last = begun.split("get_execution('")[1].split("'")[0]
    answer = await agent.tell("get_execution", execution=last, wait_seconds=20)
    assert "status: ok" in answer and "| x is 1" in answer and "lost" not in answer
    assert await server.sessions_of(path) == []


MUCH = "print(('x' * 99 + '\\n') * 30_000 + 'LAST')"


async def test_much_output_of_a_run_that_goes_quiet_is_shown_whole(
    agent: Agent, peer: Peer, notebook: str
) -> None:
    answer = await agent.run(notebook, MUCH + "\nimport time\ntime.sleep(30)", wait_seconds=0)
    await peer.wait_until(
        lambda: "".join(o["text"] for o in peer.cells()[-1]["outputs"]).endswith("LAST\n")
    )
    assert "status: running" in await agent.tell("get_execution", execution=execution_in(answer))
    await agent.tell("interrupt_kernel", notebook=notebook)


async def test_much_late_output_is_shown_whole(agent: Agent, peer: Peer, notebook: str) -> None:
    code = f"import threading, time\nthreading.Timer(0.5, lambda: {MUCH}).start()"
    assert "status: ok" in await agent.run(notebook, code)
    await peer.wait_until(
        lambda: "".join(o["text"] for o in peer.cells()[-1]["outputs"]).endswith("LAST\n")
    )


async def test_a_cell_that_ends_its_kernel_keeps_what_it_printed(
    agent: Agent, peer: Peer, notebook: str
) -> None:
    pid = await pid_of(agent, notebook)
    answer = await agent.run(notebook, "print('bye')\nexit()")
    assert "status: ok" in answer and "| bye" in answer
    await peer.wait_until(lambda: peer.cells()[-1]["outputs"] != [])
    await ended(pid)
    answer = await agent.execute(notebook, "1")
    assert "status: ok" in answer and "variables are lost" in answer

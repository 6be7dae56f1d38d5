"""Kernels that others use too, are busy, print fast or go away."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import anyio
import psutil
import pytest
from tornado.websocket import WebSocketClientConnection, websocket_connect

from ..agent import Agent, connect_agent, execution_in, text
from ..peer import Peer
from ..server import Server, with_modules
from .test_live_document import saved, until
from .test_running import stream

pytestmark = pytest.mark.anyio

HOLD = """\
import pathlib, time
print("held", flush=True)
while not pathlib.Path({gate!r}).exists():
    time.sleep(0.02)
print("released")"""


class Person:
    """A browser's connection to a kernel."""

    def __init__(self, socket: WebSocketClientConnection) -> None:
        self._socket = socket

    async def send(self, code: str) -> str:
        """Ask for a run; returns the request's id."""
        msg_id = uuid4().hex
        header = {"msg_id": msg_id, "msg_type": "execute_request", "version": "5.3"}
        header |= {"username": "ada", "session": "s", "date": ""}
        content = {"code": code, "silent": False, "store_history": True, "allow_stdin": False}
        message: dict[str, Any] = {"header": header, "channel": "shell", "content": content}
        message |= {"parent_header": {}, "metadata": {}}
        await self._socket.write_message(json.dumps(message))
        return msg_id

    async def printed(self, msg_id: str, until_text: str = "") -> str:
        """What a request has printed, at its end or once it contains `until_text`."""
        printed, missing = "", {"execute_reply", "idle"}
        with anyio.fail_after(30):
            while missing:
                answer = await self._socket.read_message()
                assert isinstance(answer, str)
                message = json.loads(answer)
                if message["parent_header"].get("msg_id") != msg_id:
                    continue
                content, kind = message["content"], message["header"]["msg_type"]
                printed += content["text"] if kind == "stream" else ""
                missing -= {kind, content.get("execution_state")}
                if until_text and until_text in printed:
                    break
        return printed

    async def run(self, code: str) -> str:
        return await self.printed(await self.send(code))


@asynccontextmanager
async def join_kernel(
    server: Server, kernel_id: str, session_id: str = ""
) -> AsyncIterator[Person]:
    """Connect as a page of a browser, or again as the page of that session."""
    base = server.url.replace("http", "ws", 1)
    query = f"session_id={session_id or uuid4().hex}&token={server.token}"
    socket = await websocket_connect(f"{base}api/kernels/{kernel_id}/channels?{query}")
    try:
        yield Person(socket)
    finally:
        socket.close()
        with anyio.move_on_after(5, shield=True):
            while await socket.read_message() is not None:
                pass


async def start_session(server: Server, notebook: str) -> str:
    """Start a kernel as a browser does; returns its id."""
    session = {"path": notebook, "name": notebook, "type": "notebook"}
    answer = await server.http.post("api/sessions", json=session | {"kernel": {"name": "python3"}})
    return str(answer.raise_for_status().json()["kernel"]["id"])


async def test_a_person_and_two_agents_on_one_kernel_all_hear_their_own_runs(
    server: Server, notebook: str
) -> None:
    kernel = await start_session(server, notebook)
    async with (
        connect_agent(server.mcp_url, server.token) as first,
        connect_agent(server.mcp_url, server.token) as second,
        join_kernel(server, kernel) as person,
    ):
        for number in range(3):
            assert await person.run(f"print('person {number}')") == f"person {number}\n"
            for name, agent in (("first", first), ("second", second)):
                word = f"{name} {number}"
                call = {"notebook": notebook, "code": f"print('{word}')"}
                answer = await agent.tell("execute_code", **call)
                assert "status: ok" in answer and f"| {word}" in answer


FOREIGN = """
from jupyter_server.base.handlers import JupyterHandler

CLIENTS = {}

class Run(JupyterHandler):
    async def get(self, kernel_id):
        client = CLIENTS.get(kernel_id)
        if client is None:
            client = CLIENTS[kernel_id] = self.kernel_manager.get_kernel(kernel_id).client()
            client.start_channels()
            await client.wait_for_ready(timeout=20)
        reply = await client.execute_interactive("1", timeout=20, output_hook=lambda message: None)
        self.finish(reply["content"]["status"])

def _jupyter_server_extension_points():
    return [{"module": "foreign"}]

def _load_jupyter_server_extension(app):
    app.web_app.add_handlers(".*$", [("/foreign/(.*)", Run)])
"""


async def test_another_extension_with_a_client_of_the_same_kernel_hears_it_too(
    start_server: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "foreign.py").write_text(FOREIGN)
    server = await start_server(
        "--ServerApp.jpserver_extensions=foreign=True",
        module="jupyter_server",
        environment=with_modules(tmp_path),
    )
    notebook = server.copy_notebook("plain.ipynb")
    kernel = await start_session(server, notebook)
    async with connect_agent(server.mcp_url, server.token) as agent:
        for _ in range(2):
            assert (await server.http.get(f"foreign/{kernel}")).text == "ok"
            call = {"notebook": notebook, "code": "1 + 1", "wait_seconds": 20}
            answer = await agent.tell("execute_code", **call)
            assert "status: ok" in answer


async def test_nothing_is_lost_of_a_run_that_prints_fast_while_a_browser_listens(
    server: Server, agent: Agent, peer: Peer, notebook: str
) -> None:
    count = 10_000
    kernel = await start_session(server, notebook)
    updates = 0

    def note(_: Any) -> None:
        nonlocal updates
        updates += 1

    async with join_kernel(server, kernel) as person, anyio.create_task_group() as tasks:
        tasks.start_soon(listen, person)
        peer.notebook.ydoc.observe(note)
        code = f"for n in range({count}):\n    print(n, flush=True)"
        answer = await agent.run(notebook, code, wait_seconds=50)
        assert "status: ok" in answer
        await peer.wait_until(lambda: peer.notebook.ycells[-1].get("execution_count") == 1)
        tasks.cancel_scope.cancel()
    [output] = peer.cells()[-1]["outputs"]
    assert output["text"] == "".join(f"{n}\n" for n in range(count))
    assert updates < count / 20
    await until(lambda: saved(server, notebook).cells[-1].get("execution_count") == 1)
    assert saved(server, notebook).cells[-1].outputs == [output]


async def listen(person: Person) -> None:
    while True:
        with anyio.move_on_after(1):
            await person.printed("nothing")


async def test_a_server_stops_at_once_after_a_run_that_printed_much(
    start_server: Callable[..., Any],
) -> None:
    server = await start_server(module="jupyter_server")
    path = server.copy_notebook("plain.ipynb")
    async with connect_agent(server.mcp_url, server.token) as agent:
        code = "for n in range(5000):\n    print(n, flush=True)"
        assert "status: ok" in await agent.run(path, code, wait_seconds=50)
    with anyio.fail_after(15):
        server.process.terminate()
        await server.process.wait()
    assert saved(server, path).cells[-1].outputs[0]["text"].endswith("\n4999\n")


async def test_a_busy_kernel_is_opened_and_queued_behind_without_waiting_for_it(
    server: Server, agent: Agent, notebook: str
) -> None:
    gate = server.root / f"{notebook}.go"
    kernel = await start_session(server, notebook)
    async with join_kernel(server, kernel) as person:
        msg_id = await person.send(HOLD.format(gate=str(gate)))
        assert "held" in await person.printed(msg_id, until_text="held")
        with anyio.fail_after(20):
            assert kernel in await agent.tell("open_notebook", notebook=notebook)
            waiting = await agent.run(notebook, "print('behind')", wait_seconds=0.2)
        assert "status: queued" in waiting
        gate.touch()
        assert "released" in await person.printed(msg_id)
    call = {"execution": execution_in(waiting), "wait_seconds": 20}
    answer = await agent.tell("get_execution", **call)
    assert "status: ok" in answer and "| behind" in answer


async def test_a_person_queues_behind_an_agents_run(
    server: Server, agent: Agent, notebook: str
) -> None:
    gate = server.root / f"{notebook}.go"
    kernel = await start_session(server, notebook)
    async with join_kernel(server, kernel) as person:
        held = await agent.run(notebook, HOLD.format(gate=str(gate)), wait_seconds=0.5)
        assert "status: running" in held
        msg_id = await person.send("print('mine')")
        gate.touch()
        assert await person.printed(msg_id) == "mine\n"
    answer = await agent.tell("get_execution", execution=execution_in(held), wait_seconds=20)
    assert "status: ok" in answer and "released" in answer and "mine" not in answer


async def test_a_run_ends_and_its_cell_is_idle_when_its_kernel_is_killed(
    agent: Agent, peer: Peer, notebook: str
) -> None:
    answer = await agent.tell("execute_code", notebook=notebook, code="import os; os.getpid()")
    process = int(answer.rsplit("| ", 1)[1])
    code = "import time\nprint('begun', flush=True)\ntime.sleep(300)"
    held = await agent.run(notebook, code, wait_seconds=0)
    await peer.wait_until(lambda: bool(peer.cells()[-1].get("outputs")))
    os.kill(process, signal.SIGKILL)
    answer = await agent.tell("get_execution", execution=execution_in(held), wait_seconds=30)
    assert "status: kernel_died" in answer and "begun" in answer
    await peer.wait_until(lambda: peer.notebook.ycells[-1]["execution_state"] == "idle")
    assert peer.cells()[-1]["outputs"] == [stream("begun\n")]


async def test_a_kernel_that_answers_nothing_is_told_so_and_can_be_interrupted_and_ended(
    start_server: Callable[..., Any],
) -> None:
    """Such as a person's, whose code holds the interpreter, before any agent has used it."""
    server = await start_server("--MCPExtension.kernel_start_timeout=2", module="jupyter_server")
    path = server.copy_notebook("plain.ipynb")
    kernel = await start_session(server, path)
    async with join_kernel(server, kernel) as person:
        process = int(await person.printed(await person.send("import os; print(os.getpid())")))
    async with connect_agent(server.mcp_url, server.token) as agent:
        os.kill(process, signal.SIGSTOP)
        silent = await agent.call("execute_code", kernel=kernel, code="1")
        assert silent.is_error and "has not answered for 2 s" in text(silent)
        deaf = await agent.call("interrupt_kernel", kernel=kernel)
        assert deaf.is_error and "still busy" in text(deaf)
        await agent.tell("restart_kernel", kernel=kernel)
        answer = await agent.tell("execute_code", kernel=kernel, code="1")
        assert "| 1" in answer and "it was restarted" in answer
        told = await agent.tell("execute_code", kernel=kernel, code="import os; os.getpid()")
        process = int(told.rsplit("| ", 1)[1])
        os.kill(process, signal.SIGSTOP)
        await agent.tell("shutdown_kernel", kernel=kernel)
        assert kernel not in await agent.tell("list_kernels")


HOLD_ALL = """
import ctypes
print("holds", flush=True)
time.sleep(0.2)
ctypes.PyDLL(None).sleep(4)
print("done")"""
"""Holds the interpreter, which `sleep` of C gives up early at a signal."""


async def test_a_persons_run_that_holds_the_interpreter_is_not_interrupted_for_ours(
    server: Server, agent: Agent, notebook: str, tmp_path: Path
) -> None:
    kernel, gate = await start_session(server, notebook), tmp_path / "gate"
    async with join_kernel(server, kernel) as person:
        theirs = await person.send(HOLD.format(gate=str(gate)) + HOLD_ALL)
        assert await person.printed(theirs, "held") == "held\n"
        # This kernel is busy since before we listen.
        code = {"kernel": kernel, "code": "1"}
        assert "| 1" in await agent.tell("execute_code", while_busy=True, **code)
        gate.touch()
        await person.printed(theirs, "holds")
        more = {"wait_seconds": 0.3, "on_timeout": "interrupt"}
        assert "status: queued" in await agent.tell("execute_code", **code, **more)
        assert await person.printed(theirs) == "done\n"


async def test_a_kernel_that_a_person_restarts_is_not_hit_by_an_interrupt(
    server: Server, agent: Agent, notebook: str
) -> None:
    told = await agent.tell("execute_code", notebook=notebook, code="import os; os.getpid()")
    old = psutil.Process(int(told.rsplit("| ", 1)[1]))
    await agent.run(notebook, "import time; time.sleep(300)", wait_seconds=0.5)
    [session] = await server.sessions_of(notebook)
    async with anyio.create_task_group() as calls:
        calls.start_soon(server.http.post, f"api/kernels/{session['kernel']['id']}/restart")
        await anyio.to_thread.run_sync(old.wait, 30)
        answer = await agent.tell("interrupt_kernel", notebook=notebook)
    assert "Nothing was running" in answer
    assert "status: ok" in await agent.run(notebook, "1")


@pytest.mark.parametrize("who", ["agent", "person"])
async def test_what_is_queued_runs_once_on_the_kernel_after_a_restart(
    server: Server, agent: Agent, peer: Peer, notebook: str, who: str
) -> None:
    await agent.tell("execute_code", notebook=notebook, code="old = True")
    held = await agent.run(notebook, "import time\ntime.sleep(300)", wait_seconds=0.5)
    waiting = await agent.run(notebook, "print('old' in globals())", wait_seconds=0)
    assert "status: running" in held and "status: queued" in waiting
    if who == "agent":
        await agent.tell("restart_kernel", notebook=notebook)
    else:
        [session] = await server.sessions_of(notebook)
        await server.http.post(f"api/kernels/{session['kernel']['id']}/restart")
    call = {"execution": execution_in(waiting), "wait_seconds": 30}
    answer = await agent.tell("get_execution", **call)
    assert "status: ok" in answer and "| False" in answer and "variables are lost" in answer
    died = await agent.tell("get_execution", execution=execution_in(held), wait_seconds=10)
    assert "status: kernel_died" in died
    await peer.wait_until(lambda: peer.cells()[-1].get("execution_count") == 1)
    assert peer.cells()[-1]["outputs"] == [stream("False\n")]


async def test_a_kernel_answers_after_restart_upon_restart(agent: Agent, notebook: str) -> None:
    for number in range(3):
        await agent.tell("execute_code", notebook=notebook, code=f"x = {number}")
        await agent.tell("restart_kernel", notebook=notebook)
        answer = await agent.tell("execute_code", notebook=notebook, code="'x' in globals()")
        assert "status: ok" in answer and "| False" in answer


async def test_short_runs_come_back_one_after_the_other_without_a_pause(
    agent: Agent, notebook: str
) -> None:
    await agent.tell("execute_code", notebook=notebook, code="1")
    with anyio.fail_after(20):
        for number in range(50):
            answer = await agent.tell("execute_code", notebook=notebook, code=str(number))
            assert "status: ok" in answer and f"| {number}" in answer


async def test_what_ran_before_we_came_is_seen_and_interrupted(
    server: Server, agent: Agent, notebook: str
) -> None:
    kernel = await start_session(server, notebook)
    async with join_kernel(server, kernel) as person:
        msg_id = await person.send("import time\nprint('begun', flush=True)\ntime.sleep(30)")
        await person.printed(msg_id, "begun")
        call = {"notebook": notebook, "code": "print('beside')"}
        answer = await agent.tell("execute_code", while_busy=True, **call)
        assert "status: ok" in answer and "| beside" in answer
        assert "Interrupted" in await agent.tell("interrupt_kernel", notebook=notebook)
        await person.printed(msg_id)
        assert "Nothing was running" in await agent.tell("interrupt_kernel", notebook=notebook)

"""What people who let agents into their notebooks have been bitten by elsewhere."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any
from uuid import uuid4

import anyio
import httpx2
import nbformat
import pytest
from tornado.websocket import WebSocketClientConnection, websocket_connect

from ..agent import Agent, connect_agent, execution_in, text
from ..peer import WAIT_SECONDS, Peer
from ..server import Server
from .test_door import HEADERS, INITIALIZE
from .test_live_document import saved, until
from .test_running import stream

pytestmark = pytest.mark.anyio

LONGEST_FREEZE_SECONDS = 1.0
LOOP = "kept = 7\nimport time\nwhile True:\n    print('tick', flush=True)\n    time.sleep(0.02)"


class PersonsKernel:
    """What JupyterLab does with a kernel at its Run button."""

    def __init__(self, socket: WebSocketClientConnection) -> None:
        self._socket = socket

    async def send(self, code: str) -> str:
        header = {"msg_id": uuid4().hex, "msg_type": "execute_request", "version": "5.3"}
        header |= {"username": "ada", "session": uuid4().hex, "date": ""}
        content = {"code": code, "silent": False, "store_history": True, "allow_stdin": False}
        message = {"header": header, "parent_header": {}, "metadata": {}, "channel": "shell"}
        await self._socket.write_message(json.dumps(message | {"content": content}))
        return header["msg_id"]

    async def answer_to(self, sent: str, kind: str = "execute_reply") -> dict[str, Any]:
        with anyio.fail_after(WAIT_SECONDS):
            while True:
                message = json.loads(await self._socket.read_message() or "{}")
                if message["msg_type"] == kind and message["parent_header"].get("msg_id") == sent:
                    return dict(message["content"])


@asynccontextmanager
async def persons_kernel(server: Server, notebook: str) -> AsyncIterator[PersonsKernel]:
    [session] = await server.sessions_of(notebook)
    place = f"api/kernels/{session['kernel']['id']}/channels?token={server.token}"
    socket = await websocket_connect(server.url.replace("http", "ws", 1) + place)
    try:
        yield PersonsKernel(socket)
    finally:
        socket.close()


async def run_as_a_person(server: Server, notebook: str, code: str) -> str:
    """Run it as JupyterLab does; returns the status of the kernel's reply."""
    async with persons_kernel(server, notebook) as person:
        return str((await person.answer_to(await person.send(code)))["status"])


@asynccontextmanager
async def nobody_waits_long(server: Server) -> AsyncIterator[None]:
    """While the block runs, each request of somebody else is answered in time."""
    waits: list[float] = []
    is_over = False

    async def ask() -> None:
        while not (is_over and waits):
            started = monotonic()
            await server.get("api/status")
            waits.append(monotonic() - started)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask)
        yield
        is_over = True
    print("WAITS", max(waits), len(waits))
    assert max(waits) < LONGEST_FREEZE_SECONDS


# Runs that do not end


async def test_an_interrupted_loop_prints_no_more_and_leaves_kernel_and_variables(
    server: Server, agent: Agent, peer: Peer, notebook: str
) -> None:
    await agent.tell("open_notebook", notebook=notebook)
    await agent.tell("insert_cell", notebook=notebook, source=LOOP)
    answer = await agent.tell(
        "execute_cell", notebook=notebook, cell=-1, wait_seconds=1, on_timeout="interrupt"
    )
    assert "status: interrupted" in answer and "tick" in answer
    [before] = await server.sessions_of(notebook)
    await peer.wait_until(lambda: peer.cells()[-1]["outputs"][-1]["output_type"] == "error")
    printed = peer.cells()[-1]["outputs"]
    assert "status: ok" in await agent.run(notebook, "print(kept)")
    await peer.wait_until(lambda: peer.cells()[-1].get("outputs") == [stream("7\n")])
    assert peer.cells()[-2]["outputs"] == printed
    [after] = await server.sessions_of(notebook)
    assert after["kernel"]["id"] == before["kernel"]["id"]


async def test_a_person_runs_on_after_an_agents_endless_loop_was_interrupted(
    server: Server, agent: Agent, notebook: str
) -> None:
    await agent.tell("open_notebook", notebook=notebook)
    call = {"notebook": notebook, "code": LOOP, "wait_seconds": 1, "on_timeout": "interrupt"}
    assert "status: interrupted" in await agent.tell("execute_code", **call)
    assert await run_as_a_person(server, notebook, "kept") == "ok"


async def test_a_person_who_restarts_a_kernel_that_an_agent_keeps_busy_can_run_and_so_can_it(
    server: Server, agent: Agent, notebook: str
) -> None:
    await agent.tell("open_notebook", notebook=notebook)
    answer = await agent.run(notebook, LOOP, wait_seconds=0.5)
    assert "status: running" in answer
    [session] = await server.sessions_of(notebook)
    await server.http.post(f"api/kernels/{session['kernel']['id']}/restart")
    assert await run_as_a_person(server, notebook, "1") == "ok"
    assert "status: ok" in await agent.run(notebook, "1")


async def test_an_agent_who_restarts_the_kernel_frees_it_for_a_person_too(
    server: Server, agent: Agent, notebook: str
) -> None:
    await agent.tell("open_notebook", notebook=notebook)
    answer = await agent.run(notebook, LOOP, wait_seconds=0.5)
    await agent.tell("restart_kernel", notebook=notebook)
    ended = await agent.tell("get_execution", execution=execution_in(answer), wait_seconds=10)
    assert "status: kernel_died" in ended
    assert await run_as_a_person(server, notebook, "1") == "ok"


async def test_an_interrupted_run_leaves_only_what_the_kernel_said_in_the_file(
    server: Server, agent: Agent, notebook: str
) -> None:
    await agent.tell("open_notebook", notebook=notebook)
    code = "print('so far', flush=True)\nwhile True:\n    pass"
    await agent.tell("insert_cell", notebook=notebook, source=code)
    call = {"notebook": notebook, "cell": -1, "wait_seconds": 1, "on_timeout": "interrupt"}
    assert "status: interrupted" in await agent.tell("execute_cell", **call)
    await until(lambda: saved(server, notebook).cells[-1].execution_count == 1)
    printed, error = saved(server, notebook).cells[-1].outputs
    assert printed == stream("so far\n") and error["ename"] == "KeyboardInterrupt"


@pytest.mark.parametrize("seconds", [-5, -0.1, 601])
async def test_a_wait_that_makes_no_sense_runs_nothing(
    server: Server, agent: Agent, notebook: str, seconds: float
) -> None:
    call = {"notebook": notebook, "wait_seconds": seconds}
    for tool, more in (
        ("execute_cell", {"cell": 1}),
        ("execute_code", {"code": "1"}),
        ("insert_cell", {"source": "1", "execute": True}),
    ):
        answer = await agent.call(tool, **call, **more)
        assert answer.is_error and "wait_seconds" in text(answer)
    assert await server.sessions_of(notebook) == []
    assert "3 cells" in await agent.tell("read_notebook", notebook=notebook)


# Several agents


async def test_two_agents_on_two_notebooks_never_redirect_each_other(server: Server) -> None:
    async def work(agent: Agent, notebook: str, other: str) -> None:
        await agent.tell("open_notebook", notebook=notebook)
        for number in range(5):
            assert "status: ok" in await agent.run(notebook, f"mine = '{notebook}{number}'\nmine")
            read = await agent.tell("execute_code", notebook=other, code="'mine' in globals()")
            assert "status: ok" in read
        await agent.tell("delete_cells", notebook=notebook, cells="0")

    paths = [server.copy_notebook("plain.ipynb") for _ in range(2)]
    async with (
        connect_agent(server.mcp_url, server.token) as first,
        connect_agent(server.mcp_url, server.token) as second,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(work, first, paths[0], paths[1])
        tasks.start_soon(work, second, paths[1], paths[0])
    kernels = [(await server.sessions_of(path))[0]["kernel"]["id"] for path in paths]
    assert len(set(kernels)) == 2
    async with connect_agent(server.mcp_url, server.token) as agent:
        for path in paths:
            await agent.tell("close_notebook", notebook=path)
    for path in paths:
        ran = saved(server, path).cells[2:]
        assert [cell.source for cell in ran] == [f"mine = '{path}{n}'\nmine" for n in range(5)]
        shown = [cell.outputs[0].data["text/plain"] for cell in ran]
        assert shown == [f"'{path}{n}'" for n in range(5)]


async def test_code_on_another_kernel_does_not_change_where_cells_run(
    server: Server, agent: Agent, notebook: str
) -> None:
    other = server.copy_notebook("plain.ipynb")
    await agent.tell("execute_code", notebook=notebook, code="where = 'here'")
    await agent.tell("open_notebook", notebook=other)
    [session] = await server.sessions_of(other)
    await agent.tell("execute_code", kernel=session["kernel"]["id"], code="where = 'there'")
    assert "'here'" in await agent.run(notebook, "where")
    assert "'there'" in await agent.run(other, "where")


async def test_cells_that_two_agents_put_at_the_top_at_once_keep_their_own_outputs(
    server: Server, notebook: str
) -> None:
    async def work(name: str) -> None:
        async with connect_agent(server.mcp_url, server.token) as agent:
            for number in range(10):
                await agent.run(notebook, f"print('{name}{number}')", after="start")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(work, "a")
        tasks.start_soon(work, "b")
    await until(lambda: all(c.get("outputs") for c in saved(server, notebook).cells[:20]))
    for cell in saved(server, notebook).cells[:20]:
        assert cell.outputs == [stream(cell.source[7:-2] + "\n")]


@pytest.mark.parametrize("cell_type", ["code", "markdown"])
async def test_a_cell_put_above_a_running_one_does_not_get_its_outputs(
    server: Server, agent: Agent, notebook: str, cell_type: str
) -> None:
    code = "import time\nprint('begun', flush=True)\ntime.sleep(1)\nprint('done')"
    await agent.tell("open_notebook", notebook=notebook)
    answer = await agent.run(notebook, code, wait_seconds=0.5)
    assert "status: running" in answer
    call = {"notebook": notebook, "source": "above", "cell_type": cell_type, "after": 2}
    await agent.tell("insert_cell", **call)
    ended = await agent.tell("get_execution", execution=execution_in(answer), wait_seconds=10)
    assert "status: ok" in ended and "done" in ended
    await until(lambda: bool(saved(server, notebook).cells[-1].get("execution_count")))
    above, ran = saved(server, notebook).cells[-2:]
    assert above.source == "above" and not above.get("outputs")
    assert ran.outputs == [stream("begun\ndone\n")]


FAIL_ON_SIGN = """\
import pathlib, time
print("waiting", flush=True)
while not pathlib.Path({name!r}).exists():
    time.sleep(0.02)
time.sleep(0.5)  # What waits behind this one has reached the kernel by then.
1 / 0"""


async def test_a_failing_cell_of_one_agent_cancels_nothing_of_others(
    server: Server, agent: Agent, notebook: str
) -> None:
    await agent.tell("open_notebook", notebook=notebook)
    sign = server.root / f"{notebook}.go"
    async with (
        connect_agent(server.mcp_url, server.token) as other,
        persons_kernel(server, notebook) as person,
    ):
        code = FAIL_ON_SIGN.format(name=sign.name)
        failing = await agent.run(notebook, code, wait_seconds=0)
        waiting = await other.run(notebook, "print('mine')", wait_seconds=0)
        sent = await person.send("'ours'")
        sign.touch()
        assert (await person.answer_to(sent))["status"] == "ok"
        ended = await agent.tell("get_execution", execution=execution_in(failing), wait_seconds=9)
        assert "ZeroDivisionError" in ended
        ended = await agent.tell("get_execution", execution=execution_in(waiting), wait_seconds=9)
        assert "status: ok" in ended and "| mine" in ended


async def test_a_failing_cell_of_a_person_cancels_nothing_of_an_agent(
    server: Server, agent: Agent, notebook: str
) -> None:
    await agent.tell("open_notebook", notebook=notebook)
    sign = server.root / f"{notebook}.go"
    async with persons_kernel(server, notebook) as person:
        sent = await person.send(FAIL_ON_SIGN.format(name=sign.name))
        await person.answer_to(sent, "stream")
        waiting = await agent.run(notebook, "print('mine')", wait_seconds=0.5)
        assert "status: queued" in waiting
        sign.touch()
        assert (await person.answer_to(sent))["status"] == "error"
    ended = await agent.tell("get_execution", execution=execution_in(waiting), wait_seconds=9)
    assert "status: ok" in ended and "| mine" in ended


# Kernels and their sessions


async def test_a_person_who_opens_what_an_agent_ran_gets_the_agents_kernel(
    server: Server, agent: Agent, notebook: str
) -> None:
    await agent.tell("execute_cell", notebook=notebook, cell=1)
    [session] = await server.sessions_of(notebook)
    request = {"path": notebook, "name": notebook, "type": "notebook", "kernel": {"name": ""}}
    opened = (await server.http.post("api/sessions", json=request)).json()
    assert opened["kernel"]["id"] == session["kernel"]["id"]
    assert await run_as_a_person(server, notebook, "assert total") == "ok"


async def test_the_kernel_of_a_new_notebook_becomes_idle_and_ends_with_it(
    server: Server, agent: Agent
) -> None:
    path = f"new-{uuid4().hex[:8]}.ipynb"
    await agent.tell("open_notebook", notebook=path, create=True)
    kernel = f"api/kernels/{(await server.sessions_of(path))[0]['kernel']['id']}"
    with anyio.fail_after(WAIT_SECONDS):
        while (await server.get(kernel))["execution_state"] != "idle":
            pass
    await agent.tell("close_notebook", notebook=path, shutdown_kernel=True)
    assert (await server.http.get(kernel)).status_code == 404


# Large outputs and errors


@pytest.mark.parametrize(
    "code",
    [
        "for n in range(100):\n    print('x' * 100_000)",
        "for n in range(2000):\n    print('x' * 1000, flush=True)",
        "print('\\r'.join(str(n) for n in range(200_000)))",
    ],
)
async def test_much_output_holds_nobody_up(
    server: Server, agent: Agent, peer: Peer, notebook: str, code: str
) -> None:
    await agent.tell("open_notebook", notebook=notebook)
    async with nobody_waits_long(server):
        answer = await agent.run(notebook, code)
    assert "status: ok" in answer and len(answer) < 6000
    await peer.wait_until(lambda: peer.cells()[-1].get("execution_count") == 1)
    assert [output["output_type"] for output in peer.cells()[-1]["outputs"]] == ["stream"]


async def test_many_small_prints_and_a_progress_bar_are_one_block_of_the_answer(
    agent: Agent, notebook: str
) -> None:
    code = "for n in range(500):\n    print(n, flush=True)"
    assert (await agent.run(notebook, code)).count("stdout:") == 1
    code = "for n in range(101):\n    print(f'\\r{n}%', end='', flush=True)"
    answer = await agent.run(notebook, code)
    assert "| 100%" in answer and "| 99%" not in answer and answer.count("stdout:") == 1


@pytest.mark.parametrize(
    ("tool", "arguments", "reason"),
    [
        ("read_cell", {"cell": 99}, "There is no cell '99'"),
        ("delete_cells", {"cells": "0-99"}, "There is no cell"),
        ("execute_cell", {"cell": "no-such-id"}, "There is no cell 'no-such-id'"),
        ("edit_cell", {"cell": 1, "old_text": "absent", "new_text": "x"}, "does not contain"),
        ("edit_cell", {"cell": 1, "old_text": "= ", "new_text": "x"}, "4 times"),
        ("insert_cell", {"source": "x", "after": 99}, "There is no cell '99'"),
        ("insert_cell", {"source": 1}, "source"),
        ("move_cell", {"cell": 0}, "after"),
    ],
)
async def test_a_failure_is_a_result_that_the_model_reads_and_costs_the_log_little(
    server: Server, agent: Agent, notebook: str, tool: str, arguments: Any, reason: str
) -> None:
    await agent.tell("read_notebook", notebook=notebook)
    before = len(server.log_text())
    async with nobody_waits_long(server):
        answer = await agent.call(tool, notebook=notebook, **arguments)
    assert answer.is_error and reason in text(answer)
    written = server.log_text()[before:]
    assert "Traceback" not in written and len(written) < 2000
    assert "3 cells" in await agent.tell("read_notebook", notebook=notebook)


async def test_a_very_long_tool_name_holds_nobody_up_and_is_not_echoed(
    server: Server, agent: Agent
) -> None:
    before = len(server.log_text())
    async with nobody_waits_long(server):
        with pytest.raises(Exception, match="Unknown tool") as error:
            await agent.call("a" * 16_000)
    assert len(str(error.value)) < 500 and len(server.log_text()) - before < 2000


# What outputs look like to an agent


async def test_the_answer_shows_the_last_value_of_a_display(agent: Agent, notebook: str) -> None:
    code = "h = display('one', display_id=True)\nfor n in range(5):\n    h.update(f'now {n}')"
    answer = await agent.run(notebook, code)
    assert "'now 4'" in answer and "'one'" not in answer and "'now 3'" not in answer


@pytest.mark.parametrize(
    ("display", "shown"),
    [
        ("HTML('<table><tr><td>cell</td></tr></table>')", "cell"),
        ("SVG('<svg xmlns=\"http://www.w3.org/2000/svg\"><text>label</text></svg>')", "label"),
        ("Markdown('some *words*')", "some *words*"),
        ("JSON({'key': 'value'})", "value"),
    ],
)
async def test_rich_outputs_are_shown_by_what_is_in_them(
    agent: Agent, notebook: str, display: str, shown: str
) -> None:
    answer = await agent.run(notebook, f"from IPython.display import *\ndisplay({display})")
    outputs = answer.split(" inserted (code)")[0]
    assert shown in outputs and "<IPython" not in outputs and "object>" not in outputs


async def test_a_jpeg_reaches_the_agent_as_an_image(agent: Agent, notebook: str) -> None:
    code = (
        "import io\nfrom PIL import Image as Picture\nfrom IPython.display import Image\n"
        "data = io.BytesIO()\nPicture.new('RGB', (9, 9)).save(data, 'JPEG')\n"
        "display(Image(data.getvalue()))"
    )
    answer = await agent.call("insert_cell", notebook=notebook, source=code, execute=True)
    [image] = [block for block in answer.content if block.type == "image"]
    assert image.mime_type == "image/jpeg"


async def test_an_outline_keeps_a_line_short_whatever_is_in_it(
    server: Server, agent: Agent
) -> None:
    cells = [nbformat.v4.new_code_cell("x\t=\t'" + "y" * 5000 + "'"), nbformat.v4.new_code_cell("")]
    path = server.write_notebook(nbformat.v4.new_notebook(cells=cells))
    lines = (await agent.tell("read_notebook", notebook=path)).splitlines()
    assert len(lines) == 4 and all(len(line) < 200 and "\t" not in line for line in lines)


# Paths


@pytest.mark.parametrize("slashes", ["/", "//"])
async def test_a_leading_slash_means_the_servers_root(server: Server, slashes: str) -> None:
    outside = server.root.parent / "beside" / f"{uuid4().hex}.ipynb"
    inside = server.root / str(outside).lstrip("/")
    for path in (outside, inside):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(nbformat.writes(nbformat.v4.new_notebook()))
    before = outside.read_text()
    async with connect_agent(server.mcp_url, server.token) as agent:
        absolute = f"{slashes}{str(outside).lstrip('/')}"
        await agent.tell("insert_cell", notebook=absolute, source="x = 1", execute=True)
        await until(lambda: saved(server, str(inside)).cells[-1].source == "x = 1")
    assert outside.read_text() == before


# The protocol


async def post(server: Server, body: Any, **headers: str) -> httpx2.Response:
    login = {"Authorization": f"Bearer {server.token}"}
    async with httpx2.AsyncClient(timeout=30) as http:
        content = body if isinstance(body, str) else json.dumps(body)
        headers = HEADERS | login | headers
        answer: httpx2.Response = await http.post(server.mcp_url, content=content, headers=headers)
        return answer


async def handshake(server: Server) -> dict[str, str]:
    """The headers of a session in the older era."""
    session = (await post(server, INITIALIZE)).headers["mcp-session-id"]
    headers = {"Mcp-Session-Id": session, "MCP-Protocol-Version": "2025-11-25"}
    note = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    assert (await post(server, note, **headers)).status_code == 202
    return headers


async def test_a_ping_is_answered(server: Server) -> None:
    headers = await handshake(server)
    answer = await post(server, {"jsonrpc": "2.0", "id": 2, "method": "ping"}, **headers)
    assert answer.status_code == 200 and '"result":{}' in answer.text.replace(" ", "")


@pytest.mark.parametrize(
    "body",
    [
        [{"jsonrpc": "2.0", "id": 1, "method": "ping"}],
        {"jsonrpc": "2.0", "id": 1},
        {"jsonrpc": "1.0", "id": 1, "method": "ping"},
        '{"jsonrpc": "2.0", "id": 1, "method": "ping"',
    ],
)
async def test_a_malformed_message_in_a_session_is_a_client_error_in_json(
    server: Server, body: Any
) -> None:
    answer = await post(server, body, **await handshake(server))
    assert answer.status_code == 400 and answer.json()["error"]["code"] < 0


async def test_a_protocol_version_that_nobody_knows_is_refused(server: Server) -> None:
    headers = await handshake(server) | {"MCP-Protocol-Version": "1999-01-01"}
    answer = await post(server, {"jsonrpc": "2.0", "id": 2, "method": "ping"}, **headers)
    assert answer.status_code == 400


async def test_parameters_that_are_null_are_no_crash(server: Server) -> None:
    body = {"jsonrpc": "2.0", "id": 2, "method": "tools/list", "params": None}
    answer = await post(server, body, **await handshake(server))
    assert answer.status_code < 500
    assert "Traceback" not in answer.text and "<html" not in answer.text


async def test_a_session_that_its_client_ended_is_gone(server: Server) -> None:
    headers = await handshake(server)
    login = {"Authorization": f"Bearer {server.token}"}
    async with httpx2.AsyncClient(timeout=30) as http:
        ended = await http.delete(server.mcp_url, headers=HEADERS | login | headers)
    assert ended.status_code in (200, 202, 204)
    answer = await post(server, {"jsonrpc": "2.0", "id": 2, "method": "ping"}, **headers)
    assert answer.status_code == 404

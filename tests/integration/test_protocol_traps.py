"""What a client can do to the protocol, and what many clients can do to the server."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, ExitStack
from importlib.metadata import version
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import anyio
import nbformat
import pytest
from mcp.shared.exceptions import MCPError

from ..agent import HANDSHAKE, STATELESS, Agent, Era, connect_agent
from ..server import Server, run_server, with_modules
from ..wire import Headers, Wire, answer_in, connect_wire

pytestmark = pytest.mark.anyio

# A contents manager with directories that break or wait, and a window into the process.
PROBE = """
import asyncio
import logging
import sys
from jupyter_server.base.handlers import APIHandler
from jupyter_server.services.contents.largefilemanager import AsyncLargeFileManager
from tornado.web import authenticated

WAITS, RELEASED = {}, {}

class Contents(AsyncLargeFileManager):
    async def get(self, path, *args, **kwargs):
        if path == "broken":
            raise RuntimeError("secret detail")
        if not path.startswith("wait-"):
            return await super().get(path, *args, **kwargs)
        WAITS[path] = "waiting"
        try:
            await RELEASED.setdefault(path, asyncio.Event()).wait()
            WAITS[path] = "done"
        except asyncio.CancelledError:
            WAITS[path] = "cancelled"
            raise
        return await super().get("", *args, **kwargs)

def root_logger():
    root = logging.getLogger()
    return [root.level, [repr(handler) for handler in root.handlers]]

AT_START = root_logger()

class ProbeHandler(APIHandler):
    @authenticated
    async def get(self):
        self.finish({
            "tasks": len(asyncio.all_tasks()),
            "waits": WAITS,
            "root_logger": [AT_START, root_logger()],
        })

    @authenticated
    async def post(self):
        RELEASED.setdefault(self.get_argument("path"), asyncio.Event()).set()

def _load_jupyter_server_extension(app):
    url = app.web_app.settings["base_url"] + "probe"
    app.web_app.add_handlers(".*", [(url, ProbeHandler)])

def _jupyter_server_extension_points():
    return [{"module": "probe"}]
"""

# The extension with limits that a test can reach, and with a count of tools/list.
SMALL = """
from jupyter_mcp_ext import app, transport
from mcp_types import PaginatedRequestParams

transport.MAX_SESSIONS = 3
transport.SESSION_IDLE_SECONDS = 3

class SmallExtension(app.MCPExtension):
    name = "small"

    async def _build_server(self):
        server = await super()._build_server()
        listing = server.get_request_handler("tools/list").handler

        async def counted(ctx, params):
            self.log.warning("tools/list was asked for")
            return await listing(ctx, params)

        server.add_request_handler("tools/list", PaginatedRequestParams, counted)
        return server

def _jupyter_server_extension_points():
    return [{"module": "small", "app": SmallExtension}]
"""


@pytest.fixture(scope="module")
async def probed(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """A server that can be made to break and to wait, and that shows its tasks."""
    modules = tmp_path_factory.mktemp("modules")
    (modules / "probe.py").write_text(PROBE)
    async with run_server(
        tmp_path_factory.mktemp("probed"),
        "--ServerApp.contents_manager_class=probe.Contents",
        "--ServerApp.jpserver_extensions=probe=True",
        "--ServerApp.tornado_settings={'compress_response': True}",
        module="jupyter_server",
        environment=with_modules(modules),
    ) as server:
        yield server


@pytest.fixture
async def small(
    start_server: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory
) -> Server:
    """A server with room for three sessions, which it forgets after 3 s."""
    modules = tmp_path_factory.mktemp("modules")
    (modules / "small.py").write_text(SMALL)
    server: Server = await start_server(
        "--ServerApp.jpserver_extensions=jupyter_mcp_ext=False",
        "--ServerApp.jpserver_extensions=small=True",
        module="jupyter_server",
        environment=with_modules(modules),
    )
    return server


@pytest.fixture
async def wire(probed: Server, era: Era) -> AsyncIterator[Wire]:
    """Plain HTTP to the server, with a session where the era has them."""
    async with connect_wire(probed, era) as wire:
        await wire.open()
        yield wire


async def until(claim: Callable[[], Awaitable[bool]], seconds: float = 10) -> None:
    """Ask the server again until it is so."""
    with anyio.fail_after(seconds):
        while not await claim():
            pass


async def tasks_of(server: Server) -> int:
    return int((await server.get("probe"))["tasks"])


def new_wait() -> str:
    """A directory whose listing waits until it is released."""
    return f"wait-{uuid4().hex[:8]}"


async def is_now(server: Server, path: str, state: str) -> bool:
    return bool((await server.get("probe"))["waits"].get(path) == state)


async def release(server: Server, path: str) -> None:
    (await server.http.post("probe", params={"path": path})).raise_for_status()


# Calls


async def test_calls_made_at_once_get_their_own_answers(probed: Server, era: Era) -> None:
    answers: dict[str, str] = {}

    async def read(agent: Agent, path: str) -> None:
        answers[path] = await agent.tell("read_notebook", notebook=path)

    async with connect_agent(probed.mcp_url, probed.token, era) as agent:
        async with anyio.create_task_group() as tasks:
            for _ in range(10):
                tasks.start_soon(read, agent, probed.copy_notebook("plain.ipynb"))
    assert len(answers) == 10
    assert all(answer.startswith(f"{path}: ") for path, answer in answers.items())


async def test_a_slow_call_does_not_hold_up_the_others(probed: Server, era: Era) -> None:
    path = new_wait()
    answers: list[str] = []

    async def wait(agent: Agent) -> None:
        answers.append(await agent.tell("list_files", directory=path))

    async with connect_agent(probed.mcp_url, probed.token, era) as agent:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait, agent)
            await until(lambda: is_now(probed, path, "waiting"))
            assert "python3" in await agent.tell("list_kernels")
            assert not answers
            await release(probed, path)
    assert len(answers) == 1


async def test_a_clients_time_out_ends_the_call(probed: Server, era: Era) -> None:
    path = new_wait()
    async with connect_agent(probed.mcp_url, probed.token, era) as agent:
        with pytest.raises(MCPError, match="[Tt]imed out"):
            await agent.client.call_tool("list_files", {"directory": path}, read_timeout_seconds=2)
        await until(lambda: is_now(probed, path, "cancelled"))
        assert "python3" in await agent.tell("list_kernels")


async def test_a_lost_connection_ends_the_call_in_the_newer_era_only(
    probed: Server, wire: Wire
) -> None:
    path = new_wait()
    body, headers = wire.call("list_files", directory=path)
    with anyio.CancelScope() as connection:
        async with anyio.create_task_group() as tasks:

            async def call() -> None:
                await wire.send(body, headers)

            tasks.start_soon(call)
            await until(lambda: is_now(probed, path, "waiting"))
            connection.cancel()
    if wire.era == HANDSHAKE:
        await wire.ask("ping")
        await release(probed, path)
    ended = "done" if wire.era == HANDSHAKE else "cancelled"
    await until(lambda: is_now(probed, path, ended))


async def test_a_long_silent_call_is_kept_alive_and_still_ends_with_its_connection(
    probed: Server,
) -> None:
    answered, left = new_wait(), new_wait()

    async def call(wire: Wire, path: str) -> None:
        async with wire.stream(*wire.call("list_files", directory=path)) as response:
            pieces = response.aiter_text()
            assert (await anext(pieces)).startswith(": ping")
            if path == left:
                return
            await release(probed, path)
            rest = "".join([piece async for piece in pieces])
            assert '"result"' in rest

    async with connect_wire(probed, STATELESS) as wire, anyio.create_task_group() as tasks:
        tasks.start_soon(call, wire, answered)
        tasks.start_soon(call, wire, left)
    await until(lambda: is_now(probed, left, "cancelled"))
    assert await is_now(probed, answered, "done")


# Failures


async def test_the_detail_of_a_bug_is_in_the_log_only(probed: Server, wire: Wire) -> None:
    known = len(probed.log_text())
    response = await wire.send(*wire.call("list_files", directory="broken"))
    assert answer_in(response)["result"]["isError"]
    assert "list_files failed inside the Jupyter server" in response.text
    assert "secret" not in response.text and "RuntimeError" not in response.text
    logged = probed.log_text()[known:]
    assert "list_files failed" in logged
    assert "Traceback" in logged and "RuntimeError: secret detail" in logged


async def test_an_error_tells_the_next_step_in_both_eras(wire: Wire) -> None:
    result = await wire.result("read_notebook", notebook="nowhere.ipynb")
    assert result["isError"]
    assert "Call list_notebooks" in result["content"][0]["text"]


async def test_wrong_arguments_are_an_error_of_the_tool(wire: Wire) -> None:
    result = await wire.result("list_files", limit="many", more=1)
    assert result["isError"]
    assert "limit: " in result["content"][0]["text"] and "more: " in result["content"][0]["text"]


PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b'"text"',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"jsonrpc": "2.0", "id": 1, "method": 1}',
        b'{"jsonrpc": "1.0", "id": 1, "method": "ping"}',
        json.dumps([PING, PING]).encode(),
        json.dumps([PING]).encode(),
    ],
    ids=lambda body: body[:24].decode(errors="replace"),
)
async def test_what_is_no_request_is_refused_and_harms_nothing(wire: Wire, body: bytes) -> None:
    response = await wire.send(body)
    assert response.status_code == 400
    assert response.json()["error"]["code"] in (-32700, -32600, -32602)
    assert "tools" in (await wire.ask("tools/list"))["result"]


@pytest.mark.parametrize(
    "number", ["9" * 6000, "1e999", "true", "null", "[]", "1.5"], ids=lambda number: number[:8]
)
async def test_an_odd_id_never_gets_a_result_or_a_server_error(wire: Wire, number: str) -> None:
    body, headers = wire.request("tools/list", {}, "ID")
    response = await wire.send(body.replace(b'"ID"', number.encode()), headers)
    assert response.status_code < 500
    assert '"result"' not in response.text
    assert "tools" in (await wire.ask("tools/list"))["result"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content-Type": "text/plain"}, {400, 415}),
        ({"Accept": "text/html"}, {406}),
        ({"Accept": "application/json"}, {406}),
        ({"MCP-Protocol-Version": "1999-01-01"}, {400}),
        ({"Mcp-Session-Id": "unknown"}, {404}),
        ({"Mcp-Session-Id": None}, {400}),
    ],
    ids=str,
)
async def test_a_wrong_header_is_refused_with_its_status(
    wire: Wire, headers: dict[str, str | None], status: set[int]
) -> None:
    if wire.era != HANDSHAKE and "Mcp-Session-Id" in headers:
        status = {200}  # There are no sessions.
    body, more = wire.request("tools/list", {})
    assert (await wire.send(body, {**more, **headers})).status_code in status


async def test_an_unknown_method_is_told_as_the_era_wants(wire: Wire) -> None:
    response = await wire.send(*wire.request("nonsense/method", {}))
    assert answer_in(response)["error"]["code"] == -32601
    assert response.status_code == (200 if wire.era == HANDSHAKE else 404)


@pytest.mark.parametrize("method", ["PUT", "PATCH", "HEAD"])
async def test_other_methods_of_http_are_refused(wire: Wire, method: str) -> None:
    assert (await wire.send(method=method)).status_code == 405


async def test_a_request_of_almost_four_mebibytes_is_taken(wire: Wire) -> None:
    padding = "x" * (4 * 1024 * 1024 - 1000)
    answer = await wire.ask("tools/list", {"cursor": padding})
    assert "tools" in answer["result"]


# What is offered


async def test_nothing_is_announced_that_is_not_there(wire: Wire) -> None:
    answer = await wire.open()
    capabilities = answer["result"]["capabilities"]
    assert set(capabilities) == {"tools", "resources", "completions"}
    assert not capabilities["tools"].get("listChanged")
    assert not capabilities["resources"].get("listChanged")
    assert capabilities["resources"]["subscribe"]


async def test_both_eras_list_the_same_tools_in_the_same_order(probed: Server) -> None:
    listed = []
    for era in (HANDSHAKE, STATELESS, HANDSHAKE):
        async with connect_agent(probed.mcp_url, probed.token, era) as agent:
            listed.append((await agent.client.list_tools()).tools)
    assert listed[0] == listed[1] == listed[2]


@pytest.mark.parametrize("wanted", ["2024-11-05", "2025-03-26", "2025-06-18", "2999-01-01"])
async def test_an_older_client_gets_its_own_version(probed: Server, wanted: str) -> None:
    async with connect_wire(probed, HANDSHAKE) as wire:
        body, _ = wire.initialize(wanted)
        answer = answer_in(await wire.send(body, {"MCP-Protocol-Version": None}))
    is_known = wanted < HANDSHAKE
    assert answer["result"]["protocolVersion"] == (wanted if is_known else HANDSHAKE)


@pytest.mark.parametrize("document", ["oauth-protected-resource", "oauth-authorization-server"])
@pytest.mark.parametrize("suffix", ["", "/mcp"])
async def test_no_oauth_is_offered(probed: Server, document: str, suffix: str) -> None:
    async with connect_wire(probed, HANDSHAKE, token="") as wire:
        answer = await wire.http.get(f"{probed.url}.well-known/{document}{suffix}")
    assert answer.status_code in (403, 404)


async def test_the_servers_logging_stays_as_it_was(probed: Server, wire: Wire) -> None:
    await wire.ask("tools/list")
    before, now = (await probed.get("probe"))["root_logger"]
    assert now == before
    assert not re.search(r"session ID|Processing request", probed.log_text())


# Streams and sessions


async def test_a_client_hears_at_once_that_its_event_stream_is_open(probed: Server) -> None:
    async with connect_wire(probed, HANDSHAKE) as wire:
        await wire.open()
        with anyio.fail_after(5):  # Nothing is sent on it for 15 s.
            async with wire.stream(method="GET") as stream:
                assert stream.headers["content-type"].startswith("text/event-stream")


async def test_a_session_has_one_event_stream_which_can_be_reopened(probed: Server) -> None:
    async with connect_wire(probed, HANDSHAKE) as wire:
        await wire.open()
        async with wire.stream(method="GET") as first:
            assert first.status_code == 200
            assert (await wire.send(method="GET")).status_code == 409

        async def is_open_again() -> bool:
            async with wire.stream(method="GET") as again:
                return again.status_code == 200

        await until(is_open_again)


async def test_a_deleted_session_ends_its_stream_and_is_gone(probed: Server) -> None:
    async with connect_wire(probed, HANDSHAKE) as wire:
        await wire.open()
        async with wire.stream(method="GET") as stream:
            assert (await wire.send(method="DELETE")).status_code == 200
            with anyio.fail_after(10):
                await stream.aread()
        body, _ = wire.request("tools/list", {})
        answers = [
            (await wire.send(body)).status_code,
            (await wire.send(method="GET")).status_code,
            (await wire.send(method="DELETE")).status_code,
        ]
    assert answers == [404, 404, 404]


async def test_events_are_not_compressed(probed: Server) -> None:
    async with connect_wire(probed, HANDSHAKE) as wire:
        await wire.open()
        wire.headers["Accept-Encoding"] = "gzip"
        body, _ = wire.request("tools/list", {})
        events = await wire.send(body)
    usual = await probed.http.get("api/spec.yaml", headers={"Accept-Encoding": "gzip"})
    assert usual.headers.get("content-encoding") == "gzip"
    assert "content-encoding" not in events.headers


async def test_no_session_can_ask_for_the_events_of_another(probed: Server) -> None:
    async with (
        connect_wire(probed, HANDSHAKE) as first,
        connect_wire(probed, HANDSHAKE) as second,
    ):
        await first.open()
        await second.open()
        body, _ = first.request("tools/list", {}, 7)
        events = (await first.send(body)).text
        assert not re.search("^id:", events, re.MULTILINE)
        async with second.stream(b"", {"Last-Event-ID": "7"}, "GET") as stream:
            assert stream.headers["content-type"].startswith("text/event-stream")
            await second.send(method="DELETE")
            with anyio.fail_after(10):
                replayed = (await stream.aread()).decode()
    assert "data:" not in replayed


def unread_socket(wire: Wire, body: bytes, headers: Headers) -> socket.socket:
    """A client that sends a request and never reads the answer."""
    place = urlsplit(wire.url)
    lines = [f"POST {place.path} HTTP/1.1", f"Host: {place.netloc}", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in {**wire.headers, **headers}.items() if value]
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect((place.hostname, place.port))
    client.sendall("\r\n".join([*lines, "", ""]).encode() + body)
    return client


async def test_answers_that_nobody_reads_hold_up_nothing_else(probed: Server, wire: Wire) -> None:
    cell = nbformat.v4.new_code_cell("x = 'é'\n" * 20_000)
    path = probed.write_notebook(nbformat.v4.new_notebook(cells=[cell]))
    call = {"notebook": path, "view": "source", "max_chars": 200_000}
    assert len((await wire.send(*wire.call("read_notebook", **call))).content) > 150_000
    with ExitStack() as sockets:
        for _ in range(20):
            request = wire.call("read_notebook", **call)
            sockets.enter_context(unread_socket(wire, *request))
        with anyio.fail_after(30):
            again = await wire.send(*wire.call("read_notebook", **call))
    assert len(again.content) > 150_000


async def test_the_largest_answer_fits_into_one_event_of_a_client(server: Server) -> None:
    """Python clients refuse an event of more than 1 MiB."""
    emoji = "\n".join("😀" * 90 for _ in range(4_000))
    output = nbformat.v4.new_output("stream", text=emoji)
    quotes = nbformat.v4.new_output("stream", name="stderr", text='"\\' * 200_000)
    cells = [
        nbformat.v4.new_code_cell(emoji, outputs=[output, quotes]),
        nbformat.v4.new_code_cell(emoji, outputs=[output, quotes]),
    ]
    path = server.write_notebook(nbformat.v4.new_notebook(cells=cells))
    async with connect_agent(server.mcp_url, server.token, HANDSHAKE) as agent:
        for tool, more in (
            ("read_notebook", {"view": "full"}),
            ("read_notebook", {"view": "source"}),
            ("read_cell", {"cell": 0}),
        ):
            answer = await agent.tell(tool, notebook=path, max_chars=200_000, **more)
            assert "😀" in answer and "ask for less at a time" in answer


async def test_more_sessions_than_there_is_room_for_are_refused_until_one_expires(
    small: Server,
) -> None:
    async with AsyncExitStack() as wires:

        async def new_wire() -> Wire:
            return await wires.enter_async_context(connect_wire(small, HANDSHAKE))

        kept = await new_wire()
        await kept.open()
        stream = await wires.enter_async_context(kept.stream(method="GET"))
        assert stream.status_code == 200
        idle, newer = await new_wire(), await new_wire()
        await idle.open()
        await newer.open()
        late = await new_wire()
        body, _ = late.request("tools/list", {})
        refused = await late.send(body)
        assert refused.status_code == 503

        async def is_expired() -> bool:
            # Asking the session itself would keep it alive.
            return (await late.send(body)).status_code != 503

        await until(is_expired, seconds=20)
        await late.open()
        assert (await idle.send(body)).status_code == 404
        assert "tools" in (await kept.ask("tools/list"))["result"]
    refusals = [line for line in small.log_text().splitlines() if "Refusing to open" in line]
    assert refusals and all(re.match(r"\[W .*\] Refusing", line) for line in refusals)


@pytest.mark.skipif(version("mcp").startswith("2.2."), reason="Version 2.2 of the SDK always does.")
async def test_a_call_does_not_list_all_tools_again(small: Server) -> None:
    async with connect_wire(small, STATELESS) as wire:
        for _ in range(5):
            assert not (await wire.result("list_files", directory="")).get("isError")
        assert small.log_text().count("tools/list was asked for") == 0
        await wire.ask("tools/list")
        assert small.log_text().count("tools/list was asked for") == 1


# Many


async def test_sessions_that_were_closed_leave_nothing_running(probed: Server) -> None:
    async with connect_wire(probed, HANDSHAKE) as wire:
        await wire.open()
        before = await tasks_of(probed)

        async def open_and_close_twenty() -> None:
            async with connect_wire(probed, HANDSHAKE) as session:
                for _ in range(20):
                    session.headers.pop("Mcp-Session-Id", None)
                    await session.open()
                    assert "tools" in (await session.ask("tools/list"))["result"]
                    assert (await session.send(method="DELETE")).status_code == 200

        for _ in range(20):
            wire.headers.pop("Mcp-Session-Id", None)
            await wire.open()
        opened = await tasks_of(probed)
        assert opened >= before + 20
        async with anyio.create_task_group() as tasks:
            for _ in range(10):
                tasks.start_soon(open_and_close_twenty)

        async def is_back() -> bool:
            return await tasks_of(probed) <= opened

        await until(is_back)


async def test_fifty_agents_at_once_are_all_answered(probed: Server, era: Era) -> None:
    answers: dict[str, list[str]] = {}

    async def work(name: str) -> None:
        async with connect_agent(probed.mcp_url, probed.token, era) as agent:
            answers[name] = [await agent.tell("list_files", directory=name) for _ in range(6)]

    names = [f"agent{number}" for number in range(50)]
    for name in names:
        (probed.root / name).mkdir(exist_ok=True)
        (probed.root / name / f"of-{name}").touch()
    async with anyio.create_task_group() as tasks:
        for name in names:
            tasks.start_soon(work, name)
    for name in names:
        assert len(answers[name]) == 6
        assert all(f"of-{name}  " in answer for answer in answers[name])

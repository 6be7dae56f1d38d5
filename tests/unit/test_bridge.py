"""What `jupyter mcp stdio` changes of the messages that it relays, and adds to them."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import anyio
import pytest
from mcp.shared.inbound import NAME_BEARING_METHODS, encode_header_value

from jupyter_mcp_ext.cli.bridge import Bridge
from jupyter_mcp_ext.cli.messages import NAMED_BY, Message, header_value
from jupyter_mcp_ext.cli.starting import announced_connection
from jupyter_mcp_ext.cli.waits import LONGEST_SECONDS, SHARE, Waits
from jupyter_mcp_ext.clients import Connection, format_json

TOOLS = [
    {"name": "run", "inputSchema": {"properties": {"wait_seconds": {"type": "number"}}}},
    {"name": "poll", "inputSchema": {"properties": {"wait_seconds": {"default": 0}}}},
    {"name": "read", "inputSchema": {"properties": {}}},
]


def call(tool: str, **arguments: Any) -> Message:
    params = {"name": tool, "arguments": arguments}
    return Message({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params})


def waits(monkeypatch: pytest.MonkeyPatch, milliseconds: str | None) -> Waits:
    monkeypatch.delenv("MCP_TOOL_TIMEOUT", raising=False)
    if milliseconds is not None:
        monkeypatch.setenv("MCP_TOOL_TIMEOUT", milliseconds)
    found = Waits.from_environment()
    found.learn(TOOLS)
    return found


@pytest.mark.parametrize(
    ("milliseconds", "argument"),
    [
        ("120000", {"wait_seconds": 120 * SHARE}),
        ("99999999", {"wait_seconds": LONGEST_SECONDS}),
        ("0", {}),
        ("x", {}),
        (None, {}),
    ],
)
def test_a_call_waits_nine_tenths_of_what_the_client_does(
    monkeypatch: pytest.MonkeyPatch, milliseconds: str | None, argument: dict[str, float]
) -> None:
    filled = waits(monkeypatch, milliseconds).fill(call("run", code="1"))
    assert filled == call("run", code="1", **argument)


@pytest.mark.parametrize(
    "message", [call("run", wait_seconds=0), call("poll"), call("read"), call("unknown")]
)
def test_a_call_that_says_how_long_it_waits_or_does_not_wait_is_left_alone(
    monkeypatch: pytest.MonkeyPatch, message: Message
) -> None:
    assert waits(monkeypatch, "120000").fill(message) == message


ODD: list[Any] = ["x", 1, None, [], ["x", None], {}, {"tools": "x"}, {"tools": [{"name": []}]}]


def test_odd_calls_and_odd_tools_are_left_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    found = waits(monkeypatch, "120000")
    for odd in ODD:
        for tool in ({"inputSchema": odd}, {"inputSchema": {"properties": odd}}, odd):
            found.learn([tool])
        found.learn(odd)
    for params in ({"name": []}, {"name": "run", "arguments": "x"}, "x"):
        message = Message({"id": 1, "method": "tools/call", "params": params})
        assert found.fill(message) == message


class OddServer(BaseHTTPRequestHandler):
    """Answers each request with the next odd result."""

    odd = iter(ODD)

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        answer = {"jsonrpc": "2.0", "id": asked["id"], "result": next(self.odd)}
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


@pytest.mark.anyio
async def test_odd_messages_do_not_end_the_bridge(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = []
    for number, odd in enumerate(ODD):
        params = {"name": "run", "arguments": odd}
        for id, method in ((number, "tools/call"), (f"{number}", "tools/list")):
            message = {"jsonrpc": "2.0", "id": id, "method": method, "params": params}
            texts.append(json.dumps(message))
    OddServer.odd = iter(ODD * 2)
    written = await relayed(monkeypatch, OddServer, *texts)
    assert [each for each in written if "result" not in each] == []
    assert len(written) == 2 * len(ODD)


@pytest.mark.parametrize(
    "text", ["a b", " a", "a ", "ä", "a\nb", "=?base64?YQ==?=", "Zoë 🌍", "{}~!"]
)
def test_headers_are_written_as_the_sdk_reads_them(text: str) -> None:
    assert header_value(text) == encode_header_value(text)
    assert NAMED_BY == NAME_BEARING_METHODS


def test_a_stateless_message_names_its_version_and_a_message_of_a_session_none() -> None:
    meta = {"io.modelcontextprotocol/protocolVersion": "2026-07-28"}
    stateless = Message({"method": "tools/call", "params": {"name": "run", "_meta": meta}})
    assert stateless.stateless_headers == {
        "Mcp-Protocol-Version": "2026-07-28",
        "Mcp-Method": "tools/call",
        "Mcp-Name": "run",
    }
    assert call("run").version == ""
    assert Message({"method": "x", "params": [1]}).version == ""


@pytest.mark.parametrize("token", ["", "s3cret"])
def test_the_announcement_of_a_started_server_is_understood(token: str) -> None:
    connection = Connection("http://localhost:8888/mcp", token)
    printed = f"some plugin says hello\n{format_json(connection)}\n\nclaude mcp add\n".encode()
    assert announced_connection(printed.splitlines(keepends=True)) == connection
    assert announced_connection([b"Traceback\n"]) is None


DEEP = 100_000
"""How deep values are nested, which no parser of JSON takes."""


class DeepServer(OddServer):
    """Answers with what is nested too deeply, in one of two forms."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        answer = f'{{"jsonrpc": "2.0", "id": {asked["id"]}, "result": {"[" * DEEP}{"]" * DEEP}}}'
        is_event = asked["id"] % 2 == 0
        body = (f"data: {answer}\n\n" if is_event else answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream" if is_event else "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class ManyAtOnce(ThreadingHTTPServer):
    request_queue_size = 99


async def relayed(monkeypatch: pytest.MonkeyPatch, handler: Any, *texts: str) -> list[Any]:
    """What a client gets that sends these lines through the bridge to such a server."""
    monkeypatch.setattr("jupyter_mcp_ext.cli.bridge.END_SECONDS", 15)
    written: list[str] = []
    send, lines = anyio.create_memory_object_stream[bytes](99)
    for line in texts:
        send.send_nowait(line.encode())
    send.close()
    with ManyAtOnce(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
        connection = Connection(f"http://127.0.0.1:{server.server_address[1]}/mcp", "")
        bridge = Bridge(lambda: connection, written.append, waits(monkeypatch, "120000"))
        with lines, anyio.fail_after(20):
            await bridge.run(connection, lines)
        server.shutdown()
    return [json.loads(line) for line in written]


@pytest.mark.anyio
@pytest.mark.parametrize("depth", [DEEP, *range(900, 1000, 7)])
async def test_what_is_nested_too_deeply_gets_an_error_and_the_bridge_goes_on(
    monkeypatch: pytest.MonkeyPatch, depth: int
) -> None:
    OddServer.odd = iter(["x"] * 9)
    deep = f'{{"id": 1, "method": "tools/call", "params": {"[" * depth}{"]" * depth}}}'
    answers = await relayed(monkeypatch, OddServer, deep, '{"id": 2, "method": "ping"}')
    assert len(answers) == 2 and {answer["id"] for answer in answers} <= {None, 1, 2}
    assert answers[-1]["id"] == 2 or answers[-2]["id"] == 2


@pytest.mark.anyio
async def test_an_answer_that_is_nested_too_deeply_is_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lines = [f'{{"id": {number}, "method": "ping"}}' for number in (1, 2)]
    answers = await relayed(monkeypatch, DeepServer, *lines)
    assert sorted(answer["id"] for answer in answers) == [1, 2]
    assert all("error" in answer for answer in answers)


@pytest.mark.anyio
async def test_a_name_that_no_header_can_have_gets_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    OddServer.odd = iter(["x"] * 9)
    meta = {"io.modelcontextprotocol/protocolVersion": "2026-07-28"}
    params = {"_meta": meta, "name": "\ud800"}
    line = json.dumps({"id": 1, "method": "tools/call", "params": params})
    answers = await relayed(monkeypatch, OddServer, line, '{"id": 2, "method": "ping"}')
    assert {answer["id"] for answer in answers} == {1, 2}

"""What `jupyter mcp stdio` changes of the messages that it relays, and adds to them."""

from __future__ import annotations

from typing import Any

import pytest
from mcp.shared.inbound import NAME_BEARING_METHODS, encode_header_value

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

"""JSON-RPC messages of MCP clients, with the HTTP headers that say the same."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass
from typing import Any

VERSION_KEY = "io.modelcontextprotocol/protocolVersion"
NAMED_BY = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}
"""The parameter that the header `Mcp-Name` repeats."""

CONNECTION_LOST = -32000
INVALID_REQUEST = -32600
PARSE_ERROR = -32700

CONTENT_HEADERS = {
    "Accept": "application/json, text/event-stream",
    "Content-Type": "application/json",
}

_PLAIN = re.compile(r"[!-~]([ -~]*[!-~])?")


class NotAMessage(Exception):
    """A line is no JSON-RPC message."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True)
class Message:
    """One message of a client."""

    body: dict[str, Any]

    @classmethod
    def from_line(cls, line: bytes) -> Message:
        """What a line says.

        Raises:
            NotAMessage: it is no JSON, nested too deeply, or no object.
        """
        try:
            body = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise NotAMessage(PARSE_ERROR, f"Parse error: {error}") from error
        if not isinstance(body, dict):
            raise NotAMessage(INVALID_REQUEST, "A message is one JSON object on one line")
        return cls(body)

    @property
    def id(self) -> Any:
        return self.body.get("id")

    @property
    def method(self) -> str:
        """Empty in an answer."""
        return str(self.body.get("method", ""))

    @property
    def is_request(self) -> bool:
        return "method" in self.body and "id" in self.body

    @property
    def params(self) -> dict[str, Any]:
        return as_object(self.body.get("params"))

    @property
    def version(self) -> str:
        """The revision that a stateless message names; empty in the era of the handshake."""
        return str(as_object(self.params.get("_meta")).get(VERSION_KEY, ""))

    @property
    def stateless_headers(self) -> dict[str, str]:
        """What a stateless message says, as headers."""
        name = str(self.params.get(NAMED_BY.get(self.method, ""), ""))
        headers = {
            "Mcp-Protocol-Version": self.version,
            "Mcp-Method": self.method,
            "Mcp-Name": name,
        }
        return {header: header_value(text) for header, text in headers.items() if text}

    def with_id(self, id: Any) -> Message:
        return Message({**self.body, "id": id})

    def with_argument(self, name: str, value: Any) -> Message:
        """The call of a tool, with one more argument."""
        arguments = {**as_object(self.params.get("arguments")), name: value}
        return Message({**self.body, "params": {**self.params, "arguments": arguments}})


INITIALIZED = Message({"jsonrpc": "2.0", "method": "notifications/initialized"})


def error_line(id: Any, code: int, text: str) -> str:
    """An answer that is an error."""
    return json.dumps({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": text}})


def header_value(text: str) -> str:
    """`text` as MCP writes it in a header: in base64 unless it is plain ASCII."""
    if _PLAIN.fullmatch(text) and not text.startswith("=?base64?"):
        return text
    # JSON may hold halves of characters, which no name has.
    return f"=?base64?{base64.b64encode(text.encode(errors='replace')).decode()}?="


def as_object(value: Any) -> dict[str, Any]:
    """An object of JSON; an empty one in place of anything else."""
    return value if isinstance(value, dict) else {}

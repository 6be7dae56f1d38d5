"""A player: MCP calls over plain HTTP, which are counted in calls and bytes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import count
from typing import Any

import httpx2

PROTOCOL = "2026-07-28"
META = {
    "io.modelcontextprotocol/protocolVersion": PROTOCOL,
    "io.modelcontextprotocol/clientInfo": {"name": "agent tasks", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}


@dataclass(frozen=True)
class Answer:
    """What a tool answered. `images` are in base64."""

    text: str
    images: list[str]
    is_error: bool


class CallRefused(Exception):
    """A tool did not do its work, where the solution needs it to."""


def size(value: Any) -> int:
    """Bytes of a value as compact JSON."""
    return len(json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode())


class Player:
    """Speaks the stateless era of MCP, with one request for each call and no handshake.

    `sent` counts the arguments of the calls and `received` the content of the results, both as
    JSON: what a model writes and reads. `on_wire` counts the bodies of the responses, which is
    more where a server says things twice.
    """

    def __init__(self, http: httpx2.AsyncClient, url: str) -> None:
        self._http = http
        self._url = url
        self._ids = count(1)
        self.calls = self.sent = self.received = self.on_wire = 0

    async def ask(self, tool: str, **arguments: Any) -> Answer:
        """One call, whatever becomes of it."""
        message = await self._post(tool, {"name": tool, "arguments": arguments})
        content = message.get("result", message).get("content", [message.get("error")])
        self.calls += 1
        self.sent += size(arguments)
        self.received += size(content)
        if "error" in message:
            return Answer(str(message["error"]["message"]), [], True)
        texts = [block["text"] for block in content if block["type"] == "text"]
        images = [block["data"] for block in content if block["type"] == "image"]
        return Answer("\n".join(texts), images, bool(message["result"].get("isError")))

    async def tell(self, tool: str, **arguments: Any) -> str:
        """The text of a call that must do its work.

        Raises:
            CallRefused: it did not.
        """
        answer = await self.ask(tool, **arguments)
        if answer.is_error:
            raise CallRefused(f"{tool}: {answer.text}")
        return answer.text

    async def _post(self, tool: str, params: dict[str, Any]) -> dict[str, Any]:
        body = {"jsonrpc": "2.0", "id": next(self._ids), "method": "tools/call"}
        headers = {
            "Accept": "application/json, text/event-stream",
            "MCP-Protocol-Version": PROTOCOL,
            "Mcp-Method": "tools/call",
            "Mcp-Name": tool,
        }
        body |= {"params": params | {"_meta": META}}
        response = await self._http.post(self._url, json=body, headers=headers, timeout=300)
        text = response.raise_for_status().text
        self.on_wire += len(text.encode())
        if response.headers["Content-Type"].startswith("text/event-stream"):
            # A call of more than some seconds is answered by the last event of a stream.
            text = text[text.rindex("data: ") :].removeprefix("data: ")
        message: dict[str, Any] = json.loads(text)
        return message

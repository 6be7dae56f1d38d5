"""Plain HTTP in either era of the protocol, for what no proper client sends."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

import httpx2
from mcp_types import CLIENT_CAPABILITIES_META_KEY, PROTOCOL_VERSION_META_KEY

from .agent import HANDSHAKE, Era
from .server import Server

HEADERS = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}

Headers = Mapping[str, str | None]
NO_CHANGE: Headers = {}


class Wire:
    """`headers` go with each request; each can be replaced in one, or left out by None."""

    def __init__(self, http: httpx2.AsyncClient, url: str, era: Era, token: str) -> None:
        self.http = http
        self.url = url
        self.era = era
        login = {"Authorization": f"Bearer {token}"} if token else {}
        self._numbers = count(1)
        self.headers = HEADERS | login | {"MCP-Protocol-Version": era}

    async def send(
        self, body: bytes = b"", headers: Headers = NO_CHANGE, method: str = "POST"
    ) -> httpx2.Response:
        all_headers = self._headers(headers)
        return await self.http.request(method, self.url, content=body, headers=all_headers)

    @asynccontextmanager
    async def stream(
        self, body: bytes = b"", headers: Headers = NO_CHANGE, method: str = "POST"
    ) -> AsyncIterator[httpx2.Response]:
        """The answer as it comes; leaving the block closes the connection."""
        all_headers = self._headers(headers)
        async with self.http.stream(
            method, self.url, content=body, headers=all_headers
        ) as response:
            yield response

    async def ask(self, method: str, params: dict[str, Any] | None = None) -> dict[str, Any]:
        """The JSON-RPC answer to a request."""
        return answer_in(await self.send(*self.request(method, params or {})))

    async def list_tools(self, **headers: str | None) -> httpx2.Response:
        """What needs a login and no right."""
        body, more = self.request("tools/list", {})
        return await self.send(body, {**more, **headers})

    async def result(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """What a tool answers."""
        answer = answer_in(await self.send(*self.call(tool, **arguments)))
        result: dict[str, Any] = answer["result"]
        return result

    def request(
        self, method: str, params: dict[str, Any], number: Any = None
    ) -> tuple[bytes, Headers]:
        """The body of a request, and the headers that belong to it."""
        headers: Headers = {}
        if self.era != HANDSHAKE:
            params = params | {
                "_meta": {PROTOCOL_VERSION_META_KEY: self.era, CLIENT_CAPABILITIES_META_KEY: {}}
            }
            headers = {"Mcp-Method": method, "Mcp-Name": params.get("name")}
        number = next(self._numbers) if number is None else number
        message = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
        return json.dumps(message).encode(), headers

    def call(self, tool: str, **arguments: Any) -> tuple[bytes, Headers]:
        return self.request("tools/call", {"name": tool, "arguments": arguments})

    async def open(self) -> dict[str, Any]:
        """What the server says of itself; under the handshake, this opens a session."""
        if self.era != HANDSHAKE:
            return await self.ask("server/discover")
        response = await self.send(*self.initialize(self.era))
        self.headers["Mcp-Session-Id"] = response.headers["mcp-session-id"]
        await self.send(b'{"jsonrpc": "2.0", "method": "notifications/initialized"}')
        return answer_in(response)

    def initialize(self, version: str) -> tuple[bytes, Headers]:
        info = {"name": "wire", "version": "1"}
        params = {"protocolVersion": version, "capabilities": {}, "clientInfo": info}
        return self.request("initialize", params)

    def _headers(self, changes: Headers) -> dict[str, str]:
        # By lower-case names, or a replaced header would be sent twice.
        headers = {name.lower(): value for name, value in [*self.headers.items(), *changes.items()]}
        return {name: value for name, value in headers.items() if value is not None}


def answer_in(response: httpx2.Response) -> dict[str, Any]:
    """The message of an answer, which may come as an event."""
    text = response.text
    if response.headers["content-type"].startswith("text/event-stream"):
        [text] = [line[6:] for line in text.split("\n") if line.startswith("data: {")]
    answer: dict[str, Any] = json.loads(text)
    return answer


@asynccontextmanager
async def connect_wire(server: Server, era: Era, token: str | None = None) -> AsyncIterator[Wire]:
    """Plain HTTP with the server's token, or another; "" sends none."""
    async with httpx2.AsyncClient(timeout=30) as http:
        yield Wire(http, server.mcp_url, era, server.token if token is None else token)

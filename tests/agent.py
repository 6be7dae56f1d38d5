"""An agent: the MCP SDK's own client, in either era of the protocol."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Literal

from mcp import Client
from mcp.client._transport import Transport
from mcp.client.session import ElicitationFnT, MessageHandlerFnT
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client
from mcp_types import CallToolResult, ImageContent, Implementation, TextContent

Era = Literal["2025-11-25", "2026-07-28"]
HANDSHAKE: Era = "2025-11-25"
STATELESS: Era = "2026-07-28"


class Agent:
    """`client` is the SDK's, for what `call` does not cover."""

    def __init__(self, client: Client) -> None:
        self.client = client

    async def call(self, tool: str, **arguments: Any) -> CallToolResult:
        return await self.client.call_tool(tool, arguments, read_timeout_seconds=60)

    async def call_with_progress(self, tool: str, **arguments: Any) -> tuple[str, list[str]]:
        """The text of a call, and the words of its progress notifications."""
        messages: list[str] = []

        async def keep(progress: float, total: float | None, message: str | None) -> None:
            messages.append(message or "")

        result = await self.client.call_tool(tool, arguments, progress_callback=keep)
        return text(result), messages

    async def tell(self, tool: str, **arguments: Any) -> str:
        """The text of a call that must do its work; fails the test when it is a tool error."""
        result = await self.call(tool, **arguments)
        assert not result.is_error, text(result)
        return text(result)

    async def run(self, notebook: str, source: str, **more: Any) -> str:
        """Insert a cell with this source and run it."""
        return await self.tell(
            "insert_cell", notebook=notebook, source=source, execute=True, **more
        )

    async def execute(self, notebook: str, code: str, **more: Any) -> str:
        """Run code without a cell."""
        return await self.tell("execute_code", notebook=notebook, code=code, **more)


def text(result: CallToolResult) -> str:
    return "\n".join(block.text for block in result.content if isinstance(block, TextContent))


def execution_in(answer: str) -> str:
    """The id of the first execution that an answer tells of."""
    return answer.split("execution: ")[1].split()[0]


def images(result: CallToolResult) -> list[ImageContent]:
    return [block for block in result.content if isinstance(block, ImageContent)]


@asynccontextmanager
async def connect_agent(
    url: str,
    token: str | None,
    era: Era = STATELESS,
    name: str = "test agent",
    on_elicit: ElicitationFnT | None = None,
    on_message: MessageHandlerFnT | None = None,
) -> AsyncIterator[Agent]:
    """Connect with a Bearer token; `era` is forced, never negotiated."""
    headers = {"Authorization": f"Bearer {token}"} if token is not None else {}
    async with connect_with_headers(url, headers, era, name, on_elicit, on_message) as agent:
        yield agent


@asynccontextmanager
async def connect_with_headers(
    url: str,
    headers: dict[str, str],
    era: Era = STATELESS,
    name: str = "test agent",
    on_elicit: ElicitationFnT | None = None,
    on_message: MessageHandlerFnT | None = None,
) -> AsyncIterator[Agent]:
    """Connect with a login of another kind."""
    async with create_mcp_http_client(headers=headers) as http:
        transport = streamable_http_client(url, http_client=http)
        async with connect_over(transport, era, name, on_elicit, on_message) as agent:
            yield agent


@asynccontextmanager
async def connect_over(
    transport: Transport,
    era: Era = STATELESS,
    name: str = "test agent",
    on_elicit: ElicitationFnT | None = None,
    on_message: MessageHandlerFnT | None = None,
) -> AsyncIterator[Agent]:
    """Connect over a transport of the SDK's."""
    async with Client(
        transport,
        mode="legacy" if era == HANDSHAKE else era,
        client_info=Implementation(name=name, version="1"),
        elicitation_callback=on_elicit,
        message_handler=on_message,
    ) as client:
        yield Agent(client)

"""The same work in the words of each server's tools."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import httpx2

from tests.server import Server

from ..agent_tasks.player import META, Player

HANDSHAKE = {
    "protocolVersion": "2025-06-18",
    "capabilities": {},
    "clientInfo": {"name": "benchmark", "version": "1"},
}
CELLS_PER_ANSWER = 2_000


class Side(Protocol):
    """A server at work. Positions are those of cells; `kernel` is an id."""

    name: str
    server: Server
    player: Player

    async def open(self, path: str) -> None: ...
    async def read(self, path: str, cells: int) -> None: ...
    async def read_cell(self, path: str, at: int) -> None: ...
    async def insert(self, path: str, at: int, source: str) -> None: ...
    async def edit(self, path: str, at: int, old: str, new: str) -> None: ...
    async def overwrite(self, path: str, at: int, source: str) -> None: ...
    async def delete(self, path: str, at: int) -> None: ...
    async def execute(self, path: str, at: int) -> None: ...
    async def insert_and_execute(self, path: str, at: int, source: str) -> None: ...
    async def execute_code(self, kernel: str, code: str) -> None: ...


@dataclass
class Ours:
    server: Server
    name: str = "jupyter_mcp_ext"
    player: Player = field(init=False)

    def __post_init__(self) -> None:
        self.player = Player(self.server.http, self.server.mcp_url)

    async def open(self, path: str) -> None:
        await self.player.tell("open_notebook", notebook=path)

    async def read(self, path: str, cells: int) -> None:
        # One answer is never longer than its bound, so a large notebook takes several.
        view = {"view": "source", "max_chars": 200_000}
        for first in range(0, cells, CELLS_PER_ANSWER):
            some = f"{first}-{min(first + CELLS_PER_ANSWER, cells) - 1}"
            told = await self.player.tell("read_notebook", notebook=path, cells=some, **view)
            assert f"value_{min(first + CELLS_PER_ANSWER, cells) - 1}" in told

    async def read_cell(self, path: str, at: int) -> None:
        await self.player.tell("read_cell", notebook=path, cell=at)

    async def insert(self, path: str, at: int, source: str) -> None:
        await self.player.tell("insert_cell", notebook=path, source=source, after=at - 1)

    async def edit(self, path: str, at: int, old: str, new: str) -> None:
        texts = {"old_text": old, "new_text": new}
        await self.player.tell("edit_cell", notebook=path, cell=at, **texts)

    async def overwrite(self, path: str, at: int, source: str) -> None:
        await self.player.tell("overwrite_cell", notebook=path, cell=at, source=source)

    async def delete(self, path: str, at: int) -> None:
        await self.player.tell("delete_cells", notebook=path, cells=str(at))

    async def execute(self, path: str, at: int) -> None:
        call = {"cell": at, "wait_seconds": 300}
        assert "status: ok" in await self.player.tell("execute_cell", notebook=path, **call)

    async def insert_and_execute(self, path: str, at: int, source: str) -> None:
        call = {"source": source, "after": at - 1, "execute": True}
        assert "status: ok" in await self.player.tell("insert_cell", notebook=path, **call)

    async def execute_code(self, kernel: str, code: str) -> None:
        assert "status: ok" in await self.player.tell("execute_code", kernel=kernel, code=code)


@dataclass
class Rival:
    """jupyter-mcp-server. It has one current notebook, which `open` sets."""

    server: Server
    name: str = "jupyter-mcp-server"
    player: Player = field(init=False)

    def __post_init__(self) -> None:
        self.player = Player(self.server.http, self.server.mcp_url)

    async def open(self, path: str) -> None:
        await self.player.tell("use_notebook", notebook_name=path, notebook_path=path)

    async def read(self, path: str, cells: int) -> None:
        view = {"response_format": "detailed", "limit": 0}
        told = await self.player.tell("read_notebook", notebook_name=path, **view)
        assert f"value_{cells - 1}" in told

    async def read_cell(self, path: str, at: int) -> None:
        await self.player.tell("read_cell", cell_index=at, notebook_name=path)

    async def insert(self, path: str, at: int, source: str) -> None:
        cell = {"cell_type": "code", "cell_source": source, "notebook_name": path}
        await self.player.tell("insert_cell", cell_index=at, **cell)

    async def edit(self, path: str, at: int, old: str, new: str) -> None:
        texts = {"old_string": old, "new_string": new, "notebook_name": path}
        await self.player.tell("edit_cell_source", cell_index=at, **texts)

    async def overwrite(self, path: str, at: int, source: str) -> None:
        cell = {"cell_index": at, "notebook_name": path}
        await self.player.tell("overwrite_cell_source", cell_source=source, **cell)

    async def delete(self, path: str, at: int) -> None:
        await self.player.tell("delete_cell", cell_indices=[at], notebook_name=path)

    async def execute(self, path: str, at: int) -> None:
        _check(await self.player.tell("execute_cell", cell_index=at, timeout=300))

    async def insert_and_execute(self, path: str, at: int, source: str) -> None:
        call = {"cell_index": at, "cell_source": source, "timeout": 300}
        _check(await self.player.tell("insert_execute_code_cell", **call))

    async def execute_code(self, kernel: str, code: str) -> None:
        _check(await self.player.tell("execute_code", code=code, kernel_id=kernel))


def _check(answer: str) -> None:
    """It says of runs that failed what they printed."""
    assert "ERROR" not in answer, answer[:500]


async def post(server: Server, http: httpx2.AsyncClient, body: Mapping[str, Any]) -> str:
    """One message of the handshake era, which both speak."""
    headers = {
        "Authorization": f"Bearer {server.token}",
        "Accept": "application/json, text/event-stream",
    }
    answer = await http.post(server.mcp_url, json=body, headers=headers)
    assert answer.is_success, answer.text
    return answer.text


async def connect(side: Side) -> None:
    """A new connection, and the handshake."""
    async with httpx2.AsyncClient(timeout=60) as http:
        body = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": HANDSHAKE}
        await post(side.server, http, body)


async def list_tools(side: Side) -> int:
    """Returns the bytes of the answer."""
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": META}}
    headers = {
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": "2026-07-28",
        "Mcp-Method": "tools/list",
    }
    answer = await side.server.http.post(side.server.mcp_url, json=body, headers=headers)
    assert "tools" in json.dumps(answer.raise_for_status().json())
    return len(answer.content)

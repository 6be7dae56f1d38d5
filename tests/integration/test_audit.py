"""Calls that change or run something are events of Jupyter's own event logger."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from mcp_types import ElicitResult
from tornado.websocket import websocket_connect

from jupyter_mcp_ext.audit import SCHEMA_ID

from ..agent import STATELESS, Agent, Era, connect_agent
from ..server import Server
from .test_executions import with_cells

pytestmark = pytest.mark.anyio


class Listener:
    """Hears the events of a server, as any login that may execute events can."""

    def __init__(self, socket: Any) -> None:
        self._socket = socket

    async def next(self, notebook: str) -> dict[str, Any]:
        """The next of our events about this notebook."""
        with anyio.fail_after(15):
            while True:
                event = json.loads(await self._socket.read_message())
                if event.pop("schema_id") == SCHEMA_ID and event["path"] == notebook:
                    return dict(event)


@asynccontextmanager
async def listening(server: Server) -> AsyncIterator[Listener]:
    base = server.url.replace("http", "ws", 1)
    socket = await websocket_connect(f"{base}api/events/subscribe?token={server.token}")
    try:
        yield Listener(socket)
    finally:
        socket.close()


async def test_each_call_that_changes_or_runs_something_is_told(server: Server, era: Era) -> None:
    path = with_cells(server, "a = 'secret'", "b = 2")
    call, absent = {"notebook": path}, {"old_text": "x", "new_text": ""}
    async with (
        listening(server) as listener,
        connect_agent(server.mcp_url, server.token, era, name="claude-code") as agent,
    ):
        calls: list[tuple[str, dict[str, Any], str, str, list[str]]] = [
            ("edit_cell", {"cell": 0, "old_text": "'s", "new_text": "'S"}, "ok", "", ["c0000000"]),
            ("execute_cell", {"cell": 0}, "ok", "", ["c0000000"]),
            ("execute_cells", {}, "ok", "", ["c0000000", "c0000001"]),
            ("move_cell", {"cell": 0, "after": "end"}, "ok", "", ["c0000000"]),
            ("undo", {}, "ok", "", ["c0000000"]),
            ("execute_code", {"code": "print('secret')"}, "ok", "", []),
            ("edit_cell", {"cell": 0} | absent, "error", "TextNotFound", []),
            ("edit_cell", {"cell": 0, "old_text": 1}, "error", "ValidationError", []),
            ("delete_cells", {"cells": "1"}, "ok", "", ["c0000001"]),
        ]
        events = []
        for tool, arguments, *_ in calls:
            # What only reads is not told, so the next event is that of the next change.
            await agent.call("read_notebook", **call)
            await agent.call(tool, **call, **arguments)
            events.append(await listener.next(path))
    about = {"user": "", "client": "Claude Code", "path": path, "kernel": ""}
    assert events == [
        about
        | {"agent": events[0]["agent"], "tool": tool, "outcome": outcome}
        | {"error": error, "cells": cells}
        for tool, _, outcome, error, cells in calls
    ]
    assert "secret" not in json.dumps(events).lower()


async def test_a_new_cell_is_told_and_its_name_is_known(server: Server, agent: Agent) -> None:
    path = with_cells(server, "a = 1")
    async with listening(server) as listener:
        answer = await agent.tell("insert_cell", notebook=path, source="b = 2", execute=True)
        event = await listener.next(path)
    assert len(event["cells"]) == 1 and event["cells"][0] in answer


async def test_a_call_that_asks_is_told_and_so_is_the_one_that_answers(server: Server) -> None:
    path = with_cells(server, "input('Name: ')")

    async def reply(context: Any, params: Any) -> ElicitResult:
        return ElicitResult(action="accept", content={"text": "secret"})

    async with (
        listening(server) as listener,
        connect_agent(server.mcp_url, server.token, STATELESS, on_elicit=reply) as agent,
    ):
        await agent.tell("execute_cell", notebook=path, cell=0)
        events = [await listener.next(path) for _ in range(2)]
    assert [event["outcome"] for event in events] == ["asked", "ok"]
    assert [event["cells"] for event in events] == [["c0000000"]] * 2
    assert "secret" not in json.dumps(events)


async def test_a_cancelled_call_is_told(server: Server, agent: Agent) -> None:
    path = with_cells(server, "import time; time.sleep(60)")
    await agent.tell("open_notebook", notebook=path)
    async with listening(server) as listener, anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: agent.call("execute_cell", notebook=path, cell=0))
        async with connect_agent(server.mcp_url, server.token) as other:
            with anyio.fail_after(15):
                while "running" not in await other.tell("read_notebook", notebook=path):
                    pass
        tasks.cancel_scope.cancel()
        with anyio.CancelScope(shield=True):
            event = await listener.next(path)
    assert (event["outcome"], event["cells"]) == ("cancelled", ["c0000000"])


async def test_cells_say_who_wrote_them_where_that_is_wanted(
    start_server: Callable[..., Any],
) -> None:
    server = await start_server("--MCPExtension.provenance=True", module="jupyter_server")
    path = with_cells(server, "a = 1", "b = 2")
    async with connect_agent(server.mcp_url, server.token, name="claude-code") as signing:
        await signing.tell("overwrite_cell", notebook=path, cell=0, source="a = 2")
        await signing.tell("close_notebook", notebook=path)
    first, second = (cell["metadata"] for cell in server.saved_notebook(path)["cells"])
    assert first["jupyter_mcp_ext"]["written_by"] == "Claude Code"
    assert "jupyter_mcp_ext" not in second

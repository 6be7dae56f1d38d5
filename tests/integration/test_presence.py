"""Agents are seen among the people of a notebook, and see where the people are."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from pycrdt import Assoc, Awareness, Doc, YMessageType, create_awareness_message, read_message
from tornado.httpclient import HTTPRequest
from tornado.websocket import websocket_connect

from jupyter_mcp_ext.people import AGENT_FIELD

from ..agent import HANDSHAKE, Agent, Era, connect_agent
from ..peer import Peer, join_room
from ..server import Server, run_server
from .test_executions import with_cells
from .test_live_document import saved, until

pytestmark = pytest.mark.anyio


def agents_in(awareness: Awareness) -> dict[str, dict[str, Any]]:
    """The states of agents, by their names."""
    states = [state for state in awareness.states.values() if AGENT_FIELD in state]
    return {state["user"]["display_name"]: state for state in states}


def carets(peer: Peer, name: str) -> list[Any]:
    """Where an agent's carets are, as JupyterLab compares them."""
    cursors = agents_in(peer.awareness).get(name, {}).get("cursors", [])
    return [cursor["head"] for cursor in cursors]


def end_of(peer: Peer, position: int) -> Any:
    text = peer.notebook.ycells[position]["source"]
    index = text.sticky_index(len(str(text).encode()), Assoc.BEFORE).to_json()
    return {"type": None, "tname": None, "item": None} | index


def caret_state(peer: Peer, position: int) -> dict[str, Any]:
    """A caret as a browser tells of it: it always names the text."""
    text = peer.notebook.ycells[position]["source"].sticky_index(0, Assoc.BEFORE).to_json()
    return {"head": {"type": text["type"], "tname": None, "item": None, "assoc": 0}}


async def test_each_agent_is_seen_under_its_clients_name_in_the_cell_where_it_works(
    server: Server, era: Era
) -> None:
    path = with_cells(server, "a = 1", "é = 2", "")
    async with (
        connect_agent(server.mcp_url, server.token, era, name="claude-code") as first,
        connect_agent(server.mcp_url, server.token, era, name="Cursor") as second,
        join_room(server, path) as peer,
    ):
        await first.tell("read_cell", notebook=path, cell=1)
        await second.tell("overwrite_cell", notebook=path, cell=2, source="print('é')")
        await peer.wait_until(lambda: carets(peer, "Claude Code") == [end_of(peer, 1)])
        await peer.wait_until(lambda: carets(peer, "Cursor") == [end_of(peer, 2)])
        await first.tell("execute_cell", notebook=path, cell=0)
        await peer.wait_until(lambda: carets(peer, "Claude Code") == [end_of(peer, 0)])
        users = [state["user"] for state in agents_in(peer.awareness).values()]
        assert {user["initials"] for user in users} == {"CC", "C"}
        assert len({user["username"] for user in users}) == 2


async def test_an_agent_leaves_with_close_notebook(server: Server, agent: Agent) -> None:
    path = with_cells(server, "a = 1")
    async with join_room(server, path) as peer:
        await agent.tell("read_notebook", notebook=path)
        await peer.wait_until(lambda: "Test Agent" in agents_in(peer.awareness))
        await agent.tell("close_notebook", notebook=path)
        await peer.wait_until(lambda: not agents_in(peer.awareness))


async def test_who_comes_later_is_told_at_once(server: Server, agent: Agent) -> None:
    path = with_cells(server, "a = 1")
    await agent.tell("read_notebook", notebook=path)
    async with join_room(server, path) as peer:
        await peer.wait_until(lambda: "Test Agent" in agents_in(peer.awareness), seconds=2)


async def test_a_person_without_autosave_keeps_it_off(server: Server, agent: Agent) -> None:
    path = with_cells(server, "a = 1")
    call = {"notebook": path, "cell": 0}
    await agent.tell("overwrite_cell", source="a = 2", **call)
    await until(lambda: saved(server, path).cells[0].source == "a = 2")
    async with join_room(server, path) as peer:
        peer.awareness.set_local_state_field("autosave", False)
        await peer.wait_until(
            lambda: [s["autosave"] for s in agents_in(peer.awareness).values()] == [False]
        )
        await agent.tell("overwrite_cell", source="a = 3", **call)
        other = with_cells(server, "b = 1")
        await agent.tell("overwrite_cell", notebook=other, cell=0, source="b = 2")
        await until(lambda: saved(server, other).cells[0].source == "b = 2")
        assert saved(server, path).cells[0].source == "a = 2"
        peer.awareness.set_local_state_field("autosave", True)
        await peer.wait_until(
            lambda: [s["autosave"] for s in agents_in(peer.awareness).values()] == [True]
        )
        await agent.tell("overwrite_cell", source="a = 4", **call)
        await until(lambda: saved(server, path).cells[0].source == "a = 4")


async def test_work_of_an_agent_is_saved_once_a_person_without_autosave_has_left(
    start_server: Callable[..., Any],
) -> None:
    server = await start_server("--YDocExtension.document_cleanup_delay=0.5")
    path = with_cells(server, "a = 1")
    async with connect_agent(server.mcp_url, server.token) as agent:
        async with join_room(server, path) as peer:
            peer.awareness.set_local_state_field("autosave", False)
            await agent.tell("read_notebook", notebook=path)
            await peer.wait_until(
                lambda: [s["autosave"] for s in agents_in(peer.awareness).values()] == [False]
            )
            answer = await agent.run(path, "print('work')")
            assert "Note: autosave is off in JupyterLab" in answer
            assert len(saved(server, path).cells) == 1
        await until(lambda: len(saved(server, path).cells) == 2)
        assert saved(server, path).cells[1].outputs[0].text == "work\n"


async def test_closing_a_notebook_saves_it_also_where_autosave_is_off(
    server: Server, agent: Agent
) -> None:
    path = with_cells(server, "a = 1")
    async with join_room(server, path) as peer:
        peer.awareness.set_local_state_field("autosave", False)
        await agent.tell("read_notebook", notebook=path)
        await peer.wait_until(
            lambda: [s["autosave"] for s in agents_in(peer.awareness).values()] == [False]
        )
        await agent.tell("overwrite_cell", notebook=path, cell=0, source="a = 2")
        await agent.tell("close_notebook", notebook=path)
        assert saved(server, path).cells[0].source == "a = 2"


async def test_an_agent_sees_who_is_there_and_in_which_cell(server: Server, agent: Agent) -> None:
    path = with_cells(server, "a = 1", "b = 2")
    async with (
        connect_agent(server.mcp_url, server.token, HANDSHAKE, name="other") as other,
        join_room(server, path, "ada") as ada,
        join_room(server, path, "bob"),
    ):
        await other.tell("read_notebook", notebook=path)
        ada.awareness.set_local_state_field("cursors", [caret_state(ada, 1)])
        expected = "open with ada (caret in [1] c0000001), bob, Other (agent)"
        await _until_told(agent, expected, "read_notebook", notebook=path)
        assert expected in await agent.tell("open_notebook", notebook=path)
        assert f"{path}  live, open with ada, bob" in await agent.tell("list_notebooks", limit=1000)


async def test_carets_that_make_no_sense_are_passed_over(server: Server, agent: Agent) -> None:
    path = with_cells(server, "a = 1")
    async with join_room(server, path, "ada") as ada:
        odd = ([], [{}], [{"head": None}], [{"head": {"type": {"client": "x"}}}], "x", 7, None)
        for number, cursors in enumerate(odd):
            user = {"name": f"ada {number}"}
            ada.awareness.set_local_state({"user": user, "cursors": cursors, "current": 3})
            await _until_told(agent, f"open with ada {number}, ", "read_notebook", notebook=path)


async def test_an_agent_sees_which_notebook_a_person_looks_at(server: Server, agent: Agent) -> None:
    path, other = with_cells(server, "a = 1"), with_cells(server, "b = 2")
    async with join_room(server, path, "ada"), everywhere(server) as awareness:
        user = {"username": "ada", "name": "ada", "display_name": "ada"}
        awareness.set_local_state({"user": user, "current": f"notebook:{other}"})
        await _until_told(
            agent, f"open with ada (looks at {other})", "read_notebook", notebook=path
        )
        awareness.set_local_state({"user": user, "current": f"notebook:{path}"})
        await _until_told(
            agent, f"{path}  live, open with ada (looks at it)", "list_notebooks", limit=1000
        )
        with anyio.fail_after(15):
            while "Test Agent" not in agents_in(awareness):
                await agent.tell("read_notebook", notebook=path)
        state = agents_in(awareness)["Test Agent"]
        assert state["current"] == f"notebook:{path}" and path in state["documents"]


async def test_an_agents_name_may_be_anything(server: Server) -> None:
    path = with_cells(server, "a = 1")
    name = "\x1b[31m<b>é🎉</b>\n" + "x" * 500
    async with (
        connect_agent(server.mcp_url, server.token, name=name) as agent,
        join_room(server, path) as peer,
    ):
        await agent.tell("read_notebook", notebook=path)
        await peer.wait_until(lambda: len(agents_in(peer.awareness)) == 1)
        (shown,) = agents_in(peer.awareness)
        assert shown.isprintable() and len(shown) == 60


async def test_a_hub_like_login_shows_whose_agent_it_is(tmp_path: Any) -> None:
    code = (
        "from jupyter_server.auth import IdentityProvider, User\n"
        "class Named(IdentityProvider):\n"
        "    async def get_user(self, handler):\n"
        "        user = await super().get_user(handler)\n"
        "        return user and User('grace', 'grace', 'Grace Hopper')\n"
        "c.ServerApp.identity_provider_class = Named\n"
    )
    (tmp_path / "named.py").write_text(code)
    async with run_server(tmp_path, f"--config={tmp_path}/named.py") as server:
        path = with_cells(server, "a = 1")
        async with (
            connect_agent(server.mcp_url, server.token, name="claude-code") as agent,
            join_room(server, path) as peer,
        ):
            await agent.tell("read_notebook", notebook=path)
            await peer.wait_until(
                lambda: [*agents_in(peer.awareness)] == ["Claude Code (Grace Hopper)"]
            )


async def _until_told(agent: Agent, expected: str, tool: str, **arguments: Any) -> None:
    with anyio.fail_after(15):
        while expected not in await agent.tell(tool, **arguments):
            pass


@asynccontextmanager
async def everywhere(server: Server) -> AsyncIterator[Awareness]:
    """The room in which browsers tell what they show; made by the first of them."""
    base = server.url.replace("http", "ws", 1)
    url = f"{base}api/collaboration/room/JupyterLab:globalAwareness?token={server.token}"
    socket = await websocket_connect(HTTPRequest(url))
    awareness = Awareness(Doc())

    def announce(topic: str, change: tuple[dict[str, Any], Any]) -> None:
        if topic == "update" and change[1] == "local":
            state = awareness.encode_awareness_update([awareness.client_id])
            socket.write_message(create_awareness_message(state), binary=True)

    async def listen() -> None:
        while (message := await socket.read_message()) is not None:
            assert isinstance(message, bytes)
            if message[0] == YMessageType.AWARENESS:
                awareness.apply_awareness_update(read_message(message[1:]), "remote")

    awareness.observe(announce)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(listen)
        yield awareness
        awareness.set_local_state(None)
        tasks.cancel_scope.cancel()
    socket.close()

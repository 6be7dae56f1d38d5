"""Agents take back their own edits while others work in the same notebook."""

from __future__ import annotations

import pytest

from ..agent import Agent, Era, connect_agent, text
from ..peer import join_room
from ..server import Server
from .test_executions import with_cells
from .test_reading import read_until

pytestmark = pytest.mark.anyio


async def test_each_agent_takes_back_its_own_steps(server: Server, era: Era) -> None:
    path = with_cells(server, "a = 1", "b = 2")
    call = {"notebook": path}
    async with (
        connect_agent(server.mcp_url, server.token, era, name="first") as first,
        connect_agent(server.mcp_url, server.token, era, name="second") as second,
        join_room(server, path) as peer,
    ):
        await first.tell("edit_cell", cell=0, old_text="1", new_text="10", **call)
        await second.tell("edit_cell", cell=1, old_text="2", new_text="20", **call)
        await first.tell("insert_cell", source="print(a)", execute=True, **call)
        await peer.type_text("c0000000", "  # mine", after="a = 10")
        await read_until(first, path, "# mine", view="source")
        answer = await first.tell("undo", steps=5, **call)
        assert answer.startswith("2 of 5 taken back.\nremoved: ")
        assert "[0] c0000000 code never run: a = 1  # mine" in answer
        await peer.wait_until(lambda: peer.sources() == ["a = 1  # mine", "b = 20"])
        assert "You have no edits" in await first.tell("undo", **call)
        assert "1 of 1 taken back." in await second.tell("undo", **call)
        await peer.wait_until(lambda: peer.sources() == ["a = 1  # mine", "b = 2"])


async def test_a_new_cell_in_which_a_person_writes_is_not_taken_back(
    server: Server, agent: Agent
) -> None:
    path = with_cells(server, "a = 1")
    answer = await agent.tell("insert_cell", notebook=path, source="new = 0")
    cell = answer.split()[1]
    async with join_room(server, path) as peer:
        await peer.type_text(cell, "1", after="new = ")
        await read_until(agent, path, "new = 10", view="source")
        refused = await agent.call("undo", notebook=path)
        assert refused.is_error and "would remove what others have written" in text(refused)
        assert peer.sources() == ["a = 1", "new = 10"]


async def test_what_a_person_typed_is_not_an_agents_to_take_back(
    server: Server, agent: Agent
) -> None:
    path = with_cells(server, "a = 1")
    async with join_room(server, path) as peer:
        await peer.type_text("c0000000", "0", after="a = 1")
        await read_until(agent, path, "a = 10")
        assert "You have no edits" in await agent.tell("undo", notebook=path)
        assert peer.sources() == ["a = 10"]

"""How long agents are seen, without a server."""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from jupyter_ydoc import YNotebook
from pycrdt import Awareness

from jupyter_mcp_ext import presence as presence_module
from jupyter_mcp_ext.agent import Agent
from jupyter_mcp_ext.notebook import NotebookDocument
from jupyter_mcp_ext.people import AGENT_FIELD
from jupyter_mcp_ext.presence import Presence

pytestmark = pytest.mark.anyio

AGENT = Agent("0a", "Claude Code", "ada")


async def settled() -> None:
    return


class Room:
    """A document with an awareness, and a way to wait for what it says of agents."""

    def __init__(self, ynotebook: YNotebook) -> None:
        self.awareness = Awareness(ynotebook.ydoc)
        ynotebook.awareness = self.awareness
        self.document = NotebookDocument(ynotebook, "a.ipynb", settled)
        self.is_live = True
        self.updates = 0
        self._changed = anyio.Event()
        self.awareness.observe(self._notice)

    def _notice(self, topic: str, change: Any) -> None:
        self.updates += topic == "update"
        self._changed.set()
        self._changed = anyio.Event()

    def agents(self) -> list[str]:
        states = self.awareness.states.values()
        return [state["user"]["name"] for state in states if AGENT_FIELD in state]

    async def wait_until(self, agents: list[str]) -> None:
        with anyio.fail_after(5):
            while self.agents() != agents:
                await self._changed.wait()


@pytest.fixture
def room(ynotebook: YNotebook, monkeypatch: pytest.MonkeyPatch) -> Room:
    monkeypatch.setattr(presence_module, "RENEW_SECONDS", 0.01)
    monkeypatch.setattr(presence_module, "IDLE_SECONDS", 0.05)
    return Room(ynotebook)


@pytest.fixture
def presence(room: Room) -> Presence:
    return Presence(lambda document: room.is_live, lambda: None)


async def test_an_idle_agent_goes(room: Room, presence: Presence) -> None:
    presence.show(AGENT, room.document)
    assert room.agents() == ["Claude Code (ada)"]
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(presence.keep_shown)
        await room.wait_until([])
        presence.show(AGENT, room.document)
        await room.wait_until(["Claude Code (ada)"])
        tasks.cancel_scope.cancel()


async def test_an_agent_stays_and_is_renewed_while_it_runs_something(
    room: Room, presence: Presence
) -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(presence.keep_shown)
        with presence.working_on(AGENT, room.document, "aaaa"):
            presence.leave(AGENT, room.document)
            with anyio.fail_after(5):
                while room.updates < 12:
                    await room._changed.wait()
            assert room.agents() == ["Claude Code (ada)"]
        await room.wait_until([])
        tasks.cancel_scope.cancel()


async def test_nothing_is_told_in_a_room_that_is_gone(room: Room, presence: Presence) -> None:
    presence.show(AGENT, room.document)
    room.is_live, told = False, room.updates
    presence.leave(AGENT, room.document)
    assert room.updates == told


async def test_nothing_is_told_when_the_server_stops(room: Room, presence: Presence) -> None:
    presence.stop()
    presence.show(AGENT, room.document)
    assert room.updates == 0


async def test_what_does_not_change_is_not_told_again(
    room: Room, presence: Presence, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presence_module, "RENEW_SECONDS", 60)
    for _ in range(10):
        presence.show(AGENT, room.document, "aaaa")
    assert room.updates == 1
    presence.show(AGENT, room.document, "bbbb")
    presence.show(AGENT, room.document, "a cell that is gone")
    assert room.updates == 2

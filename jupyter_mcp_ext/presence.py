"""Agents as participants: seen among the people of a notebook, with a caret where they work."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from random import getrandbits
from time import monotonic
from typing import Any
from weakref import WeakSet

from anyio import sleep
from pycrdt import Awareness, Encoder

from .agent import Agent
from .notebook import NotebookDocument
from .people import AGENT_FIELD, saves_itself

IDLE_SECONDS = 60.0
"""How long an agent is seen after its last call or run in a notebook."""

RENEW_SECONDS = 10.0
"""How often it is told anew: others forget who is silent for 30 s, and newcomers hear it so."""

State = dict[str, Any]


class _Client:
    """One more client of an awareness, beside the server's own."""

    def __init__(self, awareness: Awareness) -> None:
        self.awareness = awareness
        self._id = getrandbits(32)
        self._clock = 0
        self._state: State | None = None
        self._told = 0.0

    def show(self, state: State | None) -> None:
        """Tell the state to all, None to go, unless they have just been told the same."""
        if state == self._state and monotonic() - self._told < RENEW_SECONDS / 2:
            return
        self._state, self._told = state, monotonic()
        self._clock += 1
        update = Encoder()
        for number in (1, self._id, self._clock):
            update.write_var_uint(number)
        update.write_var_string(json.dumps(state))
        # What has another origin is not sent to the clients.
        self.awareness.apply_awareness_update(update.to_bytes(), "local")

    def forget(self) -> None:
        """Tell the state again when it is next shown."""
        self._told = 0.0


@dataclass
class _Seat:
    """An agent in a notebook."""

    agent: Agent
    document: NotebookDocument
    client: _Client
    cursors: list[State] = field(default_factory=list)
    runs: int = 0
    seen: float = field(default_factory=monotonic)

    @property
    def is_taken(self) -> bool:
        return self.runs > 0 or monotonic() - self.seen < IDLE_SECONDS

    def tell(self) -> None:
        # The room saves by itself if anybody in it wants that: the people decide, not we.
        autosave = saves_itself(self.client.awareness)
        state = {"user": _user(self.agent), "autosave": autosave, "cursors": self.cursors}
        self.client.show(state | {AGENT_FIELD: self.agent.id})


class Presence:
    """Who of the agents is where.

    `is_live` tells whether a notebook's room still exists. `everywhere` is the awareness in which
    JupyterLab shows who is on the server, None as long as no browser is there.
    """

    def __init__(
        self,
        is_live: Callable[[NotebookDocument], bool],
        everywhere: Callable[[], Awareness | None],
    ) -> None:
        self._is_live = is_live
        self._everywhere = everywhere
        self._is_stopping = False
        self._seats: dict[tuple[str, NotebookDocument], _Seat] = {}
        self._clients: dict[str, _Client] = {}
        self._followed: WeakSet[NotebookDocument] = WeakSet()

    def show(self, agent: Agent, document: NotebookDocument, cell_id: str = "") -> _Seat:
        """The agent is in the notebook, and if a cell is named, works there."""
        seat = self._seats.get((agent.id, document)) or self._sit_down(agent, document)
        seat.seen = monotonic()
        if cell_id and document.ycell(cell_id) is not None:
            seat.cursors = document.carets(cell_id)
        self._tell(seat)
        return seat

    def stop(self) -> None:
        """The server stops: its rooms take nothing more."""
        self._is_stopping = True

    @contextmanager
    def working_on(self, agent: Agent, document: NotebookDocument, cell_id: str) -> Iterator[None]:
        """Show the agent in the cell for as long as this goes on."""
        seat = self.show(agent, document, cell_id)
        seat.runs += 1
        try:
            yield
        finally:
            seat.runs -= 1
            seat.seen = monotonic()

    def leave(self, agent: Agent, document: NotebookDocument) -> None:
        """The agent has closed the notebook."""
        seat = self._seats.get((agent.id, document))
        if seat is not None and not seat.runs:
            self._stand_up(seat)

    def whereabouts(self, agent: Agent) -> list[str]:
        """The paths of the notebooks in which the agent is shown."""
        return [
            document.path
            for (agent_id, document), seat in self._seats.items()
            if agent_id == agent.id and seat.is_taken
        ]

    async def keep_shown(self) -> None:
        """Tell who is there again and again, and take away who is not, until cancelled."""
        while True:
            await sleep(RENEW_SECONDS)
            self._renew()

    # Inside

    def _renew(self) -> None:
        for seat in [*self._seats.values()]:
            if seat.is_taken and self._reaches(seat.document):
                self._tell(seat)
            else:
                self._stand_up(seat)

    def _sit_down(self, agent: Agent, document: NotebookDocument) -> _Seat:
        assert document.awareness is not None
        seat = _Seat(agent, document, _Client(document.awareness))
        if document not in self._followed:
            self._followed.add(document)
            document.awareness.observe(partial(self._on_change, document))
        self._seats[agent.id, document] = seat
        return seat

    def _stand_up(self, seat: _Seat) -> None:
        del self._seats[seat.agent.id, seat.document]
        if self._reaches(seat.document):
            seat.client.show(None)
        if all(agent_id != seat.agent.id for agent_id, _ in self._seats):
            client = self._clients.pop(seat.agent.id, None)
            if client is not None and client.awareness is self._everywhere():
                client.show(None)

    def _on_change(
        self, document: NotebookDocument, topic: str, change: tuple[dict[str, Any], Any]
    ) -> None:
        """Somebody came, went or changed in the room."""
        clients, origin = change
        if topic != "change" or origin == "local":
            return
        for (_, other), seat in self._seats.items():
            if other is document:
                if clients["added"]:
                    seat.client.forget()
                seat.tell()

    def _reaches(self, document: NotebookDocument) -> bool:
        return not self._is_stopping and self._is_live(document)

    def _tell(self, seat: _Seat) -> None:
        if self._reaches(seat.document):
            seat.tell()
            self._tell_everywhere(seat.agent, seat.document)

    def _tell_everywhere(self, agent: Agent, document: NotebookDocument) -> None:
        awareness = self._everywhere()
        if awareness is None:
            return
        client = self._clients.get(agent.id)
        if client is None or client.awareness is not awareness:
            client = self._clients[agent.id] = _Client(awareness)
        documents = [other.path for agent_id, other in self._seats if agent_id == agent.id]
        state = {"current": f"notebook:{document.path}", "documents": documents}
        client.show({"user": _user(agent), AGENT_FIELD: agent.id} | state)


def _user(agent: Agent) -> dict[str, Any]:
    """The agent in the form in which Jupyter knows users."""
    return {
        "username": f"mcp-{agent.id}",
        "name": agent.title,
        "display_name": agent.title,
        "initials": agent.initials,
        "avatar_url": None,
        "color": f"var(--jp-collaborator-color{agent.color})",
    }

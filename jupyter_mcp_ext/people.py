"""Who is in a room: what they look at, whose update it is that comes in."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from pycrdt import Awareness, Decoder, YMessageType, YSyncMessageType, read_message

from .agent import NOBODY, Author
from .text import printable

MAX_NAME_CHARS = 60

MAX_PATH_CHARS = 200
"""How much is told of where somebody says to be."""

UNNAMED = "somebody"
"""How a person is called that shows no name."""

AGENT_FIELD = "agent"
"""Has the id of the agent in the states of agents; people have no such field."""

ItemId = tuple[int, int]
"""How Yjs names what was inserted: the client that did it, and its clock."""


@dataclass(frozen=True)
class Participant:
    """Somebody in a room: a person, or the agent `agent_id`.

    `caret` is the Yjs id of the text in which they have put their caret last.
    """

    name: str
    username: str
    agent_id: str = ""
    caret: ItemId | None = None


def participants(awareness: Awareness | None) -> list[Participant]:
    """Those who show themselves in a room, by their names."""
    states = awareness.states.values() if awareness is not None else ()
    found = {_participant(state) for state in states if _name_in(state)}
    return sorted(found, key=lambda each: (bool(each.agent_id), each.name, each.caret or ()))


def is_person(state: Mapping[str, Any]) -> bool:
    """Whether it is the state of a browser, not of an agent or of the server itself."""
    return bool(state) and AGENT_FIELD not in state


def saves_itself(awareness: Awareness) -> bool:
    """Whether the room saves changes by itself: it does if anybody in it wants that."""
    people = [state for state in awareness.states.values() if is_person(state)]
    return not people or any(state.get("autosave", True) for state in people)


def views(awareness: Awareness | None) -> dict[str, set[str]]:
    """The paths of the notebooks that people look at, by their usernames.

    `awareness` is the one in which JupyterLab tells what is shown in each browser.
    """
    found: dict[str, set[str]] = defaultdict(set)
    for state in [*awareness.states.values()] if awareness is not None else []:
        kind, _, path = str((state or {}).get("current") or "").partition(":")
        if kind == "notebook" and is_person(state):
            found[_user_in(state)[1]].add(path[:MAX_PATH_CHARS])
    return found


class Writers:
    """Tells whose update a room takes in, by its messages.

    A room serves each websocket in a task of its own, and applies a message in the moment in
    which it has shown it to `on_message`.
    """

    def __init__(self, awareness: Awareness) -> None:
        self._awareness = awareness
        self._clients: WeakKeyDictionary[asyncio.Task[object], int] = WeakKeyDictionary()
        """Whose websocket each task serves; 0 where that is not known yet."""
        self._inserted_by = 0
        self._names: dict[int, str] = {}
        """Of those who wrote, also when they are silent for so long that they are not seen."""

    def on_message(self, message: bytes) -> bool:
        """Take notice of a message; returns False, so that the room goes on with it."""
        task = asyncio.current_task()
        if task is not None:
            client = self._clients.setdefault(task, 0)
            if message[0] == YMessageType.AWARENESS:
                self._clients[task] = self._first_hand(message) or client
            elif message[0] == YMessageType.SYNC:
                self._inserted_by = _inserted_by(message)
                # Some clients send back what they get, so whose it is must not be known yet.
                if not client and self._inserted_by not in self._clients.values():
                    self._clients[task] = self._inserted_by
        return False

    def current(self) -> Author:
        """Who writes now; NOBODY where it is not known, as for a reload from disk."""
        task = asyncio.current_task()
        if task is None or task not in self._clients:
            return NOBODY
        # What only deletes does not tell whose it is.
        client = self._inserted_by or self._clients[task]
        if name := _name_in(self._awareness.states.get(client)) or self._names.get(client):
            self._names[client] = name
            return Author("", name)
        if client:
            return Author("", UNNAMED)
        names = {each.name for each in participants(self._awareness) if not each.agent_id}
        return Author("", *names) if len(names) == 1 else Author("", UNNAMED)

    def _first_hand(self, message: bytes) -> int:
        """Who tells of themselves in a message; 0 if it only passes on what we know."""
        update = Decoder(read_message(message[1:]))
        for _ in range(update.read_var_uint()):
            client, clock = update.read_var_uint(), update.read_var_uint()
            update.read_var_string()
            if clock > self._awareness.meta.get(client, {}).get("clock", -1):
                return client
        return 0


def _inserted_by(message: bytes) -> int:
    """The Yjs client that made an update; 0 if it only deletes, or is none."""
    if message[1] == YSyncMessageType.SYNC_STEP1:
        return 0
    update = Decoder(read_message(message[2:]))
    if not update.read_var_uint():
        return 0
    update.read_var_uint()
    return update.read_var_uint()


def _participant(state: Mapping[str, Any]) -> Participant:
    name, username = _user_in(state)
    return Participant(name, username, str(state.get(AGENT_FIELD, "")), _caret_in(state))


def _name_in(state: Mapping[str, Any] | None) -> str:
    return _user_in(state or {})[0]


def _user_in(state: Mapping[str, Any]) -> tuple[str, str]:
    """Name and username; what browsers send may be anything."""
    user = state.get("user")
    if not isinstance(user, dict):
        return "", ""
    name = str(user.get("display_name") or user.get("name") or "")[:MAX_NAME_CHARS]
    return printable(name), str(user.get("username") or name)


def _caret_in(state: Mapping[str, Any]) -> ItemId | None:
    try:
        text = state["cursors"][0]["head"]["type"]
        return int(text["client"]), int(text["clock"])
    except (KeyError, IndexError, TypeError, ValueError):
        return None

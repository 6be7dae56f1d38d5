"""Who is in a room, and whose update it is that comes in."""

from __future__ import annotations

import asyncio
from weakref import WeakKeyDictionary

from pycrdt import Awareness, Decoder, YMessageType, YSyncMessageType

from .agent import NOBODY, Author

MAX_NAME_CHARS = 60


def names_in(awareness: Awareness | None) -> list[str]:
    """The names of those who show themselves in a room, each once."""
    states = awareness.states.values() if awareness is not None else ()
    return sorted({name for state in states if (name := _name_in(state))})


class Writers:
    """Tells whose update a room takes in, by its messages.

    A room serves each websocket in a task of its own, and applies a message in the moment in
    which it has shown it to `on_message`.
    """

    def __init__(self, awareness: Awareness) -> None:
        self._awareness = awareness
        self._clients: WeakKeyDictionary[asyncio.Task[object], int] = WeakKeyDictionary()

    def on_message(self, message: bytes) -> bool:
        """Take notice of a message; returns False, so that the room goes on with it."""
        task = asyncio.current_task()
        if task is not None and message[0] == YMessageType.SYNC:
            client = _author_of_update(message)
            if client or task not in self._clients:
                self._clients[task] = client
        return False

    def current(self) -> Author:
        """Who writes now; NOBODY where it is not known, as for a reload from disk."""
        task = asyncio.current_task()
        client = self._clients.get(task) if task is not None else None
        if client is None:
            return NOBODY
        state = self._awareness.states.get(client)
        if state is not None:
            return Author("", _name_in(state))
        names = names_in(self._awareness)
        # Who has only deleted so far has not told which client they are.
        return Author("", names[0]) if len(names) == 1 else NOBODY


def _author_of_update(message: bytes) -> int:
    """The Yjs client that made an update; 0 if it only deletes, or is none."""
    if message[1] == YSyncMessageType.SYNC_STEP1:
        return 0
    update = Decoder(Decoder(message[2:]).read_message() or b"\0")
    if not update.read_var_uint():
        return 0
    update.read_var_uint()
    return update.read_var_uint()


def _name_in(state: dict[str, object] | None) -> str:
    user = (state or {}).get("user")
    if not isinstance(user, dict):
        return ""
    name = str(user.get("display_name") or user.get("name") or "")
    return "".join(filter(str.isprintable, name[:MAX_NAME_CHARS]))

"""The stores in which rooms keep their changes."""

from __future__ import annotations

from contextlib import suppress
from itertools import chain
from typing import Any

from anyio import Lock, move_on_after
from jupyter_server_ydoc.app import YDocExtension
from jupyter_server_ydoc.rooms import DocumentRoom
from pycrdt import Decoder, Doc, Encoder

MAX_WAITING = 200
"""How many changes may wait for a store, each in a task of its own."""

CATCH_UP_SECONDS = 5.0
"""How long others wait until a slow store has caught up."""


class _Configured:
    """Marks a class of stores that knows its configuration."""


def configure_store(collaboration: YDocExtension) -> None:
    """Give what makes rooms for us a store that knows its configuration.

    `get_document` makes the store from `ystore_class` alone, without the configuration.
    """
    store = collaboration.ystore_class
    if issubclass(store, _Configured):
        return

    def __init__(self: Any, *args: Any, **options: Any) -> None:
        store.__init__(self, *args, **{"config": collaboration.config} | options)

    members = {"__init__": __init__}
    collaboration.ystore_class = type(store)(store.__name__, (_Configured, store), members)


async def caught_up(room: DocumentRoom) -> None:
    """Wait for a store on a slow disk, so that its queue does not grow for ever."""
    lock = getattr(room.ystore, "lock", None)
    if isinstance(lock, Lock) and lock.statistics().tasks_waiting > MAX_WAITING:
        await drain(room.ystore)


async def drain(store: Any) -> None:
    """Wait, for some seconds at most, until a store has written what it was given."""
    lock = getattr(store, "lock", None)
    if isinstance(lock, Lock):
        with move_on_after(CATCH_UP_SECONDS):
            async with lock:  # It is given in the order in which it was asked for.
                pass


async def store_own(room: DocumentRoom) -> None:
    """Store what this server itself has written into the document of a room so far.

    jupyter-collaboration names the file in it before it stores what is changed. If that is missing,
    all that is written here later stands behind a gap: a document that is loaded from the store
    tells nobody of changes to it, neither us nor what saves it.
    """
    if room.ystore is not None:
        await room.ystore.write(room.ydoc.get_update(_state_of_others(room.ydoc)))


def _state_of_others(ydoc: Doc[Any]) -> bytes:
    """The state vector of a document without what was written here."""
    known = Decoder(ydoc.get_state())
    clocks = {known.read_var_uint(): known.read_var_uint() for _ in range(known.read_var_uint())}
    clocks.pop(ydoc.client_id, None)
    state = Encoder()
    for number in (len(clocks), *chain.from_iterable(clocks.items())):
        state.write_var_uint(number)
    return state.to_bytes()


async def close_store(store: Any) -> None:
    """Close the store of a room that has ended, which jupyter-collaboration leaves open.

    A change that was cut off while it was written would keep the database locked, so that
    everybody else waits for it in vain.
    """
    with suppress(RuntimeError):  # It was never started.
        await store.stop()

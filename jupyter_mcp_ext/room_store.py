"""The stores in which rooms keep their changes."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from anyio import Lock, move_on_after
from jupyter_server_ydoc.app import YDocExtension
from jupyter_server_ydoc.rooms import DocumentRoom

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


async def close_store(store: Any) -> None:
    """Close the store of a room that has ended, which jupyter-collaboration leaves open.

    A change that was cut off while it was written would keep the database locked, so that
    everybody else waits for it in vain.
    """
    with suppress(RuntimeError):  # It was never started.
        await store.stop()

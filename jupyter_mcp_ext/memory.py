"""Memory that documents leave behind when they are closed.

A room of jupyter-collaboration refers to itself, so its document stays until Python's garbage
collector comes by: in a server that has nothing to do, never. See decision 0017.
"""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Callable

from anyio import sleep, to_thread

LOOK_SECONDS = 10.0
"""How often is looked for what was left behind."""


def set_aside() -> None:
    """Let the garbage collector pass over all that exists now.

    When a server starts these are modules, which stay. To look through them is most of the time
    for which the collector stops everybody.
    """
    gc.freeze()


async def give_back(has_garbage: Callable[[], bool]) -> None:
    """Return what was left behind to the system, until cancelled."""
    while True:
        await sleep(LOOK_SECONDS)
        if has_garbage():
            gc.collect()
            await to_thread.run_sync(_trim)


def _trim() -> None:
    """Let the C library return what is free: GNU's keeps it for later."""
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):
        trim(0)

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

MAX_LOOK_SECONDS = 600.0
"""How seldom, as long as something holds it."""


def set_aside() -> None:
    """Let the garbage collector pass over what exists, until `take_back`.

    When a server starts these are modules, which stay: to look through them is most of the time
    for which it stops everybody.
    """
    gc.freeze()


def take_back() -> None:
    """Let it look through everything again."""
    gc.unfreeze()


async def give_back(has_garbage: Callable[[], bool]) -> None:
    """Return what was left behind to the system, until cancelled."""
    pause = LOOK_SECONDS
    while True:
        await sleep(pause)
        if has_garbage():
            gc.collect()
            await to_thread.run_sync(_trim)
        pause = min(2 * pause, MAX_LOOK_SECONDS) if has_garbage() else LOOK_SECONDS


def _trim() -> None:
    """Let the C library return what is free: GNU's keeps it for later."""
    try:
        library = ctypes.CDLL(None)
    except (OSError, TypeError):  # Windows, or a Python that loads no libraries.
        return
    if trim := getattr(library, "malloc_trim", None):
        trim(0)

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

    Nearly all of that are modules, which stay: to look through them is most of the time for which
    it stops everybody.
    """
    gc.freeze()


def take_back() -> None:
    """Let it look through everything again."""
    gc.unfreeze()


async def give_back(has_garbage: Callable[[], bool]) -> None:
    """Set aside what the first agent has had loaded; from then on return what is left behind to
    the system. Until cancelled.

    `has_garbage` says whether anything that there was when it was asked before should be gone.
    """
    await sleep(LOOK_SECONDS)
    has_garbage()  # What there is now will be set aside with the rest.
    gc.collect()
    set_aside()
    pause = LOOK_SECONDS
    while True:
        await sleep(pause)
        if has_garbage():
            gc.collect()
            if pause > LOOK_SECONDS and has_garbage():
                _collect_all()
            await to_thread.run_sync(_trim)
        pause = min(2 * pause, MAX_LOOK_SECONDS) if has_garbage() else LOOK_SECONDS


def _collect_all() -> None:
    """Collect also what was set aside, as the notebooks were that somebody had open then."""
    take_back()
    gc.collect()
    set_aside()


def _trim() -> None:
    """Let the C library return what is free: GNU's keeps it for later."""
    try:
        library = ctypes.CDLL(None)
    except (OSError, TypeError):  # Windows, or a Python that loads no libraries.
        return
    if trim := getattr(library, "malloc_trim", None):
        trim(0)

"""Saves of live documents that their rooms have put off."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from time import monotonic

from anyio import sleep
from jupyter_server_ydoc.rooms import DocumentRoom

SAVE_INTERVAL_SECONDS = 5.0
"""How often a notebook is saved while a run keeps changing it."""

SAVE_PAUSE_FACTOR = 20
"""The pause between two such saves is at least this many times the last one's duration."""


async def save_pending(room: DocumentRoom, *, is_wanted: bool = False) -> None:
    """Do now the save that the room has put off.

    Where all people have switched autosave off, it puts none off: then only if it `is_wanted`.
    """
    pending = room._saving_document
    is_put_off = pending is not None and not pending.done()
    if is_put_off or (is_wanted and room._document.dirty):
        save = room._save_to_disc()
        if save is not None:
            await asyncio.shield(save)


async def keep_saved(rooms: Callable[[], Sequence[DocumentRoom]]) -> None:
    """Save what `rooms` returns every few seconds, until cancelled.

    A room's own save waits for a pause in the changes, which a run that keeps printing never makes.
    """
    pause = SAVE_INTERVAL_SECONDS
    while True:
        await sleep(pause)
        started = monotonic()
        for room in rooms():
            await save_pending(room)
        pause = max(SAVE_INTERVAL_SECONDS, SAVE_PAUSE_FACTOR * (monotonic() - started))

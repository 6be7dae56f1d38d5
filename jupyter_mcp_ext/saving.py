"""Saves of live documents that their rooms have put off."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic

from anyio import Event, move_on_after
from jupyter_server_ydoc.rooms import DocumentRoom

from .starts import Spawn

OnChange = Callable[[Callable[[set[str] | None], None]], Callable[[], None]]
"""See `NotebookDocument.on_change`."""

SAVE_INTERVAL_SECONDS = 5.0
"""How long after a change a document is saved that does not cease to change."""

SAVE_PAUSE_FACTOR = 20
"""It is at least this many times the last such save's duration."""


async def save_pending(room: DocumentRoom, *, is_wanted: bool = False) -> None:
    """Do now the save that the room has put off.

    Where all people have switched autosave off, it puts none off: then only if it `is_wanted`.
    """
    pending = room._saving_document
    is_put_off = pending is not None and not pending.done()
    if is_put_off or (is_wanted and room._document.dirty):
        await _save(room)
        later = room._saving_document
        if later is not None and later.done():
            await _save(room)  # It may have been faster, and then was replaced by what is older.


async def _save(room: DocumentRoom) -> None:
    save = room._save_to_disc()
    if save is not None:
        # At the next change the room would break off the save that it knows of.
        room._saving_document = None
        try:
            await asyncio.shield(save)
        except RuntimeError:
            if _has_file(room):
                raise
            # There is nowhere to save it.


def _has_file(room: DocumentRoom) -> bool:
    try:
        return bool(room._file.path)
    except RuntimeError:  # It was deleted.
        return False


class Autosave:
    """Saves a document in time that keeps changing.

    A room's own save waits for a pause in the changes, which a run that keeps printing, somebody
    who types or a busy agent may not make for long.
    """

    def __init__(self, room: DocumentRoom, spawn: Spawn, on_change: OnChange) -> None:
        self._room = room
        self._spawn = spawn
        self._is_due = False
        self._stopped = Event()
        self._least_pause = max(SAVE_INTERVAL_SECONDS, room._save_delay or 0)
        self._pause = self._least_pause
        self._stop_listening = on_change(self._note_change)

    def stop(self) -> None:
        """Save no more; may be called again."""
        if not self._stopped.is_set():
            self._stopped.set()
            self._stop_listening()

    def _note_change(self, cell_ids: set[str] | None) -> None:
        if not self._is_due:
            self._is_due = True
            self._spawn(self._save_soon)

    async def _save_soon(self) -> None:
        with move_on_after(self._pause):
            return await self._stopped.wait()
        self._is_due = False
        started = monotonic()
        await save_pending(self._room)
        self._pause = max(self._least_pause, SAVE_PAUSE_FACTOR * (monotonic() - started))

"""Text files that somebody has open live: the adapter to jupyter-collaboration's other rooms."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from pycrdt import Text

from .collaboration import Collaboration, loading, settled
from .errors import FileRefused
from .saving import save_pending
from .text_edits import Span, patch

EDIT_ORIGIN = "mcp-edit"
"""Origin of the transactions that change a file on an agent's behalf."""

TEXT = "text:file"
"""Format and type of the rooms of plain text."""


class TextRooms:
    """The rooms of files that are no notebooks. It makes none: other files are edited on disk."""

    def __init__(self, collaboration: Collaboration) -> None:
        self._collaboration = collaboration

    async def find(self, path: str) -> LiveText | None:
        """The live text of a file, None where nobody has it open.

        Raises:
            FileRefused: it is open live as something else than text, or cannot be loaded.
        """
        rooms = self._collaboration.rooms_of(path)
        if not rooms:
            return None
        others = [kind for kind in rooms if kind != TEXT]
        if others:
            raise FileRefused(path, f"it is open live as {others[0]}", "Ask for it to be closed.")
        room = rooms[TEXT]
        with loading(path, FileRefused):
            await self._collaboration.initialize(room)
        if self._collaboration.rooms_of(path).get(TEXT) is not room:  # It was freed meanwhile.
            return await self.find(path)
        return LiveText(room)

    def is_live(self, path: str) -> bool:
        """Whether a room is in memory for the file, as text, notebook or anything else."""
        return bool(self._collaboration.rooms_of(path))


class LiveText:
    """The text of one room, which its people see change."""

    def __init__(self, room: Any) -> None:
        self._room = room

    async def read(self) -> str:
        """The text as it is now."""
        await settled(self._room)
        return str(self._text)

    async def change(self, edit: Callable[[str], Sequence[Span]]) -> tuple[str, str, bool]:
        """Replace the spans that `edit` finds, and save; the text before and after, and whether
        it is on disk. What `edit` raises is raised before anything is changed."""
        await settled(self._room)
        # Nothing is awaited until the transaction ends, so what people type is neither lost nor
        # taken for what was there.
        text, before = self._text, str(self._text)
        spans = edit(before)
        with self._room.ydoc.transaction(origin=EDIT_ORIGIN):
            patch(text, before, spans)
            self._room._document.dirty = bool(spans) or self._room._document.dirty
        now = str(text)
        # Others may leave now, and the room with them.
        await asyncio.shield(save_pending(self._room))
        return before, now, not self._room._document.dirty

    @property
    def _text(self) -> Text:
        return self._room.ydoc.get("source", type=Text)  # type: ignore[no-any-return]

"""Edit one live notebook by cell id."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime, timezone
from functools import cached_property
from types import MappingProxyType
from typing import Any
from uuid import uuid4

from pycrdt import Map, Text, Transaction

from .agent import Agent
from .cell import Cell, CellHead
from .errors import (
    AmbiguousMatch,
    BeingTyped,
    BrokenCell,
    InvalidRequest,
    ReadOnlyNotebook,
    TextNotFound,
)
from .journal import Origin
from .line_diffs import nearest_line
from .live_notebook import LiveNotebook
from .restoring import remade, restore
from .soundness import is_sound
from .text_edits import Span, changed_spans, patch, replacement_spans
from .undo import Undo

EDIT = Origin("edit")
"""Of the transactions that change the notebook on an agent's behalf."""


class NotebookDocument(LiveNotebook):
    """A live notebook that can be edited.

    Its methods do not await: each edit is one transaction that finds its cells by id inside it,
    after everything was checked.
    """

    _origin = EDIT
    _signature: Mapping[str, Any] = MappingProxyType({})
    """What is noted in the metadata of the cells that are written now."""

    @cached_property
    def _undo(self) -> Undo:
        return Undo(self._ycells, self._index)

    @contextmanager
    def edited_by(self, agent: Agent, *, is_signed: bool = False) -> Iterator[list[str]]:
        """What is edited inside is one step that this agent can undo. Nothing may be awaited.

        Yields a list that has the ids of the cells concerned afterwards. With `is_signed`, cells
        that are written say in their metadata by whom.
        """
        self._origin, mark = Origin("edit", agent.author), self.journal.mark
        self._undo.follow(self._origin)
        self._signature = _signature(agent) if is_signed else {}
        changed: list[str] = []
        try:
            yield changed
            changed += self._undo.note(self._origin, mark)
        finally:
            self._origin, self._signature = EDIT, {}

    def undoable(self, agent: Agent, steps: int) -> set[str]:
        """The ids of the cells that this agent's last steps changed."""
        return self._undo.concerned(Origin("edit", agent.author), steps)

    def undo(self, agent: Agent) -> bool:
        """Take back this agent's last step; False if it has none here.

        Raises:
            ReadOnlyNotebook: it could not be saved.
            UndoRefused: others have written in a cell that this would remove.
        """
        self.check_writable()
        if not self._undo.take_back(Origin("edit", agent.author)):
            return False
        with self.transaction():
            self.mark_dirty()
        return True

    def transaction(self, origin: Origin | None = None) -> AbstractContextManager[Transaction]:
        """One change that everybody sees at once, an edit unless `origin` says otherwise.

        Nothing may be awaited inside.

        Raises:
            ReadOnlyNotebook: it is an edit, and could not be saved.
        """
        if origin is None:
            self.check_writable()
        return self._ynotebook.ydoc.transaction(origin=origin or self._origin)

    def check_writable(self) -> None:
        """Go on only if changes can be saved.

        Raises:
            ReadOnlyNotebook: they cannot.
        """
        if not self.is_writable:
            raise ReadOnlyNotebook(self.path)

    def insert_cell(
        self, source: str, cell_type: str = "code", after: str | int = "end", trusted: bool = False
    ) -> CellHead:
        """Insert a cell after `after`: "start", "end" or a cell reference.

        `trusted` belongs only to cells whose outputs will come from a run of ours.
        """
        index = self._index_after(after)
        cell_id = self._new_id()
        metadata = {"trusted": True} if trusted else {}
        value = self._new_cell(cell_id, cell_type, source, metadata)
        with self.transaction():
            self._ycells.insert(index, self._ynotebook.create_ycell(value))
            self.mark_dirty()
        return self.head(cell_id)

    def replace_text(
        self, reference: str | int, old_text: str, new_text: str, replace_all: bool = False
    ) -> tuple[CellHead, CellHead]:
        """Replace `old_text` in one cell; return the cell before and after.

        `old_text` is looked for as it is, then ignoring space at line ends, then ignoring
        common indentation, which `new_text` then gets.

        Raises:
            TextNotFound: the cell does not contain `old_text`.
            AmbiguousMatch: it does so several times, and `replace_all` is false.
            InvalidRequest: there is no text to look for, or too much new text in all its places.
        """
        before = self.head(reference)
        if not old_text:
            raise InvalidRequest("old_text is empty.", "Use overwrite_cell to replace a source.")
        spans, places = replacement_spans(before.source, old_text, new_text, replace_all)
        if not places:
            nearest = nearest_line(before.source, old_text)
            raise TextNotFound(f"Cell {before.label}", old_text, nearest=nearest)
        if not spans:
            raise AmbiguousMatch(f"Cell {before.label}", old_text, places)
        self._patch_source(before, spans)
        return before, self.head(before.id)

    def replace_source(
        self, reference: str | int, source: str, cell_type: str = "keep"
    ) -> tuple[CellHead, CellHead]:
        """Give one cell a new source, and another type if asked; return it before and after.

        Only the lines that differ are touched, so that a person's cursor stays where it is.
        A new type means a new cell object with the same id; outputs of code are then dropped.

        Raises:
            BeingTyped: it would get a new type, and a person is typing in it.
        """
        before = self.head(reference)
        if cell_type in ("keep", before.type):
            self._patch_source(before, changed_spans(before.source, source))
        else:
            self._replace_cell(self.cell(before.id), source, cell_type)
        return before, self.head(before.id)

    def delete_cells(self, cell_ids: Iterable[str]) -> list[CellHead]:
        """Delete cells by exact id; return them as they were.

        Raises:
            BeingTyped: a person is typing in one of them.
        """
        # Two cells of the same id are one here: the first, until the other gets an id of its own.
        deleted = [self.head(cell_id) for cell_id in dict.fromkeys(cell_ids)]
        for cell in deleted:
            self._check_not_typed(cell.id)
        with self.transaction():
            for cell in sorted(deleted, key=lambda cell: cell.position, reverse=True):
                del self._ycells[cell.position]
            self.mark_dirty()
        return deleted

    def move_cell(self, reference: str | int, after: str | int) -> CellHead:
        """Move one cell after `after`: "start", "end" or another cell. Nothing else changes.

        Raises:
            BeingTyped: a person is typing in it.
        """
        cell_id = self.resolve(reference)
        self._check_not_typed(cell_id)
        before = self.position(cell_id)
        index = self._index_after(after)
        self._check_sound(cell_id)
        raw = json.loads(str(self._ycells[before]))
        state = raw.pop("execution_state", None)
        # Yjs has no move: the cell is made anew, with all it has.
        made = self._made(raw, cell_id)
        with self.transaction():
            del self._ycells[before]
            index -= before < index
            self._ycells.insert(index, made)
            if state:
                self._ycells[index]["execution_state"] = state
            self.mark_dirty()
        return self.head(cell_id)

    def clear_outputs(self, cell_ids: Iterable[str]) -> list[CellHead]:
        """Empty outputs and execution counts by exact id; return the code cells as they were."""
        cleared = [cell for cell in map(self.head, cell_ids) if cell.type == "code"]
        for cell in cleared:
            self._check_sound(cell.id)
        with self.transaction():
            ycells = [self._ycells[cell.position] for cell in cleared]
            changed = [ycell for ycell in ycells if not _is_clear(ycell)]
            for ycell in changed:
                ycell["outputs"].clear()
                ycell["execution_count"] = None
            if changed:
                self.mark_dirty()
        return cleared

    def restore(self, cells: Sequence[Cell]) -> None:
        """Make the cells what they were at one time; those that are so already stay untouched.

        Raises:
            BeingTyped: a person is typing in one that would be removed or made anew.
        """
        now = self.cells()
        for cell_id in remade(now, cells):
            self._check_not_typed(cell_id)
        with self.transaction():
            written = restore(self._ynotebook, now, cells)
            self.mark_dirty()
        for cell in cells:
            if cell.id in written and not cell.is_stale:
                self.note_start(cell.id)  # Its outputs are those of its source.

    def end_stale_runs(self) -> None:
        """Mark cells idle that still say "running" although nobody runs them."""
        stale = [cell for cell in self.cells() if cell.execution_state == "running"]
        if stale:
            with self.transaction():
                for cell in stale:
                    self._ycells[cell.position]["execution_state"] = "idle"

    def note_start(self, cell_id: str) -> None:
        """A run of the cell's present source begins, which the cell does not show yet.

        Raises:
            BrokenCell: it cannot show it.
        """
        self._check_sound(cell_id)
        self.journal.note_run(cell_id, str(self._ycells[self.position(cell_id)]["source"]))
        self._snapshots.forget({cell_id})

    def mark_dirty(self) -> None:
        """Show unsaved changes in JupyterLab; only for use inside a transaction."""
        self._ynotebook.dirty = True

    # Inside

    def _patch_source(self, cell: CellHead, spans: Sequence[Span]) -> None:
        self._check_sound(cell.id)
        text: Text = self._ycells[cell.position]["source"]
        with self.transaction():
            patch(text, cell.source, spans)
            for name, value in self._signature.items():
                self._ycells[cell.position]["metadata"][name] = value
            self.mark_dirty()

    def _check_sound(self, cell_id: str) -> None:
        """Go on only if the cell can be edited.

        Raises:
            BrokenCell: it is none that a notebook can have.
        """
        if not is_sound(self.ycell(cell_id)):
            raise BrokenCell(self.label(cell_id))

    def _made(self, raw: dict[str, Any], cell_id: str) -> Map[Any]:
        """The cell anew, not in the notebook yet."""
        try:
            return self._ynotebook.create_ycell(raw)
        except (AttributeError, TypeError, RecursionError) as error:  # Its outputs are none.
            raise BrokenCell(self.label(cell_id)) from error

    def _check_not_typed(self, cell_id: str) -> None:
        """Go on only if the cell may be made anew: Yjs drops what others write in the old one."""
        typist = self.journal.typist(cell_id)
        if typist:
            raise BeingTyped(self.label(cell_id), typist)

    def _replace_cell(self, cell: Cell, source: str, cell_type: str) -> None:
        self._check_not_typed(cell.id)
        value = self._new_cell(cell.id, cell_type, source, cell.metadata)
        if cell_type != "code" and cell.attachments:
            value["attachments"] = cell.attachments
        with self.transaction():
            # Setting `cell_type` in place would neither show in JupyterLab nor be valid nbformat.
            self._ycells[cell.position] = self._ynotebook.create_ycell(value)
            self.mark_dirty()

    def _new_cell(
        self, cell_id: str, cell_type: str, source: str, metadata: dict[str, Any]
    ) -> dict[str, Any]:
        """A cell that never ran, signed, in the form that jupyter_ydoc takes."""
        value = {"id": cell_id, "cell_type": cell_type, "source": source}
        code = {"execution_count": None} if cell_type == "code" else {}
        return {**value, "metadata": metadata | dict(self._signature), **code}

    def _index_after(self, after: str | int) -> int:
        if after == "start":
            return 0
        return len(self._ycells) if after == "end" else self.position(self.resolve(after)) + 1

    def _new_id(self) -> str:
        while (cell_id := uuid4().hex[:8]) in self.cell_ids:
            pass
        return cell_id


def _is_clear(ycell: Map[Any]) -> bool:
    """Whether to clear it would tell everybody of a change that is none."""
    return not len(ycell["outputs"]) and ycell.get("execution_count", 0) is None


def _signature(agent: Agent) -> dict[str, Any]:
    """What the metadata of a cell says that this agent writes now."""
    now = datetime.now(timezone.utc).isoformat(timespec="seconds")
    return {"jupyter_mcp_ext": {"written_by": agent.title, "written_at": now}}

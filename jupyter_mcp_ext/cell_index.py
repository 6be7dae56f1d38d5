"""The ids of a live notebook's cells, kept current with what happens to them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from functools import partial
from itertools import count
from logging import getLogger
from typing import Any, NamedTuple

from pycrdt import Array, ArrayEvent, Map, ReadTransaction

from .agent import NOBODY, Author
from .cell import id_of
from .journal import Journal, Kind, Origin

Listener = Callable[[set[str] | None], None]

FEW = 1_000
"""Up to how many cells are asked for their ids, in 10 µs each.

JSON of more takes less, but 3 ms for each MB of their outputs.
"""

_log = getLogger(__name__)


class CellIndex:
    """Follows all changes of the cells.

    An `Origin` tells whose transaction it is; `writer` is asked of others. `undoing` is the one
    whose step is being taken back.
    """

    def __init__(self, ycells: Array[Any], writer: Callable[[], Author] = lambda: NOBODY) -> None:
        self.journal = Journal()
        self.undoing: Author | None = None
        self._writer = writer
        self._ycells = ycells
        self._ids: list[str] | None = None
        self._known: set[str] | None = None
        self._hints: dict[str, int] = {}
        """Where cells were when they were last looked for."""
        self._listeners: list[Listener] = []
        self._subscription = ycells.observe_deep(self._follow)  # type: ignore[arg-type]

    def close(self) -> None:
        """Stop following."""
        self._ycells.unobserve(self._subscription)

    @property
    def ids(self) -> Sequence[str]:
        """In the order of the cells."""
        self.read()
        return self._ids or []

    @property
    def known(self) -> Set[str]:
        """The same ids, to ask whether there is one."""
        ids = self.ids
        if self._known is None:
            self._known = set(ids)
        return self._known

    def position(self, cell_id: str) -> int | None:
        """Where the cell is now; None if there is none with this id."""
        ids, hint = self.ids, self._hints.get(cell_id, 0)
        if hint < len(ids) and ids[hint] == cell_id:
            return hint
        try:
            self._hints[cell_id] = position = ids.index(cell_id)
        except ValueError:
            self._hints.pop(cell_id, None)
            return None
        return position

    def read(self) -> None:
        """Know the ids from here on: what becomes of cells can only be told of those known."""
        if self._ids is None:
            ycells = [*self._ycells] if len(self._ycells) <= FEW else []
            if ycells and all(isinstance(ycell, Map) for ycell in ycells):
                self._ids = [*map(_id_in, ycells)]
            else:
                self._ids = [*map(id_of, json.loads(str(self._ycells)))]

    def forget(self) -> None:
        """Read the ids anew when they are needed: one has changed in place."""
        self._ids = self._known = None

    def on_change(self, listener: Listener) -> Callable[[], None]:
        """Call it in each transaction that changes cells, until the result is called.

        It gets the ids of the cells that were changed, added, moved or removed, or None where
        they cannot be told. It must not raise.
        """
        self.read()
        self._listeners.append(listener)
        return partial(self._listeners.remove, listener)

    def _follow(self, events: list[Any], transaction: ReadTransaction) -> None:
        changed: set[str] | None = None
        try:
            changed = self._note(events, transaction)
        except Exception:
            # It would make the writer fail, who may be a person that types.
            _log.exception("A change of a notebook could not be followed")
            self.forget()
            self.journal.restart()
        for listener in [*self._listeners]:
            listener(changed)

    def _note(self, events: list[Any], transaction: ReadTransaction) -> set[str] | None:
        """Returns the ids of the cells that have to do with it, None where they are not known."""
        origin, changed = transaction.origin, set()
        known = origin.author if isinstance(origin, Origin) else None
        self.journal.begin(self.undoing or known or self._writer())
        for event in events:
            if not event.path:
                cells = self._note_cells(event)
                if cells is None:
                    self.journal.restart()
                    return None
                changed |= cells
        for event in events:
            if event.path:
                position = event.path[0]
                if len(event.path) == 1 and "id" in event.keys:
                    changed |= self._note_new_id(position, _id_in(self._ycells[position]))
                changed.add(self.ids[position])
                for kind in _kinds(event):
                    self.journal.note(self.ids[position], kind)
        return changed

    def _note_new_id(self, position: int, new: str) -> set[str]:
        """Returns the old and the new id; jupyter_ydoc gives new ones to duplicates, in place."""
        ids = [*self.ids]
        old, ids[position] = ids[position], new
        self._ids, self._known = ids, None
        if old not in ids:
            self.journal.note_removed(old)
        self.journal.note(new, "added")
        return {old, new}

    def _note_cells(self, event: ArrayEvent) -> set[str] | None:
        """Returns the ids of the cells that were added, moved or removed, None if unknown."""
        before, steps = self._ids, event.delta  # type: ignore[attr-defined]
        moved = None if before is None else _apply_delta(before, steps)
        self._ids = None if moved is None else moved.ids
        if moved is None:
            self._known = None
            return None
        old, new = moved.deleted, moved.inserted
        for cell_id in new:
            kind: Kind = "added"
            if cell_id in old:  # Yjs has neither a move nor a change of type.
                kind = "replaced" if old[cell_id] == new[cell_id] else "moved"
            self.journal.note(cell_id, kind)
            if kind == "replaced" and self.journal.author == NOBODY:
                # By a reload of the file: it has the outputs of this source, for all we know.
                self.journal.note(cell_id, "started")
        removed = old.keys() - new.keys()
        if removed:
            removed -= set(moved.ids)  # Another cell may have the same id.
        if self._known is not None:
            self._known.update(new)
            self._known -= removed
        for cell_id in removed:
            self._hints.pop(cell_id, None)
            self.journal.note_removed(cell_id)
        return new.keys() | removed


class _Change(NamedTuple):
    """The ids after a change of the array, and where it deleted and inserted which."""

    ids: list[str]
    deleted: dict[str, int]
    inserted: dict[str, int]


def _apply_delta(ids: list[str], delta: Iterable[dict[str, Any]]) -> _Change | None:
    """What becomes of `ids`, or None where the change cannot be followed."""
    change, before, now = _Change(list(ids), {}, {}), 0, 0
    for step in delta:
        if "retain" in step:
            before, now = before + int(step["retain"]), now + int(step["retain"])
        elif "delete" in step:
            end = before + int(step["delete"])
            change.deleted.update(zip(ids[before:end], count(before), strict=False))
            del change.ids[now : now + end - before]
            before = end
        else:
            inserted = [_id_in(ycell) for ycell in step["insert"] if isinstance(ycell, Map)]
            if len(inserted) != len(step["insert"]):
                return None
            change.inserted.update(zip(inserted, count(now), strict=False))
            change.ids[now:now] = inserted
            now += len(inserted)
    return change


def _id_in(ycell: Any) -> str:
    """As `id_of` its JSON, in which numbers and more read otherwise."""
    known = ycell.get("id") if isinstance(ycell, Map) else None
    return known if isinstance(known, str) else id_of(json.loads(str(ycell)))


def _kinds(event: Any) -> Iterator[Kind]:
    """What an event inside a cell says about the cell."""
    if len(event.path) > 1:
        if event.path[1] in ("source", "outputs"):
            yield "edited" if event.path[1] == "source" else "output"
        return
    changed = {name: change.get("newValue") for name, change in event.keys.items()}
    if "source" in changed or "cell_type" in changed:
        yield "edited"
    if "outputs" in changed:
        yield "output"
    if changed.get("execution_state") == "running":
        yield "started"
    if changed.get("execution_count") is not None:
        yield "ran"

"""What can be read of one live notebook, its people included."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

from jupyter_ydoc import YNotebook
from pycrdt import Awareness, Map

from .agent import NOBODY, Author
from .carets import carets_at_end, id_of_source, position_of_caret
from .cell import Cell, CellHead
from .cell_index import CellIndex
from .errors import CellNotFound
from .journal import Journal
from .people import ItemId, Participant, participants
from .references import candidates, label, resolve, resolve_many
from .snapshots import Snapshots

MAX_CARETS = 1000
"""Of how many carets is remembered where they are."""


class LiveNotebook:
    """The live notebook at `path`, valid while its room is held open.

    `await settled()` first when time has passed since the room was opened, so as not to fall into a
    reload from disk. `writer` tells who makes a transaction that is not ours.
    """

    def __init__(
        self,
        ynotebook: YNotebook,
        path: str,
        settled: Callable[[], Awaitable[None]],
        writer: Callable[[], Author] = lambda: NOBODY,
    ) -> None:
        self.path = path
        self.file_id = ""
        """What names its file also after a rename."""
        self.is_writable = True
        self.settled = settled
        self._ynotebook = ynotebook
        self._ycells = ynotebook.ycells
        self._index = CellIndex(self._ycells, writer)
        self._snapshots = Snapshots(self._ycells, self._index)
        self._carets: dict[ItemId | None, str | None] = {}
        self._carets_among: Sequence[str] = ()
        """The ids of the cells, another object after each change of them."""

    def close(self) -> None:
        """Stop following the cells; the room may live on."""
        self._index.close()

    # Reading

    @property
    def cell_ids(self) -> Sequence[str]:
        """The ids of all cells, in order."""
        return self._index.ids

    @property
    def journal(self) -> Journal:
        """What happened to the cells."""
        return self._index.journal

    @property
    def kernelspec_name(self) -> str:
        """The kernel that the notebook asks for in its metadata, or ""."""
        return self._named("kernelspec", "name")

    @property
    def language(self) -> str:
        """The language of its code as its metadata names it, or ""."""
        return self._named("language_info", "name") or self._named("kernelspec", "language")

    def _named(self, part: str, name: str) -> str:
        """A text in the notebook's metadata, "" where there is none."""
        value = json.loads(str(self._ynotebook.ydoc.get("meta", type=Map)))
        for key in ("metadata", part, name):
            value = value.get(key) if isinstance(value, dict) else None
        return value if isinstance(value, str) else ""

    @property
    def awareness(self) -> Awareness | None:
        """Who is in the notebook's room; None outside of a server."""
        return self._ynotebook.awareness

    @property
    def participants(self) -> list[Participant]:
        """Who is in the notebook's room, people first."""
        return participants(self.awareness)

    def cells(self) -> list[Cell]:
        """All cells with their outputs, in order."""
        return self._snapshots.all()

    def cells_among(self, cell_ids: Iterable[str]) -> list[Cell]:
        """Those of the cells that have these ids, in order."""
        return self._snapshots.among(set(cell_ids))

    def cell(self, reference: str | int) -> Cell:
        """The cell that `reference` names, see `references.resolve`."""
        position = self.position(self.resolve(reference))
        return self._snapshots.at(position)

    def head(self, reference: str | int) -> CellHead:
        """As `cell`, without reading its outputs, which may be large."""
        return self._snapshots.head(self.position(self.resolve(reference)))

    def heads_among(self, cell_ids: Iterable[str]) -> Sequence[CellHead]:
        """As `cells_among`, for heads."""
        return self._snapshots.heads_among(set(cell_ids))

    def exact_cell(self, cell_id: str) -> Cell:
        """The cell with this id; unlike `cell`, nothing else names it.

        Raises:
            CellNotFound: there is none.
        """
        return self._snapshots.at(self.position(cell_id))

    def exact_head(self, cell_id: str) -> CellHead:
        """As `exact_cell`, for its head."""
        return self._snapshots.head(self.position(cell_id))

    def label(self, cell_id: str) -> str:
        """`[position] id`, as in `Cell.label`, without reading the cell."""
        return label(self.position(cell_id), cell_id)

    def resolve(self, reference: str | int) -> str:
        """The id of the cell that `reference` names, see `references.resolve`."""
        if isinstance(reference, str) and self._index.position(reference) is not None:
            return reference
        return resolve(self.cell_ids, reference, self._index.known)

    def resolve_many(self, references: str) -> list[str]:
        """The ids of the cells that `references` names, see `references.resolve_many`."""
        return resolve_many(self.cell_ids, references)

    def position(self, cell_id: str) -> int:
        """Where the cell is now.

        Raises:
            CellNotFound: the cell was deleted.
        """
        position = self._index.position(cell_id)
        if position is None:
            raise CellNotFound(cell_id, candidates(self.cell_ids))
        return position

    def ycell(self, cell_id: str) -> Map[Any] | None:
        """The live cell, for use inside one transaction only; None when it was deleted."""
        try:
            ycell = self._ycells[self.position(cell_id)]
        except CellNotFound:
            return None
        return ycell if isinstance(ycell, Map) else None

    def carets(self, cell_id: str) -> list[dict[str, Any]]:
        """A caret at the end of the cell's source, as JupyterLab draws it for others.

        Empty where there is no source to show it in.

        Raises:
            CellNotFound: the cell was deleted.
        """
        return carets_at_end(self._ycells[self.position(cell_id)])

    def cell_with_caret(self, caret: ItemId | None) -> str | None:
        """The id of the cell whose source has this Yjs id; None if there is none."""
        ids = self.cell_ids
        if self._carets_among is not ids or len(self._carets) > MAX_CARETS:
            self._carets_among, self._carets = ids, self._carets_that_stayed()
        if caret not in self._carets:
            position = position_of_caret(self._ycells, caret)
            self._carets[caret] = None if position is None else ids[position]
        return self._carets[caret]

    def _carets_that_stayed(self) -> dict[ItemId | None, str | None]:
        return {
            caret: cell_id for caret, cell_id in self._carets.items() if self._is_in(caret, cell_id)
        }

    def _is_in(self, caret: ItemId | None, cell_id: str | None) -> bool:
        # A cell that was made anew has another text.
        position = None if cell_id is None else self._index.position(cell_id)
        return position is not None and id_of_source(self._ycells, position) == caret

    # Following

    def on_change(self, callback: Callable[[set[str] | None], None]) -> Callable[[], None]:
        """Call `callback` in each transaction that changes cells, until the result is called.

        It gets the ids of the cells that were changed, added, moved or removed, or None where they
        cannot be told. It must not raise: the writer would fail.
        """
        return self._index.on_change(callback)

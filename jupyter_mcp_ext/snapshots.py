"""Snapshots of a live notebook's cells, kept while nothing changes them."""

from __future__ import annotations

import json
from collections.abc import Sequence, Set
from typing import Any

from pycrdt import Array, Map

from .cell import Cell, CellHead, at_position, id_of, shown_type, snapshot
from .cell_index import CellIndex
from .cell_json import as_json, has_long_outputs, spread
from .sizes import is_larger
from .soundness import is_sound

MAX_KEPT_CHARS = 4_000_000
"""How large a notebook may be, as JSON, for its cells to be kept.

Of a larger one those are kept that take no more than their share of this.
"""

FEW = 20
"""Up to how many cells are read one by one; reading all at once costs less for each."""

MANY = 1_000
"""Up to how many are read one by one if they are large: all at once, a MB takes 3 ms."""

LOOKS = 20
"""At how many it is looked whether they are large."""

FEW_HEADS = 200
"""The same for heads, for which all at once is a detour by way of their outputs."""


class Snapshots:
    """What is read of the cells. Reading them anew takes 10 ms for a thousand."""

    def __init__(self, ycells: Array[Any], index: CellIndex) -> None:
        self._ycells = ycells
        self._index = index
        self._kept: dict[str, Cell] = {}
        index.on_change(self.forget)

    def all(self) -> list[Cell]:
        """All cells with their outputs, in order."""
        ids = self._index.ids
        missing = [i for i, cell_id in enumerate(ids) if cell_id not in self._kept]
        if len(set(ids)) < len(ids) or not self._is_for_each(missing):
            return self._read_all()
        read = {ids[position]: self.at(position) for position in missing}
        found = [read.get(cell_id) or self._kept[cell_id] for cell_id in ids]
        self._keep_small(read)
        return [at_position(cell, i) for i, cell in enumerate(found)]

    def at(self, position: int) -> Cell:
        """One cell."""
        kept = self._kept.get(self._index.ids[position])
        if kept is not None:
            return at_position(kept, position)
        ycell = self._ycells[position]
        # What is no cell has JSON with the others only.
        is_cell = isinstance(ycell, Map)
        raw = as_json(ycell) if is_cell else json.loads(str(self._ycells))[position]
        return self._snapshot(raw, position)

    def head(self, position: int) -> CellHead:
        """What there is of one cell without reading all that it has."""
        cell_id, ycell = self._index.ids[position], self._ycells[position]
        if cell_id in self._kept or not is_sound(ycell):
            return self.at(position)
        return CellHead(cell_id, position, shown_type(ycell["cell_type"]), str(ycell["source"]))

    def among(self, cell_ids: Set[str]) -> list[Cell]:
        """The cells that have these ids, in order."""
        positions = self._positions(cell_ids)
        return [*map(self.at, positions)] if len(positions) <= FEW else self._at_once(positions)

    def heads_among(self, cell_ids: Set[str]) -> Sequence[CellHead]:
        """As `among`, for heads: those of many are read with the outputs of all."""
        positions = self._positions(cell_ids)
        is_few = len(positions) <= FEW_HEADS
        return [*map(self.head, positions)] if is_few else self._at_once(positions)

    def forget(self, cell_ids: set[str] | None) -> None:
        """These cells have changed, or for None any of them."""
        if cell_ids is None:
            self._kept.clear()
        else:
            for cell_id in cell_ids:
                self._kept.pop(cell_id, None)

    def _positions(self, cell_ids: Set[str]) -> list[int]:
        return [i for i, cell_id in enumerate(self._index.ids) if cell_id in cell_ids]

    def _at_once(self, positions: list[int]) -> list[Cell]:
        cells = self.all()
        return [cells[position] for position in positions]

    def _is_for_each(self, positions: Sequence[int]) -> bool:
        """Whether these are better read one by one."""
        if FEW < len(positions) <= MANY:
            looked = [positions[i] for i in spread(len(positions), LOOKS)]
            return any(has_long_outputs(self._ycells[position]) for position in looked)
        return len(positions) <= FEW

    def _read_all(self) -> list[Cell]:
        # One JSON string of the whole array is about ten times faster than a call for each cell.
        text = str(self._ycells)
        cells = [self._snapshot(raw, i) for i, raw in enumerate(json.loads(text))]
        known = {cell.id: cell for cell in cells}
        are_different = len(known) == len(cells)
        self._kept = known if are_different and len(text) <= MAX_KEPT_CHARS else {}
        if are_different and not self._kept and len(cells) <= MANY:
            self._keep_small(known)
        return cells

    def _keep_small(self, cells: dict[str, Cell]) -> None:
        limit = MAX_KEPT_CHARS // max(len(self._index.ids), 1)
        self._kept |= {name: cell for name, cell in cells.items() if not _is_larger(cell, limit)}

    def _snapshot(self, raw: Any, position: int) -> Cell:
        source = str(raw.get("source", "")) if isinstance(raw, dict) else ""
        is_edited = self._index.journal.is_stale(id_of(raw), source)
        return snapshot(raw, position, is_edited=is_edited)


def _is_larger(cell: Cell, size: int) -> bool:
    return is_larger((cell.source, cell.outputs, cell.metadata, cell.attachments), size)

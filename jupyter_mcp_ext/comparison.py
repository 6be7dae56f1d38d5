"""How the cells of a notebook differ from those it had before."""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from .cell import Cell

Digests = list[list[str]]
"""The id and a digest of each cell, as JSON can have them."""


@dataclass(frozen=True)
class Difference:
    """What became of one cell: it was added if `before` is None, removed if `now` is."""

    before: Cell | None
    now: Cell | None
    is_moved: bool = False


def differences(before: Sequence[Cell], now: Sequence[Cell]) -> list[Difference]:
    """The cells that were changed, moved and added, in their present order; then those removed."""
    old = {cell.id: cell for cell in before}
    kept = in_place([cell.id for cell in before], [cell.id for cell in now])
    pairs = [Difference(old.pop(cell.id, None), cell, cell.id not in kept) for cell in now]
    found = [each for each in pairs if each.is_moved or not _is_same(each.before, each.now)]
    return [*found, *(Difference(cell, None) for cell in old.values())]


def in_place(before: Sequence[str], now: Sequence[str]) -> set[str]:
    """The most ids that are in both and in the same order; none where one occurs twice."""
    positions = {cell_id: position for position, cell_id in enumerate(before)}
    if len(positions) < len(before) or len(set(now)) < len(now):
        return set()
    # The longest increasing subsequence: `ends` has the lowest end of those of each length.
    ends: list[int] = []
    lengths: list[tuple[str, int]] = []
    for cell_id in now:
        if (position := positions.get(cell_id)) is not None:
            length = bisect_left(ends, position)
            ends[length : length + 1] = [position]
            lengths.append((cell_id, length))
    kept, wanted = set(), len(ends) - 1
    for cell_id, length in reversed(lengths):
        if length == wanted:
            kept.add(cell_id)
            wanted -= 1
    return kept


def digests(cells: Sequence[Cell]) -> Digests:
    """What is equal where `differences` tells of none."""
    return [[cell.id, _digest(cell)] for cell in cells]


def count_differing(before: Digests, now: Digests) -> int:
    """How many `differences` there are."""
    old, new = ({cell_id: digest for cell_id, digest in each} for each in (before, now))
    kept = in_place([cell_id for cell_id, _ in before], [cell_id for cell_id, _ in now])
    same = sum(1 for cell_id in kept if old[cell_id] == new[cell_id])
    return len(old.keys() | new.keys()) - same


def _is_same(before: Cell | None, now: Cell | None) -> bool:
    return before is not None and now is not None and _facts(before) == _facts(now)


def _facts(cell: Cell) -> tuple[Any, ...]:
    # Whether outputs are trusted is not the notebook's content: it is not in the file either.
    metadata = {name: value for name, value in cell.metadata.items() if name != "trusted"}
    return (
        *(cell.type, cell.source, list(cell.outputs), cell.execution_count),
        *(metadata, cell.attachments),
    )


def _digest(cell: Cell) -> str:
    text = json.dumps(_facts(cell), sort_keys=True)
    if ".0" in text:
        # Yjs stores whole numbers as floats, when a browser writes them.
        text = json.dumps(json.loads(text, parse_float=_number), sort_keys=True)
    return blake2b(text.encode(), digest_size=8).hexdigest()


def _number(text: str) -> int | float:
    number = float(text)
    return int(number) if number.is_integer() else number

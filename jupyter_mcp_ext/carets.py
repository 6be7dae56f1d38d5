"""Carets in the sources of live cells, as JupyterLab draws them."""

from __future__ import annotations

from typing import Any

from pycrdt import Array, Assoc, Map, Text

from .people import ItemId

NO_SOURCE: ItemId = (-1, -1)
"""No client has this id."""

MAX_OTHERS = 20
"""How many cells of others are passed over among those that one client has made."""

MAX_SEARCHED = 1000
"""How many cells are looked through for a caret: pycrdt walks to each from the first."""


def carets_at_end(ycell: Any) -> list[dict[str, Any]]:
    """A caret at the end of a cell's source, if it has one."""
    text = _source_of(ycell)
    if text is None:
        return []
    # Seen from before: pycrdt panics at the end of a text otherwise.
    index = text.sticky_index(len(str(text).encode()), Assoc.BEFORE).to_json()
    place = {"type": None, "tname": None, "item": None} | index
    return [{"anchor": place, "head": place, "primary": True, "empty": True}]


def id_of_source(ycells: Array[Any], position: int) -> ItemId:
    """The Yjs id of a cell's source, by which carets name it; of none where it has no source."""
    source = _source_of(ycells[position])
    if source is None:
        return NO_SOURCE
    place = source.sticky_index(0, Assoc.BEFORE).to_json()["type"]
    return place["client"], place["clock"]


def position_of_caret(ycells: Array[Any], caret: ItemId | None) -> int | None:
    """Where the cell is whose source has this Yjs id; None if there is none, or it is not found.

    What was made in one go, as the cells of a file, has rising clocks, which lead there. Other
    cells are looked through from the first one on.
    """
    if caret is None or not len(ycells):
        return None
    found = _guided(ycells, caret)
    if found is not None:
        return found
    searched = range(min(len(ycells), MAX_SEARCHED))
    return next((i for i in searched if id_of_source(ycells, i) == caret), None)


def _guided(ycells: Array[Any], caret: ItemId) -> int | None:
    """Follow the clocks of the cells that the same client has made, among those of others."""
    first, last = 0, len(ycells) - 1
    while first <= last:
        middle = (first + last) // 2
        for position in range(middle, min(middle + MAX_OTHERS, last) + 1):
            client, clock = id_of_source(ycells, position)
            if client == caret[0]:
                break
        if (client, clock) == caret:
            return position
        if client == caret[0] and clock < caret[1]:
            first = position + 1
        else:
            last = middle - 1
    return None


def _source_of(ycell: Any) -> Text | None:
    source = ycell.get("source") if isinstance(ycell, Map) else None
    return source if isinstance(source, Text) else None

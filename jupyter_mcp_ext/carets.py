"""Carets in the sources of live cells, as JupyterLab draws them."""

from __future__ import annotations

from typing import Any

from pycrdt import Array, Assoc, Text

from .people import ItemId


def caret_at_end(ycells: Array[Any], position: int) -> dict[str, Any]:
    """A caret at the end of a cell's source."""
    text: Text = ycells[position]["source"]
    # Seen from before: pycrdt panics at the end of a text otherwise.
    index = text.sticky_index(len(str(text).encode()), Assoc.BEFORE).to_json()
    place = {"type": None, "tname": None, "item": None} | index
    return {"anchor": place, "head": place, "primary": True, "empty": True}


def position_of_caret(ycells: Array[Any], caret: ItemId | None) -> int | None:
    """Where the cell is whose source has this Yjs id; None if there is none."""
    if caret is None:
        return None
    for position, ycell in enumerate(ycells):
        text = ycell["source"].sticky_index(0, Assoc.BEFORE).to_json().get("type") or {}
        if (text.get("client"), text.get("clock")) == caret:
            return position
    return None

"""Whether a live cell is made as nbformat has it: any client may write anything into it."""

from __future__ import annotations

from typing import Any

from pycrdt import Array, Map, Text


def is_sound(ycell: Any) -> bool:
    """Whether its parts are there and can be edited."""
    if not isinstance(ycell, Map) or not isinstance(ycell.get("source"), Text):
        return False
    if not all(isinstance(ycell.get(name), str) for name in ("id", "cell_type")):
        return False
    is_code = ycell.get("cell_type") == "code"
    return isinstance(ycell.get("metadata"), Map) and (not is_code or has_outputs(ycell))


def has_outputs(ycell: Any) -> bool:
    """Whether it has outputs that can be written, as code cells have."""
    return isinstance(ycell, Map) and isinstance(ycell.get("outputs"), Array)

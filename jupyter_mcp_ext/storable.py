"""What a live document can hold of a value that came as JSON from elsewhere."""

from __future__ import annotations

from math import isfinite
from typing import Any

from .sizes import are_numbers
from .text import encodable

EXACT = 2**53
"""Up to which number a whole one is the same in browsers."""

MAX_DEPTH = 100
"""How many levels of lists and mappings are kept."""


def storable(value: Any, depth: int = MAX_DEPTH) -> Any:
    """The same, as far as Yjs can hold it: pycrdt panics at the rest, which `except` does not stop.

    Lone surrogates become "?", whole numbers that browsers cannot hold floats, as in a browser;
    what is no number, and what is nested too deeply, becomes None.
    """
    if isinstance(value, str):
        return encodable(value)
    if isinstance(value, dict) and depth:
        return {storable(str(name)): storable(each, depth - 1) for name, each in value.items()}
    if isinstance(value, list) and depth:
        is_kept = are_numbers(value) and _can_all_be_stored(value)
        return value if is_kept else [storable(each, depth - 1) for each in value]
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if -EXACT <= value <= EXACT else _as_float(value)
    return value if isinstance(value, float) and isfinite(value) else None


def whole(value: Any) -> int | None:
    """A count that may be none."""
    is_count = isinstance(value, int) and not isinstance(value, bool)
    return value if is_count and 0 <= value <= EXACT else None


def _can_all_be_stored(numbers: list[float]) -> bool:
    # Charts have many: this takes a tenth of looking at each. A large one would overflow below.
    is_exact = -EXACT <= min(numbers, default=0) and max(numbers, default=0) <= EXACT
    return is_exact and all(map(isfinite, numbers))


def _as_float(number: int) -> float | None:
    try:
        return float(number)
    except OverflowError:
        return None

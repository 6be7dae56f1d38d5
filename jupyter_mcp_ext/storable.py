"""Values that came as JSON from elsewhere: what a live document can hold of them, their size."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate
from math import isfinite
from typing import Any

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
        return [storable(each, depth - 1) for each in value]
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if -EXACT <= value <= EXACT else _as_float(value)
    return value if isinstance(value, float) and isfinite(value) else None


def whole(value: Any) -> int | None:
    """A count that may be none."""
    is_count = isinstance(value, int) and not isinstance(value, bool)
    return value if is_count and 0 <= value <= EXACT else None


def size_of(value: Any) -> int:
    """About how many bytes this takes in a file."""
    return sum(_sizes(value))


def is_larger(value: Any, size: int) -> bool:
    """Whether this takes more, without looking at all of it."""
    return any(total > size for total in accumulate(_sizes(value)))


def _sizes(value: Any) -> Iterator[int]:
    left = [value]
    while left:
        each = left.pop()
        if isinstance(each, str):
            yield len(each)
        elif isinstance(each, (list, tuple)):
            yield len(each)  # Commas, and what is empty in between.
            left += each
        elif isinstance(each, dict):
            yield sum(map(len, each))
            left += each.values()
        else:
            yield 8


def _as_float(number: int) -> float | None:
    try:
        return float(number)
    except OverflowError:
        return None

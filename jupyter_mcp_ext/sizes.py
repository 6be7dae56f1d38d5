"""How large a value is that came as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any


def size_of(value: Any) -> int:
    """About how many bytes this takes in a file, where each character counts as one."""
    return sum(_sizes(value))


def is_larger(value: Any, size: int) -> bool:
    """Whether this takes more, without looking at all of it."""
    return any(total > size for total in accumulate(_sizes(value)))


def are_numbers(values: Sequence[Any]) -> bool:
    """Whether all of these are numbers; a truth value is none."""
    return {*map(type, values)} <= {int, float}


def _sizes(value: Any) -> Iterator[int]:
    left = [value]
    while left:
        each = left.pop()
        if isinstance(each, str):
            yield len(each)
        elif isinstance(each, (list, tuple)) and are_numbers(each):
            yield (1 + 8) * len(each)
        elif isinstance(each, (list, tuple)):
            yield len(each)  # Commas, and what is empty in between.
            left += each
        elif isinstance(each, dict):
            yield sum(map(len, each))
            left += each.values()
        else:
            yield 8

"""Numbers as callers write them: `1-3,5`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

from .errors import InvalidRequest

MAX_CHARS = 2_000
"""How long a list may be: each number is compared with all its parts."""


def chosen(known: Iterable[int], numbers: str) -> list[int]:
    """Those of the known numbers that a list such as "1-3,5" names, ascending.

    Raises:
        InvalidRequest: it is no such list, or names none of them.
    """
    if len(numbers) > MAX_CHARS:
        raise InvalidRequest("These are too many numbers.", "Name ranges such as 5-700.")
    wanted = [_ends(part.strip(), numbers) for part in numbers.split(",")]
    found = sorted(n for n in known if any(first <= n <= last for first, last in wanted))
    if not found:
        raise InvalidRequest(f"There is nothing with the numbers {numbers!r}.")
    return found


def ranges(numbers: Sequence[int]) -> str:
    """Ascending numbers as `chosen` takes them."""
    runs = groupby(enumerate(numbers), key=lambda item: item[1] - item[0])
    ends = [(run[0][1], run[-1][1]) for run in (list(items) for _, items in runs)]
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in ends)


def _ends(part: str, numbers: str) -> tuple[int, int]:
    first, _, last = part.partition("-")
    try:
        return int(first), int(last or first)
    except ValueError:
        hint = 'Pass a list such as "1-3,5".'
        raise InvalidRequest(f"{numbers!r} names no numbers.", hint) from None

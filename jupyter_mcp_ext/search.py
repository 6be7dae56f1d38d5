"""Find lines in the cells of a notebook."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from math import prod
from time import monotonic
from typing import Literal

import regex

from .cell import Cell
from .errors import InvalidRequest, Unavailable
from .output_parts import is_error, part_of

Within = Literal["all", "source", "outputs", "errors", "stale"]

SEARCH_SECONDS = 5.0
"""How long one search may take: there are expressions that would never end."""


MAX_QUERY_CHARS = 1000

MAX_KEPT = 60
"""How many lines of a cell are returned; more are only counted."""

MAX_REPEATS = 100_000
"""How often an expression may repeat its parts: repeats of repeats take for ever to compile."""

_REPEATS = regex.compile(r"[{,](\d{1,9})\d*(?=[,}])")

LINES_BETWEEN_LOOKS = 1000
"""How many lines are searched before the time is looked at again."""


@dataclass(frozen=True)
class Match:
    """A line of a cell's source, where `output` is "", or of an output of that kind."""

    output: str
    number: int
    line: str


@dataclass
class Found:
    """A cell where something matches: the first lines of those that do, and how many do."""

    cell: Cell
    lines: list[Match] = field(default_factory=list)
    count: int = 0


def search(cells: Sequence[Cell], query: str, *, is_regex: bool, within: Within) -> list[Found]:
    """The cells where something matches.

    Plain text ignores case. An empty query finds all cells with errors, or all stale ones, by
    the first line of each error, or without lines.

    Raises:
        InvalidRequest: there is nothing to look for, or the expression is not valid.
        Unavailable: it takes too long.
    """
    if not query and within not in ("errors", "stale"):
        raise InvalidRequest("The query is empty.", 'Only within="errors" or "stale" needs none.')
    if len(query) > MAX_QUERY_CHARS:
        raise InvalidRequest(f"The query has more than {MAX_QUERY_CHARS} characters.")
    searching = _Search(_matcher(query, is_regex))
    if query:
        found = [searching.cell(cell, within) for cell in cells]
        return [each for each in found if each.count]
    if within == "stale":
        return [Found(cell) for cell in cells if cell.is_stale]
    return [each for each in map(searching.errors, cells) if each.count]


class _Search:
    """One search, which ends when its time is over."""

    def __init__(self, matches: Callable[[str, float], bool]) -> None:
        self._matches = matches
        self._deadline = monotonic() + SEARCH_SECONDS

    def cell(self, cell: Cell, within: Within) -> Found:
        found = Found(cell)
        if within == "stale" and not cell.is_stale:
            return found
        left = self._left()
        for looked, match in enumerate(_lines(cell, within)):
            if looked % LINES_BETWEEN_LOOKS == 0:
                left = self._left()
            try:
                is_match = self._matches(match.line, left)
            except TimeoutError:
                raise _too_long() from None
            if is_match:
                found.count += 1
                if found.count <= MAX_KEPT:
                    found.lines.append(match)
        return found

    def errors(self, cell: Cell) -> Found:
        self._left()
        lines = [match for match in _lines(cell, "errors") if not match.number]
        return Found(cell, lines[:MAX_KEPT], len(lines))

    def _left(self) -> float:
        left = self._deadline - monotonic()
        if left <= 0:
            raise _too_long()
        return left


def _too_long() -> Unavailable:
    return Unavailable(
        f"The search took more than {SEARCH_SECONDS:g} s.", "Search for something simpler."
    )


def _matcher(query: str, is_regex: bool) -> Callable[[str, float], bool]:
    if not is_regex:
        folded = query.casefold()
        return lambda line, left: folded in line.casefold()
    if prod(max(int(number), 1) for number in _REPEATS.findall(query)) > MAX_REPEATS:
        raise InvalidRequest(f"{query[:80]!r} repeats too much.", "Use * or + instead of {n}.")
    try:
        expression = regex.compile(query)
    except (regex.error, RecursionError, OverflowError) as error:
        raise InvalidRequest(f"{query[:80]!r} is no regular expression: {error}.") from error
    # Without the GIL, so that the server goes on.
    return lambda line, left: expression.search(line, timeout=left, concurrent=True) is not None


def _lines(cell: Cell, within: Within) -> Iterator[Match]:
    if within in ("all", "source", "stale"):
        for number, line in enumerate(cell.source.split("\n")):
            yield Match("", number, line)
    if within in ("all", "outputs", "errors"):
        for output in cell.outputs:
            if within != "errors" or is_error(output):
                part = part_of(output)
                for number, line in enumerate(part.lines):
                    yield Match(part.kind, number, line)

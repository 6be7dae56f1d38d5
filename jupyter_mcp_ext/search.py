"""Find lines in the cells of a notebook."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Literal

import regex

from .cell import Cell
from .errors import InvalidRequest, Unavailable
from .output_parts import is_error, part_of

Within = Literal["all", "source", "outputs", "errors", "stale"]

SEARCH_SECONDS = 5.0
"""How long one search may take: there are expressions that would never end."""


@dataclass(frozen=True)
class Match:
    """A line of a cell's source, where `output` is "", or of an output of that kind."""

    output: str
    number: int
    line: str


def search(
    cells: Sequence[Cell], query: str, *, is_regex: bool, within: Within
) -> list[tuple[Cell, list[Match]]]:
    """The cells where something matches, with the lines.

    Plain text ignores case. An empty query finds all cells with errors, or all stale ones, by
    the first line of each error, or without lines.

    Raises:
        InvalidRequest: there is nothing to look for, or the expression is not valid.
        Unavailable: it takes too long.
    """
    if not query and within not in ("errors", "stale"):
        raise InvalidRequest("The query is empty.", 'Only within="errors" or "stale" needs none.')
    matches = _matcher(query, is_regex)
    found = []
    for cell in cells:
        if within == "stale" and not cell.is_stale:
            continue
        lines = [match for match in _lines(cell, within) if matches(match.line)]
        if not query:
            lines = [] if within == "stale" else [match for match in lines if not match.number]
        if lines or (within == "stale" and not query):
            found.append((cell, lines))
    return found


def _matcher(query: str, is_regex: bool) -> Callable[[str], bool]:
    if not is_regex:
        folded = query.casefold()
        return lambda line: folded in line.casefold()
    try:
        expression = regex.compile(query)
    except regex.error as error:
        raise InvalidRequest(f"{query!r} is no regular expression: {error}.") from error
    deadline = monotonic() + SEARCH_SECONDS

    def matches(line: str) -> bool:
        try:
            # Without the GIL, so that the server goes on.
            left = max(deadline - monotonic(), 0.001)
            return expression.search(line, timeout=left, concurrent=True) is not None
        except TimeoutError:
            raise Unavailable(
                f"The search took more than {SEARCH_SECONDS:g} s.", "Choose a simpler expression."
            ) from None

    return matches


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

"""How two texts differ, line by line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import Match, SequenceMatcher, get_close_matches
from heapq import nlargest
from itertools import accumulate, pairwise

MAX_LINE_CHARS = 300
"""How much a diff shows of a line."""

MAX_SEARCHED_LINES = 500
MAX_COMPARED_LINES = 5
MAX_COMPARED_CHARS = 100
"""Of how many lines, and how much of each, the nearest is chosen with care."""

MAX_LINES = 40_000
"""More lines, old and new ones, are only compared from both ends."""

MAX_STEPS = 200_000
"""How much work a comparison of lines may take, in pairs of equal lines that it looks at."""


class LineMatcher(SequenceMatcher[str]):
    """Compares lines. What takes more than MAX_STEPS counts as wholly different."""

    b2j: dict[str, list[int]]

    def __init__(self, old: Sequence[str], new: Sequence[str]) -> None:
        is_small = len(old) + len(new) <= MAX_LINES
        super().__init__(None, *((old, new) if is_small else ("", "")))
        self.a, self.b = self._old, self._new = old, new
        pairs = (1 + len(self.b2j.get(line, ())) for line in old)
        self._steps = [*accumulate(pairs, initial=0)]
        self._left = MAX_STEPS if is_small else -1

    def find_longest_match(
        self, alo: int = 0, ahi: int | None = None, blo: int = 0, bhi: int | None = None
    ) -> Match:
        """Or rather what both start or end with, which is found much faster."""
        old_end = len(self._old) if ahi is None else ahi
        new_end = len(self._new) if bhi is None else bhi
        old, new = self._old[alo:old_end], self._new[blo:new_end]
        if same := count_same(old, new):
            return Match(alo, blo, same)
        if same := count_same(old[::-1], new[::-1]):
            return Match(old_end - same, new_end - same, same)
        self._left -= self._steps[old_end] - self._steps[alo]
        if self._left < 0:
            return Match(alo, blo, 0)
        return super().find_longest_match(alo, old_end, blo, new_end)


def count_same(one: Sequence[str], other: Sequence[str]) -> int:
    """With how many equal items, or characters, both start."""
    same, end = 0, min(len(one), len(other))
    while same < end:
        middle = (same + end + 1) // 2
        if one[same:middle] == other[same:middle]:
            same = middle
        else:
            end = middle - 1
    return same


def line_diff(old: str, new: str, max_lines: int) -> str:
    """The lines that differ, in the form of a unified diff without its header; "" for none.

    Where many lines repeat or very many differ it may name lines that are the same.
    """
    lines = [*_unified(old.splitlines(), new.splitlines())]
    omitted = len(lines) - max_lines
    lines = [
        line if len(line) <= MAX_LINE_CHARS else _cut(line)
        for line in _around_changes(lines[:max_lines])
    ]
    return "\n".join(lines + [f"... {omitted} more lines of this diff"] * (omitted > 0))


def _unified(old: Sequence[str], new: Sequence[str]) -> Iterator[str]:
    for group in LineMatcher(old, new).get_grouped_opcodes(1):
        (_, i1, _, j1, _), (_, _, i2, _, j2) = group[0], group[-1]
        yield f"@@ -{_numbers(i1, i2)} +{_numbers(j1, j2)} @@"
        for tag, i1, i2, j1, j2 in group:
            if tag == "equal":
                yield from (f" {line}" for line in old[i1:i2])
            else:
                yield from (f"-{line}" for line in old[i1:i2])
                yield from (f"+{line}" for line in new[j1:j2])


def _numbers(start: int, end: int) -> str:
    """Lines as a unified diff names them."""
    count = end - start
    return f"{start + 1}" if count == 1 else f"{start + (count > 0)},{count}"


def _around_changes(lines: list[str]) -> list[str]:
    """Long lines that were changed, from shortly before where they differ."""
    for number, (old, new) in enumerate(pairwise(lines)):
        same = count_same(old[1:], new[1:])
        if old[0] == "-" and new[0] == "+" and same > MAX_LINE_CHARS // 2:
            start = same - MAX_LINE_CHARS // 4
            lines[number : number + 2] = [f"{each[0]}...{each[1 + start :]}" for each in (old, new)]
    return lines


def _cut(line: str) -> str:
    return f"{line[:MAX_LINE_CHARS]}... {len(line) - MAX_LINE_CHARS} more characters"


def nearest_line(text: str, wanted: str) -> str:
    """The line of `text` that is most like the first of `wanted`, "" if none is much like it."""
    first = next((line.strip() for line in wanted.splitlines() if line.strip()), "")
    first = first[:MAX_COMPARED_CHARS]
    lines = [line.strip()[:MAX_LINE_CHARS] for line in text.splitlines()[:MAX_SEARCHED_LINES]]
    starts = {line[:MAX_COMPARED_CHARS]: line for line in reversed(lines)}
    matcher = SequenceMatcher(b=first)

    def likeness(start: str) -> float:
        matcher.set_seq1(start)
        return matcher.quick_ratio()

    found = get_close_matches(first, nlargest(MAX_COMPARED_LINES, starts, likeness), 1)
    return starts[found[0]] if found else ""

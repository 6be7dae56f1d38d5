"""Where two texts differ, or where one is found in another, as spans to replace."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from difflib import Match, SequenceMatcher, get_close_matches
from heapq import nlargest
from itertools import accumulate, islice, pairwise
from math import ceil
from textwrap import dedent, indent
from typing import Protocol

Span = tuple[int, int, str]
"""Start and end of a part of a text, in characters, and what replaces it."""

MAX_LINE_CHARS = 300
"""How much a diff shows of a line."""

MAX_SEARCHED_LINES = 500
MAX_COMPARED_LINES = 5
MAX_COMPARED_CHARS = 100
"""Of how many lines, and how much of each, the nearest is chosen with care."""

MAX_LINES = 40_000
"""More lines, old and new ones, are only compared from both ends."""

MAX_PLACES = 1_000
"""How often a text is looked for where it may overlap itself."""

MAX_CHARS = 1_000_000
"""How much is compared in these places."""

MAX_FOUND = 10_000
"""How many places of a text are told apart."""

MAX_STEPS = 200_000
"""How much work a comparison of lines may take, in pairs of equal lines that it looks at."""

FORM_STEPS = 10
"""What it takes more than a comparison to bring a line into a form."""

MAX_SPANS = 300
"""How many changes a shared text takes at once: each costs more than the one before."""


class SharedText(Protocol):
    """A text of a live document, whose positions are UTF-8 bytes."""

    def __delitem__(self, key: slice, /) -> None: ...
    def insert(self, index: int, object: str, /) -> None: ...


_Form = Callable[[Sequence[str]], list[str]]
"""How lines are made comparable."""


class _Lines(SequenceMatcher[str]):
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
        if same := _count_same(old, new):
            return Match(alo, blo, same)
        if same := _count_same(old[::-1], new[::-1]):
            return Match(old_end - same, new_end - same, same)
        self._left -= self._steps[old_end] - self._steps[alo]
        if self._left < 0:
            return Match(alo, blo, 0)
        return super().find_longest_match(alo, old_end, blo, new_end)


def _count_same(one: Sequence[str], other: Sequence[str]) -> int:
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
    for group in _Lines(old, new).get_grouped_opcodes(1):
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
        same = _count_same(old[1:], new[1:])
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


def changed_spans(old: str, new: str) -> list[Span]:
    """Small line-wise edits that turn `old` into `new`, in order, not overlapping.

    Where many lines repeat or very many differ, what lies between the first and the last of them
    may become one span, and carets in it move.
    """
    old_lines, new_lines = old.splitlines(keepends=True), new.splitlines(keepends=True)
    starts = [*accumulate(map(len, old_lines), initial=0)]
    return [
        _trim(old, (starts[i1], starts[i2], "".join(new_lines[j1:j2])))
        for tag, i1, i2, j1, j2 in _Lines(old_lines, new_lines).get_opcodes()
        if tag != "equal"
    ]


def find_spans(source: str, old_text: str, new_text: str) -> list[Span]:
    """Each place where `old_text` stands in `source`, replaced by `new_text`.

    Tries the text as it is, then lines without the space at their ends, then lines without
    their common indentation; the first way that finds anything counts. In the last way
    `new_text` gets the indentation of the place. Places do not overlap. More than MAX_FOUND are
    one, with what lies between them.
    """
    if source.count(old_text) > MAX_FOUND:
        first = source.find(old_text)
        return [_trim(source, (first, len(source), source[first:].replace(old_text, new_text)))]
    exact = [(start, start + len(old_text), new_text) for start in _places(source, old_text)]
    spans = exact or _find_lines(source, old_text, new_text, _without_line_ends)
    spans = spans or _find_lines(source, old_text, new_text, _without_indentation)
    return [_trim(source, span) for span in spans]


def unique_spans(
    source: str, old_text: str, new_text: str, replace_all: bool
) -> tuple[list[Span], int]:
    """As `find_spans`, and how many places there are; no spans if more than one may be meant."""
    spans = find_spans(source, old_text, new_text)
    known = len(spans), source.count(old_text), count_overlapping(source, old_text)
    places = max(known) if spans else 0
    return ([] if places > 1 and not replace_all else spans), places


def patch(text: SharedText, source: str, spans: Sequence[Span]) -> None:
    """Replace the spans in a shared text that reads `source`; the rest of it stays untouched.

    Of more than MAX_SPANS neighbours become one, with what lies between them.
    """
    for first, last, new in _byte_spans(source, _few(source, spans)):
        if last > first:
            del text[first:last]
        if new:
            text.insert(first, new)


def _few(source: str, spans: Sequence[Span]) -> Sequence[Span]:
    size = ceil(len(spans) / MAX_SPANS)
    if size <= 1:
        return spans
    return [_joined(source, spans[i : i + size]) for i in range(0, len(spans), size)]


def _joined(source: str, spans: Sequence[Span]) -> Span:
    first, last = spans[0][0], spans[-1][1]
    moved = [(start - first, end - first, new) for start, end, new in spans]
    return first, last, patched(source[first:last], moved)


def _byte_spans(source: str, spans: Sequence[Span]) -> Iterator[Span]:
    """The spans in UTF-8 bytes, where each is once those before it are replaced."""
    position = done = 0
    for start, end, new in spans:
        position += len(source[done:start].encode())
        yield position, position + len(source[start:end].encode()), new
        position += len(new.encode())
        done = end


def patched(source: str, spans: Sequence[Span]) -> str:
    """The text with its spans replaced."""
    parts, position = [], 0
    for start, end, new in spans:
        parts += [source[position:start], new]
        position = end
    return "".join([*parts, source[position:]])


def count_overlapping(source: str, text: str) -> int:
    """How often `text` stands in `source`, where "aaa" has "aa" twice; MAX_PLACES at most.

    Of a long text only a few places are looked for.
    """
    most = min(MAX_PLACES, max(2, MAX_CHARS // len(text)))
    return sum(1 for _ in islice(_places(source, text, step=1), most))


def _places(source: str, text: str, step: int = 0) -> Iterator[int]:
    """Where `text` starts in `source`, so many characters after the last or where that ends."""
    start = source.find(text)
    while start >= 0:
        yield start
        start = source.find(text, start + (step or len(text)))


def _trim(old: str, span: Span) -> Span:
    """The span without what stays the same at both its ends."""
    start, end, new = span
    same = _count_same(old[start:end], new)
    start, new = start + same, new[same:]
    same = _count_same(old[start:end][::-1], new[::-1])
    return start, end - same, new[: len(new) - same]


def _without_line_ends(lines: Sequence[str]) -> list[str]:
    return [line.rstrip() for line in lines]


def _without_indentation(lines: Sequence[str]) -> list[str]:
    return dedent("\n".join(_without_line_ends(lines))).split("\n")


def _find_lines(source: str, old_text: str, new_text: str, form: _Form) -> list[Span]:
    lines, wanted = source.split("\n"), old_text.strip("\n").split("\n")
    starts = [*accumulate((len(line) + 1 for line in lines), initial=0)]
    stripped, bare = [line.strip() for line in lines], [line.strip() for line in wanted]
    spans: list[Span] = []
    position, needle = 0, form(wanted)
    left = MAX_STEPS
    while any(needle) and position + len(wanted) <= len(lines):
        end = position + len(wanted)
        # To form a block takes long, so only where it may fit.
        is_alike = stripped[position] == bare[0]
        left -= len(wanted) * is_alike
        is_alike = is_alike and stripped[position:end] == bare
        left -= FORM_STEPS * len(wanted) * is_alike
        if left < 0:
            return []  # Where so many lines are alike, nobody can mean just these.
        block = lines[position:end] if is_alike else []
        if not is_alike or form(block) != needle:
            position += 1
            continue
        replacement = _indent_like(block, new_text.strip("\n"), form)
        spans.append((starts[position], starts[end] - 1, replacement))
        position = end
    return spans


def _indent_like(block: Sequence[str], new_text: str, form: _Form) -> str:
    if form is not _without_indentation:
        return new_text
    first = next(line for line in block if line.strip())
    kept = next(line for line in form(block) if line.strip())
    margin = first[: len(first.rstrip()) - len(kept)]
    return indent(dedent(new_text), margin)

"""Where two texts differ, or where one is found in another, as spans to replace."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import cache, partial
from heapq import nlargest
from itertools import accumulate, islice, pairwise, repeat
from textwrap import dedent, indent
from typing import NamedTuple, Protocol

from .errors import InvalidRequest
from .line_diffs import LineMatcher, count_same

Span = tuple[int, int, str]
"""Start and end of a part of a text, in characters, and what replaces it."""

MAX_PLACES = 1_000
"""How often a text is looked for where it may overlap itself."""

MAX_CHARS = 1_000_000
"""How much is compared in these places."""

MAX_FOUND = 10_000
"""How many places of a text are told apart."""

MAX_NEW_CHARS = 20_000_000
"""How much new text all places together may get."""

MAX_ALIKE = 200_000
"""How many lines are compared where the first of them is alike."""

MAX_FORM_CHARS = 1_000_000
"""How much is brought into a form to see whether it is what is looked for."""

LINE_CHARS = 50
"""How many characters more each line of that counts as."""

MAX_SPANS = 300
"""How many changes a shared text takes at once: each costs more than the one before."""


class SharedText(Protocol):
    """A text of a live document, whose positions are UTF-8 bytes."""

    def __delitem__(self, key: slice, /) -> None: ...
    def insert(self, index: int, object: str, /) -> None: ...


class _Place(NamedTuple):
    """Where lines were found, in characters."""

    start: int
    end: int
    margin: str | None
    """What they are indented by, where they are the same but for that."""


_Form = Callable[[Sequence[str]], list[str]]
"""How lines are made comparable."""


def changed_spans(old: str, new: str) -> list[Span]:
    """Small line-wise edits that turn `old` into `new`, in order, not overlapping.

    Where many lines repeat or very many differ, what lies between the first and the last of them
    may become one span, and carets in it move.
    """
    old_lines, new_lines = old.splitlines(keepends=True), new.splitlines(keepends=True)
    starts = [*accumulate(map(len, old_lines), initial=0)]
    return [
        _trim(old, (starts[i1], starts[i2], "".join(new_lines[j1:j2])))
        for tag, i1, i2, j1, j2 in LineMatcher(old_lines, new_lines).get_opcodes()
        if tag != "equal"
    ]


def replacement_spans(
    source: str, old_text: str, new_text: str, replace_all: bool
) -> tuple[list[Span], int]:
    """Each place where `old_text` stands in `source`, replaced by `new_text`; how many these are.

    Tries the text as it is, then lines without the space at their ends, then lines without
    their common indentation; the first way that finds anything counts. In the last way
    `new_text` gets the indentation of the place. Places do not overlap. More than MAX_FOUND are
    one span, with what lies between them. No spans if one of several may be meant.

    Raises:
        InvalidRequest: the places would get more than MAX_NEW_CHARS.
    """
    exact = source.count(old_text)
    if exact:
        count = max(exact, _count_overlapping(source, old_text))
        is_meant = count == 1 or replace_all
        return _exact_spans(source, old_text, new_text, exact) if is_meant else [], count
    places = _line_places(source, old_text)
    is_meant = len(places) == 1 or replace_all
    return _line_spans(source, places, new_text) if is_meant else [], len(places)


def patch(text: SharedText, source: str, spans: Sequence[Span]) -> None:
    """Replace the spans in a shared text that reads `source`; the rest of it stays untouched.

    Of more than MAX_SPANS those that are nearest become one, with what lies between them.
    """
    for first, last, new in _byte_spans(source, _few(source, spans)):
        if last > first:
            del text[first:last]
        if new:
            text.insert(first, new)


def _few(source: str, spans: Sequence[Span]) -> Sequence[Span]:
    gaps = [after[0] - before[1] for before, after in pairwise(spans)]
    widest = nlargest(MAX_SPANS - 1, range(len(gaps)), key=gaps.__getitem__)
    starts = [0, *(gap + 1 for gap in sorted(widest)), len(spans)]
    return [_joined(source, spans[i:j]) for i, j in pairwise(starts) if i < j]


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


def _count_overlapping(source: str, text: str) -> int:
    """How often `text` stands in `source`, where "aaa" has "aa" twice; MAX_PLACES at most.

    Of a long text only a few places are looked for.
    """
    most = min(MAX_PLACES, max(2, MAX_CHARS // len(text)))
    return sum(1 for _ in islice(_places(source, text, step=1), most))


def _exact_spans(source: str, old_text: str, new_text: str, count: int) -> list[Span]:
    _check_size(count, count * len(new_text))
    if count > MAX_FOUND:
        first = source.find(old_text)
        return [_trim(source, (first, len(source), source[first:].replace(old_text, new_text)))]
    starts = _places(source, old_text)
    return [_trim(source, (start, start + len(old_text), new_text)) for start in starts]


def _check_size(places: int, size: int) -> None:
    if size > MAX_NEW_CHARS:
        raise InvalidRequest(
            f"In {places} places new_text is {size} characters, more than {MAX_NEW_CHARS}.",
            "Replace fewer places at a time.",
        )


def _places(source: str, text: str, step: int = 0) -> Iterator[int]:
    """Where `text` starts in `source`, so many characters after the last or where that ends."""
    start = source.find(text)
    while start >= 0:
        yield start
        start = source.find(text, start + (step or len(text)))


def _trim(old: str, span: Span) -> Span:
    """The span without what stays the same at both its ends."""
    start, end, new = span
    same = count_same(old[start:end], new)
    start, new = start + same, new[same:]
    same = count_same(old[start:end][::-1], new[::-1])
    return start, end - same, new[: len(new) - same]


def _without_line_ends(lines: Sequence[str]) -> list[str]:
    return [line.rstrip() for line in lines]


def _without_indentation(lines: Sequence[str]) -> list[str]:
    return dedent("\n".join(_without_line_ends(lines))).split("\n")


def _line_places(source: str, old_text: str) -> list[_Place]:
    wanted = old_text.strip("\n").split("\n")
    longest = max((line.strip() for line in wanted), key=len)
    if not longest or longest not in source:
        return []
    lines = source.split("\n")
    alike = _alike(lines, wanted)
    found = _same(lines, wanted, alike, _without_line_ends)
    margins: Iterable[str | None] = repeat(None)
    if not found:
        found = _same(lines, wanted, alike, _without_indentation)
        margins = _margins(lines, wanted, found)
    starts = [*accumulate((len(line) + 1 for line in lines), initial=0)]
    ends = (starts[first + len(wanted)] - 1 for first in found)
    return [*map(_Place, (starts[first] for first in found), ends, margins)]


def _line_spans(source: str, places: Sequence[_Place], new_text: str) -> list[Span]:
    new_text = new_text.strip("\n")
    lines = new_text.count("\n") + 1
    size = sum(len(new_text) + lines * len(place.margin or "") for place in places)
    _check_size(len(places), size)
    indented = cache(partial(indent, dedent(new_text)))
    texts = (new_text if each.margin is None else indented(each.margin) for each in places)
    spans = ((place.start, place.end, text) for place, text in zip(places, texts, strict=True))
    return [_trim(source, span) for span in spans]


def _alike(lines: Sequence[str], wanted: Sequence[str]) -> list[int]:
    """Where `lines` are those that are wanted but for the space around each.

    Nowhere where so many lines are alike that nobody can mean just these.
    """
    stripped, bare = [line.strip() for line in lines], [line.strip() for line in wanted]
    found: list[int] = []
    first, left = -1, MAX_ALIKE
    with suppress(ValueError):
        while left >= 0:
            first = stripped.index(bare[0], first + 1)
            left -= len(bare)
            if stripped[first : first + len(bare)] == bare:
                found.append(first)
    return found if left >= 0 else []


def _same(
    lines: Sequence[str], wanted: Sequence[str], alike: Sequence[int], form: _Form
) -> list[int]:
    """Where those that are alike are the same in this form; places do not overlap.

    Nowhere where it would take long to tell.
    """
    needle, left = form(wanted), MAX_FORM_CHARS
    found: list[int] = []
    for first in alike:
        if found and first < found[-1] + len(wanted):
            continue
        if left < 0:
            return []
        block = lines[first : first + len(wanted)]
        left -= LINE_CHARS * len(block) + sum(map(len, block))
        if form(block) == needle:
            found.append(first)
    return found


def _margins(lines: Sequence[str], wanted: Sequence[str], places: Sequence[int]) -> list[str]:
    """The indentation that the lines of each place have in common."""
    row, bare = next(each for each in enumerate(_without_indentation(wanted)) if each[1])
    first_lines = (lines[first + row].rstrip() for first in places)
    return [line[: len(line) - len(bare)] for line in first_lines]

"""Where two texts differ, and where one is found in another, as spans to replace."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from difflib import SequenceMatcher, get_close_matches, unified_diff
from itertools import pairwise
from os.path import commonprefix
from textwrap import dedent, indent

Span = tuple[int, int, str]
"""Start and end of a part of a text, in characters, and what replaces it."""

MAX_LINE_CHARS = 300
"""How much a diff shows of a line."""

MAX_SEARCHED_LINES = 500

_Form = Callable[[Sequence[str]], list[str]]
"""How lines are made comparable."""


def line_diff(old: str, new: str, max_lines: int) -> str:
    """The lines that differ, in the form of a unified diff without its header; "" for none."""
    lines = [*unified_diff(old.splitlines(), new.splitlines(), n=1, lineterm="")][2:]
    lines = _around_changes(lines)
    if len(lines) > max_lines:
        lines[max_lines:] = [f"... {len(lines) - max_lines} more lines of this diff"]
    return "\n".join(line if len(line) <= MAX_LINE_CHARS else _cut(line) for line in lines)


def _around_changes(lines: list[str]) -> list[str]:
    """Long lines that were changed, from shortly before where they differ."""
    for number, (old, new) in enumerate(pairwise(lines)):
        same = len(commonprefix([old[1:], new[1:]]))
        if old[0] == "-" and new[0] == "+" and same > MAX_LINE_CHARS // 2:
            start = same - MAX_LINE_CHARS // 4
            lines[number : number + 2] = [f"{each[0]}...{each[1 + start :]}" for each in (old, new)]
    return lines


def _cut(line: str) -> str:
    return f"{line[:MAX_LINE_CHARS]}... {len(line) - MAX_LINE_CHARS} more characters"


def nearest_line(text: str, wanted: str) -> str:
    """The line of `text` that is most like the first of `wanted`, "" if none is much like it."""
    first = next((line.strip() for line in wanted.splitlines() if line.strip()), "")
    lines = [line.strip()[:MAX_LINE_CHARS] for line in text.splitlines()[:MAX_SEARCHED_LINES]]
    found = get_close_matches(first[:MAX_LINE_CHARS], lines, 1)
    return found[0] if found else ""


def changed_spans(old: str, new: str) -> list[Span]:
    """The smallest line-wise edits that turn `old` into `new`, in order, not overlapping."""
    old_lines, new_lines = old.splitlines(keepends=True), new.splitlines(keepends=True)
    matcher = SequenceMatcher(None, old_lines, new_lines, autojunk=False)
    starts = [0]
    for line in old_lines:
        starts.append(starts[-1] + len(line))
    return [
        _trim(old, (starts[i1], starts[i2], "".join(new_lines[j1:j2])))
        for tag, i1, i2, j1, j2 in matcher.get_opcodes()
        if tag != "equal"
    ]


def find_spans(source: str, old_text: str, new_text: str) -> list[Span]:
    """Each place where `old_text` stands in `source`, replaced by `new_text`.

    Tries the text as it is, then lines without the space at their ends, then lines without
    their common indentation; the first way that finds anything counts. In the last way
    `new_text` gets the indentation of the place. Places do not overlap.
    """
    exact = [(m.start(), m.end(), new_text) for m in re.finditer(re.escape(old_text), source)]
    spans = exact or _find_lines(source, old_text, new_text, _without_line_ends)
    spans = spans or _find_lines(source, old_text, new_text, _without_indentation)
    return [_trim(source, span) for span in spans]


def unique_spans(
    source: str, old_text: str, new_text: str, replace_all: bool
) -> tuple[list[Span], int]:
    """As `find_spans`, and how many places there are; no spans if more than one may be meant."""
    spans = find_spans(source, old_text, new_text)
    places = max(len(spans), count_overlapping(source, old_text)) if spans else 0
    return ([] if places > 1 and not replace_all else spans), places


def byte_spans(source: str, spans: Sequence[Span]) -> list[Span]:
    """The spans in UTF-8 bytes, the last one first: so a shared text takes them."""
    return [
        (first := len(source[:start].encode()), first + len(source[start:end].encode()), new)
        for start, end, new in reversed(spans)
    ]


def patched(source: str, spans: Sequence[Span]) -> str:
    """The text with its spans replaced."""
    parts, position = [], 0
    for start, end, new in spans:
        parts += [source[position:start], new]
        position = end
    return "".join([*parts, source[position:]])


def count_overlapping(source: str, text: str) -> int:
    """How often `text` stands in `source`, where "aaa" has "aa" twice."""
    return sum(1 for _ in re.finditer(f"(?={re.escape(text)})", source))


def _trim(old: str, span: Span) -> Span:
    """The span without what stays the same at both its ends."""
    start, end, new = span
    same = len(commonprefix([old[start:end], new]))
    start, new = start + same, new[same:]
    same = len(commonprefix([old[start:end][::-1], new[::-1]]))
    return start, end - same, new[: len(new) - same]


def _without_line_ends(lines: Sequence[str]) -> list[str]:
    return [line.rstrip() for line in lines]


def _without_indentation(lines: Sequence[str]) -> list[str]:
    return dedent("\n".join(_without_line_ends(lines))).split("\n")


def _find_lines(source: str, old_text: str, new_text: str, form: _Form) -> list[Span]:
    lines, wanted = source.split("\n"), old_text.strip("\n").split("\n")
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line) + 1)
    spans: list[Span] = []
    position, needle = 0, form(wanted)
    while any(needle) and position + len(wanted) <= len(lines):
        block = lines[position : position + len(wanted)]
        if form(block) != needle:
            position += 1
            continue
        replacement = _indent_like(block, new_text.strip("\n"), form)
        spans.append((starts[position], starts[position + len(wanted)] - 1, replacement))
        position += len(wanted)
    return spans


def _indent_like(block: Sequence[str], new_text: str, form: _Form) -> str:
    if form is not _without_indentation:
        return new_text
    first = next(line for line in block if line.strip())
    kept = next(line for line in form(block) if line.strip())
    margin = first[: len(first.rstrip()) - len(kept)]
    return indent(dedent(new_text), margin)

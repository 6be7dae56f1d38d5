"""Makes what a kernel printed short for a model; the notebook keeps the original.

Quoting: each line of kernel text begins with `| `, and no line of ours does. So no output can
pass for a status line, a label or an omission note, at two bytes a line and wherever it is cut.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from html import unescape
from itertools import chain, groupby
from typing import NamedTuple

from .terminal_line import TerminalLine

QUOTE = "| "
NOTE_CHARS = 70
"""Most characters that a note about what is missing takes."""

TABLE_CHARS = 120
"""Width of a table that is too large to be shown whole."""

MAX_TABLE_CHARS = 10_000
"""A wider text is no table."""

MARKUP_CHARS = 200_000
"""How much of a page of HTML or SVG is read."""

_ERASE_LINE = re.compile(r"\x1b\[2K")
_ERASE_REST = re.compile(r"\x1b\[0?K")
_OVERWRITES = re.compile("[\r\b\0]")
_ESCAPE = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor
    r"|\][^\x07\x1b\n]*(?:\x07|\x1b\\)?"  # OSC: titles, links
    r"|[ -/]*[0-Z\\^-~])?"
)
# Controls, other line ends, lone surrogates, and what reorders or hides text from people.
# Not what joins letters and emoji to one.
_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0a-\x1f\x7f-\x9f\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"
    "\ud800-\udfff\ufeff\ufff9-\ufffb\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
_BLANKS = re.compile(r"\s+")
_TAG = re.compile(r"/?[A-Za-z][\w:-]*")
_HIDDEN_TAGS = frozenset({"script", "style", "template", "metadata"})
_BLOCK_TAGS = (
    "address article aside blockquote br dd desc div dl dt figure footer form h1 h2 h3 h4 h5 h6"
    " header hr li ol p pre section table text thead title tr ul"
).split()
_TAG_TEXT = dict.fromkeys([*_BLOCK_TAGS, *(f"/{tag}" for tag in _BLOCK_TAGS)], "\n") | {
    "li": "\n- ",
    "td": "\t",
    "th": "\t",
}
_FRAME = re.compile(
    r" *(?:(?:Cell|Input) In ?\[|File \S|<ipython-input-|(?:/|~|[A-Za-z]:\\)[^\n]* in )"
)
_LIBRARY = re.compile(
    r"(?:site|dist)-packages[/\\](?P<package>\w+)"
    r"|[/\\]lib[/\\]python[\d.]+[/\\](?!site-|dist-)|[/\\]Python\d+[/\\]Lib[/\\]|<frozen "
    r"|(?P<compiled>\w+)[/\\][^\n]*\.p(?:yx|xi)[:\"]"
)
_POINTED = re.compile(r"-+> *\d+ *(.*)")
_RULE = re.compile(r"-{10,}|.*Traceback \(most recent call last\):?")


def terminal_lines(text: str) -> list[str]:
    """The lines that a terminal would show at the end: no colours, overwritten text gone.

    Cursor movement to other lines is not followed. Costs the length of the text, once.
    """
    text = text.replace("\0", "\ufffd")
    if "\x1b" in text:
        # After this, NUL means: what is at the cursor and after it is erased.
        text = _ERASE_LINE.sub("\r\0", text)
        text = _ESCAPE.sub("", _ERASE_REST.sub("\0", text))
    lines = text.replace("\r\n", "\n").rstrip("\n").split("\n")
    return [_overwritten(line) if _OVERWRITES.search(line) else line for line in lines]


def _overwritten(line: str) -> str:
    """The line as it is seen; NUL erases what is at the cursor and after it."""
    shown = TerminalLine()
    first, *others = line.split("\0")
    shown.write(first)
    for other in others:
        shown.erase_rest()
        shown.write(other)
    return shown.text


def quote(line: str) -> str:
    """One line, marked as data; what cannot be printed is replaced."""
    return QUOTE + printable(line)


def first_line(text: str) -> str:
    """The beginning of a text, to know it by."""
    return printable(text.strip().partition("\n")[0][:60])


def printable(text: str) -> str:
    """`text` on one line, safe to encode; its length does not change."""
    return _UNPRINTABLE.sub("\ufffd", text)


def encodable(text: str) -> str:
    """The text without lone surrogates, which can neither be sent nor kept."""
    return text if text.isascii() else text.encode(errors="replace").decode()


def quoted_length(lines: Sequence[str]) -> int:
    """Characters that all `lines` take when quoted."""
    return sum(map(len, lines)) + len(lines) * (len(QUOTE) + 1)


class _Taken(NamedTuple):
    entries: list[str]
    lines: int
    chars: int


def excerpt(lines: Sequence[str], limit: int) -> tuple[list[str], bool]:
    """`lines` quoted within `limit` characters: all, or their head, a note and their tail.

    Repeated lines are shown once, with their count. The note counts what is missing exactly.
    With no room for either end only the note is left, which may exceed a tiny `limit`.
    Returns also whether something is missing.
    """
    total = sum(map(len, lines)) + len(lines) - 1
    whole = _take(lines, limit)
    if whole.chars >= total:
        return whole.entries, False
    room = max(limit - NOTE_CHARS, 0)
    head = _take(lines, room * 2 // 5)
    tail = _take(reversed(lines), room - room * 2 // 5, backwards=True)
    missing_lines = max(len(lines) - head.lines - tail.lines, 0)
    note = f"… {count(total - head.chars - tail.chars, 'character')}"
    note += f" in {count(missing_lines, 'line')} omitted" if missing_lines else " omitted"
    return [*head.entries, note, *reversed(tail.entries)], True


def _take(lines: Iterable[str], limit: int, backwards: bool = False) -> _Taken:
    """The first of `lines` that fit; a line that could never fit is cut rather than dropped."""
    entries: list[str] = []
    taken_lines = taken_chars = 0
    left = limit
    for line, run in groupby(lines):
        times = sum(1 for _ in run)
        once = len(QUOTE) + len(line) + 1
        note = f"… repeated {count(times - 1, 'more time')}"
        is_folded = (times - 1) * once > len(note) + 1
        cost = once + len(note) + 1 if is_folded else once * times
        if cost > left:
            room = left - len(QUOTE) - 1
            if once > limit and room > 0:
                entries.append(quote(line[-room:] if backwards else line[:room]))
                taken_lines, taken_chars = taken_lines + 1, taken_chars + room
            break
        entries += [f"{quote(line)}\n{note}"] if is_folded else [quote(line)] * times
        left -= cost
        taken_lines, taken_chars = taken_lines + times, taken_chars + (len(line) + 1) * times
    return _Taken(entries, taken_lines, taken_chars)


def count(number: int, noun: str) -> str:
    """`1 line`, `1,234 lines`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def duration(seconds: float) -> str:
    """`42 s`, `5 min`, `3 h`, `2 days`: in the largest unit of which there are two."""
    for unit, length in (("days", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length:.0f} {unit}"
    return f"{seconds:.0f} s"


def narrow_table(lines: list[str]) -> tuple[list[str], str]:
    """A wide table without its last columns, and a note that counts them ("" if uncut).

    A table is text with columns: at least three lines, and two blanks between columns on each.
    """
    width = max(map(len, lines), default=0)
    if not TABLE_CHARS < width < MAX_TABLE_CHARS or len(lines) < 3:
        return lines, ""
    rows = [line.ljust(width) for line in (*lines[:100], *lines[-100:]) if line]
    columns = zip(*rows, strict=True)
    profile = "".join(" " if set(column) == {" "} else "x" for column in columns)
    gaps = [gap.start() for gap in re.finditer(r"(?<=x) {2,}(?=x)", profile)]
    cut = max((gap for gap in gaps if gap <= TABLE_CHARS), default=0)
    if not cut:
        return lines, ""
    hidden = count(sum(gap >= cut for gap in gaps), "column")
    return [line[:cut].rstrip() for line in lines], f"… {hidden} omitted at the right"


def markup_lines(markup: str) -> list[str]:
    """The readable text of HTML or SVG, without scripts and styles; table cells two blanks apart.

    Not with html.parser, which takes minutes for 200 kB of `<a `. Only the entities of HTML are
    expanded, so nothing can grow.
    """
    shown: list[str] = []
    hidden_by, is_preformatted = "", False
    for tag, text in _tags(markup[:MARKUP_CHARS]):
        if hidden_by and tag != f"/{hidden_by}":
            continue
        hidden_by = tag if tag in _HIDDEN_TAGS else ""
        is_preformatted = tag == "pre" or (is_preformatted and tag != "/pre")
        if not hidden_by:
            shown += _TAG_TEXT.get(tag, ""), text if is_preformatted else _BLANKS.sub(" ", text)
    rows = (row.split("\t") for row in "".join(shown).split("\n"))
    lines = ["  ".join(" ".join(unescape(cell).split()) for cell in row).strip() for row in rows]
    unread = max(len(markup) - MARKUP_CHARS, 0)
    note = [f"… {count(unread, 'character')} of markup not read"] if unread else []
    return [line for line in lines if line] + note


def _tags(markup: str) -> Iterator[tuple[str, str]]:
    """Each tag's name (`/p` at its end) and the text after it."""
    uncommented = "".join(part.partition("-->")[2] for part in f"-->{markup}".split("<!--"))
    first, *others = uncommented.split("<")
    yield "", first
    for other in others:
        if name := _TAG.match(other):
            yield name[0].lower(), other.partition(">")[2]
        elif not other.startswith(("!", "?")):
            yield "", f"<{other}"


def traceback_lines(name: str, message: str, traceback: Sequence[str]) -> list[str]:
    """`name: message`, then a line for each frame of the user's code.

    Frames of libraries are folded to a count, except the last when there are no others.
    Tracebacks of other languages, which have no such frames, are kept as they are.
    """
    title = f"{name}: {message}" if message else name
    parts = _traceback_parts(traceback)
    frames = [i for i, part in enumerate(parts) if _FRAME.match(part)]
    foldable = [i for i in frames if _library(parts[i])]
    if foldable == frames:
        del foldable[-1:]
    lines = terminal_lines(title)
    for is_folded, group in groupby(range(len(parts)), key=set(foldable).__contains__):
        if is_folded:
            lines.append(_folded([parts[i] for i in group]))
        else:
            lines += chain.from_iterable(_shown(parts[i], name, title) for i in group)
    return lines


def _traceback_parts(traceback: Sequence[str]) -> list[str]:
    parts = []
    for entry in traceback:
        start = 0
        lines = terminal_lines(entry)
        for i, line in enumerate(lines):
            if i and _FRAME.match(line):
                parts.append("\n".join(lines[start:i]))
                start = i
        parts.append("\n".join(lines[start:]))
    return parts


def _library(frame: str) -> str:
    """The library whose code the frame runs, or ""."""
    # A path, and no more: the pattern takes the square of a longer text.
    found = _LIBRARY.search(frame.partition("\n")[0][:500])
    return (found["package"] or found["compiled"] or "the standard library") if found else ""


def _folded(frames: Sequence[str]) -> str:
    names = ", ".join(dict.fromkeys(map(_library, frames)))
    return f"… {count(len(frames), 'frame')} in {names} folded"


def _shown(part: str, name: str, title: str) -> list[str]:
    lines = [line for line in part.split("\n") if line.strip() and not _RULE.fullmatch(line)]
    if not _FRAME.match(part):
        return [] if part.strip().rstrip(":") in (title.strip(), name) else lines
    if pointed := [match for line in lines if (match := _POINTED.match(line))]:
        return [f"{lines[0].strip()}: {pointed[0][1]}"]
    return [line for line in lines if not line.startswith(f"{name}:")]

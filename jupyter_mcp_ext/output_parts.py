"""What to show of one nbformat output: its kind, its best text, its image; no budget yet.

Outputs may come from a file that anybody wrote: nothing here raises, and a name that a kernel
chose is cut to one short word before it stands in a line of ours.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from .text import count, markup_lines, terminal_lines, traceback_lines

IMAGE_TYPES = ("image/png", "image/jpeg", "image/gif", "image/webp")
BUNDLE_KINDS = {"execute_result": "result", "display_data": "display"}
MAX_NAMES = 4
"""Kinds or types that are named in one line."""

_BARE_REPR = re.compile(r"\s*<[^\n]*>\s*")
_NO_WORD = re.compile(r"[^\w./+=-]", re.ASCII)


@dataclass
class OutputPart:
    """One output. `facts` stand beside its kind in our own words, `lines` are the kernel's.

    `image` is a MIME type and the data in base64. `weight` is its share of a small budget.
    """

    kind: str
    facts: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    image: tuple[str, str] | None = None
    may_be_table: bool = False
    weight: int = 1


def part_of(output: Any) -> OutputPart:
    """What to show of `output`, whatever it is."""
    if not isinstance(output, dict):
        return OutputPart("unreadable output", [_word(type(output).__name__)])
    kind = output.get("output_type")
    if kind == "stream":
        return OutputPart(_stream_name(output), lines=_text_lines(output.get("text")))
    if kind == "error":
        return OutputPart("error", lines=_error_lines(output), weight=3)
    if kind in ("execute_result", "display_data"):
        return _bundle_part(BUNDLE_KINDS[kind], _bundle(output))
    return OutputPart("unknown output", [_word(kind)])


def is_error(output: Any) -> bool:
    """Whether a run ended with this output."""
    return isinstance(output, dict) and output.get("output_type") == "error"


def has_image(output: Any) -> bool:
    """Whether it shows an image."""
    return isinstance(output, dict) and bool(_image_type(_bundle(output)))


def summary(outputs: Sequence[Any]) -> str:
    """Kinds and sizes on one line: `stdout 1.2 kB, 2 png 40 kB`."""
    sizes: dict[str, list[int]] = {}
    for output in outputs:
        kind, size = _kind_and_size(output)
        sizes.setdefault(kind, []).append(size)
    said = []
    for kind, found in sizes.items():
        number = f"{len(found)} " if len(found) > 1 else ""
        said.append(f"{number}{kind} {format_size(sum(found)) if any(found) else ''}".rstrip())
    return _named(said)


def format_size(size: int) -> str:
    """`812 B`, `1.2 kB`, `23 kB`."""
    for unit, factor in (("MB", 1_000_000), ("kB", 1_000)):
        if size >= factor:
            return f"{size / factor:.{1 if size < 10 * factor else 0}f} {unit}"
    return f"{size} B"


def _bundle_part(kind: str, data: dict[str, Any]) -> OutputPart:
    image_type = _image_type(data)
    plain = _text_lines(data.get("text/plain"))
    is_bare = _BARE_REPR.fullmatch("\n".join(plain)) is not None
    lines = plain if not is_bare else []
    if not lines and not image_type:
        found = (read(data[mime]) for mime, read in _READERS.items() if mime in data)
        lines = next(filter(None, found), plain)
    others = [mime for mime in data if mime not in _TEXT_TYPES and mime not in IMAGE_TYPES]
    image = (image_type, _text(data[image_type]) or "") if image_type else None
    if not (others or lines or image):
        others = list(data)
    facts = [_named([_described(mime, data[mime]) for mime in others])] if others else []
    may_be_table = lines is plain
    return OutputPart(
        kind, facts or ([] if lines or image else ["empty"]), lines, image, may_be_table
    )


def _bundle(output: dict[str, Any]) -> dict[str, Any]:
    data = output.get("data")
    if not isinstance(data, dict):
        return {}
    return {str(mime): value for mime, value in data.items() if value is not None}


def _image_type(data: dict[str, Any]) -> str:
    return next((mime for mime in IMAGE_TYPES if mime in data), "")


def _error_lines(output: dict[str, Any]) -> list[str]:
    traceback = output.get("traceback")
    entries = traceback if isinstance(traceback, list) else [traceback]
    return traceback_lines(
        _text(output.get("ename")) or "Error",
        _text(output.get("evalue")) or "",
        [entry for entry in entries if isinstance(entry, str)],
    )


def _text(value: Any) -> str | None:
    """The text that nbformat writes as a string or as a list of strings; None for others."""
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return "".join(value)
    return value if isinstance(value, str) else None


def _text_lines(value: Any) -> list[str]:
    text = _text(value)
    return terminal_lines(text) if text and text.strip() else []


def _json_lines(value: Any) -> list[str]:
    try:
        return [json.dumps(value, ensure_ascii=False, separators=(",", ":"))]
    except (TypeError, ValueError, RecursionError):
        return []


def _markup_lines(value: Any) -> list[str]:
    return markup_lines(_text(value) or "")


_READERS: dict[str, Callable[[Any], list[str]]] = {
    "text/markdown": _text_lines,
    "text/latex": _text_lines,
    "application/json": _json_lines,
    "text/html": _markup_lines,
    "image/svg+xml": _markup_lines,
}
"""How types are read that stand in for a useless `text/plain`, the best first."""

_TEXT_TYPES = {"text/plain", *_READERS} - {"image/svg+xml"}


def _kind_and_size(output: Any) -> tuple[str, int]:
    if not isinstance(output, dict):
        return "unreadable", 0
    kind = output.get("output_type")
    if kind == "stream":
        return _stream_name(output), _length(output.get("text"))
    if kind == "error":
        return f"error {_word(output.get('ename'), 24)}", 0
    data = _bundle(output)
    if image_type := _image_type(data):
        return image_type.removeprefix("image/"), _length(data[image_type]) * 3 // 4
    plain = _text(data.get("text/plain"))
    rich = [mime for mime in data if mime != "text/plain"]
    if rich and (not plain or _BARE_REPR.fullmatch(plain)):
        return _word(rich[0].rpartition("/")[2], 24), _length(data[rich[0]])
    return BUNDLE_KINDS.get(str(kind), "unknown"), len(plain or "")


def _described(mime: str, value: Any) -> str:
    length = _length(value)
    return f"{_word(mime)}, {format_size(length)}" if length else _word(mime)


def _length(value: Any) -> int:
    """Characters of a text; 0 for what is none."""
    return len(_text(value) or "")


def _stream_name(output: dict[str, Any]) -> str:
    return "stderr" if output.get("name") == "stderr" else "stdout"


def _word(name: Any, max_chars: int = 60) -> str:
    return _NO_WORD.sub("?", str(name)[:max_chars]) or "?"


def _named(names: Sequence[str]) -> str:
    more = len(names) - MAX_NAMES
    return ", ".join([*names[:MAX_NAMES], *([count(more, "more kind")] if more > 0 else [])])

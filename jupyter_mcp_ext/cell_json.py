"""A live cell as JSON has it, read without making JSON of long texts."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

from pycrdt import Array, Map, Text

from .storable import EXACT

LONG = 100_000
"""From how many bytes of text on an output is read by parts, in a fifth of the time or less."""

LOOKS = 5
"""At how many outputs it is looked how long they are: at a small one in 15 µs."""

MANY = 200
"""Of how many outputs none is read by parts: a small one would take 15 µs."""

LEVELS = 3
"""How many levels of mappings are read by parts, as many as the metadata of an image has."""


class _OnlyInJSON(Exception):
    """What JSON makes of this cannot be told without it, or not as fast."""


def as_json(ycell: Map[Any]) -> Any:
    """The fields of a cell."""
    if has_long_outputs(ycell):
        with suppress(_OnlyInJSON):
            fields = dict(ycell.items())
            outputs = [*map(_output, fields.pop("outputs"))]
            return {name: _field(each) for name, each in fields.items()} | {"outputs": outputs}
    return json.loads(str(ycell))


def has_long_outputs(ycell: Any) -> bool:
    """Whether a cell is read by parts, as far as a few looks tell."""
    youtputs = ycell.get("outputs") if isinstance(ycell, Map) else None
    if not isinstance(youtputs, Array) or len(youtputs) >= MANY:
        return False
    return any(_length(youtputs[position]) > LONG for position in spread(len(youtputs), LOOKS))


def spread(number: int, looks: int) -> list[int]:
    """As many positions as `looks` at most, spread evenly over so many."""
    looks = min(number, looks)
    return [number * look // looks for look in range(looks)]


def _length(youtput: Any) -> int:
    if not isinstance(youtput, Map):
        return 0
    text, data, traceback = map(youtput.get, ("text", "data", "traceback"))
    if isinstance(text, Text):
        return len(text)
    lines = traceback if isinstance(traceback, list) else ()
    parts = data.values() if isinstance(data, dict) else lines
    return sum(len(part) for part in parts if isinstance(part, str))


def _output(youtput: Any) -> Any:
    with suppress(_OnlyInJSON):
        if isinstance(youtput, Map):
            return {name: _plain(each) for name, each in youtput.items()}
    return _field(youtput)


def _field(value: Any) -> Any:
    return json.loads(str(value)) if isinstance(value, Map | Array) else _plain(value)


def _plain(value: Any, depth: int = LEVELS) -> Any:
    """A value that is no list of anything but strings, and no shared type other than a text."""
    if isinstance(value, dict) and depth:
        return {name: _plain(each, depth - 1) for name, each in value.items()}
    if isinstance(value, float) and abs(value) <= EXACT:
        return int(value) if value.is_integer() else value
    if isinstance(value, Text):
        return str(value)
    is_plain = value is None or isinstance(value, str | bool)
    if is_plain or (isinstance(value, list) and all(isinstance(each, str) for each in value)):
        return value
    raise _OnlyInJSON

"""A live cell as JSON has it, read without making JSON of long texts."""

from __future__ import annotations

import json
from typing import Any

from pycrdt import Array, Map, Text

from .storable import EXACT

LONG = 100_000
"""From how many bytes on the text of a stream is read by itself, in a fifth of the time."""

FEW = 5
"""Among how many outputs it is looked for: to look at each takes 40 µs."""


def as_json(ycell: Any) -> Any:
    """The fields of a cell; what is no cell stays as it is."""
    if not isinstance(ycell, Map):
        return ycell
    youtputs = ycell.get("outputs")
    fields = dict(ycell.items()) if _has_long_stream(youtputs) else {}
    if not fields or not all(map(_is_readable, fields.values())):
        return json.loads(str(ycell))
    outputs = [*map(_read, fields.pop("outputs"))]
    return {name: _read(each) for name, each in fields.items()} | {"outputs": outputs}


def _has_long_stream(youtputs: Any) -> bool:
    if not isinstance(youtputs, Array) or len(youtputs) > FEW:
        return False
    found = [*youtputs]
    return all(isinstance(each, Map) for each in found) and any(map(_is_long_stream, found))


def _is_long_stream(youtput: Map[Any]) -> bool:
    kind, name, text = map(youtput.get, ("output_type", "name", "text"))
    is_stream = kind == "stream" and isinstance(name, str) and len(youtput) == 3
    return is_stream and isinstance(text, Text) and len(text) > LONG


def _is_readable(value: Any) -> bool:
    """Whether `_read` makes of it what JSON would."""
    if isinstance(value, float):
        return abs(value) <= EXACT
    return value is None or isinstance(value, Map | Array | Text | str | bool)


def _read(value: Any) -> Any:
    if isinstance(value, Text):
        return str(value)
    if isinstance(value, Map) and _is_long_stream(value):
        return {name: _read(each) for name, each in value.items()}
    if isinstance(value, float):
        return int(value) if value.is_integer() else value
    return json.loads(str(value)) if isinstance(value, Map | Array) else value

"""A cell as it was at one moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from .references import label
from .storable import whole
from .text import printable

MAX_TYPE_CHARS = 20
"""How much is told of the type of a cell, which is "markdown" or shorter."""


@dataclass(frozen=True)
class CellHead:
    """A cell as it was at one moment, but for its outputs, which may be large.

    `execution_state` is "idle" or "running" for code cells, "" for others.
    `position` is 0-based and for display: it may be stale as soon as somebody edits.
    """

    id: str
    position: int
    type: str
    source: str
    execution_count: int | None = None
    execution_state: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)
    attachments: dict[str, Any] = field(default_factory=dict)
    is_stale: bool = False
    """Whether it is known that the source was edited since it ran."""

    @property
    def label(self) -> str:
        """How every answer names a cell: `[position] id`."""
        return label(self.position, self.id)


@dataclass(frozen=True)
class Cell(CellHead):
    """A cell as it was at one moment.

    `outputs` are nbformat outputs, or whatever a client wrote in their place; the text of streams
    is one string.
    """

    outputs: tuple[Any, ...] = ()


def snapshot(raw: Any, position: int, *, is_edited: bool) -> Cell:
    """A cell from the JSON of a live one; `is_edited` tells whether it was since a run began.

    What is not as nbformat has it, since any client may write anything, counts as missing.
    """
    fields = raw if isinstance(raw, dict) else {}
    outputs = fields.get("outputs")
    outputs = tuple(outputs) if isinstance(outputs, list) else ()
    known = _known(fields, is_edited=is_edited, has_outputs=bool(outputs))
    return Cell(id=id_of(raw), position=position, **known, outputs=outputs)


def head(
    fields: Mapping[str, Any], position: int, *, is_edited: bool, has_outputs: bool
) -> CellHead:
    """As `snapshot`, from all fields but the outputs."""
    known = _known(fields, is_edited=is_edited, has_outputs=has_outputs)
    return CellHead(id=id_of(fields), position=position, **known)


def id_of(raw: Any) -> str:
    """The id of a cell from its JSON, whatever that is."""
    return str(raw.get("id") if isinstance(raw, dict) else raw)


def _known(fields: Mapping[str, Any], *, is_edited: bool, has_outputs: bool) -> dict[str, Any]:
    count = _count(fields.get("execution_count"))
    return {
        "type": printable(_text(fields.get("cell_type"))[:MAX_TYPE_CHARS]) or "unknown",
        "source": _text(fields.get("source")),
        "execution_count": count,
        "execution_state": _text(fields.get("execution_state")),
        "metadata": _mapping(fields.get("metadata")),
        "attachments": _mapping(fields.get("attachments")),
        "is_stale": is_edited and (count is not None or has_outputs),
    }


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _count(value: Any) -> int | None:
    # Browsers write whole numbers as floats.
    return whole(int(value) if isinstance(value, float) and value.is_integer() else value)


def at_position(cell: Cell, position: int) -> Cell:
    """The same cell where it is now."""
    return cell if cell.position == position else replace(cell, position=position)

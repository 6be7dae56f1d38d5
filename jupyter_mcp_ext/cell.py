"""A cell as it was at one moment."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from .references import label
from .storable import whole
from .text import printable

MAX_TYPE_CHARS = 20
"""How much is told of the type of a cell, which is "markdown" or shorter."""


@dataclass(frozen=True)
class CellHead:
    """What most edits and runs need of a cell, as it was at one moment: no outputs, often large.

    `position` is 0-based and for display: it may be stale as soon as somebody edits.
    """

    id: str
    position: int
    type: str
    source: str

    @property
    def label(self) -> str:
        """How every answer names a cell: `[position] id`."""
        return label(self.position, self.id)


@dataclass(frozen=True)
class Cell(CellHead):
    """A cell as it was at one moment.

    `outputs` are nbformat outputs, or whatever a client wrote in their place; the text of streams
    is one string.
    `execution_state` is "idle" or "running" for code cells, "" for others.
    """

    outputs: tuple[Any, ...] = ()
    execution_count: int | None = None
    execution_state: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)
    attachments: dict[str, Any] = field(default_factory=dict)
    is_stale: bool = False
    """Whether it is known that the source was edited since it ran."""


def snapshot(raw: Any, position: int, *, is_edited: bool) -> Cell:
    """A cell from the JSON of a live one; `is_edited` tells whether it was since a run began.

    What is not as nbformat has it, since any client may write anything, counts as missing.
    """
    cell_id, fields = id_of(raw), raw if isinstance(raw, dict) else {}
    count, outputs = _count(fields.get("execution_count")), fields.get("outputs")
    outputs = tuple(outputs) if isinstance(outputs, list) else ()
    return Cell(
        id=cell_id,
        position=position,
        type=shown_type(fields.get("cell_type")),
        source=_text(fields.get("source")),
        outputs=outputs,
        execution_count=count,
        execution_state=_text(fields.get("execution_state")),
        metadata=_mapping(fields.get("metadata")),
        attachments=_mapping(fields.get("attachments")),
        is_stale=is_edited and (count is not None or bool(outputs)),
    )


def id_of(raw: Any) -> str:
    """The id of a cell from its JSON, whatever that is."""
    return str(raw.get("id") if isinstance(raw, dict) else raw)


def shown_type(value: Any) -> str:
    """The type of a cell, whatever stands in its place."""
    return printable(_text(value)[:MAX_TYPE_CHARS]) or "unknown"


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

"""A cell as it was at one moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from .references import label
from .text import printable


@dataclass(frozen=True)
class Cell:
    """A cell as it was at one moment.

    `outputs` are nbformat outputs with the text of streams joined to one string.
    `execution_state` is "idle" or "running" for code cells, "" for others.
    `position` is 0-based and for display: it may be stale as soon as somebody edits.
    """

    id: str
    position: int
    type: str
    source: str
    outputs: tuple[dict[str, Any], ...] = ()
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


def snapshot(raw: Mapping[str, Any], position: int, *, is_edited: bool) -> Cell:
    """A cell from the JSON of a live one; `is_edited` tells whether it was since a run began."""
    count, outputs = raw.get("execution_count"), tuple(raw.get("outputs") or ())
    return Cell(
        id=str(raw.get("id")),
        position=position,
        type=printable(str(raw.get("cell_type"))),
        source=str(raw.get("source", "")),
        outputs=outputs,
        execution_count=None if count is None else int(count),
        execution_state=str(raw.get("execution_state", "")),
        metadata=raw.get("metadata") or {},
        attachments=raw.get("attachments") or {},
        is_stale=is_edited and (count is not None or bool(outputs)),
    )


def at_position(cell: Cell, position: int) -> Cell:
    """The same cell where it is now."""
    return cell if cell.position == position else replace(cell, position=position)

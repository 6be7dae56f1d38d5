"""Make live cells again what they were, without touching those that are the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jupyter_ydoc import YNotebook
from pycrdt import Array, Map, Text

from .cell import Cell
from .comparison import differences, in_place
from .soundness import is_sound
from .text_edits import changed_spans, patch


def remade(now: Sequence[Cell], wanted: Sequence[Cell]) -> list[str]:
    """The ids of the cells that `restore` removes or makes anew."""
    kept = in_place([cell.id for cell in now], [cell.id for cell in wanted])
    types = {cell.id: cell.type for cell in wanted}
    return [cell.id for cell in now if cell.id not in kept or types[cell.id] != cell.type]


def restore(ynotebook: YNotebook, now: Sequence[Cell], wanted: Sequence[Cell]) -> set[str]:
    """Make the live cells, which are `now`, what is `wanted`; return the ids of those written.

    Only for use inside a transaction. A cell that stays in its place and is of the same type is
    changed where it differs; others are made anew, since Yjs has no move.
    """
    ycells: Array[Any] = ynotebook.ycells
    live = {cell.id: cell for cell in now}
    kept = in_place([cell.id for cell in now], [cell.id for cell in wanted])
    changed = {each.now.id for each in differences(now, wanted) if each.now is not None}
    for position in reversed(range(len(now))):
        if now[position].id not in kept:
            del ycells[position]
    for position, cell in enumerate(wanted):
        if cell.id not in kept:
            ycells.insert(position, ynotebook.create_ycell(_value(cell)))
        elif cell.id in changed and _is_replaced(ycells[position], live[cell.id], cell):
            ycells[position] = ynotebook.create_ycell(_value(cell))
        elif cell.id in changed:
            _change(ycells[position], live[cell.id], cell)
    return changed


def _value(cell: Cell) -> dict[str, Any]:
    """The cell as nbformat has it."""
    value: dict[str, Any] = {"id": cell.id, "cell_type": cell.type, "source": cell.source}
    value["metadata"] = cell.metadata
    if cell.type == "code":
        value |= {"outputs": _outputs(cell), "execution_count": cell.execution_count}
    elif cell.attachments:
        value["attachments"] = cell.attachments
    return value


def _change(ycell: Map[Any], now: Cell, wanted: Cell) -> None:
    source: Text = ycell["source"]
    patch(source, now.source, changed_spans(now.source, wanted.source))
    if now.outputs != wanted.outputs:
        outputs: Array[Any] = ycell["outputs"]
        outputs.clear()
        outputs.extend([_youtput(output) for output in _outputs(wanted)])
    if now.execution_count != wanted.execution_count:
        ycell["execution_count"] = wanted.execution_count
    if now.attachments != wanted.attachments:
        ycell["attachments"] = wanted.attachments
    _change_map(ycell["metadata"], now.metadata, wanted.metadata)


def _is_replaced(ycell: Any, now: Cell, wanted: Cell) -> bool:
    return now.type != wanted.type or not is_sound(ycell)


def _outputs(cell: Cell) -> list[dict[str, Any]]:
    """Those that a live cell can have; others that somebody once wrote are left out."""
    mappings = (output for output in cell.outputs if isinstance(output, dict))
    return [each for each in mappings if isinstance(each.get("text", ""), str)]


def _youtput(output: Mapping[str, Any]) -> Map[Any]:
    is_stream = output.get("output_type") == "stream"
    return Map({**output, "text": Text(output.get("text", ""))} if is_stream else {**output})


def _change_map(ymap: Map[Any], now: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    for name in now.keys() - wanted.keys():
        del ymap[name]
    for name, value in wanted.items():
        if name not in now or now[name] != value:
            ymap[name] = value

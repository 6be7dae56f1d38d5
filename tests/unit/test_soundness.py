"""Cells as no notebook can have them, which any client of a room may write."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import pytest
from jupyter_ydoc import YNotebook
from pycrdt import Map, Text

from jupyter_mcp_ext.errors import BrokenCell
from jupyter_mcp_ext.notebook import NotebookDocument


async def settled() -> None:
    pass


def code(cell_id: str, source: str = "") -> dict[str, Any]:
    cell: dict[str, Any] = {"cell_type": "code", "id": cell_id, "source": source, "metadata": {}}
    return cell | {"outputs": [], "execution_count": None}


def open_document(*cells: dict[str, Any]) -> tuple[NotebookDocument, YNotebook]:
    ynotebook = YNotebook()
    ynotebook.set({"cells": list(cells), "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
    return NotebookDocument(ynotebook, "a.ipynb", settled), ynotebook


def without(name: str) -> Callable[[Map[Any]], None]:
    def spoil(cell: Map[Any]) -> None:
        del cell[name]

    return spoil


def having(name: str, value: Any) -> Callable[[Map[Any]], None]:
    def spoil(cell: Map[Any]) -> None:
        cell[name] = value

    return spoil


SPOILS = [
    *map(without, ["source", "metadata", "outputs"]),
    having("source", "plain"),
    having("source", ["list"]),
    having("metadata", "text"),
    having("outputs", [1]),
    having("outputs", "text"),
]
EDITS: list[Callable[[NotebookDocument], Any]] = [
    lambda document: document.replace_source(0, "new"),
    lambda document: document.clear_outputs(["broken"]),
    lambda document: document.move_cell(0, "end"),
    lambda document: document.note_start("broken"),
]


def spoilt(spoil: Callable[[Map[Any]], None]) -> tuple[NotebookDocument, YNotebook]:
    document, ynotebook = open_document(code("broken", "1"), code("sound", "2"))
    spoil(ynotebook.ycells[0])
    return document, ynotebook


UNNAMED = [*map(without, ["id", "cell_type"]), having("cell_type", 5)]


@pytest.mark.parametrize(
    ("spoil", "edit"),
    [*product(SPOILS, EDITS), *product(UNNAMED, [EDITS[0], EDITS[2]])],
)
def test_a_broken_cell_is_not_edited_and_nothing_is_changed(
    spoil: Callable[[Map[Any]], None], edit: Callable[[NotebookDocument], Any]
) -> None:
    document, ynotebook = spoilt(spoil)
    before = ynotebook.ycells.to_py()
    with pytest.raises(BrokenCell, match=r"Cell \[\d\] "):
        edit(document)
    assert ynotebook.ycells.to_py() == before


@pytest.mark.parametrize("spoil", SPOILS)
def test_a_broken_cell_can_be_removed(spoil: Callable[[Map[Any]], None]) -> None:
    document, ynotebook = spoilt(spoil)
    document.delete_cells(["broken"])
    assert [cell.id for cell in document.cells()] == ["sound"]


@pytest.mark.parametrize("name", ["id", "cell_type", "source", "metadata", "attachments"])
@pytest.mark.parametrize("value", [None, 1.5, True, [1], {"a": {"b": 1}}, "text"])
def test_any_cell_can_be_read(name: str, value: Any) -> None:
    document, ynotebook = open_document(code("broken", "1"), code("sound", "2"))
    ynotebook.ycells[0][name] = value
    document.cells()
    found = document.cell(0)
    assert isinstance(found.source, str) and isinstance(found.metadata, dict)
    assert document.cell(1).source == "2"


@pytest.mark.parametrize("value", [1, 1.5, None, True, "text", "[", [1], {"id": "a"}])
def test_what_is_no_cell_at_all_can_be_read_and_removed(value: Any) -> None:
    document, ynotebook = open_document(code("sound", "2"))
    ynotebook.ycells.insert(0, value)
    assert [cell.source for cell in document.cells()] == ["", "2"]
    assert document.cell(0).source == "" and document.carets(document.cell_ids[0]) == []
    document.delete_cells([document.cell_ids[0]])
    assert [cell.id for cell in document.cells()] == ["sound"]


@pytest.mark.parametrize("value", ["x", [], {}, 2.5, float("inf"), True])
def test_a_count_that_is_none_counts_as_missing(value: Any) -> None:
    document, ynotebook = open_document(code("a"))
    ynotebook.ycells[0]["execution_count"] = value
    assert document.cell("a").execution_count is None


def test_of_two_cells_of_one_id_only_the_first_is_deleted() -> None:
    document, ynotebook = open_document(code("twin", "1"), code("other", "2"))
    ynotebook.ycells.append(ynotebook.create_ycell(code("twin", "3")))
    document.delete_cells(document.resolve_many("0,2"))
    assert [cell.source for cell in document.cells()] == ["2", "3"]


@pytest.mark.parametrize("outputs", [["text"], [1, None], [{"output_type": "stream", "text": 5}]])
def test_a_cell_with_outputs_that_are_none_stays_where_it_is(outputs: list[Any]) -> None:
    document, ynotebook = open_document(code("a"), code("b"))
    for output in outputs:
        is_mapping = isinstance(output, dict)
        ynotebook.ycells[0]["outputs"].append(Map(output) if is_mapping else output)
    with pytest.raises(BrokenCell, match=r"Cell \[0\] a is"):
        document.move_cell("a", "end")
    assert list(document.cell_ids) == ["a", "b"]


def test_a_checkpoint_is_restored_over_a_broken_cell() -> None:
    document, ynotebook = open_document(code("a", "good"), code("b", "2"))
    kept = document.cells()
    ynotebook.ycells[0]["source"] = 5
    document.restore(kept)
    assert isinstance(ynotebook.ycells[0]["source"], Text)
    assert [cell.source for cell in document.cells()] == ["good", "2"]


@pytest.mark.parametrize("metadata", [5, "x", {"kernelspec": 5}, {"kernelspec": {"name": [1]}}, []])
def test_a_notebook_whose_metadata_are_none_names_no_kernel(metadata: Any) -> None:
    document, ynotebook = open_document(code("a"))
    ynotebook.ydoc.get("meta", type=Map)["metadata"] = metadata
    assert (document.kernelspec_name, document.language) == ("", "")

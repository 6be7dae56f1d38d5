"""A live notebook becomes what it was, and what is the same is not touched."""

from __future__ import annotations

import random
from typing import Any

import pytest
from jupyter_ydoc import YNotebook

from jupyter_mcp_ext.agent import Agent
from jupyter_mcp_ext.cell import Cell
from jupyter_mcp_ext.comparison import differences
from jupyter_mcp_ext.notebook import NotebookDocument

STREAM = {"output_type": "stream", "name": "stdout", "text": "1\n"}


def restore(document: NotebookDocument, cells: list[Cell]) -> None:
    with document.edited_by(Agent("x")):
        document.restore(cells)


def test_all_that_was_comes_back_and_undo_takes_it_back(
    document: NotebookDocument, ynotebook: YNotebook
) -> None:
    ynotebook.ycells[1]["outputs"].append(dict(STREAM))
    before = document.cells()
    document.delete_cells(["bbbb"])
    document.replace_source("aaaa", "# é", "markdown")
    document.insert_cell("new", after="start")
    document.move_cell("cccc", "start")
    changed = document.cells()
    restore(document, before)
    assert document.cells() == before
    assert ynotebook.get()["cells"][1]["outputs"] == [STREAM]
    assert document.undo(Agent("x"))
    assert differences(changed, document.cells()) == []


def test_outputs_counts_and_metadata_come_back_in_place(
    document: NotebookDocument, ynotebook: YNotebook
) -> None:
    ycell = ynotebook.ycells[1]
    ycell["outputs"].append(dict(STREAM))
    ycell["metadata"]["tags"] = ["x"]
    ycell["metadata"]["trusted"] = False
    before = document.cells()
    document.clear_outputs(["bbbb"])
    del ycell["metadata"]["tags"]
    ycell["metadata"]["trusted"] = True
    ycell["metadata"]["name"] = "y"
    document.replace_text("bbbb", "b", "é = 1\nb")
    restore(document, before)
    assert document.cells() == before
    assert ynotebook.ycells[1]["metadata"].to_py() == {"tags": ["x"], "trusted": False}
    assert not document.cell("bbbb").is_stale
    assert ycell["id"] == "bbbb", "the cell was made anew"


def test_a_source_that_comes_back_is_as_stale_as_it_was(document: NotebookDocument) -> None:
    fresh = document.cells()
    document.replace_source("bbbb", "b = 2")
    stale = document.cells()
    assert [cell.is_stale for cell in stale] == [False, True, False]
    restore(document, fresh)
    assert document.cells() == fresh
    document.replace_source("bbbb", "b = 3")
    restore(document, stale)
    assert document.cells() == stale


def test_a_cell_that_is_the_same_is_not_touched(
    document: NotebookDocument, ynotebook: YNotebook
) -> None:
    before = document.cells()
    document.replace_source("bbbb", "other")
    document.delete_cells(["cccc"])
    touched: list[Any] = []
    ynotebook.ycells.observe_deep(lambda events: touched.extend(e.path for e in events))
    restore(document, before)
    assert touched and all(path[:1] != [0] for path in touched)


def test_what_is_the_same_already_is_no_step(document: NotebookDocument) -> None:
    restore(document, document.cells())
    assert not document.undo(Agent("x"))


@pytest.mark.parametrize("seed", range(30))
def test_any_change_is_taken_back(document: NotebookDocument, seed: int) -> None:
    chance = random.Random(seed)
    before = document.cells()
    for _ in range(12):
        ids = document.cell_ids
        cell = chance.choice(ids) if ids else ""
        edit = chance.choice(["insert", "insert", "delete", "move", "edit", "type"])
        if edit == "insert":
            document.insert_cell(str(chance.random()), after=cell or "start")
        elif cell and edit == "delete":
            document.delete_cells([cell])
        elif cell and edit == "move":
            document.move_cell(cell, chance.choice(ids))
        elif cell:
            kind = chance.choice(["code", "markdown"]) if edit == "type" else "keep"
            document.replace_source(cell, str(chance.random()), kind)
    changed = document.cells()
    restore(document, before)
    assert differences(before, document.cells()) == []
    document.undo(Agent("x"))
    assert differences(changed, document.cells()) == []

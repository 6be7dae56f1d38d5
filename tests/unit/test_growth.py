"""What concerns one cell takes the same work in a notebook of thousands as in one of a few."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest
from jupyter_ydoc import YNotebook
from pycrdt import Assoc

from jupyter_mcp_ext.agent import Agent
from jupyter_mcp_ext.errors import CellNotFound
from jupyter_mcp_ext.notebook import NotebookDocument

SMALL, LARGE = 30, 1000
ADA = Agent("0a", "Ada")


async def settled() -> None:
    return


def opened(cells: int) -> NotebookDocument:
    """Each of its cells has been changed by somebody."""
    ynotebook = YNotebook()
    output = {"output_type": "stream", "name": "stdout", "text": "printed"}
    code = {"cell_type": "code", "metadata": {}, "outputs": [output], "execution_count": 1}
    sources = [code | {"id": f"cell{n:04}", "source": f"n = {n}"} for n in range(cells)]
    ynotebook.set({"cells": sources, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
    document = NotebookDocument(ynotebook, "a.ipynb", settled)
    document.clear_outputs(document.cell_ids)
    document.cells()
    return document


def calls_of(work: Callable[[], Any]) -> int:
    """How many functions it calls, of Python and of C."""
    calls = 0

    def count(frame: object, event: str, argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(None)
    return calls


def insert(document: NotebookDocument) -> None:
    with document.edited_by(ADA):
        document.insert_cell("new", after=7)


def edit(document: NotebookDocument) -> None:
    with document.edited_by(ADA):
        document.replace_source(7, f"{document.cell(7).source}0")


def move(document: NotebookDocument) -> None:
    with document.edited_by(ADA):
        document.move_cell(7, 9)


def delete(document: NotebookDocument) -> None:
    with document.edited_by(ADA):
        document.delete_cells([document.cell_ids[7]])


def edit_and_undo(document: NotebookDocument) -> None:
    edit(document)
    document.cells_among(document.undoable(ADA, 1))
    document.undo(ADA)


def read_some(document: NotebookDocument) -> None:
    document.cells_among(document.resolve_many("5-9"))


def read_changes(document: NotebookDocument) -> None:
    mark = document.journal.mark
    edit(document)
    document.journal.since(mark)


@pytest.mark.parametrize(
    "work", [insert, edit, move, delete, edit_and_undo, read_some, read_changes]
)
def test_work_on_one_cell_does_not_grow(work: Callable[[NotebookDocument], None]) -> None:
    few, many = (opened(cells) for cells in (SMALL, LARGE))
    work(few), work(many)  # What is made once is made now.
    small, large = (calls_of(lambda document=document: work(document)) for document in (few, many))
    assert large < small + 50


def caret_in(document: NotebookDocument, position: int) -> tuple[int, int]:
    source = document.ycell(document.cell_ids[position])["source"]  # type: ignore[index]
    place = source.sticky_index(0, Assoc.BEFORE).to_json()["type"]
    return place["client"], place["clock"]


def test_a_caret_is_found_in_a_large_notebook_without_looking_at_each_cell() -> None:
    document = opened(LARGE)
    carets = [caret_in(document, position) for position in (0, 789, LARGE - 1)]
    for caret, position in zip(carets, (0, 789, LARGE - 1), strict=True):
        calls = calls_of(lambda caret=caret: document.cell_with_caret(caret))
        assert document.cell_with_caret(caret) == f"cell{position:04}"
        assert calls < 2000


def test_a_caret_stays_known_while_cells_come_and_go_around_it() -> None:
    document = opened(LARGE)
    new = document.insert_cell("new", after=500)
    caret = caret_in(document, new.position)
    assert document.cell_with_caret(caret) == new.id
    document.insert_cell("above", after="start")
    calls = calls_of(lambda: document.cell_with_caret(caret))
    assert document.cell_with_caret(caret) == new.id and calls < 200


def test_a_caret_in_a_cell_that_was_made_anew_is_nowhere() -> None:
    document = opened(SMALL)
    caret = caret_in(document, 3)
    assert document.cell_with_caret(caret) == "cell0003"
    document.move_cell(3, "end")
    assert document.cell_with_caret(caret) is None


def test_a_position_names_its_cell_also_after_cells_came_and_went() -> None:
    document = opened(SMALL)
    assert document.resolve(7) == "cell0007"
    document.insert_cell("new", after="start")
    document.delete_cells(["cell0003"])
    new = document.cell_ids[0]
    assert document.resolve(new) == new and document.resolve(7) == "cell0007"
    with pytest.raises(CellNotFound):
        document.resolve("cell0003")

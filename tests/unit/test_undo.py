"""Taking back an agent's own edits, and nobody else's."""

from __future__ import annotations

from typing import Any

import pytest
from jupyter_ydoc import YNotebook

from jupyter_mcp_ext import undo
from jupyter_mcp_ext.agent import Agent
from jupyter_mcp_ext.errors import ReadOnlyNotebook, TextNotFound, UndoRefused
from jupyter_mcp_ext.journal import Origin
from jupyter_mcp_ext.notebook import NotebookDocument


def sources(document: NotebookDocument) -> list[str]:
    return [cell.source for cell in document.cells()]


def edit(document: NotebookDocument, agent: str, method: str, *arguments: Any) -> Any:
    with document.edited_by(Agent(agent)):
        return getattr(document, method)(*arguments)


def test_each_call_is_one_step_and_the_last_is_taken_back_first(
    document: NotebookDocument,
) -> None:
    edit(document, "x", "replace_source", "aaaa", "a = 1")
    edit(document, "x", "delete_cells", ["bbbb", "cccc"])
    edit(document, "x", "insert_cell", "new")
    assert document.undo(Agent("x")) and sources(document) == ["a = 1"]
    assert document.undo(Agent("x")) and sources(document) == ["a = 1", "b", "c"]
    assert document.undo(Agent("x")) and sources(document) == ["a", "b", "c"]
    assert not document.undo(Agent("x"))


def test_which_cells_the_last_steps_of_an_agent_changed(document: NotebookDocument) -> None:
    edit(document, "x", "replace_source", "aaaa", "a = 1")
    edit(document, "x", "replace_source", "bbbb", "b = 1")
    edit(document, "y", "replace_source", "cccc", "c = 1")
    assert document.undoable(Agent("x"), 1) == {"bbbb"}
    assert document.undoable(Agent("x"), 9) == {"aaaa", "bbbb"}
    assert document.undoable(Agent("y"), 1) == {"cccc"}
    assert document.undoable(Agent("z"), 1) == set()


def test_a_deleted_cell_comes_back_with_its_place_id_and_outputs(
    document: NotebookDocument, ynotebook: YNotebook
) -> None:
    ynotebook.ycells[1]["outputs"].append({"output_type": "stream", "name": "stdout", "text": "1"})
    before = document.cells()
    edit(document, "x", "delete_cells", ["bbbb"])
    assert document.undo(Agent("x"))
    assert document.cells() == before


def test_a_moved_cell_goes_back(document: NotebookDocument) -> None:
    edit(document, "x", "move_cell", "aaaa", "end")
    assert sources(document) == ["b", "c", "a"]
    assert document.undo(Agent("x")) and sources(document) == ["a", "b", "c"]


def test_what_others_wrote_stays(document: NotebookDocument, ynotebook: YNotebook) -> None:
    edit(document, "x", "replace_text", "aaaa", "a", "agent")
    ynotebook.ycells[0]["source"].insert(0, "person ")
    edit(document, "y", "replace_source", "bbbb", "other agent")
    document.replace_source("cccc", "the server")
    assert document.undo(Agent("x"))
    assert sources(document) == ["person a", "other agent", "the server"]
    assert not document.undo(Agent("x"))
    assert document.undo(Agent("y"))
    assert sources(document) == ["person a", "b", "the server"]


@pytest.mark.parametrize("method", ["insert_cell", "move_cell"])
def test_a_cell_in_which_others_wrote_since_is_not_removed(
    document: NotebookDocument, ynotebook: YNotebook, method: str
) -> None:
    arguments = ("aaaa", "end") if method == "move_cell" else ("new",)
    cell = edit(document, "x", method, *arguments)
    ynotebook.ycells[cell.position]["source"].insert(0, "person ")
    before = document.cells()
    for _ in range(2):
        with pytest.raises(UndoRefused, match=cell.id):
            document.undo(Agent("x"))
    assert document.cells() == before


def test_what_a_run_wrote_into_a_new_cell_goes_with_it(document: NotebookDocument) -> None:
    cell = edit(document, "x", "insert_cell", "1")
    with document.transaction(Origin("output")):
        ycell = document.ycell(cell.id)
        assert ycell is not None
        ycell["outputs"].append({"output_type": "stream", "name": "stdout", "text": "1"})
        ycell["execution_count"] = 1
    assert document.undo(Agent("x")) and sources(document) == ["a", "b", "c"]


def test_an_edit_that_changed_nothing_is_no_step(document: NotebookDocument) -> None:
    edit(document, "x", "replace_source", "aaaa", "a = 1")
    edit(document, "x", "replace_source", "aaaa", "a = 1")
    with pytest.raises(TextNotFound):
        edit(document, "x", "replace_text", "aaaa", "nothing", "")
    assert document.undo(Agent("x")) and sources(document) == ["a", "b", "c"]


def test_an_undo_marks_the_notebook_unsaved_and_is_refused_where_it_cannot_be_saved(
    document: NotebookDocument, ynotebook: YNotebook
) -> None:
    edit(document, "x", "replace_source", "aaaa", "a = 1")
    ynotebook.dirty = document.is_writable = False
    with pytest.raises(ReadOnlyNotebook):
        document.undo(Agent("x"))
    assert sources(document) == ["a = 1", "b", "c"] and not ynotebook.dirty
    document.is_writable = True
    assert document.undo(Agent("x")) and ynotebook.dirty


def test_after_a_change_that_cannot_be_followed_edits_are_known_again(
    document: NotebookDocument, ynotebook: YNotebook
) -> None:
    ynotebook.ycells.append("no cell")
    ynotebook.ycells.pop(3)
    with document.edited_by(Agent("x")) as changed:
        cell = document.insert_cell("new", after="start")
    assert changed == [cell.id] and document.undo(Agent("x"))
    assert sources(document) == ["a", "b", "c"]


def test_undoing_is_told_as_the_agents_doing(document: NotebookDocument) -> None:
    edit(document, "x", "replace_source", "aaaa", "a = 1")
    mark = document.journal.mark
    document.undo(Agent("x"))
    changes = document.journal.since(mark)
    assert changes is not None and changes.cells == {"aaaa": "edited by an agent"}


def test_a_bounded_number_of_agents_and_steps_is_known(
    document: NotebookDocument, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(undo, "MAX_AGENTS", 2)
    monkeypatch.setattr(undo, "MAX_STEPS", 2)
    for agent in ("x", "y", "z"):
        edit(document, agent, "insert_cell", agent)
    assert not document.undo(Agent("x")) and document.undo(Agent("y")) and document.undo(Agent("z"))
    for _ in range(3):
        edit(document, "y", "insert_cell", "y")
    assert not document.undo(Agent("y"))


def test_who_wrote_a_cell_can_be_in_its_metadata_and_is_undone_with_the_edit(
    document: NotebookDocument,
) -> None:
    def signer(cell_id: str) -> Any:
        return document.cell(cell_id).metadata.get("jupyter_mcp_ext", {}).get("written_by")

    ada = Agent("x", "Claude Code", "Ada")
    edits: list[tuple[Any, ...]] = [
        (document.replace_text, "aaaa", "a", "a = 1"),
        (document.replace_source, "bbbb", "# b", "markdown"),
        (document.insert_cell, "new"),
    ]
    for method, *arguments in edits:
        with document.edited_by(ada, is_signed=True) as changed:
            method(*arguments)
        assert [signer(cell_id) for cell_id in changed] == ["Claude Code (Ada)"]
    with document.edited_by(Agent("y")):
        document.replace_source("cccc", "c = 1")
    assert signer("cccc") is None
    for _ in edits:
        assert document.undo(ada)
    assert [signer(cell_id) for cell_id in document.cell_ids] == [None] * 3


def test_a_source_that_is_again_as_it_ran_is_not_stale(
    document: NotebookDocument, ynotebook: YNotebook
) -> None:
    document.note_start("bbbb")
    with document.transaction(Origin("output")):
        ynotebook.ycells[1]["execution_state"] = "running"
    edit(document, "x", "replace_source", "bbbb", "b = 2")
    assert document.cell("bbbb").is_stale
    document.undo(Agent("x"))
    assert not document.cell("bbbb").is_stale
    edit(document, "x", "replace_source", "bbbb", "b = 2")
    ynotebook.ycells[1]["execution_state"] = "running"  # By somebody else, of this source.
    document.undo(Agent("x"))
    assert document.cell("bbbb").is_stale

"""What a live notebook's journal knows of its cells."""

from __future__ import annotations

import json

import pytest
from jupyter_ydoc import YNotebook

from jupyter_mcp_ext import journal as journal_module
from jupyter_mcp_ext.journal import Changes, Journal
from jupyter_mcp_ext.notebook import NotebookDocument


def changes(document: NotebookDocument, mark: str) -> Changes:
    found = document.journal.since(mark)
    assert found is not None
    return found


def test_it_tells_what_was_done_to_each_cell_and_by_whom(
    document: NotebookDocument, ynotebook: YNotebook
) -> None:
    mark = document.journal.mark
    document.replace_source("aaaa", "a = 1")
    ynotebook.ycells[0]["source"] += "0"
    ynotebook.ycells[1]["outputs"].append({"output_type": "stream", "name": "stdout"})
    new = document.insert_cell("new")
    document.delete_cells(["cccc"])
    found = changes(document, mark)
    assert found.cells == {
        "aaaa": "edited by an agent and others",
        "bbbb": "outputs changed by others",
        new.id: "added by an agent",
    }
    assert found.removed == ["cccc"]


def test_it_tells_only_what_came_after_the_mark(document: NotebookDocument) -> None:
    document.replace_source("aaaa", "a = 1")
    mark = document.journal.mark
    document.move_cell("bbbb", "end")
    assert changes(document, mark).cells == {"bbbb": "moved by an agent"}
    assert changes(document, document.journal.mark) == Changes({}, [])


def test_a_cell_that_is_removed_and_put_back_is_not_told_as_removed(
    document: NotebookDocument, ynotebook: YNotebook
) -> None:
    mark = document.journal.mark
    raw = json.loads(str(ynotebook.ycells[0]))
    ynotebook.ycells.pop(0)
    ynotebook.ycells.append(ynotebook.create_ycell(raw))
    found = changes(document, mark)
    assert found.cells == {"aaaa": "added by others"} and not found.removed


def test_a_cell_is_stale_when_its_source_was_edited_after_a_run_began(
    document: NotebookDocument, ynotebook: YNotebook
) -> None:
    stale = lambda: [cell.id for cell in document.cells() if cell.is_stale]  # noqa: E731
    document.replace_source("aaaa", "never ran")
    assert stale() == []
    document.replace_source("bbbb", "b = 2")
    assert stale() == ["bbbb"]
    with ynotebook.ydoc.transaction():
        ynotebook.ycells[1]["execution_state"] = "running"
        ynotebook.ycells[1]["execution_count"] = None
    assert stale() == []
    document.replace_source("bbbb", "b = 3")
    ynotebook.ycells[1]["execution_count"] = 2
    assert stale() == ["bbbb"]
    ynotebook.ycells[1]["execution_count"] = 3  # A run that was shown at its end only.
    assert stale() == []


def test_a_moved_cell_is_as_stale_as_before(document: NotebookDocument) -> None:
    document.move_cell("bbbb", "end")
    assert not document.cell("bbbb").is_stale
    document.replace_source("bbbb", "b = 2")
    document.move_cell("bbbb", "start")
    assert document.cell("bbbb").is_stale


def test_marks_of_another_time_are_not_known(
    document: NotebookDocument, ynotebook: YNotebook
) -> None:
    mark = document.journal.mark
    epoch = mark.partition(".")[0]
    for unknown in ("", "x", f"{epoch}.", f"{epoch}.x", f"{epoch}.99", "zzzz.0", f"{epoch}.-1"):
        assert document.journal.since(unknown) is None
    # What cannot be followed makes all marks unknown, rather than telling half of it.
    ynotebook.ycells.append(1)
    assert document.journal.since(mark) is None


def test_a_bounded_number_of_removed_cells_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_module, "MAX_REMOVED", 2)
    journal = Journal()
    mark = journal.mark
    for number in range(2):
        journal.begin("")
        journal.note_removed(str(number))
    assert journal.since(mark) == Changes({}, ["0", "1"])
    journal.begin("")
    journal.note_removed("2")
    assert journal.since(mark) is None
    epoch = mark.partition(".")[0]
    assert journal.since(f"{epoch}.1") == Changes({}, ["1", "2"])


def test_an_id_that_changes_in_place_is_followed(
    document: NotebookDocument, ynotebook: YNotebook
) -> None:
    mark = document.journal.mark
    ynotebook.ycells[1]["id"] = "dddd"  # As jupyter_ydoc does with duplicates.
    assert document.cell_ids == ["aaaa", "dddd", "cccc"]
    assert document.cell("dddd").source == "b" == document.cell(1).source
    assert [cell.id for cell in document.cells()] == ["aaaa", "dddd", "cccc"]
    found = changes(document, mark)
    assert found.cells == {"dddd": "added by others"} and found.removed == ["bbbb"]


def test_a_cell_that_is_replaced_with_the_outputs_of_its_source_is_not_stale(
    document: NotebookDocument, ynotebook: YNotebook
) -> None:
    document.replace_source("bbbb", "b = 2")
    assert document.cell("bbbb").is_stale
    raw = json.loads(str(ynotebook.ycells[1])) | {"execution_count": 7}
    ynotebook.ycells[1] = ynotebook.create_ycell(raw)  # As a reload of the file does.
    assert not document.cell("bbbb").is_stale


def test_a_mark_of_absurd_length_is_unknown(document: NotebookDocument) -> None:
    epoch = document.journal.mark.partition(".")[0]
    assert document.journal.since(f"{epoch}.{'9' * 5000}") is None

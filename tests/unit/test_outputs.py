"""Kernel messages to the outputs of a cell, with no server."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jupyter_ydoc import YNotebook

from jupyter_mcp_ext import stream_text
from jupyter_mcp_ext.agent import NOBODY
from jupyter_mcp_ext.journal import Origin
from jupyter_mcp_ext.notebook import NotebookDocument
from jupyter_mcp_ext.outputs import OutputArea
from jupyter_mcp_ext.stream_text import StreamText

CELL = "cell0001"


async def settled() -> None:
    pass


def message(kind: str, **content: Any) -> dict[str, Any]:
    return {"header": {"msg_type": kind}, "content": content}


def stream(text: str, name: str = "stdout") -> dict[str, Any]:
    return message("stream", name=name, text=text)


def display(text: str, display_id: str = "") -> dict[str, Any]:
    transient = {"display_id": display_id} if display_id else {}
    return message("display_data", data={"text/plain": text}, metadata={}, transient=transient)


def update(text: str, display_id: str) -> dict[str, Any]:
    return display(text, display_id) | {"header": {"msg_type": "update_display_data"}}


def stream_output(text: str, name: str = "stdout") -> dict[str, Any]:
    return {"output_type": "stream", "name": name, "text": text}


def display_output(text: str) -> dict[str, Any]:
    return {"output_type": "display_data", "data": {"text/plain": text}, "metadata": {}}


@pytest.fixture
def document() -> NotebookDocument:
    cell = {"cell_type": "code", "id": CELL, "source": "run()", "metadata": {}}
    cell |= {"outputs": [stream_output("old")], "execution_count": 1}
    ynotebook = YNotebook()
    ynotebook.set({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
    return NotebookDocument(ynotebook, "a.ipynb", settled)


@pytest.fixture
def area(document: NotebookDocument) -> OutputArea:
    area = OutputArea(1_000_000)
    area.start(document, CELL)
    return area


def shown(document: NotebookDocument) -> list[dict[str, Any]]:
    return list(document.cell(CELL).outputs)


def test_a_start_clears_marks_running_and_fixes_the_source(document: NotebookDocument) -> None:
    area = OutputArea(1_000_000)
    assert area.start(document, CELL) == "run()"
    area.show_running(document)
    cell = document.cell(CELL)
    assert (cell.outputs, cell.execution_count, cell.execution_state) == ((), None, "running")
    assert cell.metadata["trusted"] is True


def test_nothing_reaches_the_document_before_it_is_written(
    document: NotebookDocument, area: OutputArea
) -> None:
    area.apply(stream("1"))
    assert area.has_changes and shown(document) == [stream_output("old")]
    area.write(document)
    assert not area.has_changes and shown(document) == [stream_output("1")]


def test_streams_of_one_name_merge_and_the_order_is_kept(
    document: NotebookDocument, area: OutputArea
) -> None:
    for part in (stream("a"), stream("b\n"), stream("e", "stderr"), display("d"), stream("c")):
        area.apply(part)
        area.write(document)
    assert shown(document) == [
        stream_output("ab\n"),
        stream_output("e", "stderr"),
        display_output("d"),
        stream_output("c"),
    ]


def test_results_and_errors_keep_their_fields_and_drop_what_is_transient(
    document: NotebookDocument, area: OutputArea
) -> None:
    data = {"text/plain": "2", "application/json": {"n": 1}}
    area.apply(
        message("execute_result", data=data, metadata={}, execution_count=7, transient={"x": 1})
    )
    area.apply(message("error", ename="E", evalue="v", traceback=["t"]))
    area.write(document)
    assert shown(document) == [
        {"output_type": "execute_result", "data": data, "metadata": {}, "execution_count": 7},
        {"output_type": "error", "ename": "E", "evalue": "v", "traceback": ["t"]},
    ]


def test_an_update_changes_each_display_of_that_id(
    document: NotebookDocument, area: OutputArea
) -> None:
    for part in (display("1", "a"), display("2", "b"), display("3", "a"), stream("end")):
        area.apply(part)
    area.write(document)
    assert area.update_display(update("new", "a")["content"])
    assert not area.update_display(update("new", "unknown")["content"])
    area.write(document)
    outputs = [display_output("new"), display_output("2"), display_output("new")]
    assert shown(document) == [*outputs, stream_output("end")]


def test_clear_output_clears_at_once_or_with_the_next_output(
    document: NotebookDocument, area: OutputArea
) -> None:
    area.apply(stream("1"))
    area.write(document)
    area.apply(message("clear_output", wait=True))
    area.write(document)
    assert shown(document) == [stream_output("1")]
    area.apply(stream("2"))
    area.write(document)
    assert shown(document) == [stream_output("2")]
    area.apply(message("clear_output", wait=False))
    area.write(document)
    assert shown(document) == []


def test_waiting_to_clear_keeps_the_last_output(
    document: NotebookDocument, area: OutputArea
) -> None:
    area.apply(stream("last"))
    area.apply(message("clear_output", wait=True))
    area.finish(document)
    assert shown(document) == [stream_output("last")]


def test_the_end_sets_count_and_idle_with_the_last_outputs_in_one_transaction(
    document: NotebookDocument, area: OutputArea
) -> None:
    area.apply(message("execute_input", code="run()", execution_count=5))
    area.apply(stream("done"))
    origins: list[Any] = []
    document._ynotebook.ydoc.observe(lambda event: origins.append(event.transaction.origin()))
    area.finish(document)
    cell = document.cell(CELL)
    assert origins == [hash(Origin("output", NOBODY))]
    assert cell.outputs == (stream_output("done"),)
    assert (cell.execution_count, cell.execution_state) == (5, "idle")


def test_a_cell_that_was_deleted_meanwhile_loses_nothing_of_the_result(
    document: NotebookDocument, area: OutputArea
) -> None:
    document.insert_cell("other")
    document.delete_cells([CELL])
    area.apply(stream("1"))
    area.write(document)
    area.finish(document)
    assert area.outputs == [stream_output("1")]
    assert [cell.outputs for cell in document.cells()] == [()]


def test_a_cell_that_was_moved_meanwhile_keeps_getting_its_outputs(
    document: NotebookDocument, area: OutputArea
) -> None:
    area.apply(stream("1\n2"))
    area.write(document)
    moved = document._ynotebook.get_cell(0)
    document.insert_cell("other")
    with document.transaction():
        document._ycells.pop(0)
        document._ycells.insert(1, document._ynotebook.create_ycell(moved))
    area.apply(stream("3\n"))
    area.finish(document)
    assert shown(document) == [stream_output("1\n23\n")]


def test_a_cell_that_somebody_cleared_meanwhile_is_left_to_them(
    document: NotebookDocument, area: OutputArea
) -> None:
    area.apply(stream("1"))
    area.write(document)
    with document.transaction():
        document._ycells[0]["outputs"].clear()
    area.apply(stream("2"))
    area.finish(document)
    assert shown(document) == []
    assert document.cell(CELL).execution_state == "idle"
    assert area.outputs == [stream_output("12")]


def test_late_output_still_lands_unless_the_cell_ran_again(
    document: NotebookDocument, area: OutputArea
) -> None:
    area.apply(message("execute_input", code="", execution_count=2))
    area.finish(document)
    area.apply(stream("late"))
    area.write(document)
    assert shown(document) == [stream_output("late")]
    again = OutputArea(1_000_000)
    again.start(document, CELL)
    again.show_running(document)
    area.apply(stream("later"))
    area.write(document)
    assert shown(document) == []


def test_messages_that_are_no_output_are_ignored(area: OutputArea) -> None:
    area.apply(message("comm_open", comm_id="x"))
    area.apply(message("status", execution_state="busy"))
    assert not area.has_changes and area.outputs == []


TEXT = st.text(alphabet="aé😀\n\r\b", max_size=8)
MESSAGES = st.one_of(
    st.builds(stream, TEXT, st.sampled_from(["stdout", "stderr"])),
    st.builds(display, TEXT, st.sampled_from(["", "x", "y"])),
    st.builds(update, TEXT, st.sampled_from(["x", "y"])),
    st.builds(lambda wait: message("clear_output", wait=wait), st.booleans()),
)


@given(st.lists(st.tuples(MESSAGES, st.sampled_from([0, 1, 3, 1000])), max_size=25))
def test_the_document_always_ends_with_what_the_run_produced(
    steps: list[tuple[dict[str, Any], int]],
) -> None:
    ynotebook = YNotebook()
    document = NotebookDocument(ynotebook, "a.ipynb", settled)
    area = OutputArea(1_000_000)
    area.start(document, document.insert_cell("run()").id)
    for part, max_chars in steps:
        area.apply(part)
        if max_chars:
            area.write(document, max_chars)
    if steps and steps[-1][1]:
        while area.has_changes:
            area.write(document, steps[-1][1])
        assert list(document.cell(0).outputs) == area.outputs
    area.finish(document)
    assert list(document.cell(0).outputs) == area.outputs


def test_much_output_is_written_in_several_transactions(
    document: NotebookDocument, area: OutputArea, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_text, "PART_CHARS", 10)
    area.apply(stream("0123456789" * 5 + "\n" + "a"))
    area.apply(stream("b", "stderr"))
    sizes = []
    while area.has_changes:
        area.write(document, 20)
        sizes.append([len(output["text"]) for output in shown(document)])
    assert sizes == [[20], [40], [52, 1]]


def test_output_beyond_the_bound_is_dropped_with_a_note_and_errors_are_kept(
    document: NotebookDocument,
) -> None:
    area = OutputArea(10)
    area.start(document, CELL)
    for part in (stream("0123456789ab"), stream("dropped"), display("dropped", "")):
        area.apply(part)
    area.apply(message("error", ename="E", evalue="e", traceback=["t"]))
    area.finish(document)
    first, note, error = shown(document)
    assert first["text"] == "0123456789ab" and error["ename"] == "E"
    assert "max_document_output_bytes" in note["text"] and area.omitted > len("dropped")


def terminal(text: str) -> str:
    """What a terminal shows, one character at a time: the slow and plain way."""
    lines, cursor = [""], 0
    for character in text:
        if character == "\n":
            lines.append("")
            cursor = 0
        elif character == "\r":
            cursor = 0
        elif character == "\b":
            cursor = max(0, cursor - 1)
        else:
            lines[-1] = lines[-1][:cursor] + character + lines[-1][cursor + 1 :]
            cursor += 1
    return "\n".join(lines)


@given(st.lists(st.text(alphabet="ab\n\r\b", max_size=6)))
def test_stream_text_is_what_a_terminal_shows(parts: list[str]) -> None:
    text = StreamText()
    for part in parts:
        text.write(part)
    assert text.text == terminal("".join(parts))


def test_a_progress_bar_is_one_line() -> None:
    text = StreamText()
    for percent in (0, 50, 100):
        text.write(f"\r{percent:3}%")
    text.write("\ndone")
    assert text.text == "100%\ndone"

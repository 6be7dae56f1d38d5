"""Kernel messages to the outputs of a cell, with no server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jupyter_ydoc import YNotebook
from pycrdt import Map, Text

from jupyter_mcp_ext import outputs, stream_text
from jupyter_mcp_ext.agent import NOBODY, Author
from jupyter_mcp_ext.journal import Origin
from jupyter_mcp_ext.notebook import NotebookDocument
from jupyter_mcp_ext.outputs import CUT_SHORT, MAX_WRITE_CHARS, OUTPUT_BYTES, OutputArea
from jupyter_mcp_ext.sizes import size_of

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
    assert document.ycell(CELL)["execution_count"] is None, "nbformat knows no other nothing"


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
    area.apply(update("new", "a"))
    area.write(document)
    outputs = [display_output("new"), display_output("2"), display_output("new")]
    assert shown(document) == [*outputs, stream_output("end")]
    assert area.update_display(update("newer", "b")["content"])
    area.write(document)
    assert shown(document)[1] == display_output("newer")


def test_an_update_of_an_unknown_display_changes_nothing(
    document: NotebookDocument, area: OutputArea
) -> None:
    for part in (display("1", "a"), display("no id")):
        area.apply(part)
    area.write(document)
    for content in (update("new", "unknown")["content"], update("new", "")["content"]):
        assert not area.update_display(content)
    assert not area.has_changes
    assert area.outputs == [display_output("1"), display_output("no id")]


def test_metadata_of_displays_is_kept_and_may_be_missing(area: OutputArea) -> None:
    data, isolated = {"text/html": "<b>"}, {"text/html": {"isolated": True}}
    area.apply(message("display_data", data=data, metadata=isolated))
    area.apply(message("display_data", data=data, metadata=None))
    area.apply(message("display_data", data=data))
    assert [output["metadata"] for output in area.outputs] == [isolated, {}, {}]


def written_out(document: NotebookDocument, area: OutputArea, max_chars: int) -> None:
    """All is written, a little at a time."""
    for _ in range(100):
        if area.has_changes:
            area.write(document, max_chars)
    assert not area.has_changes
    assert shown(document) == area.outputs


def test_an_update_before_and_after_streams_leaves_them_as_they_are(
    document: NotebookDocument, area: OutputArea
) -> None:
    for part in (stream("a\nb"), display("1", "x"), stream("c"), stream("d", "stderr")):
        area.apply(part)
    area.write(document)
    area.apply(update("new", "x"))
    written_out(document, area, 1_000)
    assert [output.get("text") for output in shown(document)] == ["a\nb", None, "c", "d"]


def test_an_update_does_not_end_a_stream_that_is_half_written(
    document: NotebookDocument, area: OutputArea, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_text, "PART_CHARS", 10)
    area.apply(stream("0123456789" * 5 + "\n"))
    area.apply(display("1", "x"))
    area.write(document, 10)
    area.apply(update("new", "x"))
    written_out(document, area, 10)


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


def test_only_the_first_output_after_a_wait_clears(
    document: NotebookDocument, area: OutputArea
) -> None:
    area.apply(stream("old"))
    area.apply(message("clear_output", wait=True))
    for part in (display("1"), display("2")):
        area.apply(part)
    written_out(document, area, 1_000)
    assert area.outputs == [display_output("1"), display_output("2")]


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


def test_all_that_is_written_is_told_as_output_of_whose_run_it_is(
    document: NotebookDocument,
) -> None:
    author = Author("x", "Claude Code")
    area = OutputArea(1_000_000, author)
    origins: list[Any] = []
    document._ynotebook.ydoc.observe(lambda event: origins.append(event.transaction.origin()))
    area.start(document, CELL)
    area.show_running(document)
    area.apply(stream("1"))
    area.write(document)
    area.finish(document)
    assert origins == [hash(Origin("output", author))] * 3


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


@pytest.mark.parametrize("is_reached", [True, False])
def test_what_was_written_while_a_move_was_on_its_way_is_in_the_moved_cell_too(
    document: NotebookDocument, area: OutputArea, is_reached: bool
) -> None:
    copies = []
    for part in (stream("1\n"), display("2"), stream("3\n")):
        copies.append(document._ynotebook.get_cell(0))
        area.apply(part)
        area.write(document)
    for copy in copies:
        # As JupyterLab does: what it has not seen yet is not in the copy, nor is the state.
        moved = document._ynotebook.create_ycell(copy)
        with document.transaction():
            document._ycells[0] = moved
            del moved["execution_state"]
        if is_reached:
            area.apply(stream("4\n"))
            area.write(document)
            assert document.cell(CELL).execution_state == "running"
    area.finish(document)
    shown_stream = stream_output("3\n" + "4\n" * 3 * is_reached)
    assert shown(document) == [stream_output("1\n"), display_output("2"), shown_stream]
    assert document.cell(CELL).execution_state == "idle"


def test_a_cell_that_somebody_cleared_and_moved_is_left_to_them(
    document: NotebookDocument, area: OutputArea
) -> None:
    area.apply(stream("1"))
    area.write(document)
    document._ycells[0]["outputs"].clear()
    area.apply(stream("2"))
    area.write(document)
    del document._ycells[0]["execution_state"]
    area.apply(stream("3"))
    area.finish(document)
    assert shown(document) == []


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


def test_late_output_leaves_the_outputs_of_a_later_run_alone(
    document: NotebookDocument, area: OutputArea
) -> None:
    again = OutputArea(1_000_000)
    for run, count, text in ((area, 2, "first"), (again, 3, "second")):
        run.start(document, CELL)
        run.apply(message("execute_input", code="", execution_count=count))
        run.apply(stream(text))
        run.finish(document)
    area.apply(stream("late"))
    area.write(document)
    assert shown(document) == [stream_output("second")] and not area.has_changes


def person_reruns(document: NotebookDocument) -> None:
    with document._ynotebook.ydoc.transaction():
        document._ycells[0]["outputs"].clear()
        document._ycells[0]["execution_count"] = None
        document._ycells[0]["execution_state"] = "running"


def person_clears(document: NotebookDocument) -> None:
    document._ycells[0]["outputs"].clear()


def file_is_reloaded(document: NotebookDocument) -> None:
    cell = {"cell_type": "code", "id": CELL, "source": "run()", "metadata": {}, "outputs": []}
    document._ynotebook.set({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("after", [True, False])
@pytest.mark.parametrize(
    ("change", "left"),
    [
        (person_reruns, (None, "running")),
        (person_clears, (2, "idle")),
        (file_is_reloaded, (2, "idle")),
    ],
)
def test_a_cell_that_a_person_reran_meanwhile_stays_running(
    document: NotebookDocument,
    before: bool,
    after: bool,
    change: Callable[[NotebookDocument], None],
    left: tuple[int | None, str],
) -> None:
    """Whether there is output before they do so and after it, or not."""
    area = OutputArea(1_000_000, Author("0a", "Claude Code"))
    area.start(document, CELL)
    area.apply(message("execute_input", code="", execution_count=2))
    area.show_running(document)
    if before:
        area.apply(stream("1"))
        area.write(document)
    change(document)
    if after:
        area.apply(stream("2"))
    area.finish(document)
    cell = document.cell(CELL)
    assert (cell.execution_count, cell.execution_state) == left


def test_a_cell_that_was_left_to_somebody_stays_theirs(
    document: NotebookDocument, area: OutputArea
) -> None:
    area.apply(stream("1"))
    area.write(document)
    outputs = document._ycells[0]["outputs"]
    outputs.clear()
    area.apply(stream("2"))
    area.write(document)
    assert not area.has_changes
    outputs.append(Map({"output_type": "stream", "name": "stdout", "text": Text("theirs")}))
    area.apply(stream("3"))
    area.finish(document)
    assert shown(document) == [stream_output("theirs")]


def test_messages_that_are_no_output_are_ignored(area: OutputArea) -> None:
    area.apply(message("comm_open", comm_id="x"))
    area.apply(message("status", execution_state="busy"))
    assert not area.has_changes and area.outputs == []


def test_outputs_and_updates_that_no_document_can_hold_are_written_all_the_same(
    document: NotebookDocument, area: OutputArea
) -> None:
    data = {"application/json": ["\ud83d", 2**64]}
    held = {"application/json": ["?", 2.0**64]}
    area.apply(message("display_data", data=data, metadata=data, transient={"display_id": "x"}))
    area.apply(stream("\ud83d"))
    area.write(document)
    output = {"output_type": "display_data", "data": held, "metadata": held}
    assert shown(document) == [output, stream_output("?")]
    area.update_display({"data": data | {"text/plain": "\ud83d"}, "transient": {"display_id": "x"}})
    area.write(document)
    assert shown(document)[0]["data"] == held | {"text/plain": "?"}


@pytest.mark.parametrize(
    ("sent", "held"), [(7, 7), (None, None), ("7", None), ([], None), (2**64, None)]
)
def test_an_execution_count_is_a_number_or_unknown(
    document: NotebookDocument, area: OutputArea, sent: Any, held: int | None
) -> None:
    area.apply(message("execute_input", execution_count=sent))
    area.apply(message("execute_result", data={}, execution_count=sent))
    area.apply(message("execute_result", data={}))
    area.finish(document)
    assert document.cell(CELL).execution_count == held
    assert [output["execution_count"] for output in shown(document)] == [held, None]


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


def test_more_than_one_transaction_writes_is_large(area: OutputArea) -> None:
    area.apply(stream("x" * (MAX_WRITE_CHARS - OUTPUT_BYTES)))
    assert not area.is_large
    area.apply(stream("x"))
    assert area.is_large


def test_many_small_outputs_are_large(document: NotebookDocument) -> None:
    area = OutputArea(10_000_000)
    area.start(document, CELL)
    most = MAX_WRITE_CHARS // OUTPUT_BYTES
    for _ in range(most + 1):
        area.apply(display(""))
    assert area.is_large
    area.write(document)
    assert most // 2 < len(shown(document)) <= most
    written_out(document, area, MAX_WRITE_CHARS)


def test_displays_are_written_in_several_transactions_too(
    document: NotebookDocument, area: OutputArea
) -> None:
    for text in "abc":
        area.apply(display(text * 100))
    area.write(document, 2 * OUTPUT_BYTES)
    assert len(shown(document)) == 2
    written_out(document, area, 200)


def show_progress(area: OutputArea) -> None:
    """A display that will change, above eight others."""
    area.apply(display("0 %", "x"))
    for text in "abcdefgh":
        area.apply(display(text))


def test_a_display_that_keeps_changing_does_not_hide_what_follows(
    document: NotebookDocument, area: OutputArea
) -> None:
    show_progress(area)
    numbers = []
    for percent in range(9):
        area.apply(update(f"{percent} %", "x"))
        area.write(document, 3 * OUTPUT_BYTES)
        numbers.append(len(shown(document)))
    assert numbers == [3, 6, 9, 3, 6, 9, 3, 6, 9]
    written_out(document, area, 3 * OUTPUT_BYTES)


def test_what_changes_before_it_is_written_is_written_once(
    document: NotebookDocument, area: OutputArea
) -> None:
    for text in "abcdefghi":
        area.apply(display(text, text))
    numbers = []
    for changed in "hi ":
        area.write(document, 3 * OUTPUT_BYTES)
        area.apply(update("new", changed))
        numbers.append(len(shown(document)))
    assert numbers == [3, 6, 9] and shown(document) == area.outputs and not area.has_changes


@pytest.mark.parametrize("is_end", [False, True])
@pytest.mark.parametrize("theirs", [display_output("theirs"), {**stream_output("x"), "text": "x"}])
def test_what_a_person_has_put_in_place_of_a_stream_stays(
    document: NotebookDocument, area: OutputArea, is_end: bool, theirs: dict[str, Any]
) -> None:
    area.apply(stream("hello"))
    area.apply(display("0 %", "x"))
    area.write(document)
    ycell = document.ycell(CELL)
    assert ycell is not None
    ycell["outputs"][0] = Map(theirs)
    area.apply(update("1 %", "x"))
    (area.finish if is_end else area.write)(document)
    assert shown(document) == [theirs, display_output("0 %")]
    assert document.cell(CELL).execution_state == ("idle" if is_end else "running")


def test_the_end_of_a_run_shows_the_last_change_of_a_display(
    document: NotebookDocument, area: OutputArea
) -> None:
    show_progress(area)
    area.write(document, 3 * OUTPUT_BYTES)
    area.apply(update("100 %", "x"))
    area.finish(document)
    assert shown(document) == area.outputs and not area.has_changes


@pytest.mark.parametrize("first", [display("d"), stream("e", "stderr")])
def test_a_long_stream_after_other_outputs_is_written_whole(
    document: NotebookDocument,
    area: OutputArea,
    first: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stream_text, "PART_CHARS", 10)
    area.apply(first)
    area.apply(stream("0123456789" * 5))
    area.apply(stream("0123456789\n" * 5))
    written_out(document, area, 20)


def test_a_line_is_written_on_as_it_grows_and_anew_when_it_is_overwritten(
    document: NotebookDocument, area: OutputArea
) -> None:
    area.apply(stream("a"))
    area.write(document)
    deltas: list[Any] = []
    live: Text = document._ycells[0]["outputs"][0]["text"]
    live.observe(lambda event: deltas.append(event.delta))
    for printed, text in [
        ("b", "ab"),
        ("é", "abé"),
        ("\rX", "Xbé"),
        ("\n1", "Xbé\n1"),
        ("2\n3", "Xbé\n12\n3"),
        ("\b4", "Xbé\n12\n4"),
    ]:
        area.apply(stream(printed))
        area.write(document)
        assert shown(document) == [stream_output(text)]
    # A line that only grows is never deleted, so that readers see no flicker.
    assert [any("delete" in step for step in delta) for delta in deltas] == [
        *(False, False, True, False, False, True)
    ]


def test_what_follows_a_stream_that_goes_on_is_written_with_it(
    document: NotebookDocument, area: OutputArea
) -> None:
    area.apply(stream("0123456789"))
    area.write(document)
    area.apply(stream("a"))
    area.apply(stream("b", "stderr"))
    area.write(document, 8)
    assert shown(document) == [stream_output("0123456789a"), stream_output("b", "stderr")]


def test_what_follows_a_stream_waits_until_that_is_written_whole(
    document: NotebookDocument, area: OutputArea, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_text, "PART_CHARS", 10)
    area.apply(stream("0123456789abcde"))
    area.write(document)
    area.apply(stream("f" * 30 + "\n"))
    area.apply(stream("e", "stderr"))
    written_out(document, area, 18)


def test_the_size_of_a_run_is_that_of_its_present_outputs(area: OutputArea) -> None:
    displayed = size_of(display_output(""))
    for part, count, size in [
        (stream("ab"), 1, 2),
        (stream("c"), 1, 3),
        (stream("\rX"), 1, 3),
        (stream("e", "stderr"), 2, 4),
        (display("1234", "x"), 3, 8 + displayed),
        (display("12", ""), 4, 10 + 2 * displayed),
        (update("123456", "x"), 4, 12 + 2 * displayed),
        (update("", "x"), 4, 6 + 2 * displayed),
        (message("clear_output"), 0, 0),
    ]:
        area.apply(part)
        assert area.size == count * OUTPUT_BYTES + size


def test_output_beyond_the_bound_is_dropped_with_one_note_and_errors_are_kept(
    document: NotebookDocument,
) -> None:
    area = OutputArea(OUTPUT_BYTES + 1_000)
    area.start(document, CELL)
    for part in (stream("0" * 1_000), stream("1")):
        area.apply(part)
    assert area.omitted == 0
    area.apply(stream(""))
    area.apply(stream("dropped"))
    assert area.omitted == 1 + len("dropped") and len(area.outputs) == 2
    dropped = display("dropped")
    area.apply(dropped)
    assert area.omitted == 1 + len("dropped") + size_of(dropped["content"])
    area.apply(message("error", ename="E", evalue="e", traceback=["t"]))
    area.finish(document)
    first, note, error = shown(document)
    assert first == stream_output("0" * 1_000 + "1") and error["ename"] == "E"
    assert note == stream_output(CUT_SHORT.format(0.002), "stderr")


def test_errors_and_updates_beyond_the_bound_are_bounded_too(
    document: NotebookDocument, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outputs, "ERROR_BYTES", 5_000)
    area = OutputArea(5_000)
    area.start(document, CELL)
    area.apply(display("1", "x"))
    for _ in range(99):
        area.apply(message("error", ename="E", evalue="e" * 1_000, traceback=[]))
    assert area.outputs[1]["ename"] == "E" and 5_000 < area.size < 10_000
    omitted = area.omitted
    assert omitted > 80_000
    larger = update("2" * 100, "x")
    area.apply(larger)
    assert area.outputs[0]["data"] == {"text/plain": "1"}
    assert area.omitted == omitted + size_of(larger["content"])
    area.apply(update("", "x"))
    assert area.outputs[0]["data"] == {"text/plain": ""}


def test_the_error_of_a_run_is_kept_whatever_came_before_it(document: NotebookDocument) -> None:
    area = OutputArea(500)
    area.start(document, CELL)
    area.apply(stream("x" * 5_000_000))
    area.apply(stream("dropped"))
    area.apply(message("error", ename="E", evalue="e", traceback=[]))
    assert [output["output_type"] for output in area.outputs] == ["stream", "stream", "error"]


def test_a_run_that_clears_its_outputs_has_room_again(
    document: NotebookDocument,
) -> None:
    area = OutputArea(2)
    area.start(document, CELL)
    for part in (stream("0123"), stream("dropped"), message("clear_output"), stream("new")):
        area.apply(part)
    assert area.omitted == 0
    written_out(document, area, 1_000)
    assert area.outputs == [stream_output("new")]


@pytest.mark.parametrize(
    ("wrong", "shown_as"),
    [
        (stream("a\ud800b"), [stream_output("a?b")]),
        (message("stream", name=5, text=5), [stream_output("")]),
        (message("stream", name="other", text="x"), [stream_output("x")]),
        (
            message("display_data", data={"application/json": {"n": 2**70}}, metadata=None),
            [{"output_type": "display_data", "data": {"application/json": {"n": 2.0**70}}}],
        ),
        (message("display_data", data=["text"]), [{"output_type": "display_data", "data": {}}]),
        (
            message("error", ename=1, evalue=None, traceback=["a", 1]),
            [{"output_type": "error", "ename": "", "evalue": "", "traceback": ["a", ""]}],
        ),
        (
            message("execute_result", data={}, transient="x", execution_count="3"),
            [{"output_type": "execute_result", "data": {}, "execution_count": None}],
        ),
        (message("execute_input", execution_count={}), []),
    ],
)
def test_wrong_messages_leave_outputs_that_a_notebook_can_have(
    document: NotebookDocument,
    area: OutputArea,
    wrong: dict[str, Any],
    shown_as: list[dict[str, Any]],
) -> None:
    area.start(document, CELL)
    area.apply(wrong)
    area.finish(document)
    [cell] = document.cells()
    found = [{**output} for output in cell.outputs]
    for output in found:
        assert output.pop("metadata", {}) == {}
    assert found == shown_as
    assert cell.execution_count is None and cell.execution_state == "idle"


def test_a_run_whose_cell_is_spoilt_meanwhile_ends(
    document: NotebookDocument, area: OutputArea
) -> None:
    area.start(document, CELL)
    area.show_running(document)
    ycell = document.ycell(CELL)
    assert ycell is not None
    ycell["outputs"] = "theirs"
    area.apply(stream("x"))
    area.write(document)
    area.finish(document)
    assert ycell["outputs"] == "theirs"

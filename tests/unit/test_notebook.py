"""Reading and editing one live notebook, with no server."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jupyter_ydoc import YNotebook
from pycrdt import Map, Text

from jupyter_mcp_ext import notebook, snapshots
from jupyter_mcp_ext.agent import NOBODY, Agent, Author
from jupyter_mcp_ext.cell import id_of
from jupyter_mcp_ext.cell_json import LONG
from jupyter_mcp_ext.errors import (
    AmbiguousMatch,
    BeingTyped,
    CellNotFound,
    InvalidRequest,
    ReadOnlyNotebook,
    TextNotFound,
)
from jupyter_mcp_ext.journal import Origin
from jupyter_mcp_ext.notebook import EDIT, NotebookDocument
from jupyter_mcp_ext.snapshots import FEW, FEW_HEADS, MANY, MAX_KEPT_CHARS


async def settled() -> None:
    pass


def code(cell_id: str, source: str = "", **more: Any) -> dict[str, Any]:
    cell = {"cell_type": "code", "id": cell_id, "source": source, "metadata": {}}
    return cell | {"outputs": [], "execution_count": None} | more


def open_document(
    *cells: dict[str, Any], writer: Author = NOBODY
) -> tuple[NotebookDocument, YNotebook]:
    """`writer` is who makes the changes that are not ours."""
    ynotebook = YNotebook()
    ynotebook.set({"cells": list(cells), "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
    return NotebookDocument(ynotebook, "a.ipynb", settled, lambda: writer), ynotebook


@pytest.fixture
def three() -> tuple[NotebookDocument, YNotebook]:
    third = code("3", "c = 3", execution_count=1)
    return open_document(code("first111", "a = 1"), code("second22", "b = 2"), third)


def test_a_cell_is_read_with_all_it_has() -> None:
    stream = {"output_type": "stream", "name": "stdout", "text": "hé\n"}
    document, _ = open_document(
        code("a1", "print()", outputs=[stream], execution_count=3, metadata={"tags": ["x"]})
    )
    cell = document.cell("a1")
    assert (cell.id, cell.position, cell.type, cell.source) == ("a1", 0, "code", "print()")
    assert cell.outputs == (stream,)
    assert (cell.execution_count, cell.execution_state) == (3, "idle")
    assert isinstance(cell.execution_count, int)
    assert cell.metadata == {"tags": ["x"]}
    assert document.cells() == [cell]


@pytest.mark.parametrize(
    ("reference", "cell_id"),
    [
        ("first111", "first111"),
        (0, "first111"),
        ("1", "second22"),
        (-1, "3"),
        ("-3", "first111"),
        ("seco", "second22"),
        ("3", "3"),  # an exact id wins over a position
    ],
)
def test_cells_are_found_by_id_position_and_prefix(
    three: tuple[NotebookDocument, YNotebook], reference: str | int, cell_id: str
) -> None:
    assert three[0].resolve(reference) == cell_id


@pytest.mark.parametrize("reference", ["none", 7, "-4", "fir", "", "1.5", "²"])
def test_what_names_no_cell_is_an_error_with_candidates(
    three: tuple[NotebookDocument, YNotebook], reference: str | int
) -> None:
    with pytest.raises(CellNotFound) as caught:
        three[0].resolve(reference)
    assert "[0] first111" in str(caught.value)


def test_a_prefix_of_several_cells_is_refused() -> None:
    document, _ = open_document(code("abcd1"), code("abcd2"), code("xxxx1"))
    with pytest.raises(CellNotFound) as caught:
        document.resolve("abcd")
    assert "several" in str(caught.value) and "xxxx1" not in str(caught.value)


@pytest.mark.parametrize(
    ("references", "positions"),
    [("all", [0, 1, 2]), ("2,0", [0, 2]), ("0-1", [0, 1]), ("1-", [1, 2]), (" 1 , 1 ", [1])],
)
def test_several_cells_are_named_by_lists_and_ranges(references: str, positions: list[int]) -> None:
    document, _ = open_document(code("aaaa"), code("bbbb"), code("cccc"))
    ids = ["aaaa", "bbbb", "cccc"]
    assert document.resolve_many(references) == [ids[position] for position in positions]


def test_an_exact_id_wins_over_a_range() -> None:
    document, _ = open_document(code("0-1"), code("bbbb"))
    assert document.resolve_many("0-1") == ["0-1"]


@pytest.mark.parametrize("references", ["", " , ", "2-1"])
def test_naming_no_cells_is_an_error(references: str) -> None:
    document, _ = open_document(code("aaaa"), code("bbbb"), code("cccc"))
    with pytest.raises(InvalidRequest):
        document.resolve_many(references)


def test_insert_puts_the_cell_where_it_was_asked_to_be() -> None:
    document, _ = open_document(code("aaaa"), code("bbbb"))
    last = document.insert_cell("last")
    first = document.insert_cell("# first", "markdown", after="start")
    middle = document.insert_cell("middle", after="aaaa")
    assert [cell.source for cell in document.cells()] == ["# first", "", "middle", "", "last"]
    assert (first.position, first.type, middle.position) == (0, "markdown", 2)
    assert document.cell(last.id).metadata == {}


def test_only_cells_of_our_own_runs_are_trusted() -> None:
    document, _ = open_document(code("aaaa"))
    trusted = document.insert_cell("1", trusted=True)
    assert document.cell(trusted.id).metadata == {"trusted": True}


def test_positions_follow_what_others_do(three: tuple[NotebookDocument, YNotebook]) -> None:
    document, ynotebook = three
    assert document.position("second22") == 1
    ynotebook.ycells.insert(0, ynotebook.create_ycell(code("new")))
    assert document.position("second22") == 2
    ynotebook.ycells.pop(2)
    with pytest.raises(CellNotFound):
        document.position("second22")
    assert document.ycell("second22") is None
    assert list(document.cell_ids) == ["new", "first111", "3"]


def test_an_id_that_changes_in_place_is_noticed(three: tuple[NotebookDocument, YNotebook]) -> None:
    document, ynotebook = three
    assert document.position("3") == 2
    ynotebook.ycells[2]["id"] = "renamed"
    assert document.position("renamed") == 2
    with pytest.raises(CellNotFound):
        document.position("3")


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("insert"), st.integers(0, 20)),
            st.tuples(st.just("pop"), st.integers(0, 20)),
            st.tuples(st.just("many"), st.integers(0, 20)),
        )
    )
)
def test_known_ids_always_match_the_document(steps: list[tuple[str, int]]) -> None:
    document, ynotebook = open_document(code("aaaa"), code("bbbb"))
    cells = ynotebook.ycells
    for number, (step, index) in enumerate(steps):
        assert document.cell_ids is not None
        with ynotebook.ydoc.transaction():
            if step == "pop" and len(cells):
                cells.pop(index % len(cells))
            for copy in range({"insert": 1, "many": 3, "pop": 0}[step]):
                ycell = ynotebook.create_ycell(code(f"n{number}-{copy}"))
                cells.insert(index % (len(cells) + 1), ycell)
        assert list(document.cell_ids) == [ycell["id"] for ycell in cells]


def changes_of(ynotebook: YNotebook, edit: Callable[[], Any]) -> list[Any]:
    """The hashed origins of the transactions that an edit makes."""
    origins: list[Any] = []
    subscription = ynotebook.ydoc.observe(lambda event: origins.append(event.transaction.origin()))
    edit()
    ynotebook.ydoc.unobserve(subscription)
    return origins


EDITS: list[Callable[[NotebookDocument], Any]] = [
    lambda d: d.insert_cell("x"),
    lambda d: d.replace_text("first111", "1", "2"),
    lambda d: d.replace_source("first111", "x\ny"),
    lambda d: d.replace_source("first111", "x", "markdown"),
    lambda d: d.delete_cells(["first111", "3"]),
    lambda d: d.move_cell("first111", "end"),
    lambda d: d.clear_outputs(["first111", "3"]),
]


@pytest.mark.parametrize("edit", EDITS)
def test_each_edit_is_one_transaction_of_ours_that_marks_the_notebook_unsaved(
    three: tuple[NotebookDocument, YNotebook], edit: Callable[[NotebookDocument], Any]
) -> None:
    document, ynotebook = three
    assert changes_of(ynotebook, lambda: edit(document)) == [hash(EDIT)]
    assert ynotebook.dirty is True


@pytest.mark.parametrize("edit", [*EDITS, lambda d: d.restore(d.cells()[:1])])
def test_a_notebook_that_cannot_be_saved_is_not_edited(
    three: tuple[NotebookDocument, YNotebook], edit: Callable[[NotebookDocument], Any]
) -> None:
    document, _ = three
    before = document.cells()
    document.is_writable = False
    with pytest.raises(ReadOnlyNotebook, match=r"'a\.ipynb'"):
        edit(document)
    assert document.cells() == before


def test_outputs_still_come_into_a_notebook_that_cannot_be_saved(
    three: tuple[NotebookDocument, YNotebook],
) -> None:
    document, ynotebook = three
    document.is_writable = False
    with document.transaction(Origin("output")):
        ynotebook.ycells[0]["execution_count"] = 1
    assert document.cell(0).execution_count == 1


def test_new_cells_and_cells_of_a_new_type_are_valid_nbformat() -> None:
    document, ynotebook = open_document(code("aaaa"))
    for cell_type in ("code", "markdown", "raw"):
        document.insert_cell("x", cell_type)
        cell = document.insert_cell("x", "raw" if cell_type == "code" else "code")
        document.replace_source(cell.id, "y", cell_type)
    nbformat.validate(ynotebook.get())
    kinds = [
        set(raw) - {"id", "cell_type", "source", "metadata"} for raw in ynotebook.get()["cells"]
    ]
    of_code = {"outputs", "execution_count"}
    assert kinds == [of_code, of_code, of_code, *[set()] * 4]
    for position in range(3):
        assert document.cell(position).execution_count is None


def test_attachments_stay_with_a_text_that_gets_another_type() -> None:
    attachments = {"a.png": {"image/png": "AAAA"}}
    text = {"cell_type": "markdown", "id": "text", "source": "x", "metadata": {}}
    document, ynotebook = open_document(text | {"attachments": attachments})
    document.replace_source("text", "x", "raw")
    assert ynotebook.get()["cells"][0]["attachments"] == attachments
    document.replace_source("text", "x", "code")
    assert "attachments" not in ynotebook.get()["cells"][0]


def test_new_ids_are_short_and_never_those_of_other_cells(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    document, _ = open_document(code("11111111"))
    monkeypatch.setattr(notebook, "uuid4", iter(map(UUID, ("1" * 32, "2" * 32))).__next__)
    assert document.insert_cell("x").id == "22222222"


def test_a_signature_says_who_wrote_and_when() -> None:
    document, _ = open_document(code("aaaa"))
    with document.edited_by(Agent("x", "Claude Code"), is_signed=True):
        document.insert_cell("x", after="start")
    assert document.cell(0).metadata.keys() == {"jupyter_mcp_ext"}
    signature = document.cell(0).metadata["jupyter_mcp_ext"]
    written_at = datetime.fromisoformat(signature.pop("written_at"))
    assert signature == {"written_by": "Claude Code"}
    assert written_at.utcoffset() == timedelta(0) and written_at.microsecond == 0
    assert abs(datetime.now(timezone.utc) - written_at) < timedelta(minutes=1)


ADA = Author("", "Ada")


@pytest.mark.parametrize(
    "edit",
    [
        lambda d: d.replace_source("bbbb", "x", "markdown"),
        lambda d: d.delete_cells(["aaaa", "bbbb"]),
        lambda d: d.move_cell("bbbb", "start"),
        lambda d: d.restore([cell for cell in d.cells() if cell.id != "bbbb"]),
    ],
    ids=["new type", "delete", "move", "restore"],
)
def test_a_cell_in_which_a_person_types_is_neither_removed_nor_made_anew(
    edit: Callable[[NotebookDocument], Any],
) -> None:
    document, ynotebook = open_document(code("aaaa"), code("bbbb"), code("cccc"), writer=ADA)
    assert document.cell_ids
    ynotebook.ycells[1]["source"].insert(0, "typed")
    before = document.cells()
    with pytest.raises(BeingTyped) as caught:
        edit(document)
    assert str(caught.value) == str(BeingTyped("[1] bbbb", "Ada"))
    assert document.cells() == before


def test_beside_a_person_who_types_other_cells_and_the_text_can_be_changed() -> None:
    document, ynotebook = open_document(code("aaaa"), code("bbbb"), code("cccc"), writer=ADA)
    assert document.cell_ids
    ynotebook.ycells[1]["source"].insert(0, "typed")
    document.move_cell("aaaa", "end")
    document.delete_cells(["cccc"])
    document.replace_source("bbbb", "typed 1")
    document.replace_source("aaaa", "x", "markdown")
    assert [(cell.id, cell.source) for cell in document.cells()] == [
        ("bbbb", "typed 1"),
        ("aaaa", "x"),
    ]


def test_a_source_edit_leaves_the_rest_of_the_text_alone() -> None:
    document, ynotebook = open_document(code("aaaa", "é = 1\nkeep = 😀\nz = 3\n"))
    text: Text = ynotebook.ycells[0]["source"]
    deltas: list[Any] = []
    text.observe(lambda event: deltas.append(event.delta))
    document.replace_source("aaaa", "é = 1\nkeep = 😀\nz = 33\n")
    document.replace_text("aaaa", "é = 1", "é = 2")
    assert str(text) == "é = 2\nkeep = 😀\nz = 33\n"
    assert [[step for step in delta if "retain" not in step] for delta in deltas] == [
        [{"insert": "3"}],
        [{"delete": 1}, {"insert": "2"}],
    ]


def test_a_head_tells_what_the_cell_does() -> None:
    markdown = {"cell_type": "markdown", "id": "text", "source": "# é", "metadata": {}}
    document, ynotebook = open_document(code("aaaa", "x = 1"), markdown, code("broken", "y"))
    ynotebook.ycells[2]["metadata"] = 7
    for is_kept in (False, True):
        for cell_id in document.cell_ids:
            head, cell = document.head(cell_id), document.cell(cell_id)
            told = (cell.id, cell.position, cell.type, cell.source, cell.label)
            assert (head.id, head.position, head.type, head.source, head.label) == told
            assert document.exact_head(cell_id) == head
        assert [head.id for head in document.heads_among({"text", "aaaa"})] == ["aaaa", "text"]
        assert is_kept or document.cells()


def test_what_needs_no_outputs_does_not_read_them() -> None:
    output = {"output_type": "stream", "name": "stdout", "text": "large" * 1_000_000}
    document, _ = open_document(*(code(name, "x = 1", outputs=[output]) for name in "ab"))
    tracemalloc.start()
    try:
        document.replace_source("a", "x = 2")
        document.replace_text("a", "2", "3")
        document.heads_among({"a"})
        document.exact_head("a")
        document.clear_outputs(["a"])
        document.delete_cells(["b"])
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_many_cells_are_asked_about_without_their_outputs() -> None:
    def large() -> dict[str, str]:
        return {"output_type": "stream", "name": "stdout", "text": "large" * 10_000}

    document, _ = open_document(*(code(f"c{i}", "x", outputs=[large()]) for i in range(FEW_HEADS)))
    tracemalloc.start()
    try:
        assert len(document.heads_among(document.cell_ids)) == FEW_HEADS
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_a_notebook_is_opened_without_reading_its_outputs() -> None:
    outputs = [{"output_type": "stream", "name": "stdout", "text": "large" * 10_000}]
    _, ynotebook = open_document(*(code(f"c{i}", outputs=deepcopy(outputs)) for i in range(99)))
    tracemalloc.start()
    try:
        document = NotebookDocument(ynotebook, "a.ipynb", settled)
        assert [*document.cell_ids] == [f"c{i}" for i in range(99)]
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("strange", ["no cell", 1.0, None, ["a", 1.0], b"a", float("nan"), 1e16])
def test_what_is_no_cell_reads_as_in_json(strange: Any) -> None:
    _, ynotebook = open_document(code("1.0", "a cell"))
    ynotebook.ycells.insert(0, strange)
    ids = [*map(id_of, json.loads(str(ynotebook.ycells)))]
    document = NotebookDocument(ynotebook, "a.ipynb", settled)
    assert [*document.cell_ids] == ids
    for _ in range(3):
        first, second = document.cells()
        assert first == document.cell(0) and first.id == ids[0]
        assert (second.id, second.source) == ("1.0", "a cell")


def chars(number: int) -> list[dict[str, Any]]:
    data = {"text/html": "x" * number}
    return [{"output_type": "display_data", "data": data, "metadata": {}}]


def keeps(document: NotebookDocument) -> list[str]:
    """The ids of the cells that are not read anew."""
    pairs = zip(document.cells(), document.cells(), strict=True)
    return [cell.id for cell, again in pairs if cell is again]


@pytest.mark.parametrize("small", [3, FEW, MANY - 9, MANY])
def test_of_a_large_notebook_the_small_cells_are_kept(small: int) -> None:
    large = (code(f"large{i}", outputs=chars(MAX_KEPT_CHARS // 4)) for i in range(9))
    document, _ = open_document(*large, *(code(f"small{i}", "x") for i in range(small)))
    assert keeps(document) == [f"small{i}" for i in range(small) if small < MANY]
    document.replace_source("small0", "y")
    assert document.cells()[9].source == "y"


@pytest.mark.parametrize("number", [FEW, FEW + 1])
def test_metadata_and_attachments_make_a_cell_large_too(number: int) -> None:
    large = "x" * (MAX_KEPT_CHARS // 3)
    parts = [{"metadata": {"a": large}}, {"attachments": {"a": {"b": large}}}, {"source": large}]
    cells = [code(f"large{i}") | part for i, part in enumerate(parts)]
    document, _ = open_document(*cells, *(code(f"c{i}") for i in range(number - 3)))
    assert keeps(document) == [f"c{i}" for i in range(number - 3)]


def test_a_small_notebook_is_kept_whatever_its_largest_cell_takes() -> None:
    large = code("large", outputs=chars(MAX_KEPT_CHARS // 50))
    document, _ = open_document(large, *(code(f"c{i}") for i in range(MANY + 1)))
    assert len(keeps(document)) == MANY + 2


@pytest.mark.parametrize(
    ("number", "size", "is_at_once"),
    [(FEW, 1, False), (FEW + 1, 1, True), (FEW + 1, LONG + 1, False), (MANY + 1, LONG + 1, True)],
)
def test_all_cells_are_read_at_once_if_they_are_many_and_small_or_too_many(
    monkeypatch: pytest.MonkeyPatch, number: int, size: int, is_at_once: bool
) -> None:
    cells = [code(f"c{i}") for i in range(number)]
    cells[number // 2]["outputs"] = chars(size)
    document, _ = open_document(*cells)
    read: list[str] = []

    def loads(text: str) -> Any:
        read.append(text)
        return json.loads(text)

    monkeypatch.setattr(snapshots, "json", SimpleNamespace(loads=loads))
    assert [cell.id for cell in document.cells()] == [*document.cell_ids]
    assert len(read) == is_at_once


def test_editing_keeps_the_cell_and_its_outputs() -> None:
    output = {"output_type": "stream", "name": "stdout", "text": "1"}
    document, _ = open_document(code("aaaa", "x", outputs=[output], execution_count=1))
    before, now = document.replace_source("aaaa", "y")
    assert (before.source, now.source, now.id) == ("x", "y", "aaaa")
    cell = document.cell("aaaa")
    assert (cell.source, cell.outputs, cell.execution_count) == ("y", (output,), 1)


def test_a_new_type_keeps_id_metadata_and_place() -> None:
    document, ynotebook = open_document(
        code("aaaa"), code("bbbb", "x", metadata={"tags": ["t"]}), code("cccc")
    )
    _, now = document.replace_source("bbbb", "# x", "markdown")
    assert (now.id, now.position, now.type, now.source) == ("bbbb", 1, "markdown", "# x")
    assert document.cell("bbbb").metadata == {"tags": ["t"]}
    assert "outputs" not in ynotebook.get()["cells"][1]
    document.replace_source("bbbb", "x", "code")
    back = document.cell("bbbb")
    assert (back.type, back.outputs, back.execution_state) == ("code", (), "idle")


def test_text_that_is_not_there_or_not_unique_changes_nothing() -> None:
    document, _ = open_document(code("aaaa", "a = 1\na = 1\naa"))
    with pytest.raises(TextNotFound) as missing:
        document.replace_text("aaaa", "a = 2", "c")
    expected = TextNotFound("Cell [0] aaaa", "a = 2", nearest="a = 1")
    assert str(missing.value) == str(expected)
    with pytest.raises(AmbiguousMatch) as ambiguous:
        document.replace_text("aaaa", "a = 1", "b")
    assert str(ambiguous.value) == str(AmbiguousMatch("Cell [0] aaaa", "a = 1", 2))
    with pytest.raises(InvalidRequest) as empty:
        document.replace_text("aaaa", "", "b")
    assert str(empty.value) == "old_text is empty. Use overwrite_cell to replace a source."
    assert document.cell("aaaa").source == "a = 1\na = 1\naa"


def test_overlapping_places_are_not_unique() -> None:
    document, _ = open_document(code("aaaa", "xaaay"))
    with pytest.raises(AmbiguousMatch):
        document.replace_text("aaaa", "aa", "b")


def test_all_places_are_replaced_when_asked() -> None:
    document, _ = open_document(code("aaaa", "é + é"))
    _, now = document.replace_text("aaaa", "é", "ü", replace_all=True)
    assert now.source == "ü + ü"


def test_deleting_returns_what_was_there_and_nothing_else_goes() -> None:
    document, _ = open_document(*(code(f"cell{n}", str(n)) for n in range(5)))
    deleted = document.delete_cells(["cell3", "cell0"])
    assert [(cell.id, cell.source) for cell in deleted] == [("cell3", "3"), ("cell0", "0")]
    assert list(document.cell_ids) == ["cell1", "cell2", "cell4"]


def test_deleting_a_cell_that_is_gone_deletes_nothing() -> None:
    document, _ = open_document(code("aaaa"), code("bbbb"))
    with pytest.raises(CellNotFound):
        document.delete_cells(["aaaa", "gone"])
    assert len(document.cell_ids) == 2


def test_cells_nobody_runs_any_more_become_idle() -> None:
    document, ynotebook = open_document(code("aaaa"), code("bbbb"))
    ynotebook.ycells[1]["execution_state"] = "running"
    document.end_stale_runs()
    assert [cell.execution_state for cell in document.cells()] == ["idle", "idle"]


def test_a_uuid_is_shown_by_its_first_part() -> None:
    document, _ = open_document(code("f238ccd0-11e7-4fa8-a889-1534fbc4cc7d"))
    assert document.cell(0).label == "[0] f238ccd0"
    assert document.cell("f238ccd0").id == "f238ccd0-11e7-4fa8-a889-1534fbc4cc7d"


def test_following_the_cells_leaves_the_rooms_own_observer_alone() -> None:
    seen: list[str] = []
    ynotebook = YNotebook()
    ynotebook.observe(lambda target, event: seen.append(target))
    document = NotebookDocument(ynotebook, "a.ipynb", settled)
    document.insert_cell("x")
    document.close()
    assert "cells" in seen


@pytest.mark.parametrize(
    ("cell", "after", "order"),
    [
        ("bbbb", "start", "bbbb aaaa cccc"),
        ("aaaa", "end", "bbbb cccc aaaa"),
        ("aaaa", "bbbb", "bbbb aaaa cccc"),
        ("cccc", "aaaa", "aaaa cccc bbbb"),
        ("bbbb", "bbbb", "aaaa bbbb cccc"),
        ("bbbb", "aaaa", "aaaa bbbb cccc"),
    ],
)
def test_a_moved_cell_keeps_all_it_has(cell: str, after: str, order: str) -> None:
    output = {"output_type": "stream", "name": "stdout", "text": "1"}
    document, ynotebook = open_document(
        *(
            code(name, name, outputs=[output], execution_count=2, metadata={"tags": [name]})
            for name in ("aaaa", "bbbb", "cccc")
        )
    )
    ynotebook.ycells[1]["execution_state"] = "running"
    before = document.cell(cell)
    head = document.move_cell(cell, after)
    moved = document.cell(cell)
    assert " ".join(document.cell_ids) == order
    assert replace(moved, position=0) == replace(before, position=0)
    assert head.position == moved.position == order.split().index(cell)


def test_clearing_empties_code_cells_only() -> None:
    output = {"output_type": "stream", "name": "stdout", "text": "1"}
    markdown = {"cell_type": "markdown", "id": "text", "source": "# x", "metadata": {}}
    document, ynotebook = open_document(code("aaaa", outputs=[output], execution_count=1), markdown)
    assert [cell.id for cell in document.clear_outputs(["aaaa", "text"])] == ["aaaa"]
    assert ynotebook.ycells[0]["execution_count"] is None, "nbformat knows no other nothing"
    assert (document.cell("aaaa").outputs, document.cell("aaaa").execution_count) == ((), None)


def test_what_is_clear_already_is_not_changed(
    three: tuple[NotebookDocument, YNotebook], changes: list[set[str] | None]
) -> None:
    document, ynotebook = three
    ynotebook.dirty = False
    document.clear_outputs(["first111"])
    assert changes == [] and not ynotebook.dirty


# Following


@pytest.fixture
def changes(three: tuple[NotebookDocument, YNotebook]) -> list[set[str] | None]:
    """What is told of the changes of `three`."""
    told: list[set[str] | None] = []
    three[0].on_change(told.append)
    return told


def test_a_change_names_its_cell(
    three: tuple[NotebookDocument, YNotebook], changes: list[set[str] | None]
) -> None:
    document, ynotebook = three
    document.replace_source("first111", "é = 2")
    ynotebook.ycells[1]["metadata"]["tags"] = ["x"]
    ynotebook.ycells[2]["outputs"].append(Map({"output_type": "stream", "text": Text("x")}))
    text = ynotebook.ycells[2]["outputs"][0]["text"]
    text += "y"
    assert changes == [{"first111"}, {"second22"}, {"3"}, {"3"}]


def test_cells_that_come_go_or_move_are_named_and_their_neighbours_are_not(
    three: tuple[NotebookDocument, YNotebook], changes: list[set[str] | None]
) -> None:
    document, ynotebook = three
    new = document.insert_cell("", after="start")
    document.move_cell("second22", "start")
    document.delete_cells(["first111", "3"])
    document.replace_source(new.id, "", "markdown")
    ynotebook.set({"cells": [code("a")], "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
    assert changes[:4] == [{new.id}, {"second22"}, {"first111", "3"}, {new.id}]
    assert set().union(*(told or () for told in changes[4:])) == {"second22", new.id, "a"}


def test_one_transaction_is_told_of_once(
    three: tuple[NotebookDocument, YNotebook], changes: list[set[str] | None]
) -> None:
    document, ynotebook = three
    with document.transaction():
        ynotebook.ycells[0]["execution_count"] = 1
        ynotebook.ycells.pop(1)
        ynotebook.ycells[1]["source"] += "x"
    assert changes == [{"first111", "second22", "3"}]


def test_what_cannot_be_told_may_be_anything_and_harms_no_writer(
    three: tuple[NotebookDocument, YNotebook], changes: list[set[str] | None]
) -> None:
    document, ynotebook = three
    ynotebook.ycells.append("no cell")
    assert changes == [None]
    ynotebook.ycells.pop(3)
    document.replace_source("first111", "x")
    assert changes[-1] == {"first111"}


def test_nothing_is_told_afterwards(three: tuple[NotebookDocument, YNotebook]) -> None:
    told: list[set[str] | None] = []
    forget, _ = three[0].on_change(told.append), three[0].on_change(told.append)
    three[0].replace_source("first111", "x")
    forget()
    three[0].replace_source("first111", "y")
    assert len(told) == 3

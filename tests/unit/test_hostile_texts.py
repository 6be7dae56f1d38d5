"""What callers and kernels may send takes no time that others would notice."""

from __future__ import annotations

from collections.abc import Callable
from time import thread_time
from typing import Any
from uuid import uuid4

import pytest

from jupyter_mcp_ext.contents import clean_path
from jupyter_mcp_ext.errors import InvalidRequest
from jupyter_mcp_ext.line_diffs import line_diff, nearest_line
from jupyter_mcp_ext.ranges import chosen
from jupyter_mcp_ext.references import resolve_many
from jupyter_mcp_ext.search import search
from jupyter_mcp_ext.stream_text import StreamText
from jupyter_mcp_ext.text_edits import MAX_PLACES, changed_spans, patched, replacement_spans

SECONDS = 0.5
"""Ten times what it should take, so that a slow machine does not matter; what it took before was
more by orders of magnitude."""


def indented(lines: int, line: str, widths: int = 7) -> str:
    return "".join(f"{' ' * (i % widths)}{line}\n" for i in range(lines))


LINES = indented(20_000, "a")
LONG_LINE = "z" * 20_000


@pytest.mark.parametrize(
    "work",
    [
        lambda: replacement_spans("a" * 400_000, "a" * 200_000, "b", False),
        lambda: replacement_spans("a" * 400_000, "ab" * 100_000, "b", False),
        lambda: replacement_spans("a" * 4_000_000, "a" * 2_000_000, "b", False),
        lambda: replacement_spans("a" * 4_000_000, "a", "b", True),
        lambda: replacement_spans(LINES, indented(9_000, "a", 5), "", True),
        lambda: replacement_spans(indented(400, LONG_LINE), indented(50, LONG_LINE, 5), "c", True),
        lambda: replacement_spans(" a\n" * 19_000, "  a\n", "b\n" * 300, True),
        lambda: replacement_spans("some line\n" * 2_000_000, "some other line\n", "c", True),
        lambda: replacement_spans("a" * 2_000_000, "a", "b" * 2_000_000, False),
        lambda: changed_spans(LINES, "a\nb\n" * 20_000),
        lambda: line_diff("a\n" * 100_000, "a\nb\n" * 50_000, 40),
        lambda: nearest_line("\n".join(f"{i}{'aab' * 50}" for i in range(500)), "aac" * 50),
        lambda: StreamText().write("a" * 200_000 + "\b" * 200_000),
        lambda: StreamText().write("a" * 200_000 + "\rb" * 200_000),
        lambda: StreamText().write("a" * 200_000 + "\r" + "\bb\r" * 100_000),
    ],
)
def test_repetitive_texts_take_no_time(work: Callable[[], Any]) -> None:
    started = thread_time()
    work()
    assert thread_time() - started < SECONDS


def test_a_text_that_overlaps_itself_is_counted_up_to_a_bound() -> None:
    assert replacement_spans("aaa", "aa", "b", False) == ([], 2)
    assert replacement_spans("a" * 5_000, "aaa", "b", False) == ([], 1_666)
    assert replacement_spans("a" * 1_500, "a" * 400, "b", False) == ([], MAX_PLACES)


def test_very_many_lines_are_changed_between_their_equal_ends() -> None:
    old = "".join(f"{i}\n" for i in range(50_000))
    new = old.replace("\n700\n", "\nseven\n").replace("\n900\n", "\nnine\n")
    spans = changed_spans(old, new)
    assert len(spans) == 1 and patched(old, spans) == new
    start, end, _ = spans[0]
    assert old[start:end].startswith("700\n") and old[start:end].endswith("\n900")


@pytest.mark.parametrize(
    "query", ["(?:(?:(?:a{100}){100}){100}){100}", "a{99999999}", "(a{400}){0,400}"]
)
def test_an_expression_that_repeats_too_much_is_refused(query: str) -> None:
    with pytest.raises(InvalidRequest, match="repeats too much"):
        search([], query, is_regex=True, within="all")


def test_an_expression_may_repeat_much() -> None:
    assert search([], r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2,3}", is_regex=True, within="all") == []


@pytest.mark.parametrize(
    "refused",
    [
        lambda: clean_path("a/" * 2_000_000),
        lambda: clean_path("x" * 5_000),
        lambda: resolve_many(["a", "b"], ",".join(map(str, range(10_000)))),
        lambda: chosen([1, 2], "1," * 10_000),
    ],
)
def test_what_is_too_long_is_refused(refused: Callable[[], Any]) -> None:
    with pytest.raises(InvalidRequest):
        refused()


def test_the_ids_of_all_cells_can_be_named_however_many_they_are() -> None:
    # As a question to the person names them.
    ids = [str(uuid4()) for _ in range(2_000)]
    assert resolve_many(ids, ",".join(ids)) == ids

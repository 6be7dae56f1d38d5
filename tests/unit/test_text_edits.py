"""Spans of change between texts, and of a text in another."""

from __future__ import annotations

from collections.abc import Callable
from time import process_time
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycrdt import Doc, Text

from jupyter_mcp_ext import text_edits
from jupyter_mcp_ext.errors import InvalidRequest
from jupyter_mcp_ext.line_diffs import line_diff
from jupyter_mcp_ext.text_edits import (
    MAX_NEW_CHARS,
    MAX_SPANS,
    Span,
    changed_spans,
    patch,
    patched,
    replacement_spans,
)

ENOUGH_SECONDS = 0.5
"""Far more than it takes, and far less than it took."""

NUMBERS = [f"{number}," for number in range(12_000)]
LONG = {
    "few different lines": ("\na\n" * 500, "\nb\n" * 500),
    "lines of brackets": (
        "".join(f"[\n{number},\n]\n" for number in range(2000)),
        "".join(f"[\n{number}.5,\n]\n" for number in range(2000)),
    ),
    "every second line": (
        "\n".join(NUMBERS),
        "\n".join(f"{line}x" if row % 2 else line for row, line in enumerate(NUMBERS)),
    ),
    "one line": ("x" * 3_000_000, "x" * 2_000_000 + "y" + "x" * 1_000_000),
}

T = TypeVar("T")


def find_spans(source: str, old_text: str, new_text: str) -> list[Span]:
    return replacement_spans(source, old_text, new_text, replace_all=True)[0]


class Counted:
    """A shared text that counts how often something is deleted from it."""

    def __init__(self, source: str) -> None:
        self.text = Doc()["source"] = Text(source)
        self.deletions = 0

    def __delitem__(self, key: slice) -> None:
        del self.text[key]
        self.deletions += 1

    def insert(self, index: int, text: str) -> None:
        self.text.insert(index, text)


LINES = st.lists(st.sampled_from(["", "a", "b = 1", "  b = 1", "é😀", "\t"]), max_size=8)


@given(LINES, LINES)
def test_changed_spans_turn_the_old_text_into_the_new(old: list[str], new: list[str]) -> None:
    before, after = "\n".join(old), "\n".join(new)
    assert patched(before, changed_spans(before, after)) == after


@given(st.text(), st.text())
def test_changed_spans_hold_for_any_text(old: str, new: str) -> None:
    assert patched(old, changed_spans(old, new)) == new


@given(LINES, LINES)
def test_spans_do_the_same_to_a_shared_text(old: list[str], new: list[str]) -> None:
    before, after = "\n".join(old), "\n".join(new)
    shared = Doc()["source"] = Text(before)
    patch(shared, before, changed_spans(before, after))
    assert str(shared) == after


@given(st.text("aé😀\n", max_size=30), st.integers(1, 4))
def test_very_many_spans_are_joined_with_their_neighbours(source: str, most: int) -> None:
    shared = Counted(source)
    spans = find_spans(source, "a", "b😀")
    with pytest.MonkeyPatch.context() as patching:
        patching.setattr(text_edits, "MAX_SPANS", most)
        patch(shared, source, spans)
    assert str(shared.text) == source.replace("a", "b😀")
    assert shared.deletions == len(spans) if len(spans) <= most else 0 < shared.deletions <= most


@given(st.text("ab\n", max_size=30))
def test_a_text_that_stands_in_very_many_places_is_replaced_in_all(source: str) -> None:
    with pytest.MonkeyPatch.context() as patching:
        patching.setattr(text_edits, "MAX_FOUND", 2)
        spans, places = replacement_spans(source, "ab", "bc", replace_all=True)
        refused, same = replacement_spans(source, "ab", "bc", replace_all=False)
    assert places == same == source.count("ab")
    assert patched(source, spans) == source.replace("ab", "bc")
    assert len(spans) == (places if places <= 2 else 1)
    assert refused == ([] if places > 1 else spans)


def test_replacing_in_a_hundred_thousand_places_takes_little_time() -> None:
    source = "é = 1\n" * 100_000
    shared = Doc()["source"] = Text(source)
    spans = find_spans(source, "é", "b")
    in_little_time(lambda: patch(shared, source, spans))
    assert str(shared) == source.replace("é", "b")


def test_lines_that_stay_the_same_are_not_touched() -> None:
    old, new = "one\ntwo\nthree\nfour", "one\n2\nthree\nfour!"
    assert changed_spans(old, new) == [(4, 7, "2"), (18, 18, "!")]


def test_long_texts_are_compared_in_little_time() -> None:
    for name, (old, new) in LONG.items():
        spans = in_little_time(lambda old=old, new=new: changed_spans(old, new))
        assert patched(old, spans) == new, name
        assert in_little_time(lambda old=old, new=new: line_diff(old, new, 20)).startswith("@@ ")


def in_little_time(function: Callable[[], T]) -> T:
    started = process_time()
    result = function()
    assert process_time() - started < ENOUGH_SECONDS
    return result


def test_what_lies_around_a_change_in_a_long_text_is_not_touched() -> None:
    old, end = "".join(f"[\n{row},\n]\n" for row in range(4000)), len("]\n")
    assert changed_spans(old, f"[\n]\n{old}!") == [(2, 2, "]\n[\n"), (len(old), len(old), "!")]
    middle = old.index("2000,")
    changed = f"{old[:middle]}x{old[middle:]}"
    assert changed_spans(old, changed) == [(middle, middle, "x")]
    assert changed_spans(old, old[:-end]) == [(len(old) - end, len(old), "")]


def test_equal_texts_have_no_spans() -> None:
    assert changed_spans("same\n", "same\n") == []


def test_an_exact_match_wins_over_looser_ones() -> None:
    assert find_spans("x = 1\n  x = 1", "  x = 1", "  x = 2") == [(12, 13, "2")]


def test_all_exact_places_are_found() -> None:
    assert patched("a b a", find_spans("a b a", "a", "c")) == "c b c"


def test_space_at_line_ends_may_differ() -> None:
    source = "def f():  \n    return 1 \nf()"
    spans = find_spans(source, "def f():\n    return 1", "def f():\n    return 2")
    assert patched(source, spans) == "def f():\n    return 2\nf()"


def test_common_indentation_may_differ_and_the_new_text_gets_that_of_the_place() -> None:
    source = "if a:\n    if b:\n        c()\n    d()"
    spans = find_spans(source, "if b:\n    c()", "if b:\n    e()\n    f()")
    assert patched(source, spans) == "if a:\n    if b:\n        e()\n        f()\n    d()"


def test_relative_indentation_must_fit() -> None:
    assert find_spans("if b:\nc()", "if b:\n    c()", "x") == []


def test_nothing_is_found_where_nothing_is() -> None:
    assert find_spans("a\nb", "c", "d") == []
    assert find_spans("a\nb", "\n\n\n", "d") == []


def test_a_text_that_is_not_in_a_long_one_is_missed_in_little_time() -> None:
    source = "\n".join(f"  line {row}" for row in range(10_000))
    wanted = [f"    line {row}" for row in range(9_000, 9_200)]
    missing = "\n".join([*wanted, "  other"])
    assert in_little_time(lambda: find_spans(source, missing, "")) == []
    found = in_little_time(lambda: find_spans(source, "\n".join(wanted), "new"))
    lines = patched(source, found).splitlines()
    assert lines[8_999:9_002] == ["  line 8999", "  new", "  line 9200"]


FAR_TOO_MUCH = [
    ("a\n" * 1_000, "a", "x" * (MAX_NEW_CHARS // 999)),
    (" a\n" * 1_000, "  a", "x" * (MAX_NEW_CHARS // 999)),
    (f"{' ' * 5_000}a\n" * 2, "  a".rjust(6_000), "x\n" * (MAX_NEW_CHARS // 5_000)),
]


@pytest.mark.parametrize(("source", "old_text", "new_text"), FAR_TOO_MUCH)
def test_what_would_become_far_too_much_is_refused(
    source: str, old_text: str, new_text: str
) -> None:
    with pytest.raises(InvalidRequest, match=f"In {source.count('a')} places"):
        replacement_spans(source, old_text, new_text, replace_all=True)


@pytest.mark.parametrize(("source", "old_text", "new_text"), FAR_TOO_MUCH)
def test_what_may_be_meant_is_asked_first(source: str, old_text: str, new_text: str) -> None:
    assert replacement_spans(source, old_text, new_text, False) == ([], source.count("a"))


def test_of_many_places_those_that_are_nearest_are_replaced_together() -> None:
    source = f"a{'b' * 50}" * (MAX_SPANS - 1) + "ab" * 100
    shared = Doc()["source"] = Text(source)
    inserted: list[str] = []
    shared.observe(lambda event: inserted.extend(step.get("insert", "") for step in event.delta))
    patch(shared, source, find_spans(source, "a", "c"))
    assert str(shared) == source.replace("a", "c")
    assert sum(map(len, inserted)) == MAX_SPANS - 1 + len("ab" * 100) - 1

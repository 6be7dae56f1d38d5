"""How the cells of a notebook differ from those it had before."""

from __future__ import annotations

from dataclasses import replace

import pytest

from jupyter_mcp_ext.cell import Cell
from jupyter_mcp_ext.comparison import count_differing, differences, digests, in_place


def cells(ids: str) -> list[Cell]:
    return [Cell(id=name, position=i, type="code", source=name) for i, name in enumerate(ids)]


def test_equal_notebooks_do_not_differ() -> None:
    assert differences(cells("abc"), cells("abc")) == []


def test_each_cell_is_told_once_with_what_became_of_it() -> None:
    before, now = cells("abcde"), cells("eaxcd")
    now[3] = replace(now[3], outputs=({"output_type": "stream", "name": "stdout", "text": "1"},))
    found = differences(before, now)
    words = [
        (each.before and each.before.id, each.now and each.now.id, each.is_moved) for each in found
    ]
    assert words == [("e", "e", True), (None, "x", True), ("c", "c", False), ("b", None, False)]


@pytest.mark.parametrize(
    ("before", "now", "kept"),
    [
        ("abcd", "dabc", "abc"),
        ("abcd", "dcba", 1),
        ("abc", "xby", "b"),
        ("", "a", ""),
        ("aa", "a", ""),
    ],
)
def test_as_many_cells_as_possible_stay_in_place(before: str, now: str, kept: str | int) -> None:
    found = in_place(before, now)
    assert len(found) == kept if isinstance(kept, int) else found == set(kept)


@pytest.mark.parametrize("now", ["abc", "cab", "ab", "abcd", "xyz", ""])
def test_digests_tell_how_many_cells_differ(now: str) -> None:
    before, after = cells("abc"), cells(now)
    if after:
        after[0] = replace(after[0], metadata={"tags": ["x"]})
    found = len(differences(before, after))
    assert count_differing(digests(before), digests(after)) == found


def test_a_whole_number_that_a_browser_wrote_is_no_difference() -> None:
    [before] = cells("a")
    now = replace(before, metadata={"n": 1.0, "trusted": True})
    before = replace(before, metadata={"n": 1})
    assert differences([before], [now]) == []
    assert digests([before]) == digests([now])
    assert digests([before]) != digests([replace(now, metadata={"n": 1.5})])

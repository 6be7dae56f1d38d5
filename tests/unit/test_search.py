"""Finding lines in cells."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from time import perf_counter

import pytest

from jupyter_mcp_ext import render
from jupyter_mcp_ext import search as search_module
from jupyter_mcp_ext.cell import Cell
from jupyter_mcp_ext.errors import InvalidRequest, Unavailable
from jupyter_mcp_ext.search import Match, Within, search

ERROR = {"output_type": "error", "ename": "KeyError", "evalue": "'price'", "traceback": []}
PRINTED = {"output_type": "stream", "name": "stdout", "text": "a\nPRICE\n"}

CELLS = [
    Cell("aaaa", 0, "markdown", "# Prices\nof things"),
    Cell("bbbb", 1, "code", "x = 1\nprice = x", execution_count=1, is_stale=True),
    Cell("cccc", 2, "code", "df['price']", outputs=(ERROR,)),
    Cell("dddd", 3, "code", "p", outputs=(PRINTED,)),
]


def found(query: str, within: Within = "all", *, is_regex: bool = False) -> dict[str, list[Match]]:
    matches = search(CELLS, query, is_regex=is_regex, within=within)
    return {each.cell.id: each.lines for each in matches}


def test_sources_and_outputs_are_searched_without_regard_to_case() -> None:
    assert found("price") == {
        "aaaa": [Match("", 0, "# Prices")],
        "bbbb": [Match("", 1, "price = x")],
        "cccc": [Match("", 0, "df['price']"), Match("error", 0, "KeyError: 'price'")],
        "dddd": [Match("stdout", 1, "PRICE")],
    }


@pytest.mark.parametrize(
    ("within", "cells"),
    [
        ("source", ["aaaa", "bbbb", "cccc"]),
        ("outputs", ["cccc", "dddd"]),
        ("errors", ["cccc"]),
        ("stale", ["bbbb"]),
    ],
)
def test_a_search_keeps_to_its_place(within: Within, cells: list[str]) -> None:
    assert list(found("price", within)) == cells


def test_errors_and_stale_cells_are_found_without_a_query() -> None:
    assert found("", "errors") == {"cccc": [Match("error", 0, "KeyError: 'price'")]}
    assert found("", "stale") == {"bbbb": []}
    with pytest.raises(InvalidRequest):
        found("")


def test_an_expression_finds_what_it_says() -> None:
    assert list(found("^p", is_regex=True)) == ["bbbb", "dddd"]
    with pytest.raises(InvalidRequest, match="no regular expression"):
        found("(", is_regex=True)


def test_an_expression_that_would_never_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_module, "SEARCH_SECONDS", 0.2)
    endless = [replace(CELLS[0], source="a" * 60 + "!")]
    started = perf_counter()
    with pytest.raises(Unavailable, match="The search took more than"):
        search(endless, "(a|aa)+$", is_regex=True, within="source")
    assert perf_counter() - started < 5


def test_matches_are_shown_below_their_cells_and_outputs_as_data() -> None:
    assert render.matches(search(CELLS, "price", is_regex=False, within="all")) == (
        "5 lines in 4 cells\n"
        "[0] aaaa md 2 lines\n"
        "  0: # Prices\n"
        "[1] bbbb code In[1], stale, 2 lines\n"
        "  1: price = x\n"
        "[2] cccc code error, 1 line\n"
        "  0: df['price']\n"
        "  error 0:\n| KeyError: 'price'\n"
        "[3] dddd code ok, 1 line\n"
        "  stdout 1:\n| PRICE"
    )
    assert render.matches([]) == "no match"


def test_many_matches_are_counted_and_a_few_shown() -> None:
    cells = [Cell(f"{n:04}", n, "code", "x\n" * 100) for n in range(100)]
    shown = render.matches(search(cells, "x", is_regex=False, within="all"))
    assert shown.startswith("10,000 lines in 100 cells\n") and len(shown) < 4_000
    assert "… 92 more lines" in shown and "… 40 more cells" in shown


def test_stale_cells_without_a_query_are_counted_as_cells() -> None:
    shown = render.matches(search(CELLS, "", is_regex=False, within="stale"))
    assert shown == "1 cell\n[1] bbbb code In[1], stale, 2 lines"


@pytest.mark.parametrize(("lines", "rest"), [(8, []), (9, ["… 1 more line"])])
def test_lines_beyond_the_bound_of_a_cell_are_counted(lines: int, rest: list[str]) -> None:
    cells = [Cell("aaaa", 0, "code", "\n".join("x" * lines))]
    shown = render.matches(search(cells, "x", is_regex=False, within="all")).split("\n")
    assert shown[2:] == [*(f"  {number}: x" for number in range(8)), *rest]


@pytest.mark.parametrize(("cells", "rest"), [(60, "  0: x"), (61, "… 1 more cell")])
def test_cells_beyond_the_bound_are_counted(cells: int, rest: str) -> None:
    matching = [Cell(f"{n:04}", n, "code", "x") for n in range(cells)]
    shown = render.matches(search(matching, "x", is_regex=False, within="all")).split("\n")
    assert shown[-1] == rest and len(shown) == 1 + 2 * 60 + (cells > 60)


def test_a_long_matching_line_is_cut() -> None:
    for length, shown in ((200, "x" * 200), (201, "x" * 200 + "…")):
        cells = [Cell("aaaa", 0, "code", "x" * length)]
        found = search(cells, "x", is_regex=False, within="all")
        assert render.matches(found).split("\n")[2] == f"  0: {shown}"


def test_a_search_of_too_much_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_module, "SEARCH_SECONDS", 0.1)
    for is_regex in (False, True):
        with pytest.raises(Unavailable, match="The search took more than"):
            search(CELLS * 300_000, "nothing", is_regex=is_regex, within="all")


@pytest.mark.parametrize(
    ("query", "words"),
    [("(" * 900, "no regular expression"), ("x" * 1001, "more than 1000"), ("[", "no regular")],
)
def test_an_expression_that_cannot_be_used_is_a_clear_error(query: str, words: str) -> None:
    with pytest.raises(InvalidRequest, match=words):
        found(query, is_regex=True)


def test_deeply_nested_expressions_work_or_are_clear_errors() -> None:
    with suppress(InvalidRequest):
        found("(" * 499 + ")" * 499, is_regex=True)

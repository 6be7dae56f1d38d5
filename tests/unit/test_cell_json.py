"""However a live cell is read, it comes out as JSON has it."""

from __future__ import annotations

import json
from copy import deepcopy
from math import inf, nan
from typing import Any

import pytest
from jupyter_ydoc import YNotebook
from pycrdt import Array, Map, Text, XmlFragment

from jupyter_mcp_ext import cell_json
from jupyter_mcp_ext.cell_json import LONG, MANY, as_json

LINES = 'hello "wörld" \x1b[31m\\ \u2028\n'
TEXT = LINES * (LONG // len(LINES) + 1)


def live(*outputs: Any, **fields: Any) -> Any:
    """A code cell with these outputs as it is in a notebook, and then with these fields too."""
    notebook = YNotebook()
    cell = {"id": "a", "cell_type": "code", "source": "x = 1\n", "metadata": {"width": 3}}
    cell |= {"outputs": [*map(deepcopy, outputs)], "execution_count": 1}
    notebook.set({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
    ycell = notebook.ycells[0]
    for name, value in fields.items():
        ycell[name] = value
    return ycell


def stream(text: str = TEXT) -> dict[str, str]:
    return {"output_type": "stream", "name": "stdout", "text": text}


def display(data: Any, **metadata: Any) -> dict[str, Any]:
    return {"output_type": "display_data", "data": data, "metadata": metadata}


PAGE = display({"text/html": TEXT, "text/plain": "<page>"}, width=300, isolated=True)
FAILURE = {"output_type": "error", "ename": "E", "evalue": "e", "traceback": [TEXT, "\x1b[31m"]}
PICTURE = display({"image/png": TEXT}, **{"image/png": {"width": 2.5, "height": 3}})
ODD: list[Any] = [nan, inf, b"ab", [1], {"a": 1}, True, -0.0, 7.0, 0.5, 2**60, 2.0**63, 1e300]


def assert_reads_as_json(ycell: Any) -> None:
    # As text, in which whole numbers differ from floats.
    found, wanted = as_json(ycell), json.loads(str(ycell))
    assert json.dumps(found, sort_keys=True) == json.dumps(wanted, sort_keys=True)


@pytest.mark.parametrize(
    "outputs",
    [
        [],
        [stream()],
        [stream("short")],
        [stream(), display({"application/json": {"a": [1, 2.5, None]}}), stream()],
        [PAGE, PICTURE | {"output_type": "execute_result", "execution_count": 5}],
        [PICTURE] * (MANY + 1),
        [FAILURE, display({"text/html": [TEXT, "b"]}, tags=["a"])],
        [FAILURE | {"traceback": [TEXT, 1, ["a"], None]}, FAILURE | {"traceback": []}],
        [display({"text/html": TEXT, "application/json": {"a": 1, "b": [2]}}, tags=["a", 1])],
    ],
)
def test_a_cell_reads_the_same_as_from_json(outputs: list[Any]) -> None:
    assert_reads_as_json(live(*outputs))


@pytest.mark.parametrize("odd", ODD)
def test_so_does_one_that_somebody_made_strange(odd: Any) -> None:
    ycells = [live(stream(), PAGE) for _ in range(7)]
    ycells[0]["strange"] = odd
    ycells[1]["outputs"].append(odd)
    ycells[2]["outputs"][0]["strange"] = odd
    ycells[3]["outputs"].append(Map({"output_type": "stream", "name": odd, "text": Text(TEXT)}))
    ycells[4]["id"] = odd
    ycells[5]["outputs"][1]["data"] = {"text/html": TEXT, "odd": odd}
    ycells[6]["outputs"][1]["metadata"] = {"a": {"b": {"c": {"d": odd}}}, "odd": odd}
    for name in ("text", "data", "traceback"):
        ycells.append(live(FAILURE, PAGE, stream()))
        for youtput in ycells[-1]["outputs"]:
            youtput[name] = odd
    for ycell in ycells:
        assert_reads_as_json(ycell)


@pytest.mark.parametrize(
    ("kind", "value"), [(Map, {"a": 1}), (Array, [1]), (Text, "t"), (XmlFragment, None)]
)
def test_so_do_shared_types_where_none_belong(kind: Any, value: Any) -> None:
    ycells = [live(stream(), strange=kind(value)), live(stream(), PAGE)]
    ycells[1]["outputs"][1]["strange"] = kind(value)
    for ycell in ycells:
        assert_reads_as_json(ycell)


NUMBERS = display({"application/json": {"a": [1.5]}, "text/html": TEXT})


@pytest.mark.parametrize(
    ("outputs", "is_by_parts"),
    [
        ([stream()], True),
        ([PAGE], True),
        ([FAILURE], True),
        ([PICTURE, stream("short")] * (MANY // 2 - 1), True),
        ([PICTURE] * MANY, False),
        ([PICTURE] * 2 + [stream("short")], True),
        ([stream("short")] + [display({"a": "short"})] * 3 + [PAGE], True),
        ([stream("short")], False),
    ],
)
def test_only_what_is_long_is_read_by_parts(
    monkeypatch: pytest.MonkeyPatch, outputs: list[Any], is_by_parts: bool
) -> None:
    ycell, parsed = live(*outputs), []
    monkeypatch.setattr(cell_json, "json", type("JSON", (), {"loads": staticmethod(parsed.append)}))
    as_json(ycell)
    assert [*map(len, parsed)] == [len('{"width":3}' if is_by_parts else str(ycell))]


def test_an_output_that_cannot_be_is_read_from_json_by_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ycell, parsed = live(stream(), NUMBERS), []
    monkeypatch.setattr(cell_json, "json", type("JSON", (), {"loads": staticmethod(parsed.append)}))
    as_json(ycell)
    assert sorted(map(len, parsed)) == [len('{"width":3}'), len(str(ycell["outputs"][1]))]

"""However a live cell is read, it comes out as JSON has it."""

from __future__ import annotations

import json
from math import inf, nan
from typing import Any

import pytest
from jupyter_ydoc import YNotebook
from pycrdt import Array, Map, Text, XmlFragment

from jupyter_mcp_ext import cell_json
from jupyter_mcp_ext.cell_json import FEW, LONG, as_json

LINES = 'hello "wörld" \x1b[31m\\ \u2028\n'
TEXT = LINES * (LONG // len(LINES) + 1)


def live(*outputs: Any, **fields: Any) -> Any:
    """A code cell with these outputs as it is in a notebook, and then with these fields too."""
    notebook = YNotebook()
    cell = {"id": "a", "cell_type": "code", "source": "x = 1\n", "metadata": {"width": 3}}
    cell |= {"outputs": list(outputs), "execution_count": 1}
    notebook.set({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
    ycell = notebook.ycells[0]
    for name, value in fields.items():
        ycell[name] = value
    return ycell


def stream(text: str = TEXT) -> dict[str, str]:
    return {"output_type": "stream", "name": "stdout", "text": text}


def display(**data: Any) -> dict[str, Any]:
    return {"output_type": "display_data", "data": data, "metadata": {"width": 300}}


ODD: list[Any] = [nan, inf, b"ab", [1], {"a": 1}, True, -0.0, 7.0, 0.5, 2**60, 2.0**63, 1e300]


def assert_reads_as_json(ycell: Any) -> None:
    # As text, in which whole numbers differ from floats.
    found, wanted = as_json(ycell), json.loads(str(ycell))
    assert json.dumps(found, sort_keys=True) == json.dumps(wanted, sort_keys=True)


@pytest.mark.parametrize(
    "outputs",
    [[], [stream()], [stream("short")], [stream(), display(json={"a": [1, 2.5, None]}), stream()]],
)
def test_a_cell_reads_the_same_as_from_json(outputs: list[Any]) -> None:
    assert_reads_as_json(live(*outputs))


@pytest.mark.parametrize("odd", ODD)
def test_so_does_one_that_somebody_made_strange(odd: Any) -> None:
    ycells = [live(stream(), strange=odd), *(live(stream()) for _ in range(4))]
    ycells[1]["outputs"].append(odd)
    ycells[2]["outputs"][0]["strange"] = odd
    ycells[3]["outputs"].append(Map({"output_type": "stream", "name": odd, "text": Text(TEXT)}))
    ycells[4]["id"] = odd
    for ycell in ycells:
        assert_reads_as_json(ycell)


@pytest.mark.parametrize("odd", [Map({"a": 1}), Array([1]), Text("t"), XmlFragment()])
def test_so_do_shared_types_where_none_belong(odd: Any) -> None:
    assert_reads_as_json(live(stream(), strange=odd))


def test_only_long_streams_are_read_by_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[str] = []
    monkeypatch.setattr(cell_json, "json", type("JSON", (), {"loads": staticmethod(parsed.append)}))
    as_json(live(stream()))
    assert [*map(len, parsed)] == [len('{"width":3}')]
    parsed.clear()
    as_json(live(*(stream() for _ in range(FEW + 1))))
    assert len(parsed) == 1 and len(parsed[0]) > FEW * LONG


@pytest.mark.parametrize("value", ["no cell", None, 1.0, [1], {"id": "a"}])
def test_what_is_no_cell_stays_as_it_is(value: Any) -> None:
    assert as_json(value) is value

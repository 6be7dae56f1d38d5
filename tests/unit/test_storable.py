"""What pycrdt would panic at is made what Yjs can hold."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pycrdt import Doc, Map

from jupyter_mcp_ext.storable import MAX_DEPTH, storable, whole


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        ("é \ud800 😀", "é ? 😀"),
        ({"\udfff": ["\ud800"]}, {"?": ["?"]}),
        (2**53, 2**53),
        (2**53 + 2, 2.0**53 + 2),
        (-(2**70), -(2.0**70)),
        (10**400, None),
        (float("nan"), None),
        (float("-inf"), None),
        (True, True),
        (None, None),
        ([1.5, {"a": "b"}], [1.5, {"a": "b"}]),
        ([1, -2.5, 0], [1, -2.5, 0]),
        ([1, 2**60, 2.0**60, -(2**60)], [1, 2.0**60, 2.0**60, -(2.0**60)]),
        ([1, float("nan"), 10**400, float("-inf")], [1, None, None, None]),
        ([float("nan"), 1.5], [None, 1.5]),
        ([1.5, float("nan")], [1.5, None]),
        ([1, True], [1, True]),
        (nested(MAX_DEPTH - 1), nested(MAX_DEPTH - 1)),
    ],
)
def test_a_live_document_holds_what_is_storable(value: Any, stored: Any) -> None:
    assert storable(value) == stored
    shared = Doc().get("map", type=Map)
    shared["value"] = storable(value)
    assert json.loads(str(shared))["value"] == stored


def test_what_is_nested_too_deeply_is_left_out() -> None:
    cut = storable(nested(MAX_DEPTH + 500))
    for _ in range(MAX_DEPTH):
        [cut] = cut
    assert cut is None


@pytest.mark.parametrize(
    ("value", "count"), [(3, 3), (0, 0), (-1, None), (True, None), ("3", None), (2**60, None)]
)
def test_a_count_is_a_whole_number_or_none(value: Any, count: int | None) -> None:
    assert whole(value) == count

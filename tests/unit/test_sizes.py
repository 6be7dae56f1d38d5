"""How large values are, and whether they are larger than a bound."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_mcp_ext.sizes import is_larger, size_of

VALUES = st.recursive(
    st.none() | st.integers() | st.text(max_size=9),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=3), inner),
)


@pytest.mark.parametrize(
    ("value", "size"),
    [
        ("é\n", 2),
        (7, 8),
        (None, 8),
        ([1, "ab", ""], 13),
        ([1, 2.5], 18),
        ([1, None], 18),
        ({"a": "bc", "d": ({"e": 1},)}, 14),
    ],
)
def test_a_size_is_about_that_in_a_file(value: Any, size: int) -> None:
    assert size_of(value) == size


@given(VALUES, st.integers(0, 100))
def test_what_is_larger_has_a_larger_size(value: Any, size: int) -> None:
    assert is_larger(value, size) == (size_of(value) > size)


def test_no_more_of_a_value_is_looked_at_than_decides_whether_it_is_larger() -> None:
    class Unreadable(dict[str, str]):
        def values(self) -> Any:
            raise AssertionError

    assert is_larger([Unreadable(), "12345"], 4)
    assert is_larger(["12345"], 5)
    assert not is_larger(["12345"], 6)

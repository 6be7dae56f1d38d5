"""URIs of notebooks and cells."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_mcp_ext.errors import ResourceNotFound
from jupyter_mcp_ext.links import cell_link, parse_uri, uri_of

# What the names of files can have: also bytes that are no UTF-8.
NAMES = st.text(st.characters(exclude_categories=["Cs"]) | st.just("\udce9"))


def test_uris_are_percent_encoded() -> None:
    assert uri_of("Data/a b é.ipynb") == "notebook:///Data/a%20b%20%C3%A9.ipynb"
    assert uri_of("50%#?.ipynb", "a/b#c") == "notebook:///50%25%23%3F.ipynb#a%2Fb%23c"


@given(NAMES, NAMES)
def test_a_uri_names_what_it_was_made_of(path: str, cell_id: str) -> None:
    uri = uri_of(path, cell_id)
    assert uri.isascii()
    assert parse_uri(uri) == (path, cell_id)


def test_a_uri_may_be_written_without_encoding() -> None:
    assert parse_uri("notebook:///a b é.ipynb#x") == ("a b é.ipynb", "x")


@pytest.mark.parametrize("uri", ["", "a.ipynb", "file:///a", "notebook://a", "NOTEBOOK:///a"])
def test_the_uri_of_something_else_is_no_resource(uri: str) -> None:
    with pytest.raises(ResourceNotFound):
        parse_uri(uri)


def test_a_link_can_always_be_sent() -> None:
    link = cell_link("Data/\udce9.ipynb", "x")
    assert link.model_dump_json()
    assert (link.uri, link.name) == ("notebook:///Data/%E9.ipynb#x", "�.ipynb#x")

"""The environment variables of other MCP servers."""

from __future__ import annotations

from pathlib import Path

import pytest

from jupyter_mcp_ext.cli.inherited import UNUSED, Inherited, inherited

URL = "http://localhost:8888/"


@pytest.mark.parametrize("name", ["DOCUMENT_URL", "JUPYTER_URL", "JUPYTER_BASE_URL", "RUNTIME_URL"])
@pytest.mark.parametrize("token", ["DOCUMENT_TOKEN", "JUPYTER_TOKEN", "RUNTIME_TOKEN"])
def test_the_address_and_the_token_are_those_of_the_variables(name: str, token: str) -> None:
    note = f"the server is that of {name} and {token}"
    assert inherited({name: URL, token: "a/b"}) == Inherited(f"{URL}?token=a/b", None, (note,))


def test_notebooks_and_kernels_on_two_servers_need_a_gateway() -> None:
    found = inherited({"DOCUMENT_URL": URL, "RUNTIME_URL": "http://elsewhere/"})
    assert found.url == URL and "--gateway-url" in found.notes[-1]
    assert len(inherited({"DOCUMENT_URL": URL, "RUNTIME_URL": URL}).notes) == 1


def test_a_folder_of_notebooks_names_the_server_that_has_it() -> None:
    assert inherited({"NOTEBOOKS_FOLDER": "/work"}).directory == Path("/work")


@pytest.mark.parametrize("name", UNUSED)
def test_what_only_the_server_could_use_is_told(name: str) -> None:
    found = inherited({name: "x"})
    assert (found.url, found.directory) == ("", None)
    assert found.notes == (f"{name} is not used: {UNUSED[name]}",)


def test_a_server_in_the_same_process_is_no_address() -> None:
    assert inherited({"DOCUMENT_URL": "local"}) == Inherited()


def test_a_token_goes_to_its_own_server_only() -> None:
    elsewhere = "http://elsewhere:8888"
    variables = {"DOCUMENT_URL": "local", "DOCUMENT_TOKEN": "a", "RUNTIME_URL": elsewhere}
    assert inherited(variables | {"RUNTIME_TOKEN": "b"}).url == f"{elsewhere}?token=b"
    variables = {"DOCUMENT_URL": URL, "RUNTIME_URL": elsewhere, "RUNTIME_TOKEN": "b"}
    assert inherited(variables).url == URL

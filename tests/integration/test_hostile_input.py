"""What no notebook, kernel or client should send, and what `tests/fuzz` has found."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ..agent import STATELESS, Agent, text
from ..server import Server
from ..wire import connect_wire

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("value", ["\ud800", 2**70], ids=["lone surrogate", "large number"])
async def test_a_notebook_that_no_live_document_can_hold_is_refused_and_others_go_on(
    server: Server, agent: Agent, notebook: str, value: Any
) -> None:
    cell = {"id": "a", "cell_type": "raw", "source": "", "metadata": {"x": [value]}}
    content = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [cell]}
    path = server.write_notebook(content)
    for _ in range(2):
        refused = await agent.call("read_notebook", notebook=path)
        assert refused.is_error and "no live document can hold" in text(refused)
    assert json.loads((server.root / path).read_text()) == content
    assert "inserted" in await agent.tell("insert_cell", notebook=notebook, source="1")


async def test_a_display_of_a_number_that_yjs_cannot_hold_harms_nobody(
    server: Server, agent: Agent, notebook: str
) -> None:
    shows = "display({'application/json': {'n': 2**64 - 1}}, raw=True)"
    assert "status: ok" in await agent.run(notebook, shows)
    assert "status: ok" in await agent.run(notebook, "print('still here')")
    assert "still here" in await agent.tell("read_cell", notebook=notebook, cell=-1)
    assert "A task of jupyter_mcp_ext failed" not in server.log_text()


async def test_an_error_names_what_was_sent_only_as_far_as_an_answer_may_be_long(
    agent: Agent,
) -> None:
    refused = await agent.call("read_notebook", notebook="x" * 1_000_000)
    assert refused.is_error and len(text(refused)) < 30_000


async def test_the_name_of_an_argument_that_there_is_not_stands_on_one_line_and_is_cut(
    agent: Agent, notebook: str
) -> None:
    unknown = {"x\n| quoted \x1b]0;title" + "y" * 1_000: 1}
    refused = await agent.call("search_notebook", notebook=notebook, **unknown)
    told = text(refused)
    assert refused.is_error and "x\ufffd| quoted \ufffd]0;titley" in told
    assert told.isprintable() and len(told) < 200


async def test_closing_a_notebook_at_once_keeps_nobody_from_writing(
    server: Server, agent: Agent, notebook: str
) -> None:
    for _ in range(10):
        path = server.copy_notebook("plain.ipynb")
        await agent.tell("insert_cell", notebook=path, source="1")
        await agent.tell("close_notebook", notebook=path)
        await agent.tell("insert_cell", notebook=notebook, source="2")
    await agent.tell("close_notebook", notebook=notebook)
    assert "database is locked" not in server.log_text()


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("insert_cell", {"source": "\ud800"}),
        ("edit_cell", {"cell": 0, "old_text": "a", "new_text": "\udfff"}),
        ("overwrite_cell", {"cell": "\ud800", "source": ""}),
        ("search_notebook", {"query": "\ud800"}),
    ],
)
async def test_half_a_surrogate_pair_is_no_text(
    server: Server, notebook: str, tool: str, arguments: dict[str, Any]
) -> None:
    before = server.saved_notebook(notebook)
    async with connect_wire(server, STATELESS) as wire:
        result = await wire.result(tool, notebook=notebook, **arguments)
    assert result["isError"] and "half of a surrogate pair" in result["content"][0]["text"]
    assert server.saved_notebook(notebook) == before

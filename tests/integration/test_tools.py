"""What the tools answer, where it concerns more than one of them."""

from __future__ import annotations

from typing import Any

import anyio
import nbformat
import pytest

from ..agent import Agent, text
from ..peer import Peer, join_room
from ..server import Server

pytestmark = pytest.mark.anyio


async def test_open_names_cells_kernel_and_people(agent: Agent, peer: Peer, notebook: str) -> None:
    assert peer.cells()
    with anyio.fail_after(10):  # Until the server has heard her name.
        while "ada" not in (answer := await agent.tell("open_notebook", notebook=notebook)):
            pass
    lines = answer.splitlines()
    assert lines[0] == f"{notebook}: 3 cells, python, open with ada"
    assert lines[1].startswith("kernel: ") and "python3" in lines[1]
    assert len(lines) == 2 + 3 + 1


async def test_listing_tells_what_is_live_and_bounds_itself(server: Server, agent: Agent) -> None:
    paths = [server.copy_notebook("plain.ipynb", "many") for _ in range(3)]
    await agent.tell("read_notebook", notebook=paths[0])
    listed = await agent.tell("list_notebooks", directory="many")
    assert sorted(line.split("  ")[0] for line in listed.splitlines()) == sorted(paths)
    assert [line for line in listed.splitlines() if "live" in line][0].startswith(paths[0])
    bounded = await agent.tell("list_notebooks", directory="many", limit=1)
    assert bounded.splitlines()[1].startswith("2 more")
    flat = await agent.tell("list_notebooks", recursive=False)
    assert not any(path in flat for path in paths)
    assert (await agent.call("list_notebooks", directory="nowhere")).is_error


async def test_a_notebook_can_be_given_another_running_kernel(
    server: Server, agent: Agent, notebook: str
) -> None:
    other = server.copy_notebook("plain.ipynb")
    await agent.tell("execute_code", notebook=other, code="shared = 7")
    [session] = await server.sessions_of(other)
    kernel = session["kernel"]["id"]
    assert kernel in await agent.tell("open_notebook", notebook=notebook, kernel=kernel[:8])
    assert "7" in await agent.tell("execute_code", notebook=notebook, code="shared")
    assert "7" in await agent.tell("execute_code", kernel=kernel, code="shared")
    assert (await agent.call("open_notebook", notebook=notebook, kernel="nope")).is_error


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("execute_code", {"code": "1"}),
        ("execute_code", {"code": "1", "notebook": "a.ipynb", "kernel": "k"}),
        ("execute_code", {"code": "1", "kernel": "none"}),
        ("execute_code", {"code": "1", "notebook": "", "wait_seconds": -1}),
        ("execute_code", {"code": "1", "notebook": "a.ipynb", "wait_seconds": 601}),
        ("execute_code", {"code": 1}),
        ("get_execution", {"execution": "r999999"}),
        ("interrupt_kernel", {}),
        ("restart_kernel", {"kernel": "none"}),
        ("read_notebook", {"notebook": "a.ipynb", "view": "everything"}),
        ("read_cell", {"notebook": "a.ipynb"}),
        ("list_notebooks", {"limit": 0}),
        ("insert_cell", {"notebook": "a.ipynb", "source": "x", "unknown": True}),
    ],
)
async def test_bad_input_is_a_clear_error(
    agent: Agent, tool: str, arguments: dict[str, Any]
) -> None:
    answer = await agent.call(tool, **arguments)
    assert answer.is_error
    assert len(text(answer)) > 20 and "inside the Jupyter server" not in text(answer)


async def test_an_unknown_tool_is_a_protocol_error(agent: Agent) -> None:
    with pytest.raises(Exception, match="Unknown tool"):
        await agent.call("nope")


async def test_reading_pages_and_narrows(server: Server, agent: Agent) -> None:
    source = "\n".join(f"line{n}" for n in range(100))
    path = server.write_notebook(
        nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_code_cell(source), nbformat.v4.new_code_cell("other")]
        )
    )
    part = await agent.tell("read_cell", notebook=path, cell=0, offset=10, limit=2)
    assert "line10\nline11" in part and "line12" not in part and "line9\n" not in part
    assert "other" not in await agent.tell("read_notebook", notebook=path, view="source", cells="0")
    short = await agent.tell("read_notebook", notebook=path, view="source", max_chars=200)
    assert len(short) < 700


async def test_writes_answer_with_the_new_state(agent: Agent, notebook: str) -> None:
    inserted = await agent.tell("insert_cell", notebook=notebook, source="a = 1\nb = 2", after=0)
    cell = inserted.split()[1]
    assert inserted.startswith(f"[1] {cell} inserted (code) after ")
    edited = await agent.tell(
        "edit_cell", notebook=notebook, cell=cell, old_text="b = 2", new_text="b = 3"
    )
    assert edited.splitlines()[0] == f"[1] {cell} edited"
    assert "-b = 2" in edited and "+b = 3" in edited
    rewritten = await agent.tell(
        "overwrite_cell", notebook=notebook, cell=cell, source="# text", cell_type="markdown"
    )
    assert rewritten.startswith(f"[1] {cell} overwritten (markdown)")
    deleted = await agent.tell("delete_cells", notebook=notebook, cells=cell)
    assert deleted.splitlines() == [f"[1] {cell} deleted: # text", "3 cells are left."]


async def test_moving_and_clearing_show_in_the_notebook(
    agent: Agent, peer: Peer, notebook: str
) -> None:
    ran = await agent.tell("insert_cell", notebook=notebook, source="1", execute=True)
    cell = ran.split()[1]
    moved = await agent.tell("move_cell", notebook=notebook, cell=cell, after="start")
    assert moved.startswith(f"[0] {cell} moved at the start, before ")
    await peer.wait_until(lambda: peer.cells()[0]["id"] == cell and len(peer.cells()) == 4)
    assert peer.cells()[0]["outputs"]
    await agent.tell("clear_outputs", notebook=notebook, cells="all")
    await peer.wait_until(lambda: peer.cells()[0]["outputs"] == [])


async def test_closing_saves_and_frees_but_leaves_people_alone(
    server: Server, agent: Agent
) -> None:
    path = server.copy_notebook("plain.ipynb", "closing")
    await agent.tell("insert_cell", notebook=path, source="x", execute=True)
    assert "live" in await agent.tell("list_notebooks", directory="closing")
    answer = await agent.tell("close_notebook", notebook=path)
    assert answer == "Closed. Its kernel runs on."
    assert nbformat.read(server.root / path, as_version=4).cells[-1].source == "x"
    with anyio.fail_after(10):
        while "live" in await agent.tell("list_notebooks", directory="closing"):
            pass
    async with join_room(server, path) as peer:
        await agent.tell("insert_cell", notebook=path, source="y")
        await agent.tell("close_notebook", notebook=path, shutdown_kernel=True)
        assert await server.sessions_of(path) == []
        await agent.tell("insert_cell", notebook=path, source="z")
        await peer.wait_until(lambda: peer.sources()[-1] == "z")


async def test_a_kernel_that_was_shut_down_is_started_anew(
    server: Server, agent: Agent, notebook: str
) -> None:
    await agent.tell("execute_code", notebook=notebook, code="x = 1")
    [session] = await server.sessions_of(notebook)
    await agent.tell("shutdown_kernel", notebook=notebook)
    assert session["kernel"]["id"] not in await agent.tell("list_kernels")
    answer = await agent.tell("execute_code", notebook=notebook, code="'x' in globals()")
    assert "False" in answer and "variables are lost" in answer
    assert (await agent.call("shutdown_kernel", kernel=session["kernel"]["id"])).is_error


async def test_files_are_listed_by_pattern_and_depth(server: Server, agent: Agent) -> None:
    base = server.root / "data"
    (base / "deep").mkdir(parents=True)
    (base / "a.csv").write_text("1,2\n" * 1000)
    (base / "deep" / "b.csv").write_text("")
    (base / ".hidden").write_text("secret")
    flat = await agent.tell("list_files", directory="data")
    assert [line.split("  ")[0] for line in flat.splitlines()] == ["data/a.csv", "data/deep/"]
    deep = await agent.tell("list_files", directory="data", recursive=True, pattern="*.csv")
    assert [line.split("  ")[0] for line in deep.splitlines()] == ["data/a.csv", "data/deep/b.csv"]
    assert "4.0 kB" in flat
    assert (await agent.call("list_files", directory="../")).is_error


async def test_a_cell_that_is_written_and_cannot_be_run_is_told_as_written(
    server: Server, agent: Agent
) -> None:
    path = server.write_notebook(
        {
            "cells": [],
            "metadata": {"kernelspec": {"name": "none", "display_name": "None"}},
            "nbformat": 4,
            "nbformat_minor": 5,
        }
    )
    answer = await agent.call("insert_cell", notebook=path, source="1", execute=True)
    assert answer.is_error and "inserted (code)" in text(answer) and "none" in text(answer)
    assert "2 cells" in await agent.tell("read_notebook", notebook=path)

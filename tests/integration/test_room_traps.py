"""The life of a notebook's room and of its file, at the moments where edits are lost easily."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import anyio
import nbformat
import pytest

from ..agent import Agent, connect_agent, text
from ..peer import Peer, join_room
from ..server import Server, run_server
from .test_live_document import saved, until

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
async def hasty(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """A server that frees rooms soon after the last client and saves long after the last edit."""
    base = tmp_path_factory.mktemp("hasty")
    options = (
        "--YDocExtension.document_cleanup_delay=0.3",
        "--YDocExtension.document_save_delay=60",
    )
    async with run_server(base, *options, module="jupyter_server") as server:
        yield server


@pytest.fixture
async def visitor(hasty: Server) -> AsyncIterator[Agent]:
    """An agent at the hasty server."""
    async with connect_agent(hasty.mcp_url, hasty.token) as agent:
        yield agent


async def wait_until_freed(agent: Agent, path: str) -> None:
    with anyio.fail_after(15):
        while f"{path}  live" in await agent.tell("list_notebooks"):
            pass


async def room_id_of(server: Server, path: str) -> str:
    request = {"format": "json", "type": "notebook"}
    answer = await server.http.put(f"api/collaboration/session/{quote(path)}", json=request)
    room = answer.raise_for_status().json()
    return f"{room['format']}:{room['type']}:{room['fileId']}"


async def test_edits_after_a_load_that_ended_a_run_are_stored_without_a_gap(tmp_path: Path) -> None:
    """Changes behind a gap in the store were told to nobody: agents went on reading the old."""
    soon = "--YDocExtension.document_cleanup_delay=0.3"
    async with run_server(tmp_path, soon, module="jupyter_server") as server:
        path = server.copy_notebook("plain.ipynb")
        async with connect_agent(server.mcp_url, server.token) as agent:
            loop = "import time\nwhile True: time.sleep(0.1)"
            call = {"notebook": path, "source": loop, "execute": True, "wait_seconds": 1}
            assert "status: running" in await agent.tell("insert_cell", **call)
            await until(lambda: saved(server, path).cells[-1].source == loop)
        server.process.kill()
        await server.process.wait()
    async with run_server(tmp_path, soon, module="jupyter_server") as server:
        async with connect_agent(server.mcp_url, server.token) as agent:
            await agent.tell("read_notebook", notebook=path)
            await agent.tell("insert_cell", notebook=path, source="first")
            await agent.tell("close_notebook", notebook=path)
            await wait_until_freed(agent, path)
            assert "first" in await agent.tell("read_notebook", notebook=path, view="source")
            await agent.tell("overwrite_cell", notebook=path, cell=-1, source="second")
            assert "second" in await agent.tell("read_cell", notebook=path, cell=-1)
            await until(lambda: saved(server, path).cells[-1].source == "second")


async def test_edits_of_each_life_of_a_room_are_noticed_in_all_later_ones(
    hasty: Server, visitor: Agent
) -> None:
    path = hasty.copy_notebook("plain.ipynb")
    for life in range(4):
        await visitor.tell("insert_cell", notebook=path, source=f"new {life}")
        await visitor.tell("read_notebook", notebook=path)
        for earlier in range(life + 1):
            place = earlier - life - 1
            source = f"cell {earlier} in life {life}"
            await visitor.tell("overwrite_cell", notebook=path, cell=place, source=source)
            assert source in await visitor.tell("read_cell", notebook=path, cell=place)
        await visitor.tell("close_notebook", notebook=path)
        await wait_until_freed(visitor, path)
        assert saved(hasty, path).cells[-1].source == f"cell {life} in life {life}"


async def test_notebooks_opened_at_once_on_a_new_server_all_open(tmp_path: Path) -> None:
    async with run_server(tmp_path, module="jupyter_server") as server:
        paths = [server.copy_notebook("plain.ipynb") for _ in range(16)]
        async with connect_agent(server.mcp_url, server.token) as agent:
            with anyio.fail_after(30):
                async with anyio.create_task_group() as tasks:
                    for path in paths:
                        tasks.start_soon(partial(agent.tell, "read_notebook", notebook=path))


async def test_an_edit_just_before_the_last_person_leaves_is_saved(
    hasty: Server, visitor: Agent
) -> None:
    path = hasty.copy_notebook("plain.ipynb")
    async with join_room(hasty, path) as peer:
        await visitor.tell("insert_cell", notebook=path, source="last words")
        await peer.wait_until(lambda: peer.sources()[-1] == "last words")
    await wait_until_freed(visitor, path)
    assert saved(hasty, path).cells[-1].source == "last words"


async def test_what_a_person_typed_unsaved_stays_when_only_an_agent_is_left(
    hasty: Server, visitor: Agent
) -> None:
    path = hasty.copy_notebook("plain.ipynb")
    async with join_room(hasty, path) as peer:
        await visitor.tell("read_notebook", notebook=path)
        await peer.type_text("numbers", "typed = 0\n")
        await peer.wait_until(lambda: peer.sources()[1].startswith("typed = 0\n"))
        while "typed" not in await visitor.tell("read_cell", notebook=path, cell="numbers"):
            pass
    await wait_until_freed(visitor, path)
    assert saved(hasty, path).cells[1].source.startswith("typed = 0\n")


async def test_a_room_that_was_freed_comes_back_with_each_cell_once(
    hasty: Server, visitor: Agent
) -> None:
    path = hasty.copy_notebook("plain.ipynb")
    expected = [cell.source for cell in saved(hasty, path).cells]
    for number in range(3):
        await visitor.tell("insert_cell", notebook=path, source=f"round {number}")
        expected.append(f"round {number}")
        await wait_until_freed(visitor, path)
        assert [cell.source for cell in saved(hasty, path).cells] == expected
    async with join_room(hasty, path) as peer:
        assert peer.sources() == expected


async def test_a_cell_that_nobody_runs_any_more_is_idle_when_the_notebook_opens_again(
    hasty: Server, visitor: Agent
) -> None:
    path = hasty.copy_notebook("plain.ipynb")
    async with join_room(hasty, path) as peer:
        peer.notebook.ycells[1]["execution_state"] = "running"
        # Answers only come after what was sent before.
        await peer.type_text("letters", "#")
        while "#words" not in await visitor.tell("read_cell", notebook=path, cell="letters"):
            pass
    await wait_until_freed(visitor, path)
    await visitor.tell("read_notebook", notebook=path)
    async with join_room(hasty, path) as peer:
        assert peer.sources()[2].startswith("#words")
        assert peer.notebook.ycells[1]["execution_state"] == "idle"


async def test_a_room_that_was_made_but_never_opened_is_read_from_the_file(
    server: Server, agent: Agent, notebook: str
) -> None:
    before = [cell.source for cell in saved(server, notebook).cells]
    await server.http.get(f"api/collaboration/room/{await room_id_of(server, notebook)}")
    assert "3 cells" in await agent.tell("read_notebook", notebook=notebook)
    await agent.tell("insert_cell", notebook=notebook, source="new")
    await until(lambda: saved(server, notebook).cells[-1].source == "new")
    assert [cell.source for cell in saved(server, notebook).cells] == [*before, "new"]
    async with join_room(server, notebook) as peer:
        assert peer.sources() == [*before, "new"]


async def test_a_notebook_that_could_not_be_opened_leaves_no_empty_room_to_people(
    server: Server, agent: Agent, notebook: str
) -> None:
    good = (server.root / notebook).read_text()
    (server.root / notebook).write_text("{")
    assert (await agent.call("insert_cell", notebook=notebook, source="x")).is_error
    (server.root / notebook).write_text(good)
    async with join_room(server, notebook) as peer:
        assert len(peer.sources()) == 3
        peer.source_of("letters").insert(0, "# typed\n")
        await until(lambda: saved(server, notebook).cells[2].source.startswith("# typed\n"))


async def test_the_store_of_changes_is_where_it_was_configured_to_be(
    start_server: Callable[..., Any], tmp_path: Any
) -> None:
    store = tmp_path / "elsewhere.db"
    server = await start_server(f"--SQLiteYStore.db_path={store}", module="jupyter_server")
    path = server.copy_notebook("plain.ipynb")
    async with connect_agent(server.mcp_url, server.token) as agent:
        await agent.tell("insert_cell", notebook=path, source="x")
        await until(lambda: saved(server, path).cells[-1].source == "x")
    assert store.exists()


async def test_a_person_who_does_not_want_autosave_does_not_get_it(
    server: Server, agent: Agent, peer: Peer, notebook: str
) -> None:
    before = (server.root / notebook).read_text()
    peer.notebook.dirty = False
    peer.awareness.set_local_state({"user": {"name": "grace"}, "autosave": False})
    with anyio.fail_after(10):
        while "grace" not in await agent.tell("open_notebook", notebook=notebook):
            pass
    await agent.tell("insert_cell", notebook=notebook, source="print(1)", execute=True)
    await peer.wait_until(lambda: peer.cells()[-1]["execution_count"] == 1)
    assert peer.notebook.dirty is True
    other = server.copy_notebook("plain.ipynb")
    await agent.tell("insert_cell", notebook=other, source="saved meanwhile")
    await until(lambda: saved(server, other).cells[-1].source == "saved meanwhile")
    assert (server.root / notebook).read_text() == before


async def test_what_is_typed_without_a_pause_is_saved_all_the_same(
    server: Server, agent: Agent
) -> None:
    cells = [nbformat.v4.new_code_cell(f"x{n}", id=f"cell{n}") for n in range(500)]
    path = server.write_notebook(nbformat.v4.new_notebook(cells=cells))
    await agent.tell("read_cell", notebook=path, cell=0)
    async with join_room(server, path) as peer:
        with anyio.fail_after(40):
            while "typed" not in (server.root / path).read_text():
                peer.source_of("cell7").insert(0, "typed ")
                await anyio.sleep(0.05)  # No pause is as long as the save delay, or a save.


async def test_an_edit_that_a_change_on_disk_replaced_is_told(
    hasty: Server, visitor: Agent
) -> None:
    path = hasty.copy_notebook("plain.ipynb")
    changed = saved(hasty, path)
    changed.cells[0].source = "from another program"
    async with join_room(hasty, path) as peer:
        await visitor.tell("insert_cell", notebook=path, source="unsaved")
        await peer.wait_until(lambda: peer.sources()[-1] == "unsaved")
        (hasty.root / path).write_text(nbformat.writes(changed))
        await peer.wait_until(lambda: peer.sources()[0] == "from another program")
        answer = await visitor.tell("read_notebook", notebook=path, view="source")
    assert "unsaved" not in answer and "changed on disk" in answer


async def test_edits_during_reloads_from_disk_neither_fail_nor_double_cells(
    server: Server, agent: Agent
) -> None:
    cells = [nbformat.v4.new_code_cell(f"x{n}", id=f"cell{n}") for n in range(800)]
    content = nbformat.v4.new_notebook(cells=cells)
    path = server.write_notebook(content)
    async with join_room(server, path) as peer:
        is_over = False

        async def edit(cell: str) -> None:
            while not is_over:
                await agent.tell(
                    "overwrite_cell", notebook=path, cell=cell, source="y", overwrite_changes=True
                )
                await agent.tell("insert_cell", notebook=path, source="z", after=cell)

        async with anyio.create_task_group() as tasks:
            for number in (10, 400, 790):
                tasks.start_soon(edit, f"cell{number}")
            for version in range(3):
                for cell in content.cells:
                    cell.source = f"version {version}"
                (server.root / path).write_text(nbformat.writes(content))
                await peer.wait_until(lambda v=version: peer.sources()[0] == f"version {v}", 30)  # type: ignore[misc]
            is_over = True
        ids = [str(cell["id"]) for cell in peer.notebook.ycells]
        assert len(ids) == len(set(ids)) and {f"cell{n}" for n in range(800)} <= set(ids)
        answer = await agent.tell("insert_cell", notebook=path, source="last")
        assert "inserted" in answer
        await until(lambda: saved(server, path).cells[-1].source == "last", 30)
        assert len(saved(server, path).cells) == len(peer.sources())
    assert "Nested transactions" not in server.log_text()
    assert "Already in a transaction" not in server.log_text()


async def test_a_notebook_moved_behind_jupyters_back_is_gone_there_and_whole_here(
    server: Server, agent: Agent, notebook: str
) -> None:
    await agent.tell("insert_cell", notebook=notebook, source="before")
    await until(lambda: saved(server, notebook).cells[-1].source == "before")
    new = f"moved-{notebook}"
    (server.root / notebook).rename(server.root / new)
    answer = await agent.call("insert_cell", notebook=notebook, source="lost")
    assert answer.is_error and notebook in text(answer)
    await agent.tell("insert_cell", notebook=new, source="after")
    await until(lambda: saved(server, new).cells[-1].source == "after")
    assert [cell.source for cell in saved(server, new).cells[-2:]] == ["before", "after"]
    assert not (server.root / notebook).exists()


async def test_a_notebook_moved_back_goes_on_where_it_was(
    server: Server, agent: Agent, notebook: str
) -> None:
    await agent.tell("insert_cell", notebook=notebook, source="before")
    await until(lambda: saved(server, notebook).cells[-1].source == "before")
    away = server.root / f"away-{notebook}"
    (server.root / notebook).rename(away)
    assert (await agent.call("insert_cell", notebook=notebook, source="lost")).is_error
    away.rename(server.root / notebook)
    await agent.tell("insert_cell", notebook=notebook, source="after")
    await until(lambda: saved(server, notebook).cells[-1].source == "after")
    assert [cell.source for cell in saved(server, notebook).cells[-2:]] == ["before", "after"]


async def test_a_hidden_notebook_is_an_error_where_jupyter_hides_it(
    server: Server, agent: Agent
) -> None:
    path = server.copy_notebook("plain.ipynb", ".hidden")
    before = (server.root / path).read_text()
    for _ in range(2):
        for tool, more in (("open_notebook", {}), ("insert_cell", {"source": "x"})):
            answer = await agent.call(tool, notebook=path, **more)
            assert answer.is_error and path in text(answer)
    assert (server.root / path).read_text() == before


async def test_a_hidden_notebook_is_edited_where_jupyter_shows_it(
    start_server: Callable[..., Any],
) -> None:
    server = await start_server("--ContentsManager.allow_hidden=True", module="jupyter_server")
    path = server.copy_notebook("plain.ipynb", ".hidden")
    async with connect_agent(server.mcp_url, server.token) as agent:
        assert "3 cells" in await agent.tell("open_notebook", notebook=path)
        await agent.tell("insert_cell", notebook=path, source="1 + 1", execute=True)
        await until(lambda: saved(server, path).cells[-1].get("execution_count") == 1)
        assert path in await agent.tell("list_notebooks")
    assert len(saved(server, path).cells) == 4


async def test_a_notebook_without_ids_is_edited_closed_opened_and_edited_again(
    hasty: Server, visitor: Agent
) -> None:
    cells = [nbformat.v4.new_code_cell(source) for source in ("a = 1", "b = 2")]
    for cell in cells:
        del cell["id"]
    content = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 4}
    path = hasty.write_notebook(content)
    change = {"old_text": "1", "new_text": "10"}
    await visitor.tell("edit_cell", notebook=path, cell=0, **change)
    inserted = await visitor.tell("insert_cell", notebook=path, source="c = 3")
    cell_id = inserted.split()[1]
    await visitor.tell("edit_cell", notebook=path, cell=cell_id, old_text="3", new_text="30")
    await visitor.tell("close_notebook", notebook=path)
    await wait_until_freed(visitor, path)
    assert "3 cells" in await visitor.tell("read_notebook", notebook=path)
    await visitor.tell("edit_cell", notebook=path, cell=1, old_text="2", new_text="20")
    await visitor.tell("close_notebook", notebook=path)
    await wait_until_freed(visitor, path)
    raw = hasty.saved_notebook(path)
    assert raw["nbformat_minor"] == 4 and not any("id" in cell for cell in raw["cells"])
    assert [cell.source for cell in saved(hasty, path).cells] == ["a = 10", "b = 20", "c = 30"]
    nbformat.validate(saved(hasty, path))


async def test_a_notebook_that_loads_bit_by_bit_is_read_and_edited_whole(
    start_server: Callable[..., Any],
) -> None:
    server = await start_server(
        "--YDocExtension.document_load_progressively=True", module="jupyter_server"
    )
    cells = [nbformat.v4.new_code_cell(f"x{n}") for n in range(500)]
    path = server.write_notebook(nbformat.v4.new_notebook(cells=cells))
    async with connect_agent(server.mcp_url, server.token) as agent:
        assert "500 cells" in await agent.tell("read_notebook", notebook=path, cells="0-2")
        await agent.tell("overwrite_cell", notebook=path, cell=-1, source="last")
        await until(lambda: saved(server, path).cells[-1].source == "last", 30)
    assert [cell.source for cell in saved(server, path).cells[:-1]] == [f"x{n}" for n in range(499)]

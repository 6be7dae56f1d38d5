"""Notebooks are kept before agents edit them, and agents can go back."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from jupyter_mcp_ext.settings import TOOLSETS

from ..agent import Agent, Era, connect_agent, text
from ..peer import join_room
from ..server import Server, run_server
from .test_executions import with_cells
from .test_reading import read_until

pytestmark = pytest.mark.anyio

ALL = [f"--MCPExtension.toolsets={name}" for name in TOOLSETS]


@pytest.fixture(scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    base = tmp_path_factory.mktemp("checkpoints")
    async with run_server(base, *ALL, module="jupyter_server") as server:
        yield server


@pytest.fixture
async def agent(server: Server) -> AsyncIterator[Agent]:
    async with connect_agent(server.mcp_url, server.token, name="claude-code") as agent:
        yield agent


def store_of(server: Server) -> Path:
    return server.root.parent / "data" / "jupyter_mcp_ext" / "checkpoints"


def jupyters_checkpoint(server: Server, path: str) -> Path:
    return server.root / ".ipynb_checkpoints" / path.replace(".ipynb", "-checkpoint.ipynb")


async def ids_of(agent: Agent, path: str) -> list[str]:
    """Of all checkpoints, the newest first."""
    listed = await agent.tell("list_checkpoints", notebook=path)
    return [line.split()[0] for line in listed.splitlines() if "  by " in line]


async def test_a_notebook_is_kept_before_an_agents_first_edit(server: Server, era: Era) -> None:
    path = with_cells(server, "a = 1", "b = 2")
    before = server.saved_notebook(path)
    async with connect_agent(server.mcp_url, server.token, era, name="claude-code") as agent:
        await agent.tell("overwrite_cell", notebook=path, cell=0, source="a = 2")
        await agent.tell("delete_cells", notebook=path, cells="1")
        listed = await agent.tell("list_checkpoints", notebook=path)
        [line] = listed.splitlines()
        assert "  automatic  " in line and "by Claude Code" in line
        assert line.endswith("2 cells differ now")
        told = await agent.tell("list_checkpoints", notebook=path, checkpoint=line.split()[0])
    assert told.splitlines()[1:] == [
        "[0] c0000000 source",
        "@@ -1 +1 @@",
        "-a = 1",
        "+a = 2",
        "c0000001 removed: b = 2",
    ]
    assert json.loads(jupyters_checkpoint(server, path).read_text()) == before


async def test_an_edit_that_failed_is_not_the_first_one(server: Server, agent: Agent) -> None:
    path = with_cells(server, "a = 1")
    content = (server.root / path).read_text()
    (server.root / path).write_text(content[:9])
    call = {"notebook": path, "cell": 0, "old_text": "1", "new_text": "2"}
    assert (await agent.call("edit_cell", **call)).is_error
    (server.root / path).write_text(content)
    await agent.tell("edit_cell", **call)
    assert len(await ids_of(agent, path)) == 1


async def test_each_agent_has_its_own_first_edit(server: Server, agent: Agent) -> None:
    path = with_cells(server, "a = 1")
    await agent.tell("insert_cell", notebook=path, source="1")
    async with connect_agent(server.mcp_url, server.token, name="other") as other:
        await other.tell("insert_cell", notebook=path, source="2")
        await other.tell("insert_cell", notebook=path, source="3")
    listed = await agent.tell("list_checkpoints", notebook=path)
    assert [line.split("  by ")[1] for line in listed.splitlines()] == [
        "Other  2 cells differ now",
        "Claude Code  3 cells differ now",
    ]


async def test_reading_keeps_nothing(server: Server, agent: Agent) -> None:
    path = with_cells(server, "a = 1")
    await agent.tell("read_notebook", notebook=path)
    assert await agent.tell("list_checkpoints", notebook=path) == "There are no checkpoints."
    assert not jupyters_checkpoint(server, path).exists()


async def test_a_persons_checkpoint_that_is_as_new_as_the_file_stays(
    server: Server, agent: Agent
) -> None:
    path = with_cells(server, "a = 1")
    await server.http.post(f"api/contents/{path}/checkpoints")
    made = jupyters_checkpoint(server, path).stat()
    await agent.tell("insert_cell", notebook=path, source="1")
    now = jupyters_checkpoint(server, path).stat()
    assert (now.st_ino, now.st_ctime_ns) == (made.st_ino, made.st_ctime_ns)


async def test_an_older_checkpoint_of_jupyter_makes_room(server: Server, agent: Agent) -> None:
    path = with_cells(server, "a = 1")
    await server.http.post(f"api/contents/{path}/checkpoints")
    changed = server.saved_notebook(path)
    changed["cells"][0]["source"] = "a = 2"
    (server.root / path).write_text(json.dumps(changed))
    await agent.tell("insert_cell", notebook=path, source="1")
    assert json.loads(jupyters_checkpoint(server, path).read_text()) == changed


async def test_all_comes_back_while_a_person_types(server: Server, agent: Agent) -> None:
    path = with_cells(server, "print('a')", "b = 2", "c = 3", "d = 4")
    call = {"notebook": path}
    await agent.tell("execute_cell", cell=0, **call)
    kept = await agent.tell("create_checkpoint", name="before the rework", **call)
    assert "'before the rework' has 4 cells" in kept
    async with join_room(server, path) as peer, anyio.create_task_group() as tasks:
        before = peer.cells()
        await agent.tell("clear_outputs", cells="0", **call)
        await agent.tell("overwrite_cell", cell=1, source="b = 20\n# é", **call)
        await agent.tell("move_cell", cell=3, after="start", **call)
        await agent.tell("delete_cells", cells="c0000000", **call)
        typed, restored = "", anyio.Event()

        async def type_on() -> None:
            nonlocal typed
            while not typed.endswith("!"):
                text = "!" if restored.is_set() else f" # typed {len(typed)}"
                typed += text
                await peer.type_text("c0000002", text, str(peer.source_of("c0000002")))

        # Above the cell in which the person types, all is restored meanwhile.
        tasks.start_soon(type_on)
        await read_until(agent, path, "# typed 0", view="source")
        answer = await agent.tell("restore_checkpoint", checkpoint="before the rework", **call)
        restored.set()
        assert answer.startswith("Restored ") and "c0000000 added" in answer
        # What had been typed until then is gone, and not a key of what came after.
        await peer.wait_until(lambda: str(peer.source_of("c0000002")).endswith("!"))
        end = str(peer.source_of("c0000002")).removeprefix("c = 3")
        assert typed.endswith(end) and end != typed
        before[2]["source"] += end
        await peer.wait_until(lambda: peer.cells() == before)


async def test_a_cell_in_which_a_person_types_is_not_removed(server: Server, agent: Agent) -> None:
    path = with_cells(server, "a = 1")
    await agent.tell("create_checkpoint", notebook=path, name="first")
    answer = await agent.tell("insert_cell", notebook=path, source="new = 0")
    async with join_room(server, path) as peer:
        await peer.type_text(answer.split()[1], "1", after="new = ")
        await read_until(agent, path, "new = 10", view="source")
        refused = await agent.call("restore_checkpoint", notebook=path, checkpoint="first")
        assert refused.is_error and "is typing in cell [1]" in text(refused)
        assert peer.sources() == ["a = 1", "new = 10"]


async def test_restoring_is_one_step_that_can_be_undone(server: Server, agent: Agent) -> None:
    path = with_cells(server, "a = 1", "b = 2")
    await agent.tell("create_checkpoint", notebook=path, name="first")
    async with join_room(server, path) as peer:
        await agent.tell("delete_cells", notebook=path, cells="0")
        await agent.tell("insert_cell", notebook=path, source="new")
        await agent.tell("restore_checkpoint", notebook=path, checkpoint="first")
        await peer.wait_until(lambda: peer.sources() == ["a = 1", "b = 2"])
        await agent.tell("undo", notebook=path)
        await peer.wait_until(lambda: peer.sources() == ["b = 2", "new"])
        # What was there before the restoration is a checkpoint, too.
        await agent.tell("restore_checkpoint", notebook=path, checkpoint="first")
        newest = (await ids_of(agent, path))[0]
        await agent.tell("restore_checkpoint", notebook=path, checkpoint=newest)
        await peer.wait_until(lambda: peer.sources() == ["b = 2", "new"])


async def test_a_checkpoint_that_fails_is_told_and_stops_no_edit(
    server: Server, agent: Agent
) -> None:
    path = with_cells(server, "a = 1")
    store = store_of(server)
    hidden = store.with_name("hidden")
    await agent.tell("create_checkpoint", notebook=with_cells(server, ""), name="makes the store")
    store.rename(hidden)
    store.write_text("a file, where a directory should be")
    try:
        answer = await agent.tell("insert_cell", notebook=path, source="1")
        assert "inserted (code)" in answer
        assert "automatic checkpoint before this edit could not be made: File exists" in answer
        answer = await agent.tell("insert_cell", notebook=path, source="2")
        assert "checkpoint" not in answer
        refused = await agent.call("create_checkpoint", notebook=path, name="x")
        assert refused.is_error and "cannot be kept: File exists" in text(refused)
    finally:
        store.unlink()
        hidden.rename(store)


async def test_without_automatic_checkpoints_nothing_is_kept(
    start_server: Callable[..., Any],
) -> None:
    server = await start_server(
        "--MCPExtension.automatic_checkpoints=False", module="jupyter_server"
    )
    path = with_cells(server, "a = 1")
    async with connect_agent(server.mcp_url, server.token) as agent:
        await agent.tell("insert_cell", notebook=path, source="1")
        assert "list_checkpoints" not in {t.name for t in (await agent.client.list_tools()).tools}
    assert not store_of(server).exists() and not jupyters_checkpoint(server, path).exists()

"""One live notebook for people and agents: nothing is lost, nothing is stale."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import nbformat
import pytest

from ..agent import Agent, connect_agent, execution_in, text
from ..peer import Peer, join_room
from ..server import Server

pytestmark = pytest.mark.anyio


async def until(claim: Callable[[], bool], seconds: float = 10) -> None:
    """Wait for what only a file or a log can tell; these have no events for other processes."""
    with anyio.fail_after(seconds):
        while not _holds(claim):
            await anyio.sleep(0.05)


def _holds(claim: Callable[[], bool]) -> bool:
    try:
        return claim()
    except (nbformat.reader.NotJSONError, IndexError):
        return False  # Jupyter is writing the file just now, or has not begun to.


def saved(server: Server, path: str) -> Any:
    """The notebook as it is on disk."""
    return nbformat.reads((server.root / path).read_text(), as_version=4)


async def test_an_edit_is_seen_by_people_and_reaches_the_disk(
    server: Server, agent: Agent, peer: Peer, notebook: str
) -> None:
    await agent.tell("insert_cell", notebook=notebook, source="x = 'é'", after="start")
    await peer.wait_until(lambda: peer.sources()[0] == "x = 'é'")
    await until(lambda: saved(server, notebook)["cells"][0]["source"] == "x = 'é'")


async def test_without_anybody_there_edits_reach_the_disk(
    server: Server, agent: Agent, notebook: str
) -> None:
    await agent.tell("insert_cell", notebook=notebook, source="alone")
    await until(lambda: saved(server, notebook)["cells"][-1]["source"] == "alone")
    nbformat.validate(saved(server, notebook))


async def test_an_agent_reads_what_a_person_typed_a_moment_ago(
    agent: Agent, peer: Peer, notebook: str
) -> None:
    cell = peer.cells()[0]["id"]
    await agent.tell("read_cell", notebook=notebook, cell=cell)
    await peer.type_text(cell, "typed ")
    with anyio.fail_after(10):
        while "typed " not in await agent.tell("read_cell", notebook=notebook, cell=cell):
            pass


async def test_a_person_typing_in_the_same_cell_loses_nothing(
    agent: Agent, peer: Peer, notebook: str
) -> None:
    source = "# person: \nvalue = 0\n# end\n"
    await agent.tell("insert_cell", notebook=notebook, source=source, after="start")
    await peer.wait_until(lambda: peer.sources()[0] == source)
    cell, typed = peer.cells()[0]["id"], "héllo wörld 😀 " * 5

    async def edit() -> None:
        for number in range(20):
            texts = {"old_text": f"value = {number}\n", "new_text": f"value = {number + 1}\n"}
            await agent.tell(
                "edit_cell", notebook=notebook, cell=cell, overwrite_changes=True, **texts
            )

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(edit)
        tasks.start_soon(lambda: peer.type_text(cell, typed, after="# person: "))
    expected = f"# person: {typed}\nvalue = 20\n# end\n"
    await peer.wait_until(lambda: peer.sources()[0] == expected)


async def test_overwriting_leaves_a_persons_lines_that_stay_the_same_alone(
    agent: Agent, peer: Peer, notebook: str
) -> None:
    await agent.tell("insert_cell", notebook=notebook, source="keep\nold\n", after="start")
    await peer.wait_until(lambda: peer.sources()[0] == "keep\nold\n")
    caret = peer.source_of(peer.cells()[0]["id"]).sticky_index(2)
    await agent.tell("overwrite_cell", notebook=notebook, cell=0, source="first\nkeep\nnew\n")
    await peer.wait_until(lambda: peer.sources()[0] == "first\nkeep\nnew\n")
    assert caret.get_index() == len("first\nke")


async def test_a_run_longer_than_the_rooms_life_keeps_all_outputs(
    start_server: Callable[..., Any],
) -> None:
    server = await start_server("--YDocExtension.document_cleanup_delay=0.5")
    path = server.copy_notebook("plain.ipynb")
    code = "import time\nfor n in range(15):\n    print(n, flush=True)\n    time.sleep(0.2)"
    async with connect_agent(server.mcp_url, server.token) as agent:
        async with join_room(server, path) as peer:
            call = {"notebook": path, "source": code, "execute": True, "wait_seconds": 0.2}
            answer = await agent.tell("insert_cell", **call)
            await peer.wait_until(lambda: bool(peer.cells()[-1]["outputs"]))
        execution = execution_in(answer)
        await agent.tell("get_execution", execution=execution, wait_seconds=20)
    expected = "".join(f"{n}\n" for n in range(15))

    def printed() -> str:
        return "".join(output["text"] for output in saved(server, path)["cells"][-1]["outputs"])

    await until(lambda: printed() == expected)


async def test_an_idle_room_is_freed_with_its_last_edit_saved(
    start_server: Callable[..., Any],
) -> None:
    server = await start_server(
        "--YDocExtension.document_cleanup_delay=0.5", "--YDocExtension.document_save_delay=20"
    )
    path = server.copy_notebook("plain.ipynb")
    async with connect_agent(server.mcp_url, server.token) as agent:
        await agent.tell("insert_cell", notebook=path, source="last words")
        await until(lambda: saved(server, path)["cells"][-1]["source"] == "last words")
        listed = await agent.tell("list_notebooks")
        assert f"{path}  live" not in listed


async def test_a_browser_that_comes_while_the_room_idles_keeps_it(
    start_server: Callable[..., Any],
) -> None:
    server = await start_server("--YDocExtension.document_cleanup_delay=0.3")
    path = server.copy_notebook("plain.ipynb")
    async with connect_agent(server.mcp_url, server.token) as agent:
        await agent.tell("insert_cell", notebook=path, source="mine")
        async with join_room(server, path) as peer:
            await peer.wait_until(lambda: peer.sources()[-1] == "mine")
            await anyio.sleep(1)  # Longer than the room would live without the browser.
            await agent.tell("insert_cell", notebook=path, source="yours")
            await peer.wait_until(lambda: peer.sources()[-1] == "yours")
            peer.source_of(peer.cells()[-1]["id"]).insert(0, "not ")
            await until(lambda: saved(server, path)["cells"][-1]["source"] == "not yours")
    # A peer that leaves while the server writes to it makes tornado log a traceback.
    assert "jupyter_mcp_ext/" not in server.log_text()


async def test_stopping_the_server_saves_the_last_edit(start_server: Callable[..., Any]) -> None:
    server = await start_server("--YDocExtension.document_save_delay=30")
    path = server.copy_notebook("plain.ipynb")
    async with connect_agent(server.mcp_url, server.token) as agent:
        await agent.tell("insert_cell", notebook=path, source="last words")
    server.process.terminate()
    await server.process.wait()
    assert saved(server, path)["cells"][-1]["source"] == "last words"


async def test_a_long_run_is_saved_while_it_prints(
    server: Server, agent: Agent, notebook: str
) -> None:
    code = "import time\nwhile True:\n    print('.', flush=True)\n    time.sleep(0.05)"
    call = {"notebook": notebook, "source": code, "execute": True, "wait_seconds": 0}
    await agent.tell("insert_cell", **call)
    await until(lambda: bool(saved(server, notebook)["cells"][-1].get("outputs")), 15)
    await agent.tell("interrupt_kernel", notebook=notebook)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"cells": 1}', "\x00"])
async def test_a_broken_notebook_is_an_error_and_stays_as_it_is(
    server: Server, agent: Agent, content: str, tmp_path: Path
) -> None:
    path = f"{tmp_path.name}.ipynb"
    (server.root / path).write_text(content)
    for _ in range(2):
        answer = await agent.call("insert_cell", notebook=path, source="x")
        assert answer.is_error and path in text(answer)
    assert (server.root / path).read_text() == content
    plain = (server.root / server.copy_notebook("plain.ipynb")).read_text()
    (server.root / path).write_text(plain)
    assert "inserted" in await agent.tell("insert_cell", notebook=path, source="x")
    await until(lambda: saved(server, path)["cells"][-1]["source"] == "x")
    assert len(saved(server, path)["cells"]) == len(json.loads(plain)["cells"]) + 1


async def test_what_is_no_notebook_is_refused(server: Server, agent: Agent) -> None:
    (server.root / "plain.txt").write_text("text")
    (server.root / "directory").mkdir(exist_ok=True)
    for path in ("plain.txt", "directory", "", "missing.ipynb", "a\0b.ipynb"):
        assert (await agent.call("open_notebook", notebook=path)).is_error
        assert (await agent.call("insert_cell", notebook=path, source="x")).is_error
    assert (server.root / "plain.txt").read_text() == "text"


async def test_a_new_notebook_opens_with_its_kernel_and_is_not_made_twice(
    server: Server, agent: Agent
) -> None:
    path = "made.ipynb"
    answer = await agent.tell("open_notebook", notebook=path, create=True)
    assert "python3" in answer and path in answer
    assert saved(server, path)["metadata"]["kernelspec"]["name"] == "python3"
    again = await agent.call("open_notebook", notebook=path, create=True)
    assert again.is_error and "exists" in text(again)
    assert len(await server.sessions_of(path)) == 1


async def test_attachments_tags_and_other_cells_survive_edits(server: Server, agent: Agent) -> None:
    path = server.copy_notebook("mixed.ipynb")
    before = saved(server, path)
    await agent.tell("insert_cell", notebook=path, source="new", after="start")
    await until(lambda: len(saved(server, path)["cells"]) == len(before["cells"]) + 1)
    after = saved(server, path)
    assert after["cells"][1:] == before["cells"]
    assert after["metadata"] == before["metadata"]


async def test_removing_most_of_a_notebook_has_to_be_confirmed(
    server: Server, agent: Agent
) -> None:
    cells = [nbformat.v4.new_code_cell(str(n)) for n in range(10)]
    path = server.write_notebook(nbformat.v4.new_notebook(cells=cells))
    refused = await agent.call("delete_cells", notebook=path, cells="all")
    assert refused.is_error and "confirm_removal" in text(refused)
    await agent.tell("delete_cells", notebook=path, cells="0-4")
    answer = await agent.tell("delete_cells", notebook=path, cells="all", confirm_removal=True)
    assert "0 cells are left" in answer


async def test_a_thousand_cells_are_read_and_edited(server: Server, agent: Agent) -> None:
    cells = [nbformat.v4.new_code_cell(f"x{n} = {n}") for n in range(1000)]
    path = server.write_notebook(nbformat.v4.new_notebook(cells=cells))
    assert "1,000 cells" in await agent.tell("read_notebook", notebook=path, cells="0-9")
    answer = await agent.tell("edit_cell", notebook=path, cell=-1, old_text="= 999", new_text="= 0")
    assert answer.startswith("[999] ")
    await until(lambda: saved(server, path)["cells"][-1]["source"] == "x999 = 0", 20)

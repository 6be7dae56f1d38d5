"""What happens to a live notebook when its file moves, changes, breaks or disappears."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import nbformat
import pytest

from ..agent import Agent, connect_agent, text
from ..peer import join_room
from ..server import Server, with_modules
from .test_live_document import saved, until

pytestmark = pytest.mark.anyio


async def test_a_renamed_notebook_goes_on_under_its_new_name(
    server: Server, agent: Agent, notebook: str
) -> None:
    await agent.tell("insert_cell", notebook=notebook, source="x = 1", execute=True)
    new = f"renamed-{notebook}"
    await server.http.patch(f"api/contents/{notebook}", json={"path": new})
    assert (await agent.call("read_notebook", notebook=notebook)).is_error
    await agent.tell("insert_cell", notebook=new, source="y = 2", execute=True)
    await until(lambda: saved(server, new).cells[-1].source == "y = 2")
    assert [cell.source for cell in saved(server, new).cells[-2:]] == ["x = 1", "y = 2"]


async def test_a_deleted_notebook_is_gone_and_can_be_made_anew(
    server: Server, agent: Agent, notebook: str
) -> None:
    await agent.tell("insert_cell", notebook=notebook, source="old")
    await server.http.delete(f"api/contents/{notebook}")
    answer = await agent.call("insert_cell", notebook=notebook, source="lost")
    assert answer.is_error and notebook in text(answer)
    assert not (server.root / notebook).exists()
    opened = await agent.tell("open_notebook", notebook=notebook, create=True)
    assert "old" not in opened
    await agent.tell("insert_cell", notebook=notebook, source="new")
    await until(lambda: saved(server, notebook).cells[-1].source == "new")
    assert "old" not in [cell.source for cell in saved(server, notebook).cells]


async def test_a_change_on_disk_replaces_the_live_notebook_and_is_told(
    server: Server, agent: Agent, notebook: str
) -> None:
    await agent.tell("read_notebook", notebook=notebook)
    changed = saved(server, notebook)
    changed.cells[0].source = "from another program"
    async with join_room(server, notebook) as peer:
        (server.root / notebook).write_text(nbformat.writes(changed))
        await peer.wait_until(lambda: peer.sources()[0] == "from another program")
    answer = await agent.tell("read_notebook", notebook=notebook, view="source")
    assert "from another program" in answer and "changed on disk" in answer
    assert "changed on disk" not in await agent.tell("read_notebook", notebook=notebook)


async def test_an_upload_over_an_open_notebook_is_taken_over(
    server: Server, agent: Agent, notebook: str
) -> None:
    await agent.tell("read_notebook", notebook=notebook)
    cells = [nbformat.v4.new_code_cell("uploaded")]
    model = {"type": "notebook", "format": "json", "content": nbformat.v4.new_notebook(cells=cells)}
    async with join_room(server, notebook) as peer:
        await server.http.put(f"api/contents/{notebook}", json=model)
        await peer.wait_until(lambda: peer.sources() == ["uploaded"])
    assert "uploaded" in await agent.tell("read_notebook", notebook=notebook, view="source")


async def test_a_save_that_failed_is_told_by_the_next_answer(
    start_server: Callable[..., Any],
) -> None:
    server = await start_server("--YDocExtension.file_poll_interval=0", module="jupyter_server")
    path = server.copy_notebook("plain.ipynb")
    async with connect_agent(server.mcp_url, server.token) as agent:
        await agent.tell("read_notebook", notebook=path)
        # A directory in the place of the backup makes Jupyter's atomic write fail.
        (server.root / f".~{path}").mkdir()
        await agent.tell("insert_cell", notebook=path, source="x")
        await until(lambda: "Error saving file" in server.log_text())
        answer = await agent.tell("read_notebook", notebook=path)
        assert "not on disk" in answer
        (server.root / f".~{path}").rmdir()
        await agent.tell("insert_cell", notebook=path, source="y")
        await until(lambda: saved(server, path).cells[-1].source == "y")
        assert saved(server, path).cells[-2].source == "x"


@pytest.mark.parametrize("minor", [0, 2, 4])
async def test_older_minor_formats_are_edited_and_stay_what_they_are(
    server: Server, agent: Agent, minor: int
) -> None:
    cell = {"cell_type": "code", "source": "a = 1", "metadata": {}, "outputs": []}
    content = {"cells": [cell | {"execution_count": None}], "metadata": {}, "nbformat": 4}
    path = server.write_notebook(content | {"nbformat_minor": minor})
    await agent.tell("edit_cell", notebook=path, cell=0, old_text="1", new_text="2")
    await agent.tell("insert_cell", notebook=path, source="b = 3", execute=True)
    await until(lambda: saved(server, path).cells[-1].execution_count == 1)
    raw = json.loads((server.root / path).read_text())
    assert raw["nbformat_minor"] == minor
    assert ["".join(each["source"]) for each in raw["cells"]] == ["a = 2", "b = 3"]
    assert not any("id" in each for each in raw["cells"])


async def test_an_old_major_format_is_converted(server: Server, agent: Agent) -> None:
    cell = {"cell_type": "code", "input": "a = 1", "language": "python", "outputs": []}
    worksheet = {"cells": [cell | {"collapsed": False, "metadata": {}}], "metadata": {}}
    path = server.write_notebook(
        {"metadata": {"name": ""}, "nbformat": 3, "nbformat_minor": 0, "worksheets": [worksheet]}
    )
    assert "a = 1" in await agent.tell("read_notebook", notebook=path, view="source")
    await agent.tell("edit_cell", notebook=path, cell=0, old_text="1", new_text="2")
    await until(lambda: json.loads((server.root / path).read_text())["nbformat"] == 4)
    assert saved(server, path).cells[0].source == "a = 2"


CONTENTS = """
from jupyter_server.services.contents.largefilemanager import AsyncLargeFileManager

class Locked(AsyncLargeFileManager):
    async def get(self, path, *args, **kwargs):
        model = await super().get(path, *args, **kwargs)
        return model | {"writable": False} if "locked" in path else model
"""


async def test_a_read_only_notebook_is_read_and_not_changed(
    start_server: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "locked_contents.py").write_text(CONTENTS)
    server = await start_server(
        "--ServerApp.contents_manager_class=locked_contents.Locked",
        module="jupyter_server",
        environment=with_modules(tmp_path),
    )
    path = server.copy_notebook("plain.ipynb", "locked")
    before = (server.root / path).read_text()
    async with connect_agent(server.mcp_url, server.token) as agent:
        source = await agent.tell("read_notebook", notebook=path, view="source")
        for tool, more in (
            ("insert_cell", {"source": "x"}),
            ("edit_cell", {"cell": 1, "old_text": "first = 1", "new_text": "first = 2"}),
            ("delete_cells", {"cells": "0"}),
            ("execute_cell", {"cell": 1}),
        ):
            answer = await agent.call(tool, notebook=path, **more)
            assert answer.is_error and "read-only" in text(answer)
        now = await agent.tell("read_notebook", notebook=path, view="source")
        assert now.splitlines()[1:] == source.splitlines()[1:]
        assert "2" in await agent.tell("execute_code", notebook=path, code="1 + 1")
    assert (server.root / path).read_text() == before


async def test_collaboration_that_is_off_is_told_with_what_to_do(
    start_server: Callable[..., Any],
) -> None:
    for option, hint in (
        ("--YDocExtension.disable_rtc=True", "disable_rtc"),
        ("--ServerApp.jpserver_extensions=jupyter_server_ydoc=False", "pip install"),
    ):
        server = await start_server(option, module="jupyter_server")
        path = server.copy_notebook("plain.ipynb")
        async with connect_agent(server.mcp_url, server.token) as agent:
            for tool in ("open_notebook", "read_notebook"):
                answer = await agent.call(tool, notebook=path)
                assert answer.is_error and hint in text(answer)
            assert "python3" in await agent.tell("list_kernels")
            assert path in await agent.tell("list_files")


async def test_a_notebook_deleted_during_a_run_still_answers(
    server: Server, agent: Agent, notebook: str
) -> None:
    await agent.tell("open_notebook", notebook=notebook)
    answers: list[str] = []
    code = "import time\nprint('begun', flush=True)\ntime.sleep(1)\nprint('done')"

    async def run() -> None:
        answers.append(
            await agent.tell("insert_cell", notebook=notebook, source=code, execute=True)
        )

    async with join_room(server, notebook) as peer, anyio.create_task_group() as tasks:
        tasks.start_soon(run)
        await peer.wait_until(lambda: bool(peer.cells()[-1].get("outputs")))
        await server.http.delete(f"api/contents/{notebook}")
    assert "status: ok" in answers[0] and "done" in answers[0]

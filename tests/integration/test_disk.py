"""Full disks, files that move behind the server's back, and files of all kinds."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ..agent import Agent, connect_agent, text
from ..peer import Peer, join_room
from ..server import Server, run_server, with_modules
from .test_live_document import saved, until

pytestmark = pytest.mark.anyio

CONTENTS = """
import errno, os
from contextlib import contextmanager
from pathlib import Path
from jupyter_server.services.contents.largefilemanager import AsyncLargeFileManager

class FullDisk(AsyncLargeFileManager):
    @contextmanager
    def atomic_writing(self, *args, **kwargs):
        with super().atomic_writing(*args, **kwargs) as file:
            if Path(self.root_dir, "full").exists():
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            yield file
"""


@pytest.fixture(scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """A server whose disk is full while there is a file `full` in the root.

    It is not the shared one: Jupyter logs a traceback for each file that is gone.
    """
    base = tmp_path_factory.mktemp("disk")
    (base / "full_disk.py").write_text(CONTENTS)
    async with run_server(
        base / "server",
        "--ServerApp.contents_manager_class=full_disk.FullDisk",
        module="jupyter_server",
        environment=with_modules(base),
    ) as server:
        yield server


@pytest.fixture
def full(server: Server) -> Iterator[Path]:
    """Touch it to fill the disk."""
    path = server.root / "full"
    yield path
    path.unlink(missing_ok=True)


async def test_what_a_full_disk_refused_is_told_and_saved_once_there_is_room(
    server: Server, agent: Agent, peer: Peer, notebook: str, full: Path
) -> None:
    before = (server.root / notebook).read_bytes()
    await agent.tell("read_notebook", notebook=notebook)
    full.touch()
    await agent.tell("insert_cell", notebook=notebook, source="x = 1")
    await until(lambda: "No space left on device" in server.log_text())
    answer = await agent.tell("read_notebook", notebook=notebook, view="source")
    assert "not on disk" in answer and "x = 1" in answer
    await peer.wait_until(lambda: peer.sources()[-1] == "x = 1")
    assert (server.root / notebook).read_bytes() == before
    full.unlink()
    await agent.tell("insert_cell", notebook=notebook, source="y = 2")
    await until(lambda: saved(server, notebook).cells[-1].source == "y = 2")
    assert saved(server, notebook).cells[-2].source == "x = 1"
    assert "not on disk" not in await agent.tell("read_notebook", notebook=notebook)


async def test_a_notebook_that_a_full_disk_has_no_room_for_leaves_nothing(
    server: Server, agent: Agent, full: Path
) -> None:
    full.touch()
    before = sorted(server.root.iterdir())
    answer = await agent.call("open_notebook", notebook="new.ipynb", create=True)
    assert answer.is_error and "No space left" in text(answer)
    assert sorted(server.root.iterdir()) == before
    assert not await server.sessions_of("new.ipynb")
    full.unlink()
    await agent.tell("open_notebook", notebook="new.ipynb", create=True)


async def test_a_closed_notebook_that_is_moved_on_disk_is_found_under_its_new_name(
    server: Server, agent: Agent
) -> None:
    path = server.copy_notebook("plain.ipynb")
    await agent.tell("insert_cell", notebook=path, source="x = 1")
    await agent.tell("close_notebook", notebook=path)
    moved = f"moved-{path}"
    (server.root / path).rename(server.root / moved)
    assert (await agent.call("read_notebook", notebook=path)).is_error
    await agent.tell("insert_cell", notebook=moved, source="y = 2")
    await until(lambda: saved(server, moved).cells[-1].source == "y = 2")
    assert saved(server, moved).cells[-2].source == "x = 1"
    assert not (server.root / path).exists()


async def test_an_open_notebook_that_is_moved_on_disk_is_written_at_its_new_place_only(
    server: Server, agent: Agent, notebook: str
) -> None:
    await agent.tell("insert_cell", notebook=notebook, source="x = 1")
    await until(lambda: saved(server, notebook).cells[-1].source == "x = 1")
    moved = f"moved-{notebook}"
    (server.root / notebook).rename(server.root / moved)
    answer = await agent.call("insert_cell", notebook=notebook, source="lost")
    assert answer.is_error and f"There is no notebook '{notebook}'" in text(answer)
    await agent.tell("insert_cell", notebook=moved, source="y = 2")
    await until(lambda: saved(server, moved).cells[-1].source == "y = 2")
    assert saved(server, moved).cells[-2].source == "x = 1"
    assert not (server.root / notebook).exists()


async def test_an_open_notebook_that_is_moved_away_and_back_goes_on(
    server: Server, agent: Agent, notebook: str
) -> None:
    async with join_room(server, notebook) as peer:
        await agent.tell("insert_cell", notebook=notebook, source="x = 1")
        (server.root / notebook).rename(server.root / "elsewhere")
        peer.notebook.ycells[0]["source"].insert(0, "typed ")
        assert (await agent.call("read_notebook", notebook=notebook)).is_error
        assert not (server.root / notebook).exists()
        (server.root / "elsewhere").rename(server.root / notebook)
        await agent.tell("insert_cell", notebook=notebook, source="y = 2")
        await until(lambda: saved(server, notebook).cells[-1].source == "y = 2")
    sources = [cell.source for cell in saved(server, notebook).cells]
    assert sources[0].startswith("typed ") and sources[-2:] == ["x = 1", "y = 2"]


async def test_what_a_person_has_of_a_removed_file_stays_theirs(
    server: Server, agent: Agent, notebook: str
) -> None:
    async with join_room(server, notebook) as peer:
        await agent.tell("insert_cell", notebook=notebook, source="x = 1")
        await peer.wait_until(lambda: peer.sources()[-1] == "x = 1")
        (server.root / notebook).unlink()
        answer = await agent.call("insert_cell", notebook=notebook, source="y = 2")
        assert answer.is_error and f"There is no notebook '{notebook}'" in text(answer)
        peer.notebook.ycells[0]["source"].insert(0, "typed ")
        await until(lambda: server.log_text().count(f"file: {notebook}") > 0)
        assert not (server.root / notebook).exists()
        answer = await agent.call("open_notebook", notebook=notebook, create=True)
        assert answer.is_error and "still has its content open" in text(answer)
        assert not (server.root / notebook).exists()
        assert peer.sources()[-1] == "x = 1" and peer.sources()[0].startswith("typed ")


SHARED_BY_ANOTHER = """
class API:
    async def get_document(self, *, path=None, room_id=None, copy=True):
        raise ValueError("no room")

def _jupyter_server_extension_points():
    return [{"module": "other_sharing"}]

def _load_jupyter_server_extension(serverapp):
    serverapp.web_app.settings["jupyter_server_ydoc"] = API()
"""


async def test_another_package_that_shares_notebooks_is_named_with_what_to_do(
    start_server: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "other_sharing.py").write_text(SHARED_BY_ANOTHER)
    server = await start_server(
        "--ServerApp.jpserver_extensions=jupyter_server_ydoc=False",
        "--ServerApp.jpserver_extensions=other_sharing=True",
        module="jupyter_server",
        environment=with_modules(tmp_path),
    )
    path = server.copy_notebook("plain.ipynb")
    before = (server.root / path).read_bytes()
    async with connect_agent(server.mcp_url, server.token) as agent:
        for tool, more in (
            ("open_notebook", {}),
            ("open_notebook", {"create": True}),
            ("read_notebook", {}),
            ("insert_cell", {"source": "x"}),
        ):
            name = f"new-{path}" if "create" in more else path
            answer = await agent.call(tool, notebook=name, **more)
            assert answer.is_error, text(answer)
            assert "other_sharing" in text(answer) and "Uninstall it" in text(answer)
        assert "python3" in await agent.tell("list_kernels")
        assert path in await agent.tell("list_files")
    assert (server.root / path).read_bytes() == before
    assert not (server.root / f"new-{path}").exists()


@pytest.mark.parametrize("content", ["", "[]", '{"a": 1}', '{"cells": [{}], "nbformat": 4}', "x"])
async def test_a_file_that_is_no_notebook_is_listed_and_not_opened(
    server: Server, agent: Agent, content: str
) -> None:
    path = server.copy_notebook("plain.ipynb", "kinds")
    (server.root / path).write_text(content)
    assert path in await agent.tell("list_notebooks", directory="kinds")
    for tool, more in (
        ("open_notebook", {}),
        ("read_notebook", {}),
        ("execute_cell", {"cell": 0}),
        ("execute_code", {"code": "1"}),
    ):
        answer = await agent.call(tool, notebook=path, **more)
        assert answer.is_error and f"'{path}' cannot be opened as a notebook" in text(answer)
    assert (await agent.call("open_notebook", notebook=path, create=True)).is_error
    assert (server.root / path).read_text() == content
    assert await server.sessions_of(path) == []


async def test_a_directory_with_the_name_of_a_notebook_is_refused(
    server: Server, agent: Agent
) -> None:
    (server.root / "folder.ipynb").mkdir()
    for tool, more in (("open_notebook", {}), ("insert_cell", {"source": "x"})):
        answer = await agent.call(tool, notebook="folder.ipynb", **more)
        assert answer.is_error and "it is a directory" in text(answer)
    answer = await agent.call("open_notebook", notebook="folder.ipynb", create=True)
    assert answer.is_error and "exists already" in text(answer)
    assert list((server.root / "folder.ipynb").iterdir()) == []


async def test_a_linked_notebook_is_saved_to_the_file_behind_the_link(
    server: Server, agent: Agent, notebook: str
) -> None:
    link = server.root / f"link-{notebook}"
    link.symlink_to(notebook)
    await agent.tell("insert_cell", notebook=link.name, source="x = 1", execute=True)
    await until(lambda: saved(server, notebook).cells[-1].execution_count == 1)
    assert saved(server, notebook).cells[-1].source == "x = 1" and link.is_symlink()


async def test_a_link_to_nothing_is_not_found_and_makes_nothing(
    server: Server, agent: Agent
) -> None:
    (server.root / "dangling.ipynb").symlink_to("gone.ipynb")
    answer = await agent.call("insert_cell", notebook="dangling.ipynb", source="x")
    assert answer.is_error and "dangling.ipynb" in text(answer)
    assert not (server.root / "gone.ipynb").exists()


async def test_a_notebook_without_the_right_to_read_it_is_refused_as_that(
    server: Server, agent: Agent, notebook: str
) -> None:
    (server.root / notebook).chmod(0)
    if os.access(server.root / notebook, os.R_OK):
        pytest.skip("this user may read everything")
    for tool, more in (("open_notebook", {}), ("insert_cell", {"source": "x"})):
        answer = await agent.call(tool, notebook=notebook, **more)
        assert answer.is_error and "Permission denied" in text(answer)
    (server.root / notebook).chmod(0o600)
    await agent.tell("insert_cell", notebook=notebook, source="x = 1")
    await until(lambda: saved(server, notebook).cells[-1].source == "x = 1")

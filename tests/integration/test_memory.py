"""What a notebook that was closed leaves in the server's memory: nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from jupyter_mcp_ext.memory import LOOK_SECONDS

from ..agent import connect_agent
from ..peer import join_room
from ..server import Server, run_server, with_modules
from .test_resources import until

pytestmark = pytest.mark.anyio

PROBE = """
import gc
from weakref import ref
from jupyter_mcp_ext.journal import Journal
from jupyter_mcp_ext.notebook import NotebookDocument
from jupyter_server.base.handlers import APIHandler
from jupyter_server_ydoc.rooms import DocumentRoom
from pycrdt import Awareness, Doc
from tornado.web import authenticated

made = {}

def watch(kind):
    # The collector does not tell what was set aside.
    initialize, made[kind.__name__] = kind.__init__, []
    def note(self, *args, **options):
        made[kind.__name__].append(ref(self))
        initialize(self, *args, **options)
    kind.__init__ = note

class ProbeHandler(APIHandler):
    @authenticated
    async def get(self):
        told = {kind: sum(each() is not None for each in all) for kind, all in made.items()}
        self.finish({"documents": told, "set aside": gc.get_freeze_count()})

def _load_jupyter_server_extension(app):
    gc.disable()
    for kind in (Awareness, Doc, DocumentRoom, Journal, NotebookDocument):
        watch(kind)
    url = app.web_app.settings["base_url"] + "probe"
    app.web_app.add_handlers(".*", [(url, ProbeHandler)])

def _jupyter_server_extension_points():
    return [{"module": "probe"}]
"""


@asynccontextmanager
async def run_probed(base: Path) -> AsyncIterator[Server]:
    """Python's garbage collector does not come by of itself; somebody has a notebook open."""
    (base / "probe.py").write_text(PROBE)
    async with run_server(
        base,
        "--ServerApp.jpserver_extensions=probe=True",
        "--ServerApp.jpserver_extensions=jupyter_mcp_ext=True",
        "--YDocExtension.document_cleanup_delay=0",
        module="jupyter_server",
        environment=with_modules(base),
    ) as server:
        # Tasks of jupyter-collaboration remember the first websocket, in JupyterLab that of no
        # notebook, with the room that it had.
        async with join_room(server, server.copy_notebook("plain.ipynb")):
            yield server


@pytest.fixture(scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    async with run_probed(tmp_path_factory.mktemp("memory")) as server:
        yield server


async def documents(server: Server) -> dict[str, int]:
    return dict((await server.get("probe"))["documents"])


async def until_equal(server: Server, before: dict[str, int]) -> None:
    async def is_free() -> bool:
        return await documents(server) == before

    # What something holds when it is looked for is looked for less and less often.
    await until(is_free, 8 * LOOK_SECONDS)


async def test_a_closed_notebook_leaves_nothing_in_memory(server: Server) -> None:
    before = await documents(server)
    async with connect_agent(server.mcp_url, server.token) as agent:
        path = server.copy_notebook("plain.ipynb")
        await agent.tell("insert_cell", notebook=path, source="x = 1")
        assert await documents(server) != before
        await agent.tell("close_notebook", notebook=path)
        await until_equal(server, before)


async def test_a_notebook_that_a_person_closes_last_leaves_nothing_in_memory(
    server: Server,
) -> None:
    before = await documents(server)
    async with connect_agent(server.mcp_url, server.token) as agent:
        path = server.copy_notebook("plain.ipynb")
        async with join_room(server, path):
            await agent.tell("insert_cell", notebook=path, source="x = 1")
            await agent.tell("close_notebook", notebook=path)
            assert await documents(server) != before
        await until_equal(server, before)


async def set_aside(server: Server) -> int:
    return int((await server.get("probe"))["set aside"])


async def test_what_was_set_aside_while_somebody_used_it_leaves_nothing_either(
    tmp_path: Path,
) -> None:
    async with run_probed(tmp_path) as server:
        before, modules = await documents(server), await set_aside(server)
        assert modules > 100_000
        async with join_room(server, server.copy_notebook("plain.ipynb")):
            async with connect_agent(server.mcp_url, server.token) as agent:
                await agent.tell("list_notebooks")

            async def is_set_aside() -> bool:
                return await set_aside(server) > modules + 30_000

            await until(is_set_aside, 2 * LOOK_SECONDS)
            assert await documents(server) != before
        await until_equal(server, before)

"""What a notebook that was closed leaves in the server's memory: nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from jupyter_mcp_ext.memory import LOOK_SECONDS

from ..agent import connect_agent
from ..peer import join_room
from ..server import Server, run_server, with_modules
from .test_resources import until

pytestmark = pytest.mark.anyio

PROBE = """
import gc
from jupyter_server.base.handlers import APIHandler
from tornado.web import authenticated

class ProbeHandler(APIHandler):
    @authenticated
    async def get(self):
        names = [type(each).__name__ for each in gc.get_objects()]
        kinds = ("DocumentRoom", "Doc", "Awareness", "NotebookDocument", "Journal")
        told = {kind: names.count(kind) for kind in kinds}
        self.finish({"documents": told, "set aside": gc.get_freeze_count()})

def _load_jupyter_server_extension(app):
    gc.disable()
    url = app.web_app.settings["base_url"] + "probe"
    app.web_app.add_handlers(".*", [(url, ProbeHandler)])

def _jupyter_server_extension_points():
    return [{"module": "probe"}]
"""


@pytest.fixture(scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """Python's garbage collector does not come by of itself; somebody has a notebook open."""
    base = tmp_path_factory.mktemp("memory")
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


async def test_the_garbage_collector_passes_over_what_a_start_has_loaded(server: Server) -> None:
    told = await server.get("probe")
    assert told["set aside"] > 100_000

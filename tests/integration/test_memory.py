"""What a notebook that was closed leaves in the server's memory: nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ..agent import connect_agent
from ..server import Server, with_modules
from .test_resources import until

pytestmark = pytest.mark.anyio

PROBE = """
import gc
from jupyter_server.base.handlers import APIHandler
from tornado.web import authenticated

class ProbeHandler(APIHandler):
    @authenticated
    async def get(self):
        gc.collect()
        names = [type(each).__name__ for each in gc.get_objects()]
        kinds = ("DocumentRoom", "Doc", "Awareness", "NotebookDocument", "Journal")
        self.finish({kind: names.count(kind) for kind in kinds})

def _load_jupyter_server_extension(app):
    url = app.web_app.settings["base_url"] + "probe"
    app.web_app.add_handlers(".*", [(url, ProbeHandler)])

def _jupyter_server_extension_points():
    return [{"module": "probe"}]
"""


async def test_a_closed_notebook_leaves_nothing_in_memory(
    start_server: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "probe.py").write_text(PROBE)
    server: Server = await start_server(
        "--ServerApp.jpserver_extensions=probe=True",
        "--ServerApp.jpserver_extensions=jupyter_mcp_ext=True",
        module="jupyter_server",
        environment=with_modules(tmp_path),
    )
    before = await server.get("probe")
    async with connect_agent(server.mcp_url, server.token) as agent:
        path = server.copy_notebook("plain.ipynb")
        await agent.tell("insert_cell", notebook=path, source="x = 1")
        assert all((await server.get("probe")).values())
        await agent.tell("close_notebook", notebook=path)

        async def is_free() -> bool:
            return bool(await server.get("probe") == before)

        await until(is_free)

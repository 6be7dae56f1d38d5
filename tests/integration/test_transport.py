"""MCP on Jupyter's own port, in both protocol eras, and its orderly end."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any

import anyio
import httpx2
import psutil
import pytest

from ..agent import STATELESS, Era, connect_agent, text
from ..notebooks.make import large
from ..peer import join_room
from ..server import Server, with_modules
from .test_executions import add_kernelspec

pytestmark = pytest.mark.anyio

LOOP = "import time\nprint('started', flush=True)\nwhile True:\n    time.sleep(0.1)"


async def test_both_eras_are_served_at_one_endpoint(server: Server, era: Era) -> None:
    async with connect_agent(server.mcp_url, server.token, era) as agent:
        assert agent.client.protocol_version == era
        tools = (await agent.client.list_tools()).tools
        assert "execute_cell" in [tool.name for tool in tools]
        if era != STATELESS:  # There they are asked for apart.
            assert "Live Jupyter notebooks" in str(agent.client.instructions)


async def test_a_base_url_is_kept(start_server: Callable[..., Any], era: Era) -> None:
    server = await start_server(module="jupyter_server", base_url="/user/ada/")
    assert server.mcp_url.endswith("/user/ada/mcp")
    async with connect_agent(server.mcp_url, server.token, era) as agent:
        assert "python3" in await agent.tell("list_kernels")


async def test_a_cancelled_call_interrupts_its_run_under_the_handshake(
    server: Server, notebook: str
) -> None:
    async with connect_agent(server.mcp_url, server.token, "2025-11-25") as agent:
        await agent.tell("open_notebook", notebook=notebook)
        with anyio.move_on_after(1.5):
            await agent.call("execute_code", notebook=notebook, code=LOOP)
        answer = await agent.tell("execute_code", notebook=notebook, code="1", wait_seconds=20)
        assert "status: ok" in answer


async def test_a_lost_connection_leaves_the_run_alone(server: Server, notebook: str) -> None:
    async with connect_agent(server.mcp_url, server.token, STATELESS) as agent:
        await agent.tell("open_notebook", notebook=notebook)
        code = "import time\ntime.sleep(1.5)\nfinished = True"
        with anyio.move_on_after(0.5):
            await agent.call("execute_code", notebook=notebook, code=code)
        answer = await agent.tell("execute_code", notebook=notebook, code="finished")
        assert "status: ok" in answer and "True" in answer


async def stop_seconds(server: Server) -> float:
    started = monotonic()
    server.process.terminate()
    with anyio.fail_after(40):
        await server.process.wait()
    return monotonic() - started


async def test_stopping_during_a_call_is_quick_and_leaves_a_clean_log(
    start_server: Callable[..., Any], era: Era
) -> None:
    server = await start_server()
    notebook = server.copy_notebook("plain.ipynb")

    async with connect_agent(server.mcp_url, server.token, era) as agent:
        call = {"notebook": notebook, "source": LOOP, "execute": True}
        answers: list[Any] = []
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as tasks:

                async def run() -> None:
                    answers.append(await agent.call("insert_cell", **call))

                tasks.start_soon(run)
                while "started" not in await agent.tell(
                    "read_notebook", notebook=notebook, view="full"
                ):
                    pass
                seconds = await stop_seconds(server)
                scope.cancel()
    log = server.log_text()
    assert seconds < 10
    assert [answer.is_error for answer in answers] == [True]
    assert "stopping" in text(answers[0])
    destroyed = [line for line in log.splitlines() if "task: <Task" in line]
    assert all("ipykernel" in line for line in destroyed)  # The kernel's own, in its process.
    assert "never retrieved" not in log
    assert "Uncaught exception" not in log and "jupyter_mcp_ext/" not in log


async def test_a_server_that_is_stopped_during_its_first_calls_ends(
    start_server: Callable[..., Any], era: Era
) -> None:
    """Whatever they do just then: load the SDK, open a room, start a kernel."""
    for threads in (1, 2, 3):
        server = await start_server(module="jupyter_server")
        notebook = server.copy_notebook("plain.ipynb")
        process = psutil.Process(server.process.pid)
        at_rest = process.num_threads()
        async with anyio.create_task_group() as tasks:

            async def call(server: Server = server, notebook: str = notebook) -> None:
                with suppress(Exception):  # Cut off, in whatever way the client calls it.
                    async with connect_agent(server.mcp_url, server.token, era) as agent:
                        await agent.run(notebook, "1")

            tasks.start_soon(call)
            with anyio.fail_after(20):
                while process.num_threads() < at_rest + threads:
                    await anyio.sleep(0.005)  # Another process tells of no event.
            await stop_seconds(server)
            tasks.cancel_scope.cancel()


@pytest.mark.parametrize("what", ["open notebook", "failed kernel"])
async def test_a_server_that_only_people_use_ends_as_well(
    start_server: Callable[..., Any], tmp_path: Path, what: str
) -> None:
    """Jupyter alone would wait for ever for the threads, or for the kernel that does not exist."""
    add_kernelspec(tmp_path / "server1", "gone", str(tmp_path / "gone"), "{connection_file}")
    server = await start_server()
    path = server.copy_notebook("plain.ipynb")
    if what == "failed kernel":
        assert (await server.http.post("api/kernels", json={"name": "gone"})).status_code == 500
        (await server.http.post("api/kernels", json={"name": "python3"})).raise_for_status()
        assert await stop_seconds(server) < 10
    else:
        async with join_room(server, path) as peer:
            await peer.wait_until(lambda: bool(peer.cells))
            assert await stop_seconds(server) < 10


LOADED = """
import sys
from jupyter_server.base.handlers import APIHandler
from tornado.web import authenticated

class Loaded(APIHandler):
    @authenticated
    async def get(self):
        self.finish({"modules": [name for name in sys.modules if "mcp" in name]})

def _load_jupyter_server_extension(app):
    app.web_app.add_handlers(".*", [("/loaded", Loaded)])

def _jupyter_server_extension_points():
    return [{"module": "loaded"}]
"""


async def test_what_agents_work_with_is_loaded_when_the_first_comes(
    start_server: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "loaded.py").write_text(LOADED)
    option = "--ServerApp.jpserver_extensions=loaded=True"
    server = await start_server(option, environment=with_modules(tmp_path))
    before = (await server.get("loaded"))["modules"]
    assert "jupyter_mcp_ext.app" in before and len(before) < 30
    assert not {"mcp", "jupyter_mcp_ext.backend"} & {*before}
    (await server.http.get("mcp", headers={"Accept": "text/html"})).raise_for_status()
    seen = (await server.get("loaded"))["modules"]
    assert "jupyter_mcp_ext.backend" in seen and "mcp" not in seen
    async with connect_agent(server.mcp_url, server.token) as agent:
        await agent.tell("list_notebooks")
    assert "mcp" in (await server.get("loaded"))["modules"]


# The extension as it is on a slow machine: the server stops before it is built.
SLOW = """
import time
from jupyter_mcp_ext import app

class SlowExtension(app.MCPExtension):
    name = "slow"

    def _build_backend(self):
        self.log.warning("It is being built")
        while not self._transport.is_stopping:
            time.sleep(0.01)
        backend = super()._build_backend()
        self.log.warning("It is built")
        return backend

def _jupyter_server_extension_points():
    return [{"module": "slow", "app": SlowExtension}]
"""


@pytest.mark.parametrize("accepted", ["text/html", "application/json, text/event-stream"])
async def test_a_server_can_be_stopped_before_its_first_guest_is_served(
    start_server: Callable[..., Any], tmp_path: Path, accepted: str
) -> None:
    (tmp_path / "slow.py").write_text(SLOW)
    server = await start_server(
        "--ServerApp.jpserver_extensions=jupyter_mcp_ext=False",
        "--ServerApp.jpserver_extensions=slow=True",
        module="jupyter_server",
        environment=with_modules(tmp_path),
    )

    async def come() -> None:
        with suppress(httpx2.TransportError):
            await server.http.get("mcp", headers={"Accept": accepted})

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(come)
        with anyio.fail_after(20):
            while "It is being built" not in server.log_text():
                await anyio.sleep(0.01)  # Another process tells of no event.
        assert await stop_seconds(server) < 10
        tasks.cancel_scope.cancel()
    log = server.log_text()
    assert "It is built" in log
    assert "Task was destroyed" not in log and "jupyter_mcp_ext/" not in log


async def test_a_server_with_many_unsaved_notebooks_saves_all_and_ends(
    start_server: Callable[..., Any],
) -> None:
    server = await start_server(module="jupyter_server")
    paths = [server.write_notebook(large(1_500)) for _ in range(12)]
    async with connect_agent(server.mcp_url, server.token) as agent:
        for path in paths:
            await agent.tell("read_cell", notebook=path, cell=0)
        async with anyio.create_task_group() as tasks:
            for path in paths:
                call = partial(agent.tell, "insert_cell", notebook=path, source="last words")
                tasks.start_soon(call)
        await stop_seconds(server)
    assert all("last words" in (server.root / path).read_text() for path in paths)


async def test_an_interrupt_stops_the_server_in_order_as_a_hub_wants_it(
    start_server: Callable[..., Any],
) -> None:
    server = await start_server()
    notebook = server.copy_notebook("plain.ipynb")
    async with connect_agent(server.mcp_url, server.token) as agent:
        await agent.run(notebook, "'last words'")
    server.process.send_signal(signal.SIGINT)
    with anyio.fail_after(20):
        await server.process.wait()
    assert "last words" in json.dumps(server.saved_notebook(notebook))
    assert "Shutting down 1 kernel" in server.log_text()


async def test_requests_count_as_activity(server: Server) -> None:
    async def last_activity() -> str:
        return str((await server.get("api/status"))["last_activity"])

    before = await last_activity()
    async with httpx2.AsyncClient() as http:
        headers = {"Authorization": f"Bearer {server.token}"}
        await http.post(server.mcp_url, content=b"{}", headers=headers)
    assert await last_activity() > before

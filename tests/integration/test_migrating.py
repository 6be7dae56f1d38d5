"""What people who come from other MCP servers look for, and no other test shows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ..agent import Agent, connect_agent, images
from ..server import Server

pytestmark = pytest.mark.anyio

PLOT = """\
from IPython.display import Image
import base64
Image(base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
))"""


async def test_a_server_can_send_no_images(
    server: Server, start_server: Callable[..., Any]
) -> None:
    without = await start_server("--MCPExtension.allow_images=False", module="jupyter_server")
    for each, count in ((server, 1), (without, 0)):
        path = each.copy_notebook("plain.ipynb")
        async with connect_agent(each.mcp_url, each.token) as agent:
            answer = await agent.call("execute_code", notebook=path, code=PLOT)
            assert len(images(answer)) == count


async def test_the_servers_wait_is_that_of_calls_without_one(
    start_server: Callable[..., Any],
) -> None:
    server = await start_server("--MCPExtension.wait_seconds=0.2", module="jupyter_server")
    path = server.copy_notebook("plain.ipynb")
    async with connect_agent(server.mcp_url, server.token) as agent:
        await agent.tell("open_notebook", notebook=path)
        code = "import time; time.sleep(20)"
        assert "status: running" in await agent.execute(path, code)
        await agent.tell("interrupt_kernel", notebook=path)


async def test_autoreload_takes_a_changed_module(
    server: Server, agent: Agent, notebook: str
) -> None:
    name = f"module_{notebook.split('-')[1].removesuffix('.ipynb')}"
    module = server.root / f"{name}.py"
    module.write_text("value = 1")
    await agent.execute(notebook, f"%load_ext autoreload\n%autoreload 2\nimport {name}")
    assert "| 1" in await agent.execute(notebook, f"{name}.value")
    module.write_text("value = 'changed'")
    assert "| 'changed'" in await agent.execute(notebook, f"{name}.value")

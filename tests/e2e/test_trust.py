"""What runs in the browser of a person who looks at what an agent, or a stranger, has put there."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import pytest
from playwright.async_api import expect

from ..agent import Agent
from ..server import Server
from .browser import LabPage

pytestmark = [pytest.mark.anyio, pytest.mark.e2e]

OpenPage = Callable[[str], AbstractAsyncContextManager[LabPage]]

EVIL = (
    "<b class='seen'>seen</b><script>window.evil = 1</script>"
    "<img src='x:' onerror='window.evil = 1'><iframe srcdoc='<script>parent.evil = 1</script>'>"
    "</iframe><svg onload='window.evil = 1'></svg>"
)
SCRIPT = "from IPython.display import HTML\nHTML('<script>window.ran = 1</script><i>done</i>')"


def strangers_notebook(server: Server) -> str:
    """One that claims to be trusted, with a script in an output and in its text."""
    output = {"output_type": "display_data", "data": {"text/html": EVIL}, "metadata": {}}
    trusted = {"metadata": {"trusted": True}}
    code = trusted | {"id": "evil", "cell_type": "code", "source": "1", "execution_count": 1}
    text = trusted | {"id": "text", "cell_type": "markdown", "source": EVIL}
    cells = [code | {"outputs": [output]}, text]
    metadata = {"kernelspec": {"name": "python3", "display_name": "", "language": "python"}}
    return server.write_notebook(
        {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    )


async def test_scripts_that_nobody_has_run_here_do_not_run_whatever_an_agent_does_beside_them(
    server: Server, agent: Agent, open_page: OpenPage
) -> None:
    path = strangers_notebook(server)
    async with open_page(path) as lab:
        call = {"notebook": path}
        await agent.tell("insert_cell", **call, source=EVIL, cell_type="markdown")
        await agent.tell("insert_cell", **call, source="print('ran' + ' here')", execute=True)
        await agent.tell("edit_cell", **call, cell="evil", old_text="1", new_text="2")
        await agent.tell("move_cell", **call, cell="evil", after="text")
        await expect(lab.outputs(3)).to_have_text("ran here")
        await expect(lab.page.locator(".jp-Notebook .seen")).to_have_count(3)
        assert await lab.page.evaluate("window.evil") is None


async def test_a_script_that_an_agent_has_run_runs_as_if_a_person_had_run_it(
    agent: Agent, notebook: str, lab: LabPage
) -> None:
    await agent.run(notebook, SCRIPT)
    await lab.page.wait_for_function("window.ran === 1")

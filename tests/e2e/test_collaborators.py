"""A person and two agents see each other in JupyterLab."""

from __future__ import annotations

import anyio
import pytest
from playwright.async_api import expect

from ..agent import connect_agent
from ..server import Server
from .browser import LabPage

pytestmark = [pytest.mark.anyio, pytest.mark.e2e]


async def test_a_person_sees_two_agents_at_work_and_they_see_where_the_person_is(
    lab: LabPage, server: Server, notebook: str
) -> None:
    page = lab.page
    async with (
        connect_agent(server.mcp_url, server.token, name="claude-code") as first,
        connect_agent(server.mcp_url, server.token, name="Cursor") as second,
    ):
        await lab.put_caret_after(1, "second = 2")
        await lab.type_text("  # mine")
        with anyio.fail_after(20):
            answer = ""
            while "(caret in [1] numbers)" not in answer:
                answer = await first.tell("read_notebook", notebook=notebook)
        assert f"{notebook}  live, open with " in (
            listed := await first.tell("list_notebooks", limit=1000)
        )
        assert "(looks at it)" in next(x for x in listed.splitlines() if x.startswith(notebook))
        await first.tell("edit_cell", notebook=notebook, cell=2, old_text="beta", new_text="delta")
        await second.tell(
            "insert_cell", notebook=notebook, source="sum(range(10))", execute=True, after="letters"
        )
        await page.locator("[data-id='jp-collaboration-panel']").click()
        for name in ("Claude Code", "Cursor"):
            await expect(page.locator(".jp-Collaborator").filter(has_text=name)).to_be_visible()
            flag = page.locator(".jp-Notebook .jp-remote-userInfo, .jp-Notebook .jp-remote-cursor")
            await expect(flag.first).to_be_attached()
        await lab.screenshot("two-agents")
    assert await lab.caret() == {"line": 1, "column": len("second = 2  # mine")}

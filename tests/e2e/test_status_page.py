"""A person opens the endpoint in a browser."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal

import pytest
from playwright.async_api import Browser, Page, expect

from ..agent import HANDSHAKE, connect_agent, execution_in
from ..server import NOTEBOOKS, Server

pytestmark = [pytest.mark.anyio, pytest.mark.e2e]

TITLE = "Ready for agents"
WAIT = "import pathlib, time\nwhile not pathlib.Path({!r}).exists():\n    time.sleep(0.02)"


@asynccontextmanager
async def visit(
    browser: Browser, address: str, scheme: Literal["light", "dark"] = "light"
) -> AsyncIterator[tuple[Page, list[str]]]:
    """The page, and what the browser complains about in it."""
    context = await browser.new_context(
        viewport={"width": 1000, "height": 900},
        color_scheme=scheme,
        permissions=["clipboard-read", "clipboard-write"],
    )
    try:
        page = await context.new_page()
        complaints: list[str] = []
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        await page.goto(address)
        yield page, complaints
    finally:
        await context.close()


@pytest.mark.parametrize(("scheme", "back"), [("light", 245), ("dark", 17)])
async def test_the_page_shows_who_is_at_work_in_light_and_dark(
    browser: Browser,
    server: Server,
    scheme: Literal["light", "dark"],
    back: int,
    tmp_path: Path,
) -> None:
    gate = tmp_path / "go"
    notebook = "analysis.ipynb"
    shutil.copyfile(NOTEBOOKS / "plot.ipynb", server.root / notebook)
    async with (
        connect_agent(server.mcp_url, server.token, HANDSHAKE, "claude-code") as first,
        connect_agent(server.mcp_url, server.token, name="Cursor") as second,
    ):
        await second.tell("list_notebooks")
        await first.execute(notebook, "'so that the kernel is there'")
        answer = await first.run(notebook, WAIT.format(str(gate)), wait_seconds=1)
        address = f"{server.mcp_url}?token={server.token}"
        async with visit(browser, address, scheme) as (page, complaints):
            await expect(page.locator("h1")).to_have_text(TITLE)
            assert page.url == server.mcp_url
            agents = page.locator("#agents tr")
            await expect(agents.filter(has_text=notebook).first).to_contain_text("Claude Code")
            await expect(agents.filter(has_text="Cursor").first).to_be_visible()
            run = page.locator("#executions tr").filter(has_text=execution_in(answer))
            await expect(run).to_contain_text(notebook)
            await expect(run).to_contain_text("running")
            logo = page.locator("header img")
            assert await logo.evaluate("image => image.naturalWidth > 0")
            colors = f"rgb({back}, {back}, {back})"
            await expect(page.locator("body")).to_have_css("background-color", colors)
            if directory := os.environ.get("SCREENSHOT_DIR"):
                await page.screenshot(path=Path(directory) / f"status-{scheme}.png")
        assert complaints == []
        gate.touch()
        await first.tell("get_execution", execution=execution_in(answer), wait_seconds=20)


async def test_a_configuration_is_copied_with_one_click(browser: Browser, server: Server) -> None:
    async with visit(browser, f"{server.mcp_url}?token={server.token}") as (page, complaints):
        await page.locator("summary").filter(has_text="Cursor").click()
        await page.locator("details[open] button").click()
        await expect(page.locator("details[open] button")).to_have_text("Copied")
        copied = await page.evaluate("navigator.clipboard.readText()")
    assert f'"url": "{server.mcp_url}"' in copied and "Bearer YOUR_TOKEN" in copied
    assert complaints == []


async def test_a_person_logs_in_where_jupyter_asks_for_it_and_comes_back(
    browser: Browser, server: Server
) -> None:
    async with visit(browser, server.mcp_url) as (page, _):
        await page.locator("input[type=password]").first.fill(server.token)
        await page.keyboard.press("Enter")
        await expect(page.locator("h1")).to_have_text(TITLE)
        assert page.url == server.mcp_url

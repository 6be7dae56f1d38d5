"""A person at JupyterLab: Chromium, one notebook open in it, a real keyboard."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote
from uuid import uuid4

from playwright.async_api import Browser, Locator, Page, async_playwright, expect

from ..server import Server

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
WAIT_MILLISECONDS = 20_000
OPEN_MILLISECONDS = 60_000
OPTIONS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@asynccontextmanager
async def launch_browser() -> AsyncIterator[Browser]:
    expect.set_options(timeout=WAIT_MILLISECONDS)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(OPTIONS))
        yield browser
        await browser.close()


class LabPage:
    """`page` is Playwright's; cells are counted from 0 as in the tools."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def cells(self) -> Locator:
        return self.page.locator(".jp-Notebook .jp-Cell")

    def cell(self, position: int) -> Locator:
        return self.cells().nth(position)

    def editor(self, position: int) -> Locator:
        return self.cell(position).locator(".cm-content")

    def outputs(self, position: int) -> Locator:
        return self.cell(position).locator(".jp-OutputArea-output")

    def prompt(self, position: int) -> Locator:
        return self.cell(position).locator(".jp-InputPrompt")

    def lines(self, position: int) -> Locator:
        return self.editor(position).locator(".cm-line")

    async def expect_source(self, position: int, source: str) -> None:
        await expect(self.lines(position)).to_have_text(source.split("\n"))

    async def put_caret_after(self, position: int, text: str) -> None:
        """Click into the cell, then go to the end of its first line that contains `text`."""
        await self.lines(position).filter(has_text=text).first.click()
        await self.page.keyboard.press("End")

    async def type_text(self, text: str) -> None:
        """Type at the caret, key by key."""
        await self.page.keyboard.type(text, delay=20)

    async def replace_source(self, position: int, text: str) -> None:
        await self.lines(position).first.click()
        await self.page.keyboard.press("Control+a")
        await self.type_text(text)

    async def was_reloaded(self) -> bool:
        return not await self.page.evaluate("window.sinceOpened === true")

    async def caret(self) -> dict[str, int]:
        """Line and column of the caret in the active cell, both from 0."""
        editor = "jupyterapp.shell.currentWidget.content.activeCell.editor"
        position: dict[str, int] = await self.page.evaluate(f"{editor}.getCursorPosition()")
        return position

    async def kernel_id(self) -> str:
        """The kernel that this page is connected to; waits until there is one."""
        kernel = "jupyterapp.shell.currentWidget.sessionContext.session?.kernel?.id"
        handle = await self.page.wait_for_function(kernel)
        return str(await handle.json_value())

    async def screenshot(self, name: str) -> None:
        """Written to the directory in SCREENSHOT_DIR, for the documentation; else nothing."""
        if directory := os.environ.get("SCREENSHOT_DIR"):
            await self.page.screenshot(path=Path(directory) / f"{name}.png")


async def _wait_until_ready(page: Page) -> None:
    """The notebook is drawn and its kernel is idle."""
    await page.locator(".jp-Notebook .jp-Cell").first.wait_for()
    kernel = "jupyterapp.shell.currentWidget.sessionContext.session?.kernel"
    # Leaving while the kernel's websocket opens makes the server log a traceback.
    await page.wait_for_function(
        f"{kernel}?.connectionStatus === 'connected' && {kernel}.status === 'idle'"
    )
    for dialog in await page.locator(".jp-Dialog .jp-mod-reject").all():
        await dialog.click()


@asynccontextmanager
async def open_notebook(browser: Browser, server: Server, path: str) -> AsyncIterator[LabPage]:
    context = await browser.new_context(viewport={"width": 1280, "height": 900})
    try:
        page = await context.new_page()
        page.set_default_timeout(OPEN_MILLISECONDS)
        # The server keeps the layout of a workspace: in a shared one, old notebooks come back.
        place = f"lab/workspaces/{uuid4().hex}/tree/{quote(path)}"
        await page.goto(f"{server.url}{place}?token={server.token}")
        await _wait_until_ready(page)
        await page.evaluate("window.sinceOpened = true")
        page.set_default_timeout(WAIT_MILLISECONDS)
        yield LabPage(page)
    finally:
        await context.close()

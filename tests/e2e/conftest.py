"""Fixtures with a browser."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
from playwright.async_api import Browser

from ..server import Server
from .browser import CHROMIUM, LabPage, launch_browser, open_notebook


@pytest.fixture(scope="session")
async def browser(anyio_backend: str) -> AsyncIterator[Browser]:
    if not Path(CHROMIUM).exists():
        message = f"no Chromium at {CHROMIUM}: install it or set CHROMIUM to its path"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(message)
    async with launch_browser() as browser:
        yield browser


@pytest.fixture
def open_page(
    browser: Browser, server: Server
) -> Callable[[str], AbstractAsyncContextManager[LabPage]]:
    """`async with open_page(path) as lab`: a person opens the notebook in JupyterLab."""
    return lambda path: open_notebook(browser, server, path)


@pytest.fixture
async def lab(browser: Browser, server: Server, notebook: str) -> AsyncIterator[LabPage]:
    """JupyterLab with this test's notebook open."""
    async with open_notebook(browser, server, notebook) as page:
        yield page


@pytest.fixture(autouse=True)
def quiet_log(server: Server) -> Iterator[None]:
    """No test may leave a traceback through our code, or a lost task, in the server's log.

    A tab that closes while the server writes to it makes tornado log one of its own.
    """
    before = len(server.log_text())
    yield
    written = server.log_text()[before:]
    assert "jupyter_mcp_ext/" not in written and "Task was destroyed" not in written, written

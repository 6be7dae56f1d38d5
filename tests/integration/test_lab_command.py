"""`jupyter mcp lab` as a person starts it."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import httpx2
import pytest
from anyio.abc import Process
from anyio.streams.text import TextReceiveStream

from ..server import environment_in, free_port, stop_process

pytestmark = pytest.mark.anyio

COMMAND = [
    *(sys.executable, "-c", "from jupyter_mcp_ext.cli import main; main()", "lab"),
    *("--no-browser", "--ServerApp.allow_root=True"),
]


@asynccontextmanager
async def start_lab(base: Path, *options: str, **variables: str) -> AsyncIterator[Process]:
    root = base / "root"
    root.mkdir()
    with (base / "log").open("wb") as log:
        process = await anyio.open_process(
            [*COMMAND, *options],
            stdin=subprocess.DEVNULL,
            stderr=log,
            cwd=root,
            env=environment_in(base) | variables,
        )
    async with process:
        try:
            yield process
        finally:
            await stop_process(process)


async def printed(process: Process, last_word: str) -> str:
    """What the process prints up to and with the line that begins with `last_word`."""
    text = ""
    assert process.stdout
    with anyio.fail_after(60):
        async for chunk in TextReceiveStream(process.stdout):
            text += chunk
            if text.endswith("\n") and f"\n{last_word}" in text:
                return text
    raise AssertionError(f"It ended after printing: {text}")


async def status_of(url: str, headers: dict[str, str]) -> int:
    async with httpx2.AsyncClient() as http:
        return (await http.get(url.removesuffix("mcp") + "api/status", headers=headers)).status_code


async def test_the_printed_configuration_opens_the_server(tmp_path: Path) -> None:
    port = free_port()
    async with start_lab(tmp_path, f"--port={port}", "--ServerApp.base_url=/base/") as process:
        configuration, _, command = (await printed(process, "claude")).rpartition("\n\n")
    server = json.loads(configuration)["mcpServers"]["jupyter"]
    token = server["headers"]["Authorization"].removeprefix("Bearer ")
    assert server["url"] == f"http://localhost:{port}/base/mcp"
    assert len(token) == 48
    assert command.startswith("claude mcp add") and token in command


@pytest.mark.parametrize(
    ("options", "variables"),
    [
        (["--IdentityProvider.token=chosen"], {}),
        (["--ServerApp.token=chosen"], {}),
        ([], {"JUPYTER_TOKEN": "chosen"}),
    ],
)
async def test_a_configured_token_is_kept(
    tmp_path: Path, options: list[str], variables: dict[str, str]
) -> None:
    port = free_port()
    async with start_lab(tmp_path, f"--port={port}", *options, **variables) as process:
        text = await printed(process, "claude")
        headers = {"Authorization": "Bearer chosen"}
        assert await status_of(f"http://localhost:{port}/mcp", headers) == 200
    assert '"Authorization": "Bearer chosen"' in text


async def test_a_taken_port_is_an_error_and_never_another_port(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        options = ["--ServerApp.ip=127.0.0.1", f"--port={port}"]
        async with start_lab(tmp_path, *options) as process:
            with anyio.fail_after(60):
                assert await process.wait() == 1
    assert f"port {port} is not available" in (tmp_path / "log").read_text()

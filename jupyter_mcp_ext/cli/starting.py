"""Starts a JupyterLab that lives as long as its caller."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from threading import Thread

from anyio import CancelScope, move_on_after, to_thread

from ..clients import Connection
from .servers import NoConnection

COMMAND = (
    *(sys.executable, "-m", "jupyter_mcp_ext.cli", "lab", "--no-browser", "--port=0"),
    "--MCPLabApp.ends_with_stdin=True",
)
START_SECONDS = 90.0
STOP_SECONDS = 15.0


@asynccontextmanager
async def start_lab(
    directory: Path, options: Sequence[str]
) -> AsyncIterator[Callable[[], Connection]]:
    """Serve a directory on a free port; yields what tells how to connect.

    Raises:
        NoConnection: it does not start; what it says about that is on stderr.
    """
    process = _start(directory, options)
    assert process.stdout
    try:
        connection = None
        with move_on_after(START_SECONDS):
            connection = await to_thread.run_sync(
                announced_connection, process.stdout, abandon_on_cancel=True
            )
        if connection is None:
            raise NoConnection("JupyterLab did not start, see above")
        # Nobody reads what else is printed there, but a full pipe would stop the server.
        Thread(target=deque, args=(process.stdout, 0), daemon=True).start()

        def find() -> Connection:
            if process.poll() is not None:
                raise NoConnection("the JupyterLab that was started has ended, start it again")
            return connection

        yield find
    finally:
        process.terminate()
        with CancelScope(shield=True):
            await to_thread.run_sync(_wait_for_end, process)


def _start(directory: Path, options: Sequence[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [*COMMAND, *options],
        stdin=subprocess.PIPE,  # It ends with the caller, also with one that is killed.
        stdout=subprocess.PIPE,
        cwd=directory,
        start_new_session=True,  # A Ctrl+C in the terminal is for the caller.
    )


def announced_connection(lines: Iterable[bytes]) -> Connection | None:
    """What `jupyter mcp lab` prints once the server answers; None if it ends before that."""
    text = ""
    for line in lines:
        text = line.decode() if line.startswith(b"{") else text + line.decode()
        if line.startswith(b"}"):
            [server] = json.loads(text)["mcpServers"].values()
            authorization = server.get("headers", {}).get("Authorization", "")
            return Connection(server["url"], authorization.removeprefix("Bearer "))
    return None


def _wait_for_end(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()

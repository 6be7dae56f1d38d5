"""`jupyter mcp stdio`: joins a client that only speaks stdio to a running server."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import AsyncExitStack
from math import inf
from pathlib import Path
from typing import BinaryIO

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream
from jupyter_core.application import JupyterApp, base_aliases
from traitlets import Bool, Unicode

from .. import __version__
from ..clients import Connection
from .bridge import Bridge
from .inherited import inherited
from .probe import check_endpoint
from .servers import NoConnection, SameServer, running_servers, servers_of
from .starting import start_lab
from .waits import Waits


class StdioCommand(JupyterApp):
    """Relays until its input ends."""

    name = "jupyter-mcp-stdio"
    version = __version__
    description = """Join an MCP client that starts programs to a Jupyter server that is running.

    Without arguments it is the server whose root directory contains the current directory, or
    else the only one that runs. After a restart of the server the next call finds it again, by its
    root directory or its url.

    With MCP_TOOL_TIMEOUT, in milliseconds, calls that do not say how long they wait for a run wait
    nine tenths of it.
    """
    examples = """
jupyter mcp stdio                                      # the server of this directory
jupyter mcp stdio ~/project                            # the server of another directory
JUPYTER_TOKEN=... jupyter mcp stdio --url=https://hub/user/ada/
jupyter mcp stdio --start                              # start JupyterLab here if none is running
jupyter mcp stdio --start ~/project -- --port=8890     # with arguments of `jupyter lab`
"""
    url = Unicode("", config=True, help="The address of the server, with or without ?token=.")
    starts = Bool(
        False,
        config=True,
        help="Whether to start a JupyterLab if no running server has the directory. It ends with "
        "this command.",
    )
    gateway_url = Unicode(
        "", config=True, help="Start a JupyterLab whose kernels are those of this remote Jupyter."
    )
    aliases = {
        **base_aliases,
        "url": "StdioCommand.url",
        "gateway-url": "StdioCommand.gateway_url",
    }
    flags = {
        **JupyterApp.flags,
        "start": (
            {"StdioCommand": {"starts": True}},
            "Start JupyterLab if no running server has the directory.",
        ),
    }

    def parse_command_line(self, argv: list[str] | None = None) -> None:
        words = list(sys.argv[1:] if argv is None else argv)
        end = words.index("--") if "--" in words else len(words)
        self._lab_options = words[end + 1 :]
        super().parse_command_line(words[:end])

    def start(self) -> None:
        super().start()
        output = claim_stdout()
        try:
            anyio.run(self._run, output)
        except NoConnection as error:
            sys.exit(f"jupyter mcp stdio: {error}")

    async def _run(self, output: BinaryIO) -> None:
        def write(line: str) -> None:
            try:
                output.write(line.encode() + b"\n")
                output.flush()
            except BrokenPipeError:
                scope.cancel()  # The client is gone.

        with anyio.CancelScope() as scope:
            call_at_signal(scope.cancel)
            async with AsyncExitStack() as lab:
                find = await self._finder(lab)
                connection = find()
                await anyio.to_thread.run_sync(check_endpoint, connection)
                bridge = Bridge(find, write, Waits.from_environment())
                await bridge.run(connection, input_lines())

    async def _finder(self, lab: AsyncExitStack) -> Callable[[], Connection]:
        """What finds the server, which may have to be started."""
        directory = Path(self.extra_args[0]) if self.extra_args else None
        place = directory or Path.cwd()
        if self.gateway_url or (self.starts and not servers_of(place, running_servers())):
            gateway = [f"--gateway-url={self.gateway_url}"] if self.gateway_url else []
            return await lab.enter_async_context(start_lab(place, [*gateway, *self._lab_options]))
        if self.url or directory:
            return SameServer(self.url, directory)
        meant = inherited(os.environ)
        for note in meant.notes:
            print(f"jupyter mcp stdio: {note}", file=sys.stderr)
        return SameServer(meant.url, meant.directory)


def claim_stdout() -> BinaryIO:
    """What was stdout, for the protocol only; whatever else is printed goes to stderr."""
    sys.stdout.flush()
    output = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return output


def input_lines() -> MemoryObjectReceiveStream[bytes]:
    """The lines of stdin, until it ends."""
    send, receive = anyio.create_memory_object_stream[bytes](inf)
    loop = asyncio.get_running_loop()

    def read() -> None:
        # A file object of its own: Python would wait at its end for one that is being read.
        with os.fdopen(os.dup(0), "rb") as file:
            for line in file:
                loop.call_soon_threadsafe(send.send_nowait, line)
        loop.call_soon_threadsafe(send.close)

    threading.Thread(target=read, daemon=True).start()
    return receive


def call_at_signal(function: Callable[[], None]) -> None:
    """Call it when the process is asked to end."""
    if sys.platform == "win32":
        return  # Processes are not asked there.
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, function)

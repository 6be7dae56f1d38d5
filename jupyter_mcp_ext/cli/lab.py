"""`jupyter mcp lab`: a JupyterLab that MCP clients are told how to connect to."""

from __future__ import annotations

import os
import signal
import sys
from threading import Thread
from typing import Any

from jupyter_server.serverapp import ServerApp
from jupyterlab.labapp import LabApp
from traitlets import Bool

from .config import checked, print_connection
from .servers import NoConnection, RunningServer


class MCPLabApp(LabApp):  # type: ignore[misc]
    """`jupyter lab` that answers at a fixed address, which it prints for MCP clients."""

    description = """Start JupyterLab and print how MCP clients connect to it.

    Takes the arguments of `jupyter lab`. The token is the configured one, or else a new one at
    each start: set JUPYTER_TOKEN to keep your clients' configuration valid. The port is the
    configured one, or else 8888, and never another that happens to be free.
    """
    examples = """
jupyter mcp lab                        # serve the current directory
jupyter mcp lab ~/project --port=8890  # serve another directory on another port
JUPYTER_TOKEN=... jupyter mcp lab      # keep the token from one start to the next
"""

    ends_with_stdin = Bool(False, config=True, help="Whether to stop when the standard input ends.")

    @classmethod
    def get_extension_package(cls) -> str:
        # The server loads JupyterLab's own extension; this class only starts the server.
        return "jupyterlab"

    @classmethod
    def make_serverapp(cls, **kwargs: Any) -> ServerApp:
        kwargs["jpserver_extensions"] = {**kwargs["jpserver_extensions"], "jupyter_mcp_ext": True}
        serverapp: ServerApp = super().make_serverapp(port_retries=0, **kwargs)
        return serverapp

    @classmethod
    def initialize_server(cls, *args: Any, **kwargs: Any) -> ServerApp:
        serverapp: ServerApp = super().initialize_server(*args, **kwargs)
        # The port is bound by a callback too, which was added before this one.
        serverapp.io_loop.add_callback(announce, serverapp)
        # The options are parsed by the server, and no instance of this class exists yet.
        if str(serverapp.config.MCPLabApp.get("ends_with_stdin")) == "True":
            Thread(target=end_with_stdin, daemon=True).start()
        return serverapp


def end_with_stdin() -> None:
    """Wait for the end of the standard input, then stop as if asked to."""
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


async def announce(serverapp: ServerApp) -> None:
    """Print how clients connect once that is known to work, or say on stderr why they cannot."""
    try:
        connection = RunningServer.from_info(serverapp.server_info()).connection()
        connection = await serverapp.io_loop.run_in_executor(None, checked, connection)
    except NoConnection as error:
        print(f"jupyter mcp lab: {error}", file=sys.stderr)
    else:
        print_connection(connection)

"""`jupyter mcp config`: how MCP clients connect to a server that is running."""

from __future__ import annotations

import sys
from pathlib import Path

from jupyter_core.application import JupyterApp, base_aliases
from traitlets import Unicode

from .. import __version__
from ..clients import Connection, format_claude_command, format_json
from .probe import check_endpoint
from .servers import NoConnection, find_server


class ConfigCommand(JupyterApp):
    """Prints the configuration, or says on stderr why there is none."""

    name = "jupyter-mcp-config"
    version = __version__
    description = """Print how MCP clients connect to a Jupyter server that is running.

    Without arguments it is the server whose root directory contains the current directory, or
    else the only one that runs. The token is part of what is printed.
    """
    examples = """
jupyter mcp config                               # the server of this directory
jupyter mcp config ~/project                     # the server of another directory
jupyter mcp config --url=http://localhost:8889/  # this one; JUPYTER_TOKEN is used if it is remote
"""
    url = Unicode("", config=True, help="The address of the server, with or without ?token=.")
    aliases = {**base_aliases, "url": "ConfigCommand.url"}

    def start(self) -> None:
        super().start()
        try:
            directory = Path(self.extra_args[0]) if self.extra_args else None
            connection = find_server(self.url, directory).connection()
            check_endpoint(connection)
        except NoConnection as error:
            sys.exit(f"jupyter mcp config: {error}")
        print_connection(connection)


def print_connection(connection: Connection) -> None:
    """Print to stdout what to paste into clients; warn on stderr where nobody has to log in."""
    if not connection.token:
        warning = "This server asks for no login: whoever reaches its port can run code as you."
        print(warning, file=sys.stderr)
    print(f"{format_json(connection)}\n\n{format_claude_command(connection)}", flush=True)

"""`jupyter mcp config`: how MCP clients connect to a server that is running."""

from __future__ import annotations

import sys
from pathlib import Path

from jupyter_core.application import JupyterApp, base_aliases
from traitlets import Unicode

from .. import __version__
from ..clients import Connection, format_claude_command, format_json
from .servers import NoConnection, RunningServer, check_endpoint, running_servers, server_at


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
            connection = self._server().connection()
            check_endpoint(connection)
        except NoConnection as error:
            sys.exit(f"jupyter mcp config: {error}")
        print_connection(connection)

    def _server(self) -> RunningServer:
        servers = running_servers()
        if self.url:
            return server_at(self.url, servers)
        if self.extra_args:
            return choose_server(servers_of(Path(self.extra_args[0]), servers))
        return choose_server(servers_of(Path.cwd(), servers) or servers)


def servers_of(directory: Path, servers: list[RunningServer]) -> list[RunningServer]:
    """The servers whose root is the nearest one above `directory`, or `directory` itself."""
    path = directory.resolve()
    above = [each for each in servers if path.is_relative_to(each.root)]
    deepest = max((len(each.root.parts) for each in above), default=0)
    return [each for each in above if len(each.root.parts) == deepest]


def choose_server(candidates: list[RunningServer]) -> RunningServer:
    """The only candidate.

    Raises:
        NoConnection: there is none, or more than one; they are listed.
    """
    if len(candidates) == 1:
        return candidates[0]
    if not candidates:
        start = "start one with `jupyter mcp lab`"
        raise NoConnection(f"no running Jupyter server has this directory; {start}")
    lines = "".join(f"\n  --url={each.url}  (serves {each.root})" for each in candidates)
    raise NoConnection(f"more than one Jupyter server runs, name one:{lines}")


def print_connection(connection: Connection) -> None:
    """Print to stdout what to paste into clients; warn on stderr where nobody has to log in."""
    if not connection.token:
        warning = "This server asks for no login: whoever reaches its port can run code as you."
        print(warning, file=sys.stderr)
    print(f"{format_json(connection)}\n\n{format_claude_command(connection)}", flush=True)

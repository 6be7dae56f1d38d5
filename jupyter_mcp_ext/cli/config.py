"""`jupyter mcp config`: how MCP clients connect to a server that is running."""

from __future__ import annotations

import sys
from pathlib import Path

from jupyter_core.application import JupyterApp, base_aliases
from traitlets import Bool, Enum, Unicode

from .. import __version__
from ..clients import (
    ANY,
    CLIENTS,
    SERVER_NAME,
    Client,
    Connection,
    Entry,
    format_claude_command,
    format_json,
)
from .files import NotWritten, write_entry
from .probe import check_endpoint, offers_login
from .servers import NoConnection, find_server, server_at


class ConfigCommand(JupyterApp):
    """Prints or writes the configuration, or says on stderr why there is none."""

    name = "jupyter-mcp-config"
    version = __version__
    description = """Print how MCP clients connect to a Jupyter server that is running.

    Without arguments it is the server whose root directory contains the current directory, or
    else the only one that runs. The token is part of what is printed, but with --stdio.
    """
    examples = """
jupyter mcp config                               # the server of this directory
jupyter mcp config ~/project                     # the server of another directory
jupyter mcp config --url=http://localhost:8889/  # this one; JUPYTER_TOKEN is used if it is remote
jupyter mcp config --client=cursor               # as Cursor writes it
jupyter mcp config --client=vscode --write       # put it into VS Code's file
jupyter mcp config --client=claude-code --stdio  # through the bridge, without a token
"""
    url = Unicode("", config=True, help="The address of the server, with or without ?token=.")
    client = Enum(sorted(CLIENTS), "any", config=True, help="Whose format it is.")
    stdio = Bool(False, config=True, help="Whether the client starts `jupyter mcp stdio`.")
    write = Bool(
        False,
        config=True,
        help="Whether to put it into the client's own file. Other servers there stay as they are.",
    )
    file = Unicode("", config=True, help="The file to write, if not the client's usual one.")
    aliases = {
        **base_aliases,
        **{name: f"ConfigCommand.{name}" for name in ("url", "client", "file")},
    }
    flags = {
        **JupyterApp.flags,
        "stdio": ({"ConfigCommand": {"stdio": True}}, "Let the client start `jupyter mcp stdio`."),
        "write": ({"ConfigCommand": {"write": True}}, "Put it into the client's own file."),
    }

    def start(self) -> None:
        super().start()
        try:
            self._answer()
        except (NoConnection, NotWritten) as error:
            sys.exit(f"jupyter mcp config: {error}")

    def _answer(self) -> None:
        client = CLIENTS[self.client]
        directory = Path(self.extra_args[0]) if self.extra_args else None
        if self.stdio or not client.address:
            entry = self._stdio_entry(client, directory)
        else:
            connection = checked(find_server(self.url, directory).connection())
            entry = client.entry(connection)
            if client is ANY and not self.write:
                print_connection(connection)
                return
        if self.write:
            self._write(client, (directory or Path.cwd()).resolve(), entry)
        else:
            print(client.format(entry), flush=True)

    def _stdio_entry(self, client: Client, directory: Path | None) -> Entry:
        """Without asking a server: it may be started later."""
        if not self.url:
            return client.stdio_entry([str((directory or Path.cwd()).resolve())])
        server = server_at(self.url, [])
        return client.stdio_entry([f"--url={server.url}"], server.token)

    def _write(self, client: Client, project: Path, entry: Entry) -> None:
        file = Path(self.file) if self.file else client.path(project)
        if file is None:
            raise NotWritten(f"the file of '{client.name}' is not known here, name it by --file")
        before = write_entry(client, file, entry)
        done = "Replaced" if before is not None else "Added"
        print(f"{done} '{SERVER_NAME}' in {file}.", file=sys.stderr)
        if "headers" in entry or "env" in entry:
            print("It holds a token: keep the file out of version control.", file=sys.stderr)


def checked(connection: Connection) -> Connection:
    """How clients connect, which is without the token where they log in by OAuth.

    Raises:
        NoConnection: they cannot.
    """
    if offers_login(connection.url):
        return Connection(connection.url, "")
    check_endpoint(connection)
    if not connection.token:
        warning = "This server asks for no login: whoever reaches its port can run code as you."
        print(warning, file=sys.stderr)
    return connection


def print_connection(connection: Connection) -> None:
    """Print to stdout what to paste into clients."""
    print(f"{format_json(connection)}\n\n{format_claude_command(connection)}", flush=True)

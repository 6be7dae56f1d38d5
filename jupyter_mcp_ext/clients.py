"""The configuration formats of MCP clients."""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

SERVER_NAME = "jupyter"
"""Under which clients know the server."""

Entry = dict[str, Any]


@dataclass(frozen=True)
class Connection:
    """Where an MCP client connects; without a token, nobody has to log in there."""

    url: str
    token: str = field(repr=False)

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}


@dataclass(frozen=True)
class Client:
    """Where a client keeps its servers, and how it writes one. `title` is its name for people.

    `file` begins with "~" or "%APPDATA%", or is in the project; it is empty where we know none.
    `type` and `address` are its words for streamable HTTP; without `address` it only starts
    programs.
    """

    name: str
    title: str
    file: str = ""
    section: str = "mcpServers"
    type: str = ""
    address: str = "url"
    stdio_type: str = ""

    def path(self, project: Path) -> Path | None:
        if not self.file:
            return None
        parts = self.file.replace("%APPDATA%", os.environ.get("APPDATA", "~/AppData/Roaming"))
        return project / Path(parts).expanduser()

    def entry(self, connection: Connection) -> Entry:
        """How it connects over HTTP."""
        found: Entry = {"type": self.type} if self.type else {}
        found[self.address] = connection.url
        if connection.headers:
            found["headers"] = connection.headers
        return found

    def stdio_entry(self, arguments: Sequence[str], token: str = "") -> Entry:
        """How it starts the bridge with these arguments."""
        found: Entry = {"type": self.stdio_type} if self.stdio_type else {}
        found["command"] = sys.executable
        found["args"] = ["-m", "jupyter_mcp_ext.cli", "stdio", *arguments]
        if token:
            found["env"] = {"JUPYTER_TOKEN": token}
        return found

    def format(self, entry: Entry) -> str:
        """What its file says with this server alone."""
        content: Entry = {}
        self.put(content, entry)
        return json.dumps(content, indent=2)

    def put(self, content: Entry, entry: Entry) -> Entry | None:
        """Put the server into what a file says; what was there in its place before.

        Raises:
            TypeError: the place of the servers is something else there.
        """
        servers = content.setdefault(self.section, {})
        if not isinstance(servers, dict):
            raise TypeError(f"'{self.section}' is no object")
        before: Entry | None = servers.get(SERVER_NAME)
        servers[SERVER_NAME] = entry
        return before


@dataclass(frozen=True)
class ListingClient(Client):
    """A client that keeps a list of servers, and lists of names and values in each."""

    section: str = "mcp_servers"
    type: str = "http"
    stdio_type: str = "stdio"

    def entry(self, connection: Connection) -> Entry:
        return _listed(super().entry(connection), "headers")

    def stdio_entry(self, arguments: Sequence[str], token: str = "") -> Entry:
        return _listed(super().stdio_entry(arguments, token), "env")

    def put(self, content: Entry, entry: Entry) -> Entry | None:
        servers = content.setdefault(self.section, [])
        if not (isinstance(servers, list) and all(isinstance(each, dict) for each in servers)):
            raise TypeError(f"'{self.section}' is no list of objects")
        for index, before in enumerate(servers):
            if before.get("name") == SERVER_NAME:
                servers[index] = entry
                return dict(before)
        servers.append(entry)
        return None


def _listed(entry: Entry, key: str) -> Entry:
    if key in entry:
        entry[key] = [{"name": name, "value": value} for name, value in entry[key].items()]
    return {"name": SERVER_NAME, **entry}


DESKTOP_FILES = {
    "darwin": "~/Library/Application Support/Claude/claude_desktop_config.json",
    "win32": "%APPDATA%/Claude/claude_desktop_config.json",
}

ANY = Client("any", "Other clients", type="http")
CLIENTS = {
    client.name: client
    for client in (
        ANY,
        Client("claude-code", "Claude Code", ".mcp.json", type="http"),
        Client(
            "claude-desktop",
            "Claude Desktop",
            DESKTOP_FILES.get(sys.platform, "~/.config/Claude/claude_desktop_config.json"),
            address="",
        ),
        Client("cline", "Cline", type="streamableHttp"),
        Client("cursor", "Cursor", "~/.cursor/mcp.json"),
        Client("gemini", "Gemini CLI", "~/.gemini/settings.json", type="http"),
        Client("inspector", "MCP Inspector", "mcp.json", type="streamable-http"),
        ListingClient("jupyter-ai", "Jupyter AI", ".jupyter/mcp_settings.json"),
        ListingClient("jupyter-mcp-manager", "jupyter-mcp-manager", "~/.jupyter/mcp_servers.json"),
        Client("vscode", "VS Code", ".vscode/mcp.json", "servers", "http", stdio_type="stdio"),
        Client("windsurf", "Windsurf", "~/.codeium/windsurf/mcp_config.json", address="serverUrl"),
    )
}
"""The clients that we know, by the names that `jupyter mcp config --client` takes."""


def format_json(connection: Connection) -> str:
    """The `mcpServers` object that most clients read from a file of their own."""
    return ANY.format(ANY.entry(connection))


def format_claude_command(connection: Connection) -> str:
    """The shell command that adds the server to Claude Code."""
    headers = [f"{name}: {value}" for name, value in connection.headers.items()]
    options = "".join(f" --header {_quote(header)}" for header in headers)
    return f"claude mcp add --transport http jupyter {_quote(connection.url)}{options}"


def format_bridge_command(client: Client, connection: Connection) -> str:
    """The shell command that lets a client start the bridge to the address, run where it is."""
    query = f"?token={quote(connection.token)}" if connection.token else ""
    url = _quote(f"--url={connection.url.removesuffix('mcp')}{query}")
    return f"jupyter mcp config --client={client.name} --stdio --write {url}"


def _quote(word: str) -> str:
    # Only double quotes work in every shell, Windows' included; shlex uses single ones.
    if re.search("[ ?]", word) and re.fullmatch(r"[\w .:/~+=?-]*", word):
        return f'"{word}"'
    return shlex.quote(word)

"""The configuration formats of MCP clients."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Connection:
    """Where an MCP client connects; without a token, nobody has to log in there."""

    url: str
    token: str = field(repr=False)

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}


def format_json(connection: Connection) -> str:
    """The `mcpServers` object that most clients read from a file of their own."""
    server: dict[str, object] = {"type": "http", "url": connection.url}
    if connection.headers:
        server["headers"] = connection.headers
    return json.dumps({"mcpServers": {"jupyter": server}}, indent=2)


def format_claude_command(connection: Connection) -> str:
    """The shell command that adds the server to Claude Code."""
    headers = [f"{name}: {value}" for name, value in connection.headers.items()]
    options = "".join(f" --header {_quote(header)}" for header in headers)
    return f"claude mcp add --transport http jupyter {_quote(connection.url)}{options}"


def _quote(word: str) -> str:
    # Only double quotes work in every shell, Windows' included; shlex uses single ones.
    if " " in word and re.fullmatch(r"[\w .:/~+=-]*", word):
        return f'"{word}"'
    return shlex.quote(word)

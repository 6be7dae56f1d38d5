"""`jupyter mcp check`: what works of a set-up, what does not, how to mend it."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from jupyter_core.application import JupyterApp, base_aliases
from traitlets import Unicode

from .. import __version__
from ..clients import Connection
from .probe import DISCOVER, META, ask, check_endpoint
from .servers import NoConnection, find_server

FRONTEND = "@jupyter/docprovider-extension"
"""The part of jupyter-collaboration without which JupyterLab shows no live documents."""

INSTALL_COLLABORATION = (
    "`pip install jupyter-collaboration` in the server's environment and restart it"
)


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at; `fix` says what to do where it does not work."""

    name: str
    text: str
    fix: str = ""

    @property
    def is_good(self) -> bool:
        return not self.fix


class CheckCommand(JupyterApp):
    """Prints what it finds; exits with 1 where something does not work."""

    name = "jupyter-mcp-check"
    version = __version__
    description = """Look at a Jupyter server as an MCP client would, and say what to mend.

    The server is found as by `jupyter mcp config`.
    """
    examples = """
jupyter mcp check                               # the server of this directory
jupyter mcp check --url=http://localhost:8889/  # another one
"""
    url = Unicode("", config=True, help="The address of the server, with or without ?token=.")
    aliases = {**base_aliases, "url": "CheckCommand.url"}

    def start(self) -> None:
        super().start()
        directory = Path(self.extra_args[0]) if self.extra_args else None
        findings = []
        for finding in examine(self.url, directory):
            show(finding)
            findings.append(finding)
        sys.exit(0 if all(finding.is_good for finding in findings) else 1)


def examine(url: str, directory: Path | None) -> Iterator[Finding]:
    """What is found, up to where nothing more can be."""
    try:
        server = find_server(url, directory)
        connection = server.connection()
        yield Finding(
            "server", f"{server.url}, serves {server.root}" if server.root.name else server.url
        )
        check_endpoint(connection)
        no_login = "none asked for; anybody may run code"
        yield Finding("login", "the token is accepted" if connection.token else no_login)
        yield _versions(server.url, connection)
        yield _notebooks(connection)
        yield _collaboration(server.url, connection)
        yield _frontend(server.url, connection)
        yield _kernels(server.url, connection)
    except NoConnection as error:
        what, _, fix = str(error).partition(": ")
        yield Finding("connection", what, fix or "start it, or name another by --url")


def _versions(url: str, connection: Connection) -> Finding:
    jupyter = _json(ask(connection, url + "api")).get("version", "unknown")
    found = _json(ask(connection, connection.url, "POST", DISCOVER)).get("result", {})
    theirs = found.get("_meta", {}).get("io.modelcontextprotocol/serverInfo", {}).get("version")
    text = f"jupyter_mcp_ext {theirs or 'unknown'}, jupyter_server {jupyter}"
    if theirs and theirs != __version__:
        return Finding(
            "versions", text, f"this command has {__version__}: install the same in both"
        )
    return Finding("versions", text)


def _notebooks(connection: Connection) -> Finding:
    """As one of our tools answers, which needs the login's rights and nothing else."""
    params: dict[str, Any] = {**META, "name": "list_notebooks", "arguments": {}}
    message = {**DISCOVER, "method": "tools/call", "params": params}
    answer = _json(ask(connection, connection.url, "POST", message))
    result = answer.get("result", answer.get("error", {}))
    if result.get("content") and not result.get("isError"):
        return Finding("notebooks", "agents can list them")
    words = " ".join(block.get("text", "") for block in result.get("content", []))
    fix = words or str(result.get("message", "see the server's log"))
    return Finding("notebooks", "agents cannot list them", fix)


def _collaboration(url: str, connection: Connection) -> Finding:
    """In the server, whose rooms refuse all but WebSockets."""
    if ask(connection, f"{url}api/collaboration/room/check")[0] != 404:
        return Finding("collaboration", "the server has live documents")
    return Finding("collaboration", "the server has no live documents", INSTALL_COLLABORATION)


def _frontend(url: str, connection: Connection) -> Finding:
    """In JupyterLab, as its page is configured."""
    status, page = ask(connection, url + "lab")
    config = re.search(rb'id="jupyter-config-data"[^>]*>(.*?)</script>', page, re.DOTALL)
    if status != 200 or not config:
        return Finding("JupyterLab", "not served here; agents work without it")
    settings = json.loads(config[1])
    if settings.get("disableRTC"):
        fix = "remove YDocExtension.disable_rtc from the server's configuration and restart it"
        return Finding("JupyterLab", "real-time collaboration is switched off", fix)
    extensions = settings.get("federated_extensions", [])
    if FRONTEND in [extension["name"] for extension in extensions]:
        return Finding("JupyterLab", "shows live documents")
    return Finding("JupyterLab", "does not show what agents do", INSTALL_COLLABORATION)


def _kernels(url: str, connection: Connection) -> Finding:
    specs = _json(ask(connection, url + "api/kernelspecs")).get("kernelspecs", {})
    if not specs:
        fix = "`pip install ipykernel` in the server's environment"
        return Finding("kernels", "there is no kernelspec", fix)
    return Finding("kernels", ", ".join(sorted(specs)))


def _json(answer: tuple[int, bytes]) -> dict[str, Any]:
    """The object in a body, which may be an event; nothing where there is none."""
    text = answer[1].decode(errors="replace")
    event = re.search(r"^data: (\{.*)$", text, re.MULTILINE)
    try:
        body = json.loads(event[1] if event else text)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def show(finding: Finding) -> None:
    mark, colour = ("ok", "green") if finding.is_good else ("FAILED", "red")
    line = f"{finding.name}: {finding.text}"
    if sys.stdout.isatty() and find_spec("rich"):
        from rich.console import Console
        from rich.text import Text

        console = Console(highlight=False)
        console.print(Text("● ", colour), Text(line), sep="")
        if finding.fix:
            console.print(Text(f"  {finding.fix}", "bold"))
        return
    print(f"{mark:7}{line}", flush=True)
    if finding.fix:
        print(f"       Fix: {finding.fix}", flush=True)

"""Finds the Jupyter servers that run on this machine."""

from __future__ import annotations

import json
import os
import re
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from jupyter_core.paths import jupyter_runtime_dir

from ..clients import Connection

LISTENING_SECONDS = 1.0

LOOPBACK = {"localhost", "127.0.0.1", "::1"}
REACHED_AS = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}
"""How this machine reaches a server that listens on all its addresses."""


class NoConnection(Exception):
    """No MCP client can connect; the text tells a person why, and what to do."""


@dataclass(frozen=True)
class RunningServer:
    """A Jupyter server. `url` is its base URL; one without a port has a UNIX `socket` instead."""

    url: str
    root: Path
    token: str = field(repr=False)
    socket: str = ""

    @classmethod
    def from_info(cls, info: Mapping[str, Any]) -> RunningServer:
        """From what `ServerApp.server_info()` says, which is also what a runtime file holds."""
        url = info["url"]
        host = REACHED_AS.get(info["hostname"])
        if host and not info["secure"]:  # A certificate is made out to the host's own name.
            url = f"http://{host}:{info['port']}{info['base_url']}"
        return cls(url, Path(info["root_dir"]).resolve(), info["token"], info["sock"])

    def connection(self) -> Connection:
        """How a client connects, not yet tried.

        Raises:
            NoConnection: the server has no port.
        """
        if self.socket:
            reason = "which MCP clients cannot reach; start it with a port instead"
            raise NoConnection(f"the server listens on the UNIX socket {self.socket}, {reason}")
        return Connection(self.url + "mcp", self.token)

    def is_listening(self) -> bool:
        if self.socket:
            return os.path.exists(self.socket)
        host, port = host_and_port(self.url)
        try:
            socket.create_connection((host, port), timeout=LISTENING_SECONDS).close()
        except OSError:
            return False
        return True

    def serves(self, url: str) -> bool:
        """Whether `url` is an address on this server."""
        (host, port), (own_host, own_port) = host_and_port(url), host_and_port(self.url)
        same_host = host == own_host or {host, own_host} <= LOOPBACK
        path = urlsplit(url).path.rstrip("/") + "/"
        return same_host and port == own_port and path.startswith(urlsplit(self.url).path)


def running_servers() -> list[RunningServer]:
    """The servers of this user, found through Jupyter's runtime files, that accept connections."""
    # A killed server leaves its file behind. Its token is not for who listens on its port now.
    # Its process id may be in use again.
    # jupyter_server's own list of them would do; importing it takes longer than all else we do.
    files = sorted(Path(jupyter_runtime_dir()).glob("jpserver-*.json"))
    infos = [info for info in map(read_info, files) if info and _has_process(info)]
    servers = map(RunningServer.from_info, infos)
    return [each for each in servers if each.is_listening()]


def read_info(file: Path) -> dict[str, Any]:
    """What a runtime file says; nothing if it is just being written or removed."""
    try:
        info: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return info


def _has_process(info: Mapping[str, Any]) -> bool:
    if sys.platform == "win32":
        return True  # To ask would end it there.
    try:
        os.kill(info["pid"], 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def find_server(url: str = "", directory: Path | None = None) -> RunningServer:
    """The server at `url`, or that of `directory`, or that of the current directory.

    Without a url and a directory, the only server that runs will do wherever its root is.

    Raises:
        NoConnection: there is none, or more than one.
    """
    servers = running_servers()
    if url:
        return server_at(url, servers)
    if directory:
        return choose_server(servers_of(directory, servers))
    return choose_server(servers_of(Path.cwd(), servers) or servers)


@dataclass
class SameServer:
    """Finds a server as `find_server` does, and from then on only one with the same root.

    With a url it is always the one that is there.
    """

    url: str
    directory: Path | None
    _root: Path | None = None

    def __call__(self) -> Connection:
        """How a client connects.

        Raises:
            NoConnection: there is none any more, or more than one.
        """
        if self.url or self._root is None:
            server = find_server(self.url, self.directory)
        else:
            server = self._find_again(self._root)
        self._root = server.root
        return server.connection()

    def _find_again(self, root: Path) -> RunningServer:
        again = [each for each in running_servers() if each.root == root]
        if not again:
            start = "start one there with `jupyter mcp lab`"
            raise NoConnection(f"no running Jupyter server serves {root} any more; {start}")
        return choose_server(again)


def server_at(url: str, servers: list[RunningServer]) -> RunningServer:
    """The running server that has this address, or else one elsewhere.

    A token that is not known otherwise is taken from `url`, or else from JUPYTER_TOKEN.

    Raises:
        NoConnection: `url` is not an HTTP address.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise NoConnection(f"'{url}' is no address of a server, like http://localhost:8888/")
    tokens = parse_qs(parts.query).get("token", [os.environ.get("JUPYTER_TOKEN", "")])
    for server in servers:
        if not server.socket and server.serves(url):
            return replace(server, token=server.token or tokens[0])
    path = re.sub(r"/(lab|tree|mcp)$", "", parts.path).rstrip("/") + "/"
    return RunningServer(f"{parts.scheme}://{parts.netloc}{path}", Path(), tokens[0])


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


def host_and_port(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)

"""Finds the Jupyter servers that run on this machine, and asks whether they speak MCP."""

from __future__ import annotations

import json
import os
import re
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import parse_qs, urlsplit
from urllib.request import HTTPRedirectHandler, OpenerDirector, ProxyHandler, Request, build_opener

from jupyter_server.serverapp import list_running_servers

from ..clients import Connection

PROTOCOL = "2026-07-28"
DISCOVER = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "server/discover",
    "params": {
        "_meta": {
            "io.modelcontextprotocol/protocolVersion": PROTOCOL,
            "io.modelcontextprotocol/clientCapabilities": {},
        }
    },
}
"""A request that every server answers, in the revision of MCP that keeps no sessions."""

PROBE_HEADERS = {
    "Accept": "application/json, text/event-stream",
    "Content-Type": "application/json",
    "Mcp-Method": str(DISCOVER["method"]),
    "Mcp-Protocol-Version": PROTOCOL,
}
PROBE_SECONDS = 10.0
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
        host, port = _host_and_port(self.url)
        try:
            socket.create_connection((host, port), timeout=LISTENING_SECONDS).close()
        except OSError:
            return False
        return True

    def serves(self, url: str) -> bool:
        """Whether `url` is an address on this server."""
        (host, port), (own_host, own_port) = _host_and_port(url), _host_and_port(self.url)
        same_host = host == own_host or {host, own_host} <= LOOPBACK
        path = urlsplit(url).path.rstrip("/") + "/"
        return same_host and port == own_port and path.startswith(urlsplit(self.url).path)


def running_servers() -> list[RunningServer]:
    """The servers of this user, found through Jupyter's runtime files, that accept connections."""
    # A killed server leaves its file behind, and its process id may be in use again.
    servers = [RunningServer.from_info(info) for info in list_running_servers()]
    return [each for each in servers if each.is_listening()]


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


def check_endpoint(connection: Connection) -> None:
    """Ask the server whether it speaks MCP and accepts the token.

    Raises:
        NoConnection: it does not, or does not answer within `PROBE_SECONDS`.
    """
    # Answered without a login, and so by nothing else than 404 where the extension is missing.
    if _status_of(connection, "OPTIONS") == 404:
        install = "install jupyter_mcp_ext in its environment and restart it"
        raise NoConnection(f"the server has nothing at {connection.url}: {install}")
    status = _status_of(connection, "POST", DISCOVER)
    if status in (401, 403) or 300 <= status < 400:
        raise NoConnection(_login_problem(connection))
    if status >= 500:
        raise NoConnection(f"{connection.url} fails with status {status}, see the server's log")


def _login_problem(connection: Connection) -> str:
    if connection.token:
        return f"{connection.url} refuses the token"
    start = "start it with JUPYTER_TOKEN set, or set JUPYTER_TOKEN and name it by --url"
    return f"{connection.url} asks for a login, and the server's token is not known: {start}"


def _status_of(connection: Connection, method: str, message: dict[str, Any] | None = None) -> int:
    body = json.dumps(message).encode() if message else None
    headers = {**PROBE_HEADERS, **connection.headers}
    request = Request(connection.url, body, headers, method=method)
    try:
        with _opener(connection.url).open(request, timeout=PROBE_SECONDS) as response:
            return int(response.status)
    except HTTPError as error:
        with error:
            return error.code
    except (OSError, HTTPException) as error:
        raise NoConnection(_network_problem(connection, error)) from error


def _network_problem(connection: Connection, error: Exception) -> str:
    reason = error.reason if isinstance(error, URLError) else error
    if isinstance(reason, ssl.SSLCertVerificationError):
        hint = "set SSL_CERT_FILE to a file that vouches for it, and see that your client trusts it"
        return f"{connection.url} is not trusted here, {reason.verify_message}: {hint}"
    return f"{connection.url} does not answer ({reason})"


class _NoRedirect(HTTPRedirectHandler):
    """Follows no redirect: the token would go along, and a login page is no MCP endpoint."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


def _opener(url: str) -> OpenerDirector:
    handlers = [ProxyHandler({})] if _host_and_port(url)[0] in LOOPBACK else []
    return build_opener(_NoRedirect, *handlers)


def _host_and_port(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)

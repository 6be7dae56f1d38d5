"""Asks a server whether it speaks MCP to whoever has this token."""

from __future__ import annotations

import json
import ssl
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import HTTPRedirectHandler, OpenerDirector, ProxyHandler, Request, build_opener

from ..clients import Connection
from .messages import CONTENT_HEADERS, Message
from .servers import LOOPBACK, NoConnection, host_and_port

PROTOCOL = "2026-07-28"
META = {
    "_meta": {
        "io.modelcontextprotocol/protocolVersion": PROTOCOL,
        "io.modelcontextprotocol/clientCapabilities": {},
    }
}
DISCOVER = {"jsonrpc": "2.0", "id": 1, "method": "server/discover", "params": META}
"""A request that every server answers, in the revision of MCP that keeps no sessions."""

PROBE_SECONDS = 30.0
"""A busy machine takes long over the first request, which loads the SDK."""


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
        raise NoConnection(f"{connection.url} fails with status {status}: see the server's log")


def offers_login(url: str) -> bool:
    """Whether clients without a token can log in at this endpoint by OAuth.

    Raises:
        NoConnection: there is no answer.
    """
    status, body = ask(Connection(url, ""), f"{url}/.well-known/oauth-protected-resource")
    try:
        return status == 200 and bool(json.loads(body)["authorization_servers"])
    except (ValueError, KeyError, TypeError):
        return False


def _login_problem(connection: Connection) -> str:
    if connection.token:
        other = "set JUPYTER_TOKEN to one that opens it; the page there says where it comes from"
        return f"{connection.url} refuses the token: {other}"
    known = "if it has one, set JUPYTER_TOKEN to it and name the server by --url"
    none = "if it has a password only, start it with JUPYTER_TOKEN set as well"
    return f"{connection.url} asks for a login, and no token of it is known: {known}; {none}"


def _status_of(connection: Connection, method: str, message: dict[str, Any] | None = None) -> int:
    return ask(connection, connection.url, method, message)[0]


def ask(
    connection: Connection, url: str, method: str = "GET", message: dict[str, Any] | None = None
) -> tuple[int, bytes]:
    """Status and body of the answer to one request with the login of the connection.

    Raises:
        NoConnection: there is no answer.
    """
    body = json.dumps(message).encode() if message else None
    said = Message(message).stateless_headers if message else {}
    headers = {**CONTENT_HEADERS, **said, **connection.headers}
    request = Request(url, body, headers, method=method)
    try:
        with _opener(url).open(request, timeout=PROBE_SECONDS) as response:
            return int(response.status), response.read()
    except HTTPError as error:
        with error:
            return error.code, error.read()
    except (OSError, HTTPException) as error:
        raise NoConnection(_network_problem(url, error)) from error


def _network_problem(url: str, error: Exception) -> str:
    reason = error.reason if isinstance(error, URLError) else error
    if isinstance(reason, ssl.SSLCertVerificationError):
        hint = "set SSL_CERT_FILE to a file that vouches for it, and see that your client trusts it"
        return f"{url} is not trusted here, {reason.verify_message}: {hint}"
    return f"{url} does not answer ({reason})"


class _NoRedirect(HTTPRedirectHandler):
    """Follows no redirect: the token would go along, and a login page is no MCP endpoint."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


def _opener(url: str) -> OpenerDirector:
    handlers = [ProxyHandler({})] if host_and_port(url)[0] in LOOPBACK else []
    return build_opener(_NoRedirect, *handlers)

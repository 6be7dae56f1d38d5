"""Who gets in: Jupyter's login, origins, sizes, rights, and nothing outside the root."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest

from ..agent import connect_agent, text
from ..server import Server, with_modules

pytestmark = pytest.mark.anyio

HEADERS = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    },
}
FOUR_MEBIBYTES = 4 * 1024 * 1024


async def post(server: Server, query: str = "", **headers: str) -> httpx2.Response:
    async with httpx2.AsyncClient(timeout=30) as http:
        return await http.post(
            server.mcp_url + query,
            json=INITIALIZE,
            headers=HEADERS | headers,
            follow_redirects=False,
        )


@pytest.mark.parametrize("scheme", ["Bearer", "token"])
async def test_the_servers_token_is_let_in(server: Server, scheme: str) -> None:
    answer = await post(server, Authorization=f"{scheme} {server.token}")
    assert answer.status_code == 200
    assert "mcp-session-id" in answer.headers
    assert "set-cookie" not in answer.headers


async def test_the_token_may_stand_in_the_url(server: Server) -> None:
    assert (await post(server, f"?token={server.token}")).status_code == 200


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
async def test_without_a_login_the_answer_says_what_to_send(
    server: Server, method: str, headers: dict[str, str]
) -> None:
    async with httpx2.AsyncClient() as http:
        answer = await http.request(method, server.mcp_url, headers=HEADERS | headers)
    assert answer.status_code == 403
    assert answer.headers["content-type"] == "application/json"
    assert "www-authenticate" not in answer.headers
    body = answer.json()
    assert (body["jsonrpc"], body["id"]) == ("2.0", None)
    assert "Authorization: Bearer" in body["error"]["message"]


async def test_the_status_of_a_missing_login_can_be_401(start_server: Callable[..., Any]) -> None:
    option = "--MCPExtension.unauthenticated_status=401"
    server = await start_server(option, module="jupyter_server")
    answer = await post(server)
    assert answer.status_code == 401 and answer.headers["www-authenticate"] == "Bearer"
    assert "Authorization: Bearer" in answer.json()["error"]["message"]
    good = await post(server, Authorization=f"Bearer {server.token}")
    foreign = await post(
        server, Authorization=f"Bearer {server.token}", Origin="https://evil.example"
    )
    assert (good.status_code, foreign.status_code) == (200, 403)


async def test_a_cookie_needs_the_xsrf_token(server: Server) -> None:
    async with httpx2.AsyncClient() as http:
        await http.get(server.url + "tree", params={"token": server.token}, follow_redirects=True)
        refused = await http.post(server.mcp_url, json=INITIALIZE, headers=HEADERS)
        xsrf = {"X-XSRFToken": http.cookies["_xsrf"]}
        admitted = await http.post(server.mcp_url, json=INITIALIZE, headers=HEADERS | xsrf)
    assert (refused.status_code, admitted.status_code) == (403, 200)


@pytest.mark.parametrize(
    ("origin", "status"), [("https://evil.example", 403), ("null", 403), ("own", 200)]
)
async def test_only_the_servers_own_origin_is_let_in(
    server: Server, origin: str, status: int
) -> None:
    own = "http://" + urlsplit(server.url).netloc
    headers = {"Origin": own if origin == "own" else origin}
    answer = await post(server, Authorization=f"Bearer {server.token}", **headers)
    assert answer.status_code == status


async def test_a_foreign_host_name_is_refused(server: Server) -> None:
    answer = await post(server, Authorization=f"Bearer {server.token}", Host="evil.example")
    assert answer.status_code == 403


@pytest.mark.parametrize("is_known", [True, False])
def test_a_large_body_is_refused_before_it_is_sent(server: Server, is_known: bool) -> None:
    place = urlsplit(server.mcp_url)
    assert place.hostname and place.port
    login = f"Authorization: Bearer {server.token}\r\n" if is_known else ""
    with socket.create_connection((place.hostname, place.port), timeout=10) as connection:
        connection.sendall(
            f"POST {place.path} HTTP/1.1\r\nHost: {place.netloc}\r\n{login}"
            f"Content-Length: {FOUR_MEBIBYTES + 1}\r\n\r\n".encode()
        )
        status = connection.recv(100).split(b" ")[1]
    assert status == (b"413" if is_known else b"403")


async def test_a_body_without_a_length_is_cut_off_too(server: Server) -> None:
    async def body() -> Any:
        for _ in range(6):
            yield b" " * (FOUR_MEBIBYTES // 4)

    headers = HEADERS | {"Authorization": f"Bearer {server.token}"}
    async with httpx2.AsyncClient() as http:
        try:
            answer = await http.post(server.mcp_url, content=body(), headers=headers)
        except httpx2.TransportError:
            return  # Closed while we were still sending.
    assert answer.status_code == 400


async def test_a_preflight_of_a_foreign_page_is_refused(server: Server) -> None:
    headers = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    async with httpx2.AsyncClient() as http:
        assert (await http.options(server.mcp_url, headers=headers)).status_code == 403


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b"\xff", b"[" * 100_000])
async def test_what_is_no_request_is_a_clear_client_error(server: Server, body: bytes) -> None:
    headers = HEADERS | {"Authorization": f"Bearer {server.token}"}
    async with httpx2.AsyncClient() as http:
        answer = await http.post(server.mcp_url, content=body, headers=headers)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] in (-32700, -32600, -32602)


NOTEBOOK = {"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


@pytest.mark.parametrize(
    ("tool", "more"),
    [
        ("read_notebook", {}),
        ("open_notebook", {}),
        ("insert_cell", {"source": "1"}),
        ("execute_code", {"code": "1"}),
    ],
)
@pytest.mark.parametrize("path", ["../outside.ipynb", "sub/../../outside.ipynb", "absolute"])
async def test_nothing_outside_the_root_is_read_or_changed(
    server: Server, tool: str, more: dict[str, str], path: str
) -> None:
    outside = server.root.parent / "outside.ipynb"
    outside.write_text(json.dumps(NOTEBOOK))
    path = str(outside) if path == "absolute" else path
    async with connect_agent(server.mcp_url, server.token) as agent:
        answer = await agent.call(tool, notebook=path, **more)
    assert answer.is_error
    assert json.loads(outside.read_text()) == NOTEBOOK


async def test_a_new_notebook_cannot_be_made_outside_the_root(server: Server) -> None:
    async with connect_agent(server.mcp_url, server.token) as agent:
        answer = await agent.call("open_notebook", notebook="../new.ipynb", create=True)
        hidden = await agent.call("open_notebook", notebook=".hidden.ipynb", create=True)
    assert answer.is_error and hidden.is_error
    assert not (server.root.parent / "new.ipynb").exists()
    assert not (server.root / ".hidden.ipynb").exists()


AUTHORIZER = """
from jupyter_server.auth import Authorizer

class ReadOnly(Authorizer):
    def is_authorized(self, handler, user, action, resource):
        return action == "read" or resource == "api"
"""


async def test_each_tool_asks_the_authorizer_for_its_own_right(
    start_server: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "read_only_rights.py").write_text(AUTHORIZER)
    server = await start_server(
        "--ServerApp.authorizer_class=read_only_rights.ReadOnly",
        module="jupyter_server",
        environment=with_modules(tmp_path),
    )
    path = server.copy_notebook("plain.ipynb")
    async with connect_agent(server.mcp_url, server.token) as agent:
        read = await agent.call("read_notebook", notebook=path, view="source")
        written = await agent.call("insert_cell", notebook=path, source="1")
        opened = await agent.tell("open_notebook", notebook=path)
        ran = await agent.call("execute_code", notebook=path, code="1")
        again = await agent.call("read_notebook", notebook=path, view="source")
    assert not read.is_error and "may not execute kernels" in opened
    assert written.is_error and "write contents" in text(written)
    assert ran.is_error and "execute kernels" in text(ran)
    assert text(again) == text(read)
    assert await server.get("api/kernels") == []


@pytest.mark.parametrize(
    "bad", ["--MCPExtension.wait_seconds=-1", "--MCPExtension.toolsets=['cels']"]
)
async def test_with_a_setting_that_cannot_be_used_there_is_no_endpoint_at_all(
    start_server: Callable[..., Any], bad: str
) -> None:
    read_only = "--MCPExtension.read_only=True"
    server = await start_server(read_only, bad, module="jupyter_server")
    login = {"Authorization": f"Bearer {server.token}"}
    assert (await post(server, **login)).status_code == 404
    assert "has a setting that cannot be used" in server.log_text()

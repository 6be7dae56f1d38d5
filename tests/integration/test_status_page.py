"""What somebody sees who opens the endpoint in a browser, and who sees nothing."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from jupyter_server.auth.security import passwd

from jupyter_mcp_ext.cli.probe import check_endpoint
from jupyter_mcp_ext.clients import Connection

from ..agent import HANDSHAKE, Era, connect_agent, execution_in
from ..server import Server, with_modules

pytestmark = pytest.mark.anyio

ACCEPT = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
BLIND = """
from jupyter_server.auth import AllowAllAuthorizer

class Blind(AllowAllAuthorizer):
    def is_authorized(self, handler, user, action, resource):
        return (action, resource) != ("read", "{resource}")
"""
SLEEP = "import time; time.sleep(60)"
WAIT = "import pathlib, time\nwhile not pathlib.Path({!r}).exists():\n    time.sleep(0.02)"


@asynccontextmanager
async def browser_of(server: Server) -> AsyncIterator[httpx2.AsyncClient]:
    """A browser that has been nowhere yet."""
    async with httpx2.AsyncClient(base_url=server.url, headers={"Accept": ACCEPT}) as http:
        yield http


@asynccontextmanager
async def logged_in(server: Server) -> AsyncIterator[httpx2.AsyncClient]:
    async with browser_of(server) as http:
        await http.get("mcp", params={"token": server.token})
        yield http


async def page_of_password(server: Server, password: str) -> str:
    """The page for a person who logs in as a browser lets them."""
    async with browser_of(server) as http:
        http.cookies.set("_xsrf", "x")
        login = {"password": password, "_xsrf": "x"}
        await http.post("login", data=login)
        return (await http.get("mcp")).raise_for_status().text


def agents_on(page: str) -> list[str]:
    """The agents that it lists, with what tells them apart."""
    rows = re.findall(r"<td>(.*?)</td><td>[^<]* ago</td>", page)
    return [re.sub(r"<[^>]*>", "", row.partition("</span>")[2]) for row in rows]


async def until_logged(server: Server, words: str) -> None:
    with anyio.fail_after(10):
        while words not in server.log_text():
            await anyio.sleep(0.05)  # It is written a moment after the port is open.


async def page_of(server: Server) -> str:
    async with logged_in(server) as http:
        return (await http.get("mcp")).raise_for_status().text


async def test_a_browser_without_a_login_is_sent_to_jupyters(server: Server) -> None:
    async with browser_of(server) as http:
        answers = [await http.get("mcp"), await http.get("mcp", params={"token": "wrong"})]
    for answer in answers:
        assert answer.status_code == 302
        assert answer.headers["location"].startswith("/login?next=%2Fmcp")
        assert "Connect a client" not in answer.text


async def test_no_body_is_read_of_a_browser_without_a_login(server: Server) -> None:
    async with browser_of(server) as http:
        answer = await http.request("GET", "mcp", content=b"x")
    assert (answer.status_code, answer.headers["connection"]) == (403, "close")


async def test_a_token_in_the_address_becomes_a_login_and_leaves_the_address(
    server: Server,
) -> None:
    async with browser_of(server) as http:
        first = await http.get("mcp", params={"token": server.token})
        assert (first.status_code, first.headers["location"]) == (302, "/mcp")
        page = await http.get("mcp")
    assert page.status_code == 200 and page.headers["content-type"].startswith("text/html")


async def test_the_page_never_holds_a_token(server: Server) -> None:
    headers = {"Authorization": f"Bearer {server.token}"}
    async with browser_of(server) as http:
        by_header = await http.get("mcp", headers=headers)
    for page in (await page_of(server), by_header.text):
        assert "Bearer YOUR_TOKEN" in page
        assert server.token not in page


async def test_the_page_loads_nothing_and_runs_only_its_own_script(server: Server) -> None:
    async with logged_in(server) as http:
        first, second = await http.get("mcp"), await http.get("mcp")
    nonces = {
        nonce for page in (first, second) for nonce in re.findall(r'nonce="(.+?)"', page.text)
    }
    assert len(nonces) == 2  # One for each visit, for its style and its script.
    policies = first.headers.get_list("content-security-policy")
    assert any("frame-ancestors 'self'" in policy for policy in policies)
    assert any(policy.startswith("default-src 'none'; script-src 'nonce-") for policy in policies)
    assert first.headers["cache-control"] == "no-store"
    assert first.headers["referrer-policy"] == "same-origin"
    assert first.headers["x-content-type-options"] == "nosniff"
    assert not re.search(r"""(src|href)=["']?(https?:)?//""", first.text)


async def test_who_only_looks_whether_the_server_is_there_is_no_agent(
    start_server: Callable[..., Any],
) -> None:
    """As `jupyter mcp lab` does before it says that clients can connect."""
    server = await start_server(module="jupyter_server")
    await anyio.to_thread.run_sync(check_endpoint, Connection(server.mcp_url, server.token))
    assert "None has called" in await page_of(server)


async def test_the_page_shows_agents_and_what_they_run(
    server: Server, notebook: str, era: Era, tmp_path: Path
) -> None:
    gate = tmp_path / "go"
    name = f"Agent <b>{era}</b>"
    async with connect_agent(server.mcp_url, server.token, era, name) as agent:
        source = WAIT.format(str(gate))
        answer = await agent.run(notebook, source, wait_seconds=0)
        page = await page_of(server)
        execution = execution_in(answer)
        row = re.search(rf"<tr><td>{execution}</td>.*</tr>", page)
        assert row is not None and f"<td>{notebook}</td>" in row[0], page
        seen = re.findall(rf"</span>Agent &lt;b&gt;{era}&lt;/b&gt;.*</tr>", page)
        assert len(seen) == 1 and notebook in seen[0], page
        assert "<b>" not in page
        gate.touch()
        await agent.tell("get_execution", execution=execution, wait_seconds=20)
        assert f"<td>{execution}</td>" not in await page_of(server)


async def test_an_agent_is_seen_once_as_soon_as_it_is_connected(
    start_server: Callable[..., Any], era: Era
) -> None:
    server = await start_server(module="jupyter_server")
    assert "None has called" in await page_of(server)
    async with connect_agent(server.mcp_url, server.token, era, "Newcomer") as agent:
        await agent.client.list_tools()
        assert agents_on(await page_of(server)) == ["Newcomer"]


async def test_a_client_that_connects_anew_is_listed_once_and_two_at_once_are_two(
    start_server: Callable[..., Any], era: Era
) -> None:
    server = await start_server(module="jupyter_server")
    connect = partial(connect_agent, server.mcp_url, server.token, era, "Twin")
    for _ in range(2):
        async with connect() as agent:
            await agent.client.list_tools()
    assert agents_on(await page_of(server)) == ["Twin"]
    async with connect() as one, connect() as two:
        for agent in (one, two, one):
            await agent.client.list_tools()
        agents = agents_on(await page_of(server))
    # Without sessions, there is nothing by which they could be told apart.
    assert len({*agents}) == len(agents) == (2 if era == HANDSHAKE else 1)


async def test_a_server_with_a_password_only_says_how_agents_can_log_in(
    start_server: Callable[..., Any],
) -> None:
    option = f"--PasswordIdentityProvider.hashed_password={passwd('pw')}"
    off = await start_server(option, "--PasswordIdentityProvider.token=", module="jupyter_server")
    assert "MCP clients log in with" in await page_of_password(off, "pw")
    async with httpx2.AsyncClient() as http:
        refused = await http.post(off.mcp_url, headers={"Authorization": "Bearer x"})
    assert refused.status_code == 403 and "JUPYTER_TOKEN" in refused.json()["error"]["message"]
    await until_logged(off, "no token, which is what MCP clients log in with")
    # What is said helps, and the password goes on working.
    on = await start_server(option, module="jupyter_server")
    assert "MCP clients log in with" not in await page_of_password(on, "pw")
    async with connect_agent(on.mcp_url, on.token) as agent:
        await agent.client.list_tools()


async def start_blind(start_server: Callable[..., Any], tmp_path: Path, resource: str) -> Server:
    """A server on which nobody may read this."""
    (tmp_path / "blind.py").write_text(BLIND.format(resource=resource))
    option = "--ServerApp.authorizer_class=blind.Blind"
    server: Server = await start_server(
        option, module="jupyter_server", environment=with_modules(tmp_path)
    )
    return server


async def test_who_may_not_read_notebooks_does_not_see_what_happens_in_them(
    start_server: Callable[..., Any], tmp_path: Path
) -> None:
    server = await start_blind(start_server, tmp_path, "contents")
    async with connect_agent(server.mcp_url, server.token, name="hidden one") as agent:
        await agent.tell("start_kernel", name="apart")
        running = await agent.tell("execute_code", kernel="apart", code=SLEEP, wait_seconds=0)
        page = await page_of(server)
        assert f"<td>{execution_in(running)}</td>" in page  # On a kernel without a notebook.
    assert "may not read notebooks" in page and "Connect a client" in page
    assert "hidden one" not in page.lower()


async def test_who_may_not_read_kernels_does_not_see_what_runs(
    start_server: Callable[..., Any], tmp_path: Path
) -> None:
    server = await start_blind(start_server, tmp_path, "kernels")
    notebook = server.copy_notebook("plain.ipynb")
    async with connect_agent(server.mcp_url, server.token, name="seen one") as agent:
        execution = execution_in(await agent.run(notebook, SLEEP, wait_seconds=0))
        page = await page_of(server)
    assert "may not read kernels" in page and f"<td>{execution}</td>" not in page
    assert "Seen One" in page and notebook in page


async def test_a_server_without_a_login_says_so_and_asks_for_no_token(
    start_server: Callable[..., Any],
) -> None:
    server = await start_server("--PasswordIdentityProvider.token=", module="jupyter_server")
    async with browser_of(server) as http:
        page = (await http.get("mcp")).raise_for_status().text
    assert "asks for no login" in page and "Bearer" not in page


async def test_looking_at_the_page_keeps_no_idle_server_alive(
    start_server: Callable[..., Any],
) -> None:
    server = await start_server(module="jupyter_server")
    async with logged_in(server) as http:
        await http.get("mcp")
        before = (await server.get("api/status"))["last_activity"]
        await http.get("mcp")
        assert (await server.get("api/status"))["last_activity"] == before


async def test_the_log_names_the_address_and_how_to_connect(server: Server) -> None:
    await until_logged(server, f"Agents connect at {server.mcp_url}:")
    assert "`jupyter mcp config`" in server.log_text()

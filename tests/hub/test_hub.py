"""Agents on a real JupyterHub: its tokens, its proxy, its servers that stop and start."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timezone
from pathlib import Path
from uuid import uuid4

import anyio
import httpx2
import pytest
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.shared.exceptions import MCPError

from ..agent import STATELESS, Agent, Era, connect_agent, connect_over, execution_in, text
from ..server import environment_in, stop_process
from ..wire import Wire
from .hub import Hub

pytestmark = [pytest.mark.anyio, pytest.mark.node]


async def post(hub: Hub, user: str, authorization: str) -> httpx2.Response:
    async with httpx2.AsyncClient(timeout=30) as http:
        wire = Wire(http, hub.mcp_url(user), STATELESS, token="")
        return await wire.list_tools(Authorization=authorization or None)


async def new_notebook(agent: Agent) -> str:
    path = f"{uuid4().hex[:8]}.ipynb"
    await agent.tell("open_notebook", notebook=path, create=True)
    return path


async def until(check: Callable[[], Awaitable[bool]]) -> None:
    with anyio.fail_after(30):
        while not await check():
            await anyio.sleep(0.2)  # The Hub's processes tell of no event.


@asynccontextmanager
async def alices_agent(hub: Hub, era: Era = STATELESS) -> AsyncIterator[Agent]:
    await hub.start_server("alice")
    token = await hub.token("alice", "access:servers!server=alice/")
    async with connect_agent(hub.mcp_url("alice"), token, era) as agent:
        yield agent


# Who gets in


@pytest.mark.parametrize("scope", ["access:servers!user=alice", "access:servers!server=alice/"])
async def test_a_token_for_the_server_opens_it(hub: Hub, scope: str, era: Era) -> None:
    token = await hub.token("alice", scope)
    async with connect_agent(hub.mcp_url("alice"), token, era) as agent:
        path = await new_notebook(agent)
        assert "| 42" in await agent.run(path, "6 * 7")
    assert (await post(hub, "alice", f"token {token}")).status_code == 200
    assert (hub.root("alice") / path).exists()


async def test_a_browser_is_sent_to_the_hub_and_shown_where_tokens_come_from(hub: Hub) -> None:
    await hub.start_server("alice")
    token = await hub.token("alice", "access:servers!server=alice/")
    headers = {"Accept": "text/html"}
    async with httpx2.AsyncClient(headers=headers, timeout=30) as http:
        stranger = await http.get(hub.mcp_url("alice"))
        login = {"Authorization": f"Bearer {token}"}
        page = await http.get(hub.mcp_url("alice"), headers=login)
        in_address = await http.get(hub.mcp_url("alice"), params={"token": token})
    assert stranger.status_code == in_address.status_code == 302
    assert "/hub/api/oauth2/authorize?" in stranger.headers["location"]
    assert page.status_code == 200 and token not in page.text
    assert "access:servers!server=alice/" in page.text and "/hub/token" in page.text


@pytest.mark.parametrize(
    ("owner", "scopes", "who"),
    [
        ("bob", ["access:servers!user=bob"], "The token of bob does not open this server"),
        ("alice", ["read:users!user=alice"], "The token of alice does not open this server"),
        (None, [], "A login is needed"),
    ],
)
async def test_another_token_is_refused_with_what_to_do(
    hub: Hub, owner: str | None, scopes: list[str], who: str
) -> None:
    authorization = f"Bearer {await hub.token(owner, *scopes)}" if owner else ""
    response = await post(hub, "alice", authorization)
    assert response.status_code == 403
    message = response.json()["error"]["message"]
    assert message.startswith(who)
    assert f"{hub.url}hub/token" in message
    assert "access:servers!server=alice/" in message


async def test_a_token_that_does_not_exist_is_refused_as_none(hub: Hub) -> None:
    response = await post(hub, "alice", "Bearer nonsense")
    assert response.status_code == 403
    assert response.json()["error"]["message"].startswith("A login is needed")


async def test_a_token_can_be_made_to_read_only(hub: Hub) -> None:
    scopes = ("access:servers!server=alice/", "custom:mcp:read-only")
    (hub.root("alice") / "read.txt").write_text("x")
    reader = await hub.token("alice", *scopes)
    async with connect_agent(hub.mcp_url("alice"), reader) as agent:
        assert "read.txt" in await agent.tell("list_files")
        refused = await agent.call("open_notebook", notebook="b.ipynb", create=True)
    assert refused.is_error and "write contents" in text(refused)
    assert not (hub.root("alice") / "b.ipynb").exists()


async def test_a_servers_log_does_not_name_the_address_behind_the_hub(hub: Hub) -> None:
    await hub.start_server("alice")

    async def is_told() -> bool:
        return "Agents connect at https://<hub>/user/alice/mcp: " in hub.log_text()

    await until(is_told)
    assert "Agents connect at http:" not in hub.log_text()


# Through the proxy


async def test_progress_comes_while_the_run_goes_on(hub: Hub, era: Era) -> None:
    seen = hub.root("alice") / f"seen-{era}"
    code = (
        "import os, time\nfor _ in range(300):\n"
        f"    if os.path.exists({str(seen)!r}): break\n    time.sleep(0.1)\n"
        f"os.path.exists({str(seen)!r})"
    )

    async def touch(progress: float, total: float | None, message: str | None) -> None:
        seen.touch()

    async with alices_agent(hub, era) as agent:
        path = await new_notebook(agent)
        call = {"notebook": path, "code": code}
        result = await agent.client.call_tool("execute_code", call, progress_callback=touch)
    assert "| True" in text(result)


# What ends, and comes back


async def test_a_revoked_token_is_refused(hub: Hub) -> None:
    made = await hub.new_token("alice", "access:servers!server=alice/")
    authorization = f"Bearer {made['token']}"
    assert (await post(hub, "alice", authorization)).status_code == 200
    await hub.http.delete(f"users/alice/tokens/{made['id']}")

    async def is_refused() -> bool:
        return (await post(hub, "alice", authorization)).status_code == 403

    await until(is_refused)


async def test_a_stopped_server_is_said_to_be_gone_and_works_again_once_started(
    hub: Hub, tmp_path: Path, era: Era
) -> None:
    await hub.start_server("bob")
    token = await hub.token("bob", "access:servers!server=bob/")
    bridge = StdioServerParameters(
        command=sys.executable,
        args=["-m", "jupyter_mcp_ext.cli", "stdio", f"--url={hub.server_url('bob')}"],
        env=environment_in(tmp_path) | {"JUPYTER_TOKEN": token},
        cwd=tmp_path,
    )
    async with connect_over(stdio_client(bridge), era) as agent:
        assert "python3" in await agent.tell("list_kernels")
        await hub.stop_server("bob")
        assert (await post(hub, "bob", f"Bearer {token}")).is_error
        with pytest.raises(MCPError) as error:
            await agent.call("list_kernels")
        assert "Is it running?" in str(error.value)
        await hub.start_server("bob")
        assert "python3" in await agent.tell("list_kernels")


async def test_a_restart_of_the_hub_ends_no_call(hub: Hub) -> None:
    async with alices_agent(hub) as agent:
        await agent.tell("open_notebook", notebook="restart.ipynb", create=True)
        running = await agent.run(
            "restart.ipynb", "import time; time.sleep(4); 'slept'", wait_seconds=0
        )
        await hub.stop()
        response = await post(hub, "alice", "Bearer nonsense")
        assert response.status_code >= 500
        assert "Hub" in response.json()["error"]["message"]
        await hub.start()
        answer = await agent.tell("get_execution", execution=execution_in(running), wait_seconds=30)
    assert "| 'slept'" in answer


async def test_a_kill_of_the_proxy_loses_no_run_and_nothing_that_was_answered(hub: Hub) -> None:
    async with alices_agent(hub) as agent:
        path = await new_notebook(agent)
        await agent.tell("insert_cell", notebook=path, source="kept = 1")
        code = "import time; time.sleep(2); 'slept'"
        running = await agent.run(path, code, wait_seconds=0)
    hub.kill_proxy()
    assert not await hub.is_reached()
    await until(hub.is_reached)  # It starts another proxy.
    async with alices_agent(hub) as agent:
        call = {"execution": execution_in(running), "wait_seconds": 30}
        assert "| 'slept'" in await agent.tell("get_execution", **call)
        assert "kept = 1" in await agent.tell("read_notebook", notebook=path)


@asynccontextmanager
async def idle_culler(hub: Hub, timeout_seconds: int) -> AsyncIterator[None]:
    """The Hub's own service that stops idle servers, with the operator's rights."""
    with (hub.directory / "culler.log").open("ab") as log:
        process = await anyio.open_process(
            [
                *(sys.executable, "-m", "jupyterhub_idle_culler"),
                *(f"--url={hub.http.base_url}".rstrip("/"), f"--timeout={timeout_seconds}"),
                "--cull-every=2",
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=hub.environment | {"JUPYTERHUB_API_TOKEN": hub.environment["TEST_HUB_OPERATOR"]},
        )
    async with process:
        try:
            yield
        finally:
            await stop_process(process)


@pytest.mark.timeout(260)
async def test_a_silent_run_keeps_its_server_from_the_idle_culler(hub: Hub) -> None:
    """Two minutes without a word from anybody, where servers are stopped after 30 s.

    We report a run every 20 s, and Jupyter tells the Hub every 5 s here.
    """
    await hub.start_server("bob")
    async with alices_agent(hub) as agent:
        path = await new_notebook(agent)
        code = "import time; time.sleep(120); 'still here'"
        silence_ends = anyio.current_time() + 115
        started = datetime.now(timezone.utc)
        running = await agent.run(path, code, wait_seconds=0)

        async def is_known() -> bool:
            return await hub.last_activity("alice") > started

        await until(is_known)
        async with idle_culler(hub, timeout_seconds=30):
            with anyio.fail_after(90):
                while await hub.has_server("bob"):  # Nobody uses it.
                    await anyio.sleep(1)
            await anyio.sleep_until(silence_ends)
        assert await hub.has_server("alice")
        answer = await agent.tell("get_execution", execution=execution_in(running), wait_seconds=30)
    assert "| 'still here'" in answer

"""Clients of the TypeScript SDK: its own, and mcp-remote as a bridge for stdio clients."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest
from mcp.client.stdio import StdioServerParameters, stdio_client

from ..agent import Era, connect_over
from ..oauth import LOGIN, person_and_client
from ..server import Server, run_server
from .node import REMOTE, TYPESCRIPT, TYPESCRIPT_LOGIN, NodePrograms

pytestmark = [pytest.mark.anyio, pytest.mark.node]


async def test_a_client_of_the_typescript_sdk_runs_a_cell_and_hears_its_progress(
    programs: NodePrograms, server: Server, notebook: str, era: Era
) -> None:
    run = await programs.run(TYPESCRIPT, server.mcp_url, server.token, era, notebook)
    assert run.code == 0, run.output
    seen = json.loads(run.stdout)
    assert seen["protocol"] == era
    assert {"insert_cell", "read_notebook"} <= {*seen["tools"]}
    answer = "".join(block["text"] for block in seen["answer"]["content"])
    assert "status: ok" in answer and "| step 9" in answer
    assert any(" running for " in step["message"] for step in seen["progress"]), run.output


async def test_a_client_of_the_typescript_sdk_is_told_of_a_wrong_token(
    programs: NodePrograms, server: Server, notebook: str, era: Era
) -> None:
    run = await programs.run(TYPESCRIPT, server.mcp_url, "wrong", era, notebook)
    assert run.code == 1 and "needs the login of its Jupyter server" in run.stderr, run.output


@pytest.fixture(scope="module")
async def with_login(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    base = tmp_path_factory.mktemp("oauth")
    async with run_server(base, LOGIN, module="jupyter_server", base_url="/user/ada/") as server:
        yield server


async def test_a_client_of_the_typescript_sdk_logs_in_by_itself(
    programs: NodePrograms, with_login: Server, era: Era
) -> None:
    async with person_and_client(with_login.url) as (browser, _):
        await browser.log_in(with_login.token)
        cookies = browser.cookies
    run = await programs.run(TYPESCRIPT_LOGIN, with_login.mcp_url, cookies, era)
    assert run.code == 0, run.output
    seen = json.loads(run.stdout)
    assert seen["wasAsked"] and seen["tools"] > 10 and "refresh_token" in seen["tokens"]
    assert with_login.token not in run.output


async def test_mcp_remote_joins_a_stdio_client(
    programs: NodePrograms, server: Server, notebook: str, era: Era
) -> None:
    parameters = StdioServerParameters(
        command=str(programs.node),
        args=[
            *(str(programs.scripts[REMOTE]), server.mcp_url, "--transport", "http-only"),
            *("--header", "Authorization:${AUTH_HEADER}"),
        ],
        env=programs.environment | {"AUTH_HEADER": f"Bearer {server.token}"},
    )
    async with connect_over(stdio_client(parameters), era) as agent:
        assert "| 42" in await agent.run(notebook, "6 * 7")

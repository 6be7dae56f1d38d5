"""The official conformance suite and the Inspector, in both eras of the protocol."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from ..agent import HANDSHAKE, STATELESS, Era
from ..server import Server
from .node import CONFORMANCE, INSPECTOR, NodePrograms, Run

pytestmark = [pytest.mark.anyio, pytest.mark.node]

REQUIRED_SCENARIOS = {HANDSHAKE: 30, STATELESS: 37}
"""How many scenarios of servers each revision requires; its set was frozen with the revision."""

UNTESTABLE = Path(__file__).parent / "untestable.yml"

# What the suite runs without scoring, and which of it fails or says nothing:
# - 2025-11-25: server-sse-polling passes without a check, since no event store resumes streams:
#   the SDK would replay one client's events to another.
# - 2026-07-28: nine of the ten tasks-* scenarios. Tasks are an optional extension, which the
#   SDK does not implement. tasks-status-notifications skips itself.

# The scenarios that need no fixture tool. input-required-result-ignore-extra-params can only warn
# where there is no such tool; it would fail if something that does not exist were answered.
OUR_SCENARIOS = [
    *[
        (HANDSHAKE, scenario)
        for scenario in (
            "server-initialize",
            "ping",
            "tools-list",
            "resources-list",
            "server-sse-multiple-streams",
            "server-session-lifecycle",
            "dns-rebinding-protection",
        )
    ],
    *[
        (STATELESS, scenario)
        for scenario in (
            "tools-list",
            "resources-list",
            "server-sse-multiple-streams",
            "dns-rebinding-protection",
            "http-header-validation",
            "sep-2164-resource-not-found",
            "input-required-result-unsupported-methods",
            "input-required-result-ignore-extra-params",
            "input-required-result-validate-input",
        )
    ],
]


async def run_scenario(
    programs: NodePrograms, server: Server, era: Era, scenario: str, *options: str
) -> Run:
    where = ("server", "--url", server.mcp_url, "--scenario", scenario, "--spec-version", era)
    return await programs.run(CONFORMANCE, *where, *options)


async def inspect(
    programs: NodePrograms, server: Server, era: Era, token: str, *request: str
) -> Run:
    protocol_era = "legacy" if era == HANDSHAKE else "modern"
    return await programs.run(
        INSPECTOR,
        *("--cli", server.mcp_url, "--transport", "http", "--protocol-era", protocol_era),
        *("--header", f"Authorization: Bearer {token}", "--method", *request),
    )


async def test_our_transport_passes_all_that_a_revision_requires(
    programs: NodePrograms, fixture_server: Server, era: Era
) -> None:
    where = ("--url", fixture_server.mcp_url)
    run = await programs.run(CONFORMANCE, "server", *where, "--requirements", era)
    assert run.code == 0, run.output
    passed = re.findall(r"^✓ \S+: [1-9]\d* passed, 0 failed$", run.stdout, re.MULTILINE)
    assert len(passed) >= REQUIRED_SCENARIOS[era], run.output
    assert "Traceback" not in fixture_server.log_text()


@pytest.mark.parametrize(("era", "scenario"), OUR_SCENARIOS)
async def test_the_product_passes_the_scenarios_that_need_no_fixture(
    programs: NodePrograms, product: Server, era: Era, scenario: str
) -> None:
    run = await run_scenario(programs, product, era, scenario)
    assert run.code == 0, run.output
    assert "0 failed" in run.stdout, run.output


async def test_the_product_is_stateless_as_the_newer_era_demands(
    programs: NodePrograms, product: Server
) -> None:
    baseline = ("--expected-failures", str(UNTESTABLE))
    run = await run_scenario(programs, product, STATELESS, "server-stateless", *baseline)
    assert run.code == 0, run.output
    # The baseline also lets checks pass that are left out.
    assert "Passed: 24/28" in run.stdout, run.output


async def test_the_inspector_finds_no_schema_that_clients_may_refuse(
    programs: NodePrograms, server: Server, era: Era
) -> None:
    run = await inspect(programs, server, era, server.token, "tools/list", "--strict")
    assert run.code == 0, run.output
    assert "execute_cell" in [tool["name"] for tool in json.loads(run.stdout)["tools"]]


async def test_the_inspector_can_call_a_tool(
    programs: NodePrograms, server: Server, era: Era
) -> None:
    call = ("tools/call", "--tool-name", "list_kernels")
    run = await inspect(programs, server, era, server.token, *call)
    assert run.code == 0, run.output
    answer = json.loads(run.stdout)
    assert not answer.get("isError"), run.output
    assert "python3" in answer["content"][0]["text"]


async def test_no_call_fails_under_the_inspectors_load(
    programs: NodePrograms, server: Server, era: Era
) -> None:
    call = ("tools/call", "--tool-name", "list_kernels")
    load = ("--load", "--load-requests", "40", "--load-concurrency", "10")
    run = await inspect(programs, server, era, server.token, *call, *load)
    assert run.code == 0, run.output
    summary = json.loads(run.stdout)
    assert (summary["ok"], summary["toolErrors"], summary["errors"]) == (40, 0, 0), run.output


async def test_the_inspector_takes_a_wrong_token_for_no_invitation_to_oauth(
    programs: NodePrograms, server: Server, era: Era
) -> None:
    run = await inspect(programs, server, era, "wrong", "tools/list")
    assert run.code != 0 and "403" in run.stderr, run.output
    assert "oauth" not in run.output.lower()
    if era == HANDSHAKE:  # In the other era it keeps our words to itself.
        assert "jupyter mcp config" in run.stderr

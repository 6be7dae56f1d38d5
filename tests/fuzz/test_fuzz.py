"""What nobody should send is refused in order: no crash, no freeze, no leak, nothing changed.

`benchmarks/fuzz.py` does the same with many more inputs.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ..agent import STATELESS
from .attacks import KINDS
from .calls import request
from .target import Target, run_target, tools

INPUTS = 15
"""Of each kind."""

FREEZE_MILLISECONDS = 1_000
"""Whatever machine this is: the benchmark judges by less."""

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
def portal() -> Iterator[BlockingPortal]:
    """Hypothesis draws outside of the event loop: it gives up by exceptions that end a loop."""
    with start_blocking_portal() as portal:
        yield portal


@pytest.fixture(scope="module")
def target(portal: BlockingPortal, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    running = run_target(tmp_path_factory.mktemp("fuzz"))
    with portal.wrap_async_context_manager(running) as target:
        target.freeze_milliseconds = FREEZE_MILLISECONDS
        yield target


@pytest.mark.parametrize("kind", KINDS)
@settings(
    max_examples=INPUTS,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
@given(data=st.data())
def test_no_input_breaks_the_server(
    portal: BlockingPortal, target: Target, kind: str, data: st.DataObject
) -> None:
    target.findings.clear()
    portal.call(KINDS[kind].attack, target, data.draw(KINDS[kind].strategy))
    found = [finding for finding in target.findings if finding.is_ours]
    assert not found, "\n".join(f"{each.why}: {each.where}\n{each.detail}" for each in found)


def test_the_inputs_are_for_the_tools_that_the_server_has(
    portal: BlockingPortal, target: Target
) -> None:
    listed = portal.call(target.fire, request("tools/list", {}, STATELESS))
    assert listed["result"]["tools"] == tools()

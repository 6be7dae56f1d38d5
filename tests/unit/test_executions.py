"""Which runs are kept, with no kernel."""

from __future__ import annotations

import gc
import weakref
from typing import Any, cast

import pytest

from jupyter_mcp_ext import executions
from jupyter_mcp_ext.errors import ExecutionNotFound
from jupyter_mcp_ext.execution import Execution
from jupyter_mcp_ext.executions import Executions
from jupyter_mcp_ext.executor import Executor

pytestmark = pytest.mark.anyio


@pytest.fixture
def kept() -> Executions:
    return Executions(1_000_000)


def finished(kept: Executions, size: int = 0) -> Execution:
    execution = kept.new("a.ipynb")
    execution.area.size = size
    execution.finish("ok")
    kept.note_end(execution)
    return execution


async def test_the_newest_hundred_stay_readable(kept: Executions) -> None:
    running = kept.new("a.ipynb")
    ids = [finished(kept).id for _ in range(executions.KEPT_EXECUTIONS + 3)]
    for execution_id in ids[:3]:
        with pytest.raises(ExecutionNotFound):
            kept.get(execution_id)
    assert [kept.get(execution_id).id for execution_id in ids[3:]] == ids[3:]
    assert kept.get(running.id) is running


async def test_large_outputs_are_forgotten_sooner_but_never_the_newest(kept: Executions) -> None:
    half = executions.KEPT_OUTPUT_BYTES // 2
    first, second, third = (finished(kept, size).id for size in (half, half, half))
    with pytest.raises(ExecutionNotFound):
        kept.get(first)
    assert kept.get(second) and kept.get(third)
    huge = finished(kept, 4 * half).id
    assert kept.get(huge)
    with pytest.raises(ExecutionNotFound):
        kept.get(third)


async def test_late_messages_do_not_keep_what_was_forgotten(kept: Executions) -> None:
    execution, nothing = finished(kept), cast("Any", None)
    handle = Executor(*[nothing] * 5, kept, nothing, nothing)._handler(execution, nothing)
    found = weakref.ref(execution)
    del kept._executions[execution.id], execution
    gc.collect()
    assert found() is None
    handle({"header": {"msg_type": "stream"}, "content": {"name": "stdout", "text": "late"}})

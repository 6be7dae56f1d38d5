"""What the executor keeps of runs, with no kernel."""

from __future__ import annotations

import gc
import logging
import weakref
from typing import Any

import pytest

from jupyter_mcp_ext import executor
from jupyter_mcp_ext.errors import ExecutionNotFound
from jupyter_mcp_ext.execution import Execution
from jupyter_mcp_ext.executor import Executor

pytestmark = pytest.mark.anyio


@pytest.fixture
def kept() -> Executor:
    nothing: Any = None
    return Executor(
        nothing, nothing, nothing, nothing, nothing, nothing, 1_000_000, logging.getLogger()
    )


def finished(kept: Executor, size: int = 0) -> Execution:
    execution = kept._new("a.ipynb")
    execution.area.size = size
    execution.finish("ok")
    kept._forget_old()
    return execution


async def test_the_newest_hundred_stay_readable(kept: Executor) -> None:
    running = kept._new("a.ipynb")
    ids = [finished(kept).id for _ in range(executor.KEPT_EXECUTIONS + 3)]
    for execution_id in ids[:3]:
        with pytest.raises(ExecutionNotFound):
            kept.get(execution_id)
    assert [kept.get(execution_id).id for execution_id in ids[3:]] == ids[3:]
    assert kept.get(running.id) is running


async def test_large_outputs_are_forgotten_sooner_but_never_the_newest(kept: Executor) -> None:
    half = executor.KEPT_OUTPUT_BYTES // 2
    first, second, third = (finished(kept, size).id for size in (half, half, half))
    with pytest.raises(ExecutionNotFound):
        kept.get(first)
    assert kept.get(second) and kept.get(third)
    huge = finished(kept, 4 * half).id
    assert kept.get(huge)
    with pytest.raises(ExecutionNotFound):
        kept.get(third)


async def test_late_messages_do_not_keep_what_was_forgotten(kept: Executor) -> None:
    execution = finished(kept)
    handle = kept._handler(execution, None)  # type: ignore[arg-type]
    found = weakref.ref(execution)
    del kept._executions[execution.id], execution
    gc.collect()
    assert found() is None
    handle({"header": {"msg_type": "stream"}, "content": {"name": "stdout", "text": "late"}})

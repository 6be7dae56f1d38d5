"""Wait for a run as long as the caller wants, and answer with what is known then."""

from __future__ import annotations

from contextlib import suppress
from typing import Literal

from anyio import get_cancelled_exc_class, move_on_after
from mcp_types import TextContent

from .. import render
from ..errors import InterruptFailed, MCPExtensionError
from ..executor import Execution
from ..kernel import INTERRUPT_GRACE_SECONDS
from .toolset import Block, ToolContext

NEXT_CALL = {
    "queued": "It waits for its turn on the kernel. get_execution({id!r}) waits on.",
    "running": "It goes on. get_execution({id!r}) waits on; interrupt_kernel stops it.",
    "kernel_died": "The kernel died; its variables are lost. The next run starts afresh.",
}


async def answer(
    context: ToolContext,
    execution: Execution,
    wait_seconds: float | None,
    on_timeout: Literal["leave", "interrupt"] = "leave",
    max_chars: int | None = None,
) -> list[Block]:
    """Wait, then the status line and the outputs so far.

    A cancelled call interrupts the run, but a lost connection does not: the run belongs to
    the server, and its outputs to the notebook.
    """
    seconds = context.services.wait_seconds if wait_seconds is None else wait_seconds
    executor = context.services.executor
    try:
        await execution.wait(seconds)
    except get_cancelled_exc_class():
        if not context.client_left():
            grace = move_on_after(INTERRUPT_GRACE_SECONDS, shield=True)
            # Whatever comes of it: the call was cancelled, and that is what has to be said.
            with grace, suppress(MCPExtensionError):
                await executor.interrupt(execution)
        raise
    if on_timeout == "interrupt" and not execution.is_finished:
        try:
            await executor.interrupt(execution)
        except InterruptFailed as error:
            execution.notes.append(str(error))
    return report(context, execution, max_chars)


def report(context: ToolContext, execution: Execution, max_chars: int | None) -> list[Block]:
    """The status line, what to know and do next, and the outputs so far."""
    lines = [_status_line(execution), *execution.notes]
    if hint := NEXT_CALL.get(execution.status):
        lines.append(hint.format(id=execution.id))
    rest = f"get_execution({execution.id!r}, max_chars=...)"
    outputs = render.outputs(execution.outputs, context.limits(max_chars), rest=rest)
    return [TextContent(type="text", text="\n".join(lines)), *outputs]


def _status_line(execution: Execution) -> str:
    seconds = execution.seconds
    time = f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"
    return f"{execution.label}  status: {execution.status}  execution: {execution.id}  {time}"

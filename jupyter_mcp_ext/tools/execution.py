"""Tools that run cells or code."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ..cell import CellHead
from ..errors import InvalidRequest, WrongCellType
from ..output_blocks import Block
from .running import answer, poll
from .toolset import (
    EXECUTE,
    READ,
    SEE_KERNELS,
    WRITE,
    CellReference,
    CellReferences,
    Kernel,
    MaxChars,
    Notebook,
    OnTimeout,
    OverwriteChanges,
    ToolContext,
    Toolset,
    WaitSeconds,
    kernel_of,
)

TOOLSET = Toolset(
    "execution",
    "A run that outlasts wait_seconds goes on; get_execution waits on.",
)


@TOOLSET.tool(
    "Run cell", read_only=False, destructive=True, idempotent=False, needs=[READ, WRITE, EXECUTE]
)
async def execute_cell(
    context: ToolContext,
    notebook: Notebook,
    cell: CellReference,
    wait_seconds: WaitSeconds = None,
    on_timeout: OnTimeout = "leave",
    overwrite_changes: OverwriteChanges = False,
    max_chars: MaxChars = None,
) -> list[Block]:
    """Run a code cell on the notebook's kernel; outputs go into the notebook."""
    async with context.open(notebook) as document:
        found = document.head(cell)
        if found.type != "code":
            raise WrongCellType(found.label, found.type)
        context.check_known(document, [found], overwrite_changes)
        execution = context.services.executor.submit_cell(
            document,
            found,
            context.agent,
            takes_input=context.elicitation.is_possible,
            overwrite_changes=overwrite_changes,
            is_agreed=context.agreed is not None,
        )
    return await answer(context, [execution], wait_seconds, on_timeout, max_chars)


@TOOLSET.tool(
    "Run cells", read_only=False, destructive=True, idempotent=False, needs=[READ, WRITE, EXECUTE]
)
async def execute_cells(
    context: ToolContext,
    notebook: Notebook,
    cells: CellReferences = "all",
    stop_on_error: bool = True,
    wait_seconds: WaitSeconds = None,
    overwrite_changes: OverwriteChanges = False,
    max_chars: MaxChars = None,
) -> list[Block]:
    """Run the code cells among these, top down."""
    async with context.open(notebook) as document:
        chosen = document.heads_among(document.resolve_many(cells))
        runnable = [cell for cell in chosen if _is_runnable(cell)]
        if not runnable:
            raise InvalidRequest("There is no code cell with a source among these.")
        context.check_known(document, runnable, overwrite_changes)
        batch = context.services.executor.submit_cells(
            document,
            runnable,
            context.agent,
            stop_on_error=stop_on_error,
            takes_input=context.elicitation.is_possible,
            overwrite_changes=overwrite_changes,
            is_agreed=context.agreed is not None,
        )
    return await answer(context, batch.executions, wait_seconds, max_chars=max_chars)


@TOOLSET.tool("Run code", read_only=False, destructive=True, idempotent=False, needs=[EXECUTE])
async def execute_code(
    context: ToolContext,
    code: str = "",
    notebook: Notebook = "",
    kernel: Kernel = "",
    wait_seconds: WaitSeconds = None,
    on_timeout: OnTimeout = "leave",
    while_busy: bool = False,
    rerun: str = "",
    max_chars: MaxChars = None,
) -> list[Block]:
    """Run code without a trace in the notebook, on its kernel or on the named one.

    Takes what a cell takes: %magics, !shell, %%bash; %pip installs packages, in a uv environment
    !uv pip. With while_busy=true it runs beside what the kernel runs now.
    """
    if bool(notebook) == bool(kernel):
        raise InvalidRequest("Name either a notebook or a kernel.")
    if bool(code) == bool(rerun):
        raise InvalidRequest("Pass either code or rerun, recorded runs of a named kernel: 1-3,5.")
    takes_input, executor = context.elicitation.is_possible, context.services.executor
    if rerun:
        record = await context.services.records.get(kernel)
        codes = [run.code for run in record.chosen(rerun)]
        batch = executor.submit_codes(codes, kernel, takes_input=takes_input)
        return await answer(context, batch.executions, wait_seconds, on_timeout, max_chars)
    if notebook:
        await context.require(READ)
        notebook = await context.services.rooms.find(notebook)
    execution = executor.submit_code(
        code, notebook, kernel, takes_input=takes_input, while_busy=while_busy
    )
    return await answer(context, [execution], wait_seconds, on_timeout, max_chars)


@TOOLSET.tool(
    "Get execution", read_only=True, destructive=False, idempotent=True, needs=[SEE_KERNELS]
)
async def get_execution(
    context: ToolContext,
    execution: Annotated[str, Field(description='Such as "r7".')],
    wait_seconds: WaitSeconds = 0,
    max_chars: MaxChars = None,
) -> list[Block]:
    """Status and outputs so far of a run, waiting for its end if asked."""
    found = context.services.executions.get(execution)
    if found.path:
        await context.require(READ)
    return await poll(context, found, wait_seconds or 0, max_chars)


@TOOLSET.tool(
    "Interrupt kernel", read_only=False, destructive=True, idempotent=True, needs=[EXECUTE]
)
async def interrupt_kernel(
    context: ToolContext, notebook: Notebook = "", kernel: Kernel = ""
) -> str:
    """Stop what a kernel runs now (KeyboardInterrupt); its variables stay."""
    if notebook:
        await context.require(READ)
    connection = await kernel_of(context, notebook, kernel, must_answer=False)
    running = [
        f"{run.label} ({run.id})"
        for run in context.services.executions.unfinished
        if run.kernel_id == connection.kernel_id and run.status == "running"
    ]
    if await context.services.kernels.interrupt(connection):
        what = ", ".join(running) or "what ran"
        return f"Interrupted {what} on kernel {connection.kernel_id}; it has stopped."
    return f"Nothing was running on kernel {connection.kernel_id}."


def _is_runnable(cell: CellHead) -> bool:
    return cell.type == "code" and bool(cell.source.strip())

"""Tools that change cells."""

from __future__ import annotations

from typing import Literal

from mcp_types import TextContent

from ..cell import CellHead
from ..errors import MCPExtensionError, NotRun, RemovalNotConfirmed, WrongCellType
from ..line_diffs import line_diff
from ..notebook import NotebookDocument
from ..output_blocks import Block
from ..text import first_line
from .running import answer
from .toolset import (
    EXECUTE,
    READ,
    WRITE,
    After,
    CellReference,
    CellReferences,
    CellType,
    Notebook,
    OverwriteChanges,
    ToolContext,
    Toolset,
    WaitSeconds,
)

TOOLSET = Toolset(
    "cells", "A write answers with the new state, so there is no need to read it again."
)

MOST = 0.5
"""From which share of a notebook on a removal has to be confirmed..."""

FEW = 3
"""... unless it is of so few cells at most."""

MAX_DIFF_LINES = 40
"""How much of a change an answer shows."""


@TOOLSET.tool(
    "Insert cell", read_only=False, destructive=True, idempotent=False, needs=[READ, WRITE]
)
async def insert_cell(
    context: ToolContext,
    notebook: Notebook,
    source: str,
    cell_type: CellType = "code",
    after: After = "end",
    execute: bool = False,
    wait_seconds: WaitSeconds = None,
) -> list[Block]:
    """Insert a cell and, with execute=true, run it."""
    if execute:
        await context.require(EXECUTE)
        _check_runs("The new cell", cell_type)
    async with context.open(notebook) as document:
        with context.editing(document):
            cell = document.insert_cell(source, cell_type, after, trusted=execute)
        text = f"{cell.label} inserted ({cell.type}) {_between(document, cell)}"
        return await _written(context, document, cell, text, execute, wait_seconds)


@TOOLSET.tool("Edit cell", read_only=False, destructive=True, idempotent=False, needs=[READ, WRITE])
async def edit_cell(
    context: ToolContext,
    notebook: Notebook,
    cell: CellReference,
    old_text: str,
    new_text: str,
    replace_all: bool = False,
    execute: bool = False,
    overwrite_changes: OverwriteChanges = False,
    wait_seconds: WaitSeconds = None,
) -> list[Block]:
    """Replace a text that occurs once in a cell's source. Outputs stay until the next run."""
    if execute:
        await context.require(EXECUTE)
    async with context.open(notebook) as document:
        found = document.head(cell)
        if execute:
            _check_runs(found.label, found.type)
        context.check_known(document, [found], overwrite_changes)
        with context.editing(document):
            before, now = document.replace_text(cell, old_text, new_text, replace_all)
        text = f"{now.label} edited\n{_diff(before, now)}"
        return await _written(context, document, now, text, execute, wait_seconds)


@TOOLSET.tool(
    "Overwrite cell", read_only=False, destructive=True, idempotent=False, needs=[READ, WRITE]
)
async def overwrite_cell(
    context: ToolContext,
    notebook: Notebook,
    cell: CellReference,
    source: str,
    cell_type: Literal["keep", "code", "markdown", "raw"] = "keep",
    execute: bool = False,
    overwrite_changes: OverwriteChanges = False,
    wait_seconds: WaitSeconds = None,
) -> list[Block]:
    """Give a cell a new source, and another type if asked; its id stays."""
    if execute:
        await context.require(EXECUTE)
    async with context.open(notebook) as document:
        found = document.head(cell)
        if execute:
            _check_runs(found.label, found.type if cell_type == "keep" else cell_type)
        context.check_known(document, [found], overwrite_changes)
        with context.editing(document):
            before, now = document.replace_source(cell, source, cell_type)
        text = f"{now.label} overwritten ({now.type})\n{_diff(before, now)}"
        return await _written(context, document, now, text, execute, wait_seconds)


@TOOLSET.tool(
    "Delete cells", read_only=False, destructive=True, idempotent=False, needs=[READ, WRITE]
)
async def delete_cells(
    context: ToolContext,
    notebook: Notebook,
    cells: CellReferences,
    overwrite_changes: OverwriteChanges = False,
    confirm_removal: bool = False,
) -> str:
    """Delete cells. Removing most of a notebook needs confirm_removal=true."""
    async with context.open(notebook) as document:
        chosen, total = document.resolve_many(cells), len(document.cell_ids)
        if len(chosen) > max(FEW, total * MOST) and not confirm_removal:
            raise RemovalNotConfirmed(len(chosen), total)
        context.check_known(document, [*map(document.head, chosen)], overwrite_changes)
        with context.editing(document):
            deleted = document.delete_cells(chosen)
        left = len(document.cell_ids)
    listed = "\n".join(f"{cell.label} deleted: {first_line(cell.source)}" for cell in deleted)
    return f"{listed}\n{left} cells are left."


@TOOLSET.tool("Move cell", read_only=False, destructive=False, idempotent=True, needs=[READ, WRITE])
async def move_cell(
    context: ToolContext, notebook: Notebook, cell: CellReference, after: After
) -> str:
    """Move a cell; its id and outputs stay."""
    async with context.open(notebook) as document:
        with context.editing(document):
            now = document.move_cell(cell, after)
        context.services.presence.show(context.agent, document, now.id)
        return f"{now.label} moved {_between(document, now)}"


@TOOLSET.tool(
    "Clear outputs", read_only=False, destructive=True, idempotent=True, needs=[READ, WRITE]
)
async def clear_outputs(context: ToolContext, notebook: Notebook, cells: CellReferences) -> str:
    """Clear the outputs of code cells."""
    async with context.open(notebook) as document:
        with context.editing(document):
            cleared = document.clear_outputs(document.resolve_many(cells))
    labels = ", ".join(cell.label for cell in cleared)
    return f"Cleared: {labels}" if cleared else "There is no code cell among these."


def _check_runs(label: str, cell_type: str) -> None:
    if cell_type != "code":
        raise WrongCellType(label, cell_type)


async def _written(
    context: ToolContext,
    document: NotebookDocument,
    cell: CellHead,
    text: str,
    execute: bool,
    wait_seconds: float | None,
) -> list[Block]:
    context.shows(document, cell)
    written: list[Block] = [TextContent(type="text", text=text)]
    if not execute:
        return written
    execution = context.services.executor.submit_cell(
        document,
        cell,
        context.agent,
        takes_input=context.elicitation.is_possible,
        is_agreed=context.agreed is not None,
    )
    try:
        return [*await answer(context, [execution], wait_seconds), *written]
    except MCPExtensionError as error:
        line, has_begun = text.partition("\n")[0], execution.has_begun
        raise NotRun(line, error, has_begun=has_begun) from error


def _between(document: NotebookDocument, cell: CellHead) -> str:
    ids, labelled = document.cell_ids, document.label
    above = f"after {labelled(ids[cell.position - 1])}" if cell.position else "at the start"
    is_last = cell.position == len(ids) - 1
    return above if is_last else f"{above}, before {labelled(ids[cell.position + 1])}"


def _diff(before: CellHead, now: CellHead) -> str:
    diff = line_diff(before.source, now.source, MAX_DIFF_LINES)
    return diff or "The source is the same as before."

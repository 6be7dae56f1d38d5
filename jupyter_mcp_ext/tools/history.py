"""Tools that take edits back."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, WithJsonSchema

from .. import render
from ..errors import UndoRefused
from .toolset import READ, WRITE, Notebook, ToolContext, Toolset

TOOLSET = Toolset("history")


@TOOLSET.tool("Undo", read_only=False, destructive=True, idempotent=False, needs=[READ, WRITE])
async def undo(
    context: ToolContext,
    notebook: Notebook,
    steps: Annotated[int, Field(ge=1, le=20), WithJsonSchema({"type": "integer"})] = 1,
) -> str:
    """Take back your last edits of a notebook, one per call that made them; nobody else's."""
    async with context.open(notebook) as document:
        mark, done, refusal = document.journal.mark, 0, ""
        try:
            while done < steps and document.undo(context.agent):
                done += 1
        except UndoRefused as error:
            if not done:
                raise
            refusal = f"\n{error}"
        changes = document.journal.since(mark)
        cells = [cell for cell in document.cells() if changes and cell.id in changes.cells]
        context.knows(document, cells)
    if not done:
        return "You have no edits of this notebook that could be taken back."
    removed = f"\nremoved: {', '.join(changes.removed)}" if changes and changes.removed else ""
    outline = f"\n{render.outline(cells)}" if cells else ""
    return f"{done} of {steps} taken back.{refusal}{removed}{outline}"

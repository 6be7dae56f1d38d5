"""Tools that take edits back, one by one or to what a notebook was."""

from __future__ import annotations

from time import time
from typing import Annotated

from anyio import to_thread
from pydantic import Field, WithJsonSchema

from .. import render
from ..agent import Agent
from ..checkpoint_store import Checkpoint
from ..comparison import Difference, differences
from ..errors import CheckpointRefused, UndoRefused
from ..journal import Changes
from ..line_diffs import line_diff
from ..notebook import NotebookDocument
from ..references import shown_id
from ..text import count, duration, first_line, printable
from .toolset import READ, WRITE, Notebook, ToolContext, Toolset

TOOLSET = Toolset("history")
CHECKPOINTS = Toolset("checkpoints")

CheckpointReference = Annotated[str, Field(description="Id or name.")]

MAX_TOLD = 30
"""Of how many cells an answer tells in what they differ."""

MAX_DIFF_LINES = 6
"""How many lines of each."""


@TOOLSET.tool("Undo", read_only=False, destructive=True, idempotent=False, needs=[READ, WRITE])
async def undo(
    context: ToolContext,
    notebook: Notebook,
    steps: Annotated[int, Field(ge=1, le=20), WithJsonSchema({"type": "integer"})] = 1,
) -> str:
    """Take back your last edits of a notebook, one per call that made them; nobody else's."""
    async with context.open(notebook) as document:
        mark = document.journal.mark
        concerned = document.cells_among(document.undoable(context.agent, steps))
        known = context.services.readings.known(context.agent, document, concerned)
        done, refusal = _take_back(document, context.agent, steps)
        changes = document.journal.since(mark) or Changes({}, ())
        context.cells.extend([*changes.cells, *changes.removed])
        cells = document.cells_among(changes.cells)
        # Of a cell that somebody else has changed as well, the agent is shown a line only.
        context.knows(document, [cell for cell in cells if cell.id in known])
    if not done:
        return "You have no edits of this notebook that could be taken back."
    told = [f"{done} of {steps} taken back.", refusal]
    if changes.removed:
        told.append(f"removed: {', '.join(map(shown_id, changes.removed))}")
    return "\n".join(filter(None, [*told, render.outline(cells) if cells else ""]))


def _take_back(document: NotebookDocument, agent: Agent, steps: int) -> tuple[int, str]:
    """How many steps were taken back, and what stood in the way of the next."""
    done = 0
    try:
        while done < steps and document.undo(agent):
            done += 1
    except UndoRefused as error:
        if not done:
            raise
        return done, str(error)
    return done, ""


@CHECKPOINTS.tool(
    "List checkpoints", read_only=True, destructive=False, idempotent=True, needs=[READ]
)
async def list_checkpoints(
    context: ToolContext,
    notebook: Notebook,
    checkpoint: CheckpointReference = "",
) -> str:
    """List checkpoints of a notebook: id, name, age, author, how many cells differ now.

    Of a checkpoint that is given, tell what differs.
    """
    checkpoints = context.services.checkpoints
    async with context.open(notebook) as document:
        if not checkpoint:
            found = await checkpoints.all(document)
            return "\n".join(_listed(*each) for each in found) or "There are no checkpoints."
        known, cells = await checkpoints.read(document, checkpoint)
        now = document.cells()
    changes = await to_thread.run_sync(differences, cells, now)
    return f"{_listed(known, len(changes))}\n{_told(changes)}".rstrip()


@CHECKPOINTS.tool(
    "Create checkpoint", read_only=False, destructive=False, idempotent=False, needs=[READ]
)
async def create_checkpoint(
    context: ToolContext,
    notebook: Notebook,
    name: Annotated[str, Field(min_length=1, max_length=60)],
) -> str:
    """Keep a notebook's cells with their outputs as they are now, to go back to."""
    # Not among its needs, which would make it an edit with a checkpoint of its own before it.
    await context.require(WRITE)
    async with context.open(notebook) as document:
        made = await context.services.checkpoints.create(context.agent, document, printable(name))
    return f"Checkpoint {made.id} {made.name!r} has {count(len(made.digests), 'cell')}."


@CHECKPOINTS.tool(
    "Restore checkpoint", read_only=False, destructive=True, idempotent=True, needs=[READ, WRITE]
)
async def restore_checkpoint(
    context: ToolContext, notebook: Notebook, checkpoint: CheckpointReference
) -> str:
    """Make a notebook's cells and outputs what they were; one step for undo.

    What others changed since is gone too; a checkpoint of it is kept.
    """
    checkpoints = context.services.checkpoints
    async with context.open(notebook) as document:
        document.check_writable()
        known, cells = await checkpoints.read(document, checkpoint)
        await document.settled()
        # Kept is exactly what is replaced: others may be editing all the time.
        before = document.cells()
        with context.editing(document):
            document.restore(cells)
        changes = differences(before, document.cells())
        context.knows(document, [each.now for each in changes if each.now is not None])
        try:
            kept = await checkpoints.keep(context.agent, document, before)
        except CheckpointRefused:
            document.undo(context.agent)
            raise
    if not changes:
        return f"The notebook is as it was at {known.id}."
    return f"Restored {known.id}; what was there is {kept.id}.\n{_told(changes)}"


def _listed(checkpoint: Checkpoint, differing: int) -> str:
    name = checkpoint.name or "automatic"
    facts = [
        checkpoint.id,
        name,
        f"{duration(max(0, time() - checkpoint.made_at))} ago",
        f"by {checkpoint.by}",
    ]
    return "  ".join([*facts, f"{count(differing, 'cell')} differ{'s' * (differing == 1)} now"])


def _told(changes: list[Difference]) -> str:
    lines = [line for each in changes[:MAX_TOLD] for line in _difference(each)]
    more = len(changes) - MAX_TOLD
    return "\n".join([*lines, *([f"… and {count(more, 'more cell')}"] if more > 0 else [])])


def _difference(each: Difference) -> list[str]:
    before, now = each.before, each.now
    if now is None:
        return [f"{shown_id(before.id)} removed: {first_line(before.source)}"] if before else []
    if before is None:
        return [f"{now.label} added: {first_line(now.source)}"]
    parts = [
        name
        for name in ("type", "source", "outputs", "execution_count", "metadata", "attachments")
        if getattr(before, name) != getattr(now, name)
    ]
    words = [*(["moved"] if each.is_moved else []), *(part.replace("_", " ") for part in parts)]
    diff = line_diff(before.source, now.source, MAX_DIFF_LINES)
    return [f"{now.label} {', '.join(words)}", *([diff] if diff else [])]

"""What to say after a kernel has lost its variables."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress

from .cell import Cell
from .connection import KernelConnection
from .errors import MCPExtensionError, few
from .execution import Execution
from .kernel import Kernels
from .losses import Loss
from .notebook import NotebookDocument
from .ranges import ranges
from .records import Record, Records
from .room import NotebookRooms

LOST_VARIABLES = "The kernel is new since the last run here ({reason}): all variables are lost."
NEW_KERNEL = "The kernel was started for this run, and has none of the variables of earlier ones."
_LISTABLE = re.compile(r"(?!all$)[\w-]{1,64}")
"""Ids that an offered call can name; a file may have any text for one."""

MAX_CELLS = 100
"""How many cells are named; more are no list for a model."""


class LossNotes:
    """Offers, and never runs anything by itself."""

    def __init__(self, rooms: NotebookRooms, kernels: Kernels, records: Records) -> None:
        self._rooms = rooms
        self._kernels = kernels
        self._records = records

    async def take(self, connection: KernelConnection, execution: Execution) -> list[str]:
        """What the next run has to tell of a loss; nothing if there is none, or it was told."""
        loss, connection.loss = connection.loss, None
        is_fresh, connection.is_fresh = connection.is_fresh, False
        offers = []
        if loss and not loss.is_elsewhere and (name := self._kernels.name_of(connection)):
            offers.append(offer(await self._records.note_loss(name)))
        # What others have run on the new kernel cannot be told from what ran before.
        if (loss or is_fresh) and execution.path and not connection.activity.runs_heard:
            # Code runs on the kernel of a notebook that cannot be opened, too.
            with suppress(MCPExtensionError):
                async with self._rooms.open(execution.path) as document:
                    offers.append(_cells_offer(document, execution))
        return [*_told(loss, any(offers)), *filter(None, offers)]

    async def record(self, connection: KernelConnection, execution: Execution) -> None:
        """Keep what was run on a named kernel of this server."""
        name = self._kernels.name_of(connection)
        if name and connection.owns_kernel:
            await self._records.add(name, execution.source, execution.status, connection.variables)


def offer(record: Record) -> str:
    """How to see and run again what was lost with a named kernel, "" if nothing was."""
    if not record.lost:
        return ""
    tool = f"list_kernels(recorded={record.name!r})"
    older = f" ({record.dropped:,} older ones are not kept)" if record.dropped else ""
    lost, again = f"{tool} shows the {len(record.lost)} runs on the one before{older}", ""
    if good := ranges([run.number for run in record.lost if run.status == "ok"]):
        call = f'execute_code(kernel={record.name!r}, rerun="{good}")'
        again = f"; {call} runs those again that succeeded"
    had = f" It had {few(record.lost_variables)}." if record.lost_variables else ""
    return f"{lost}{again}.{had}"


def _told(loss: Loss | None, is_offered: bool) -> list[str]:
    if loss is None:
        return [NEW_KERNEL] if is_offered else []
    lost = LOST_VARIABLES.format(reason=loss.reason)
    return [lost, f"Lost: {few(loss.variables)}."] if loss.variables else [lost]


def _cells_offer(document: NotebookDocument, execution: Execution) -> str:
    batch = execution.batch.executions if execution.batch else [execution]
    asked = {each.cell_id for each in batch}
    ran = [cell for cell in document.cells() if cell.execution_count and cell.id not in asked]
    ran.sort(key=lambda cell: cell.execution_count or 0)
    if not ran:
        return ""
    if len(ran) > MAX_CELLS or not all(_LISTABLE.fullmatch(cell.id) for cell in ran):
        return f"{len(ran)} cells had run before; read_notebook shows them."
    call = f'execute_cells(cells="{",".join(cell.id for cell in ran)}") runs them again'
    return f"Cells that had run before: {call}{_order(ran)}."


def _order(ran: Sequence[Cell]) -> str:
    positions = [cell.position for cell in ran]
    return ", top down; they ran in this order" if positions != sorted(positions) else ""

"""Brings notebooks up to date with what runs produce, even when they have ended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from logging import Logger
from time import monotonic

from anyio import create_task_group, sleep
from anyio.lowlevel import checkpoint

from .errors import Conflict, NotFound
from .execution import Execution
from .notebook import NotebookDocument
from .outputs import OutputArea
from .room import NotebookRooms
from .starts import Spawn

SHORT_RUN_SECONDS = 0.02
"""How long a run goes on before its cell is shown as running."""

BATCH_SECONDS = 0.05
"""Pause between two updates of the document while a run produces output."""

LONG_BATCH_SECONDS = 0.2
"""The same, once a run has been producing output for LONG_RUN_SECONDS."""

LONG_RUN_SECONDS = 5.0

NOT_WRITTEN = "Its outputs could not be written to the notebook; the server's log has the reason."


class OutputWriter:
    """Writes the outputs of executions to the documents of their cells."""

    def __init__(self, rooms: NotebookRooms, spawn: Spawn, log: Logger) -> None:
        self._rooms = rooms
        self._spawn = spawn
        self._log = log

    @asynccontextmanager
    async def following(
        self, execution: Execution, document: NotebookDocument, changed: asyncio.Event
    ) -> AsyncIterator[None]:
        """Show in the document what becomes of a run that goes on inside.

        `changed` is set by whoever gives outputs to the execution's area. What goes wrong with
        the notebook does not end the run, which goes on in its kernel: it is logged and noted.
        """
        try:
            async with create_task_group() as tasks:
                follow = partial(self._follow, execution, document, changed)
                tasks.start_soon(self._logged, execution, follow)
                yield
                tasks.cancel_scope.cancel()
        finally:
            await self._logged(execution, partial(_finish, execution.area, document))

    def write_late(self, execution: Execution) -> None:
        """Write what came after the end of a run, soon."""
        if not execution.cell_id or not execution.area.has_changes or execution.has_late_writer:
            return

        async def write() -> None:
            await sleep(BATCH_SECONDS)
            execution.has_late_writer = False
            # The notebook may have been moved or deleted meanwhile.
            path = self._rooms.path_of(execution.file_id)
            with suppress(NotFound, Conflict):
                async with self._rooms.open(path or execution.path) as document:
                    await _write_all(execution.area, document)

        execution.has_late_writer = True
        self._spawn(write)

    async def _follow(
        self, execution: Execution, document: NotebookDocument, changed: asyncio.Event
    ) -> None:
        # Most runs end before that, and then take a single transaction.
        await sleep(SHORT_RUN_SECONDS)
        await document.settled()
        execution.area.show_running(document)
        await _write_batches(execution.area, document, changed)

    async def _logged(self, execution: Execution, function: Callable[[], Awaitable[None]]) -> None:
        try:
            await function()
        except Exception:
            # The run goes on in its kernel whatever becomes of the notebook.
            self._log.exception("The outputs of %s could not be written", execution.id)
            if NOT_WRITTEN not in execution.notes:
                execution.notes.append(NOT_WRITTEN)


async def _finish(area: OutputArea, document: NotebookDocument) -> None:
    try:
        await document.settled()
        if area.is_large:
            await _write_all(area, document)
    finally:
        area.finish(document)


async def _write_all(area: OutputArea, document: NotebookDocument) -> None:
    while area.has_changes:
        area.write(document)
        await checkpoint()
        await document.settled()


async def _write_batches(
    area: OutputArea, document: NotebookDocument, changed: asyncio.Event
) -> None:
    """Bring the document up to date a few times a second while output comes, until cancelled."""
    started = monotonic()
    while True:
        await changed.wait()
        changed.clear()
        is_long = monotonic() - started > LONG_RUN_SECONDS
        await sleep(LONG_BATCH_SECONDS if is_long else BATCH_SECONDS)
        await document.settled()
        area.write(document)
        if area.has_changes:
            changed.set()

"""Runs cells or code, one after the other on each kernel."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from logging import Logger
from typing import Any
from weakref import WeakValueDictionary, ref

from anyio import Lock, move_on_after

from .agent import Agent
from .cell import CellHead
from .channels import Message, MessageHandler
from .connection import KernelConnection
from .control import is_busy, is_silent, subshell_of
from .errors import (
    AgreementOutdated,
    BrokenOff,
    MCPExtensionError,
    ServerStopping,
    Unavailable,
    WrongCellType,
)
from .execution import Batch, Execution
from .executions import Executions
from .inputs import input_handler
from .kernel import Kernels
from .loss_notes import LossNotes
from .notebook import NotebookDocument
from .output_writer import OutputWriter
from .presence import Presence
from .readings import Readings
from .room import NotebookRooms
from .runs import Run
from .starts import Spawn
from .text import encodable

START_SECONDS = 0.5
"""How long a run that was just sent may take to begin, before it counts as waiting."""

END_SECONDS = 1.0
"""How long the end of an interrupted run may take to reach us."""


class Executor:
    """Runs on this server's kernels: what is sent to a notebook, or to a kernel by its id or name,
    in the order of its arrival. Those that share a kernel take turns.
    """

    def __init__(
        self,
        rooms: NotebookRooms,
        kernels: Kernels,
        presence: Presence,
        readings: Readings,
        loss_notes: LossNotes,
        executions: Executions,
        spawn: Spawn,
        log: Logger,
    ) -> None:
        self._rooms = rooms
        self._kernels = kernels
        self._presence = presence
        self._readings = readings
        self._loss_notes = loss_notes
        self._executions = executions
        self._spawn = spawn
        self._writer = OutputWriter(rooms, spawn, log)
        self._queues: WeakValueDictionary[str, Lock] = WeakValueDictionary()
        self._is_stopping = False

    def submit_cell(
        self,
        document: NotebookDocument,
        cell: CellHead,
        agent: Agent,
        *,
        takes_input: bool = False,
        overwrite_changes: bool = False,
        is_agreed: bool = False,
        batch: Batch | None = None,
    ) -> Execution:
        """Run a cell on its notebook's kernel; its outputs go into the notebook.

        It is not run if, when its turn comes, somebody else has changed it since the agent read
        it, unless the agent insists with `overwrite_changes`; nor if anybody has changed it since
        a person agreed to it.
        """
        execution = self._executions.new(document.path, cell.id, agent.author)
        execution.label, execution.batch = cell.label, batch
        execution.takes_input = takes_input
        execution.overwrites_changes = overwrite_changes
        execution.agreed = cell.source if is_agreed else None
        running = partial(self._run_cell, execution, document, agent)
        self._spawn(partial(self._guard, execution, document.path, running))
        return execution

    def submit_cells(
        self,
        document: NotebookDocument,
        cells: Sequence[CellHead],
        agent: Agent,
        *,
        stop_on_error: bool,
        takes_input: bool = False,
        overwrite_changes: bool = False,
        is_agreed: bool = False,
    ) -> Batch:
        """Run cells in this order, until one ends in a way that nobody wants to be ignored."""
        batch = Batch(stop_on_error)
        for cell in cells:
            execution = self.submit_cell(
                document,
                cell,
                agent,
                takes_input=takes_input,
                overwrite_changes=overwrite_changes,
                is_agreed=is_agreed,
                batch=batch,
            )
            batch.executions.append(execution)
        return batch

    def submit_code(
        self,
        code: str,
        path: str = "",
        kernel: str = "",
        *,
        takes_input: bool = False,
        while_busy: bool = False,
        batch: Batch | None = None,
    ) -> Execution:
        """Run code on a notebook's kernel, or on the kernel with this id.

        Neither the notebook nor the kernel's history and execution count show it. With
        `while_busy`, it does not wait for what the kernel runs, but runs beside it.
        """
        execution = self._executions.new(path)
        execution.takes_input, execution.batch = takes_input, batch
        running = partial(self._run_code, execution, code, kernel, while_busy)
        queue = execution.id if while_busy else path or kernel
        self._spawn(partial(self._guard, execution, queue, running))
        return execution

    def submit_codes(self, codes: Sequence[str], kernel: str, *, takes_input: bool) -> Batch:
        """Run pieces of code on a kernel in this order, until one fails."""
        batch = Batch(stop_on_error=True)
        for code in codes:
            execution = self.submit_code(code, kernel=kernel, takes_input=takes_input, batch=batch)
            batch.executions.append(execution)
        return batch

    async def interrupt(self, execution: Execution) -> None:
        """Interrupt it if it runs now; withdraw it if it still waits for its turn.

        What the kernel itself has queued, behind the run of somebody else, can neither be
        withdrawn nor interrupted without ending theirs: it stays queued. A kernel that says
        nothing at all is taken to run it.

        Raises:
            InterruptFailed: the kernel does not stop.
            Unavailable: it runs beside another run.
        """
        if self._is_stopping or execution.is_finished:
            return
        if not execution.is_sent:
            execution.in_queue.cancel()
        elif execution.in_subshell:
            raise Unavailable(
                "What runs beside another run cannot be interrupted.",
                "Wait for it, or call restart_kernel, which loses all variables.",
            )
        else:
            with move_on_after(START_SECONDS):
                while execution.status == "queued":
                    await execution.wait_changed()
            connection = await self._kernels.find(execution.kernel_id, must_answer=False)
            begun = ("queued", "running") if await is_silent(connection) else ("running",)
            if execution.status in begun:
                await self._kernels.interrupt(connection)
        await execution.wait(END_SECONDS)

    def stop(self) -> None:
        """The server stops: whoever waits is told, and nothing is interrupted any more."""
        self._is_stopping = True
        for execution in self._executions.unfinished:
            execution.fail(ServerStopping())

    # Inside

    async def _guard(
        self, execution: Execution, queue: str, running: Callable[[], Awaitable[None]]
    ) -> None:
        # Kernels take their time to start, so the order is fixed before one is asked for.
        turn = self._queues.setdefault(queue, Lock())
        try:
            with execution.in_queue:
                async with turn:
                    execution.follow_batch()
                    if not execution.is_finished:
                        await running()
        except MCPExtensionError as error:
            execution.fail(error)
        finally:
            if execution.in_queue.cancelled_caught:
                execution.finish("cancelled")
            elif not execution.is_finished:
                execution.fail(BrokenOff(execution.id))
            self._executions.note_end(execution)

    async def _run_cell(
        self, execution: Execution, document: NotebookDocument, agent: Agent
    ) -> None:
        async with self._rooms.reopen(document) as document:
            with self._presence.working_on(agent, document, execution.cell_id):
                await self._run_cell_in(execution, document, agent)

    async def _run_cell_in(
        self, execution: Execution, document: NotebookDocument, agent: Agent
    ) -> None:
        execution.path, execution.file_id = document.path, document.file_id
        connection = await self._connection_of(document)
        async with self._turn(execution, connection):
            await document.settled()
            cell = document.exact_head(execution.cell_id)
            if not execution.overwrites_changes:
                self._readings.check(agent, document, [cell])  # It may have waited for long.
            if execution.agreed not in (None, cell.source):
                raise AgreementOutdated([cell.label])
            if cell.type != "code":
                raise WrongCellType(cell.label, cell.type)
            document.check_writable()
            execution.source = execution.area.start(document, cell.id)
            run = await self._execute_cell(execution, connection, document)
        execution.end(run)

    async def _run_code(
        self, execution: Execution, code: str, kernel: str, while_busy: bool
    ) -> None:
        connection = await self._connection_for(execution, kernel)
        execution.source = code
        if while_busy and await is_busy(connection):
            subshell = await subshell_of(connection)
            execution.kernel_id = connection.kernel_id
            execution.is_sent = execution.in_subshell = True
            run = await self._execute(execution, connection, code, subshell)
        else:
            async with self._turn(execution, connection):
                run = await self._execute(execution, connection, code)
        execution.end(run)
        await self._loss_notes.record(connection, execution)

    async def _connection_for(self, execution: Execution, kernel: str) -> KernelConnection:
        if kernel:
            return await self._kernels.find(kernel)
        connection = await self._kernels.attached(execution.path)
        if connection is not None:
            return connection
        async with self._rooms.open(execution.path) as document:
            return await self._connection_of(document)

    async def _connection_of(self, document: NotebookDocument) -> KernelConnection:
        # Reading the notebook's metadata takes a while, and is only needed for a start.
        connection = await self._kernels.attached(document.path)
        if connection is not None:
            return connection
        return await self._kernels.attached_to(document.path, document.kernelspec_name)

    async def _execute(
        self, execution: Execution, connection: KernelConnection, code: str, subshell: str = ""
    ) -> Run:
        handler = self._handler(execution, asyncio.Event())
        return await connection.execute(
            code,
            handler,
            store_history=False,
            subshell=subshell,
            on_input=input_handler(execution, self._spawn, self.interrupt),
        )

    @asynccontextmanager
    async def _turn(
        self, execution: Execution, connection: KernelConnection
    ) -> AsyncIterator[None]:
        execution.kernel_id = connection.kernel_id
        async with connection.turn:
            # It may have died while others had their turn.
            await self._kernels.connections.wait_ready(connection)
            execution.notes += await self._loss_notes.take(connection, execution)
            execution.is_sent = True
            yield

    async def _execute_cell(
        self,
        execution: Execution,
        connection: KernelConnection,
        document: NotebookDocument,
    ) -> Run:
        changed = asyncio.Event()
        handler = self._handler(execution, changed)
        async with self._writer.following(execution, document, changed):
            on_input = input_handler(execution, self._spawn, self.interrupt)
            run = await connection.execute(execution.source, handler, on_input=on_input)
        if document.ycell(execution.cell_id) is not None:
            execution.label = document.label(execution.cell_id)
            _set_next_inputs(run.content.get("payload"), execution.cell_id, document)
        return run

    def _handler(self, execution: Execution, changed: asyncio.Event) -> MessageHandler:
        # Late messages find an execution for as long as it is kept, and must not keep it.
        found, executor = ref(execution), self

        def handle(message: Message) -> None:
            execution = found()
            if execution is None:
                return
            content = message["content"]
            if content.get("execution_state") == "busy":
                execution.start()
            elif message["header"]["msg_type"] == "update_display_data":
                executor._update_displays(execution.kernel_id, content)
            execution.area.apply(message)
            changed.set()
            if execution.is_finished:
                executor._writer.write_late(execution)

        return handle

    def _update_displays(self, kernel_id: str, content: Message) -> None:
        """Show an update in the outputs of earlier runs too; the present one gets it anyway."""
        for run in self._executions.finished:
            if run.kernel_id == kernel_id and run.area.update_display(content):
                self._writer.write_late(run)


def _set_next_inputs(payloads: Any, cell_id: str, document: NotebookDocument) -> None:
    """Put the texts that a run has for its front end (as `%load` does) into the notebook."""
    for payload in payloads if isinstance(payloads, list) else []:
        if isinstance(payload, dict) and payload.get("source") == "set_next_input":
            text = encodable(str(payload.get("text", "")))
            if payload.get("replace"):
                document.replace_source(cell_id, text)
            else:
                document.insert_cell(text, after=cell_id)

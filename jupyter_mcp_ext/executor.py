"""Run cells and code, one after the other on each kernel, each with an id."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from itertools import count
from time import monotonic
from typing import Literal
from weakref import WeakValueDictionary

from anyio import CancelScope, Event, Lock, create_task_group, move_on_after, sleep

from .connection import KernelConnection, Message, MessageHandler, Run
from .errors import (
    BrokenOff,
    Conflict,
    ExecutionNotFound,
    MCPExtensionError,
    NotFound,
    ServerStopping,
    WrongCellType,
)
from .kernel import Kernels, Spawn
from .notebook import Cell, NotebookDocument
from .outputs import Output, OutputArea
from .room import NotebookRooms

Status = Literal["ok", "error", "queued", "running", "interrupted", "kernel_died", "cancelled"]

BATCH_SECONDS = 0.05
"""Pause between two updates of the document while a run produces output."""

LONG_BATCH_SECONDS = 0.2
"""The same, once a run has been producing output for LONG_RUN_SECONDS."""

LONG_RUN_SECONDS = 5.0

END_SECONDS = 1.0
"""How long the end of an interrupted run may take to reach us."""

KEPT_EXECUTIONS = 100
"""How many finished executions stay readable."""

LOST_VARIABLES = (
    "The kernel is new since the last run here (it died or was restarted): all variables are lost."
)


class Execution:
    """One run of a cell, or of code outside the notebook.

    It belongs to the server: it goes on when nobody waits for it. `label` names the cell as
    `Cell.label` does, or is "code".
    """

    def __init__(self, execution_id: str, path: str = "", cell_id: str = "") -> None:
        self.id = execution_id
        self.path = path
        self.cell_id = cell_id
        self.label = "code"
        self.kernel_id = ""
        self.status: Status = "queued"
        self.notes: list[str] = []
        self.failure: MCPExtensionError | None = None
        self.in_queue = CancelScope()
        self.is_submitted = False
        self.area = OutputArea()
        self._started = monotonic()
        self.has_late_writer = False
        self._seconds: float | None = None
        self._finished = Event()

    @property
    def seconds(self) -> float:
        """How long it has been running or ran, without the time in the queue."""
        return monotonic() - self._started if self._seconds is None else self._seconds

    @property
    def outputs(self) -> list[Output]:
        """What it has produced so far, as nbformat has it."""
        return self.area.outputs

    @property
    def is_finished(self) -> bool:
        """Whether its status is final."""
        return self._finished.is_set()

    async def wait(self, seconds: float) -> None:
        """Wait for the end, for so long at most.

        Raises:
            MCPExtensionError: it could not be run at all.
        """
        with move_on_after(seconds):
            await self._finished.wait()
        if self.failure is not None:
            raise self.failure

    def start(self) -> None:
        """The kernel has begun with it; a final status stays what it is."""
        if not self.is_finished:
            self.status, self._started = "running", monotonic()

    def finish(self, status: Status) -> None:
        """Set the final status."""
        self.status, self._seconds = status, monotonic() - self._started
        self._finished.set()

    def fail(self, error: MCPExtensionError) -> None:
        """It could not be run; whoever waits gets the error."""
        self.failure = error
        self.finish("cancelled")


class Executor:
    """Runs on this server's kernels; on each of them in the order of their arrival."""

    def __init__(self, rooms: NotebookRooms, kernels: Kernels, spawn: Spawn) -> None:
        self._rooms = rooms
        self._kernels = kernels
        self._spawn = spawn
        self._ids = (f"r{number}" for number in count(1))
        self._executions: OrderedDict[str, Execution] = OrderedDict()
        self._queues: WeakValueDictionary[str, Lock] = WeakValueDictionary()
        self._is_stopping = False

    @property
    def unfinished(self) -> list[Execution]:
        """What is queued or running, oldest first."""
        return [run for run in self._executions.values() if not run.is_finished]

    def get(self, execution_id: str) -> Execution:
        """An execution that is unfinished, or finished not long ago.

        Raises:
            ExecutionNotFound: it never was, or was dropped.
        """
        try:
            return self._executions[execution_id]
        except KeyError:
            raise ExecutionNotFound(execution_id) from None

    def submit_cell(self, path: str, cell: Cell) -> Execution:
        """Run a cell on its notebook's kernel; its outputs go into the notebook."""
        execution = self._new(path, cell.id)
        execution.label = cell.label
        self._spawn(partial(self._guard, execution, path, partial(self._run_cell, execution)))
        return execution

    def submit_code(self, code: str, path: str = "", kernel: str = "") -> Execution:
        """Run code on a notebook's kernel, or on the kernel with this id.

        Neither the notebook nor the kernel's history and execution count show it.
        """
        execution = self._new(path)
        running = partial(self._run_code, execution, code, kernel)
        self._spawn(partial(self._guard, execution, path or kernel, running))
        return execution

    async def interrupt(self, execution: Execution) -> None:
        """Interrupt it if it runs now; withdraw it if it still waits for its turn.

        What the kernel itself has queued, behind the run of somebody else, can neither be
        withdrawn nor interrupted without ending theirs: it stays queued.

        Raises:
            InterruptFailed: the kernel does not stop.
        """
        if self._is_stopping:
            return
        if execution.status == "running":
            await self._kernels.interrupt(await self._kernels.find(execution.kernel_id))
        elif not execution.is_submitted:
            execution.in_queue.cancel()
        await execution.wait(END_SECONDS)

    def stop(self) -> None:
        """The server stops: whoever waits is told, and nothing is interrupted any more."""
        self._is_stopping = True
        for execution in self.unfinished:
            execution.fail(ServerStopping())

    # Inside

    def _new(self, path: str, cell_id: str = "") -> Execution:
        execution = Execution(next(self._ids), path, cell_id)
        self._executions[execution.id] = execution
        finished = [run.id for run in self._executions.values() if run.is_finished]
        for execution_id in finished[:-KEPT_EXECUTIONS]:
            del self._executions[execution_id]
        return execution

    async def _guard(
        self, execution: Execution, queue: str, running: Callable[[], Awaitable[None]]
    ) -> None:
        # Kernels take their time to start, so the order is fixed before one is asked for.
        turn = self._queues.setdefault(queue, Lock())
        try:
            with execution.in_queue:
                async with turn:
                    await running()
        except MCPExtensionError as error:
            execution.fail(error)
        finally:
            if execution.in_queue.cancelled_caught:
                execution.finish("cancelled")
            elif not execution.is_finished:
                execution.fail(BrokenOff(execution.id))

    async def _run_cell(self, execution: Execution) -> None:
        async with self._rooms.open(execution.path) as document:
            kernel = document.kernelspec_name
            connection = await self._kernels.attached_to(document.path, kernel)
            async with self._turn(execution, connection):
                await document.settled()
                cell = document.cell(execution.cell_id)
                if cell.type != "code":
                    raise WrongCellType(cell.label, cell.type, "code")
                document.check_writable()
                source = execution.area.start(document, cell.id)
                execution.finish(await self._execute_cell(execution, connection, document, source))

    async def _run_code(self, execution: Execution, code: str, kernel: str) -> None:
        if kernel:
            connection = await self._kernels.find(kernel)
        else:
            async with self._rooms.open(execution.path) as document:
                name = document.kernelspec_name
            connection = await self._kernels.attached_to(execution.path, name)
        async with self._turn(execution, connection):
            handler = self._handler(execution, asyncio.Event())
            run = await connection.execute(code, handler, store_history=False)
            execution.finish(_status(run))

    @asynccontextmanager
    async def _turn(
        self, execution: Execution, connection: KernelConnection
    ) -> AsyncIterator[None]:
        execution.kernel_id = connection.kernel_id
        async with connection.turn:
            # It may have died while others had their turn.
            await self._kernels.wait_ready(connection)
            if connection.lost_variables:
                connection.lost_variables = False
                execution.notes.append(LOST_VARIABLES)
            execution.is_submitted = True
            yield

    async def _execute_cell(
        self,
        execution: Execution,
        connection: KernelConnection,
        document: NotebookDocument,
        source: str,
    ) -> Status:
        area, changed = execution.area, asyncio.Event()
        try:
            async with create_task_group() as tasks:
                tasks.start_soon(_write_batches, area, document, changed)
                tasks.start_soon(self._rooms.keep_saved, document)
                run = await connection.execute(source, self._handler(execution, changed))
                tasks.cancel_scope.cancel()
            await document.settled()
        finally:
            area.finish(document)
        if document.ycell(execution.cell_id) is not None:
            execution.label = document.label(execution.cell_id)
            _set_next_inputs(run.content.get("payload") or [], execution.cell_id, document)
        return _status(run)

    def _handler(self, execution: Execution, changed: asyncio.Event) -> MessageHandler:
        def handle(message: Message) -> None:
            content = message["content"]
            if content.get("execution_state") == "busy":
                execution.start()
            elif message["header"]["msg_type"] == "update_display_data":
                self._update_displays(execution.kernel_id, content)
            execution.area.apply(message)
            changed.set()
            if execution.is_finished:
                self._write_late(execution)

        return handle

    def _update_displays(self, kernel_id: str, content: Message) -> None:
        """Show an update in the outputs of earlier runs too; the present one gets it anyway."""
        for run in self._executions.values():
            if run.kernel_id == kernel_id and run.is_finished and run.area.update_display(content):
                self._write_late(run)

    def _write_late(self, execution: Execution) -> None:
        if not execution.cell_id or not execution.area.has_changes or execution.has_late_writer:
            return

        async def write() -> None:
            await sleep(BATCH_SECONDS)
            execution.has_late_writer = False
            # The notebook may have been moved or deleted meanwhile.
            with suppress(NotFound, Conflict):
                async with self._rooms.open(execution.path) as document:
                    execution.area.write(document)

        execution.has_late_writer = True
        self._spawn(write)


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


def _status(run: Run) -> Status:
    if run.status == "died":
        return "kernel_died"
    if run.status == "ok":
        return "ok"
    if run.interrupted and run.content.get("ename") == "KeyboardInterrupt":
        return "interrupted"
    return "error"


def _set_next_inputs(payloads: Sequence[Message], cell_id: str, document: NotebookDocument) -> None:
    """Put the texts that a run has for its front end (as `%load` does) into the notebook."""
    for payload in payloads:
        if payload.get("source") == "set_next_input":
            text = str(payload.get("text", ""))
            if payload.get("replace"):
                document.replace_source(cell_id, text)
            else:
                document.insert_cell(text, after=cell_id)

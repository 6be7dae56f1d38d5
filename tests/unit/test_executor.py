"""Running cells and code in order, on a kernel that speaks the protocol and has no process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from logging import getLogger
from pathlib import Path
from typing import Any

import pytest
from anyio import Event, create_task_group, fail_after, wait_all_tasks_blocked
from jupyter_ydoc import YNotebook
from pycrdt import Awareness

from jupyter_mcp_ext import control, executor, inputs
from jupyter_mcp_ext.agent import Agent
from jupyter_mcp_ext.connection import KernelConnection
from jupyter_mcp_ext.errors import (
    AgreementOutdated,
    BrokenOff,
    CellNotFound,
    InterruptFailed,
    KernelNotFound,
    NotebookNotFound,
    ReadOnlyNotebook,
    ServerStopping,
    SourceConflict,
    Unavailable,
    WrongCellType,
)
from jupyter_mcp_ext.execution import Execution
from jupyter_mcp_ext.executions import Executions
from jupyter_mcp_ext.executor import Executor
from jupyter_mcp_ext.loss_notes import LossNotes
from jupyter_mcp_ext.notebook import NotebookDocument
from jupyter_mcp_ext.output_writer import NOT_WRITTEN
from jupyter_mcp_ext.people import AGENT_FIELD
from jupyter_mcp_ext.presence import Presence
from jupyter_mcp_ext.readings import Readings
from jupyter_mcp_ext.records import Records
from tests.scripted_kernel import ScriptedKernel

pytestmark = pytest.mark.anyio

AGENT = Agent("0a", "Claude Code")


class Rooms:
    """The rooms of one notebook, as long as it exists."""

    def __init__(self, document: NotebookDocument) -> None:
        self.document = document
        self.path: str | None = document.path
        self.leases = 0

    @asynccontextmanager
    async def reopen(self, document: NotebookDocument) -> AsyncIterator[NotebookDocument]:
        async with self.open(self.path or document.path) as document:
            yield document

    @asynccontextmanager
    async def open(self, path: str) -> AsyncIterator[NotebookDocument]:
        if path != self.path:
            raise NotebookNotFound(path, "it was deleted")
        self.document.path = path
        self.leases += 1
        try:
            yield self.document
        finally:
            self.leases -= 1

    def path_of(self, file_id: str) -> str | None:
        return self.path


class Kernels:
    """One kernel, for whichever notebook it is started."""

    def __init__(self) -> None:
        self.kernel = ScriptedKernel()
        self.connection = KernelConnection("k1", self.kernel)
        self.connections = self
        self.paths: set[str] = set()
        self.started: list[tuple[str, str]] = []
        self.may_start = Event()
        self.may_start.set()
        self.name = ""

    async def attached(self, path: str) -> KernelConnection | None:
        return self.connection if path in self.paths else None

    async def attached_to(self, path: str, kernelspec: str) -> KernelConnection:
        self.started.append((path, kernelspec))
        await self.may_start.wait()
        self.paths.add(path)
        return self.connection

    async def find(self, kernel_id: str, *, must_answer: bool = True) -> KernelConnection:
        if kernel_id != "k1":
            raise KernelNotFound(kernel_id)
        return self.connection

    async def interrupt(self, connection: KernelConnection) -> bool:
        return await control.interrupt(connection, self.kernel.interrupt)

    async def wait_ready(self, connection: KernelConnection) -> None:
        await connection.ready()

    def name_of(self, connection: KernelConnection) -> str:
        return self.name


class House:
    """An executor and all that it works with."""

    def __init__(self, spawn: Callable[[Callable[[], Awaitable[None]]], None], kept: Path) -> None:
        self.ynotebook = YNotebook()
        metadata = {"kernelspec": {"name": "words", "display_name": "Words"}}
        self.ynotebook.set({"cells": [], "metadata": metadata, "nbformat": 4, "nbformat_minor": 5})
        self.ynotebook.ycells.clear()  # An empty notebook was given an empty cell.
        self.ynotebook.awareness = Awareness(self.ynotebook.ydoc)
        self.is_broken = False
        self.document = NotebookDocument(self.ynotebook, "a.ipynb", self._settle)
        self.document.file_id = "file"
        self.rooms: Any = Rooms(self.document)
        self.kernels: Any = Kernels()
        self.kernel: ScriptedKernel = self.kernels.kernel
        self.readings = Readings()
        self.records = Records(kept, 1, getLogger())
        self.presence = Presence(lambda document: True, lambda: None)
        self.executions = Executions(1_000_000)
        losses = LossNotes(self.rooms, self.kernels, self.records)
        self.executor = Executor(
            *(self.rooms, self.kernels, self.presence, self.readings, losses),
            *(self.executions, spawn, getLogger()),
        )

    async def _settle(self) -> None:
        if self.is_broken:
            raise OSError("the disk is full")

    def cell(self, source: str, **more: Any) -> Execution:
        """A run of a new cell at the end."""
        cell = self.document.insert_cell(source)
        return self.executor.submit_cell(self.document, cell, AGENT, **more)

    def code(self, code: str, **more: Any) -> Execution:
        return self.executor.submit_code(code, "a.ipynb", **more)

    async def interrupt(self, execution: Execution) -> None:
        with fail_after(5):
            await self.executor.interrupt(execution)

    def texts(self, cell: int = 0) -> list[str]:
        """The texts of the outputs that the notebook has of a cell."""
        return texts(self.document.cell(cell).outputs)

    async def begun(self, execution: Execution) -> None:
        """The kernel has begun with it."""
        with fail_after(5):
            while execution.status == "queued":
                await execution.wait_changed()
        assert execution.status == "running"

    async def changed(self) -> None:
        """The notebook's outputs have changed."""
        changed = Event()
        forget = self.document.on_change(lambda ids: changed.set())
        with fail_after(5):
            await changed.wait()
        forget()


def texts(outputs: Any) -> list[str]:
    return [
        output.get("text") or output.get("evalue") or output.get("data", {}).get("text/plain", "")
        for output in outputs
    ]


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with create_task_group() as tasks:

        def spawn(function: Callable[[], Awaitable[None]]) -> None:
            async def contained() -> None:
                try:
                    await function()
                except ZeroDivisionError:
                    pass  # The extension logs failures, and goes on.

            tasks.start_soon(contained)

        yield House(spawn, tmp_path)
        tasks.cancel_scope.cancel()


async def ended(*executions: Execution) -> list[str]:
    """The final statuses."""
    for execution in executions:
        await execution.wait(5)
    return [execution.status for execution in executions]


# Cells


async def test_a_run_of_a_cell_is_in_the_notebook_and_is_the_agents(house: House) -> None:
    execution = house.cell("print 1\nwait\nprint 2")
    mark = house.document.journal.mark
    assert (execution.id, execution.status, execution.path) == ("r1", "queued", "a.ipynb")
    assert execution.label == f"[0] {execution.cell_id}"
    await house.begun(execution)
    assert house.rooms.leases == 1
    house.kernel.release()
    assert await ended(execution) == ["ok"]
    cell = house.document.cell(0)
    assert (cell.execution_count, cell.execution_state) == (1, "idle")
    assert house.texts() == texts(execution.outputs) == ["12"]
    assert house.document.journal.authors(cell.id, ["ran"], mark) == {AGENT.author}
    assert execution.source == "print 1\nwait\nprint 2" == house.kernel.codes[0]
    assert (execution.path, execution.file_id, execution.kernel_id) == ("a.ipynb", "file", "k1")
    assert house.kernel.requests[0]["content"]["store_history"] is True
    assert house.kernels.started == [("a.ipynb", "words")]
    assert house.rooms.leases == 0 and house.executions.get("r1") is execution


async def test_the_agent_is_shown_in_the_cell_while_it_runs(house: House) -> None:
    house.document.insert_cell("other")
    execution = house.cell("wait")
    await house.begun(execution)
    states = [s for s in house.ynotebook.awareness.states.values() if AGENT_FIELD in s]
    assert [state["user"]["name"] for state in states] == ["Claude Code"]
    assert states[0]["cursors"] == house.document.carets(execution.cell_id)
    house.kernel.release()
    assert await ended(execution) == ["ok"]


async def test_a_kernel_that_the_notebook_has_is_used(house: House) -> None:
    house.kernels.paths.add("a.ipynb")
    assert await ended(house.cell("print 1"), house.code("print 2")) == ["ok", "ok"]
    assert house.kernels.started == []


async def test_code_runs_on_the_kernel_of_a_notebook_that_cannot_be_opened(house: House) -> None:
    house.kernels.paths.add("a.ipynb")
    house.rooms.path = None
    assert await ended(house.code("print 1")) == ["ok"]


async def test_who_comes_later_waits_for_the_start_of_the_kernel_too(house: House) -> None:
    house.kernels.may_start = Event()
    runs = [house.cell("print 1"), house.code("print 2"), house.cell("print 3")]
    assert await ended(house.executor.submit_code("print 0", kernel="k1")) == ["ok"]
    assert len(house.kernels.started) == 1
    house.kernels.may_start.set()
    assert await ended(*runs) == ["ok"] * 3
    assert house.kernel.codes == [f"print {number}" for number in range(4)]


async def test_a_notebook_that_fails_does_not_end_its_runs(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    execution = house.cell("print 1\nwait\nprint 2")
    await house.begun(execution)
    house.is_broken = True
    house.kernel.release()
    assert await ended(execution) == ["ok"] and texts(execution.outputs) == ["12"]
    assert execution.notes == [NOT_WRITTEN]
    assert "the disk is full" in caplog.text


async def test_a_notebook_that_was_moved_runs_where_it_is(house: House) -> None:
    execution = house.cell("print 1")
    house.rooms.path = "b.ipynb"
    assert await ended(execution) == ["ok"]
    assert execution.path == "b.ipynb" and house.kernels.started == [("b.ipynb", "words")]


async def test_outputs_come_while_it_runs(house: House) -> None:
    execution = house.cell("print 1\nwait")
    with fail_after(5):
        while house.texts() != ["1"]:
            await house.changed()
    assert house.document.cell(0).execution_state == "running"
    house.kernel.release()
    assert await ended(execution) == ["ok"]


async def test_cells_run_in_the_order_in_which_they_were_asked_for(house: House) -> None:
    first, second, third = (house.cell(f"wait\nprint {number}") for number in range(3))
    for execution, later in ((first, second), (second, third)):
        await house.begun(execution)
        assert later.status == "queued" and not later.is_sent
        house.kernel.release()
    await house.begun(third)
    house.kernel.release()
    assert await ended(first, second, third) == ["ok"] * 3
    assert [cell.execution_count for cell in house.document.cells()] == [1, 2, 3]


async def test_what_runs_on_the_same_kernel_for_others_is_waited_for(house: House) -> None:
    await ended(house.cell("print 1"))
    by_id = house.executor.submit_code("wait\nprint a", kernel="k1")
    cell = house.cell("print b")
    await house.begun(by_id)
    assert not cell.is_sent
    house.kernel.release()
    assert await ended(by_id, cell) == ["ok", "ok"]


@pytest.mark.parametrize(
    ("stop_on_error", "statuses"), [(True, ["cancelled"] * 2), (False, ["ok", "ok"])]
)
async def test_cells_go_on_after_an_error_only_if_they_shall(
    house: House, stop_on_error: bool, statuses: list[str]
) -> None:
    cells = [house.document.insert_cell(source) for source in ("fail no", "print 1", "print 2")]
    batch = house.executor.submit_cells(house.document, cells, AGENT, stop_on_error=stop_on_error)
    assert batch.stop_on_error is stop_on_error
    assert await ended(*batch.executions) == ["error", *statuses]
    assert house.texts(0) == ["no"]
    first, *others = batch.executions
    notes = [f"Not run, since {first.label} ended with status error."] if stop_on_error else []
    assert [execution.notes for execution in others] == [notes, notes]


async def test_cells_do_not_go_on_after_an_interrupt(house: House) -> None:
    cells = [house.document.insert_cell(source) for source in ("wait", "print 1")]
    batch = house.executor.submit_cells(house.document, cells, AGENT, stop_on_error=False)
    await house.begun(batch.executions[0])
    await house.interrupt(batch.executions[0])
    assert await ended(*batch.executions) == ["interrupted", "cancelled"]


# What is not run


def change(house: House) -> None:
    house.ynotebook.ycells[0]["source"].insert(0, "print changed\n")


async def test_a_cell_that_somebody_changed_in_the_queue_is_not_run(house: House) -> None:
    house.readings.note(AGENT, house.document, [house.document.insert_cell("print 1")])
    cell = house.document.cell(0)
    execution = house.executor.submit_cell(house.document, cell, AGENT)
    change(house)
    refused = house.executor.submit_cells(house.document, [cell], AGENT, stop_on_error=True)
    for each in (execution, *refused.executions):
        with pytest.raises(SourceConflict):
            await each.wait(5)
        assert (each.status, house.kernel.codes) == ("cancelled", [])
    insisting = house.executor.submit_cell(house.document, cell, AGENT, overwrite_changes=True)
    batch = house.executor.submit_cells(
        house.document, [cell], AGENT, stop_on_error=True, overwrite_changes=True
    )
    assert await ended(insisting, *batch.executions) == ["ok", "ok"]
    assert house.texts() == ["changed1"]


async def test_a_cell_that_changed_since_a_person_agreed_is_not_run_whoever_insists(
    house: House,
) -> None:
    cell = house.document.insert_cell("print 1")
    call: dict[str, Any] = {"overwrite_changes": True, "is_agreed": True}
    one = house.executor.submit_cell(house.document, cell, AGENT, **call)
    many = house.executor.submit_cells(house.document, [cell], AGENT, stop_on_error=True, **call)
    change(house)
    for execution in (one, *many.executions):
        with pytest.raises(AgreementOutdated) as caught:
            await execution.wait(5)
        assert str(caught.value) == str(AgreementOutdated([cell.label]))
    assert house.kernel.codes == []
    cell = house.document.cell(0)
    again = house.executor.submit_cell(house.document, cell, AGENT, **call)
    assert await ended(again) == ["ok"]


async def test_a_text_is_not_run(house: House) -> None:
    cell = house.document.insert_cell("x", "markdown")
    execution = house.executor.submit_cell(house.document, cell, AGENT)
    with pytest.raises(WrongCellType) as caught:
        await execution.wait(5)
    assert str(caught.value) == str(WrongCellType(cell.label, "markdown"))


async def test_a_notebook_that_cannot_be_saved_is_not_run(house: House) -> None:
    execution = house.cell("print 1")
    house.document.is_writable = False
    with pytest.raises(ReadOnlyNotebook):
        await execution.wait(5)
    assert house.kernel.codes == []


async def test_a_cell_or_a_notebook_that_is_gone_is_not_run(house: House) -> None:
    execution = house.cell("print 1")
    house.document.delete_cells([execution.cell_id])
    with pytest.raises(CellNotFound):
        await execution.wait(5)
    execution = house.cell("print 1")
    house.rooms.path = None
    with pytest.raises(NotebookNotFound):
        await execution.wait(5)
    assert house.kernel.codes == []


async def test_a_failure_of_ours_ends_the_run_and_not_those_behind_it(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(path: str) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(house.kernels, "attached", broken)
        execution = house.cell("print 1")
        with pytest.raises(BrokenOff) as caught:
            await execution.wait(5)
    assert str(caught.value) == str(BrokenOff(execution.id))
    assert await ended(house.cell("print 2")) == ["ok"]


# Code


async def test_code_leaves_no_trace_in_notebook_and_history(house: House) -> None:
    house.document.insert_cell("x")
    before = house.document.cells()
    execution = house.code("print 1\nshow 2")
    assert (execution.label, execution.path, execution.cell_id) == ("code", "a.ipynb", "")
    assert await ended(execution) == ["ok"]
    assert texts(execution.outputs) == ["1", "2"] and house.document.cells() == before
    content = house.kernel.requests[0]["content"]
    assert (content["store_history"], content["code"]) == (False, "print 1\nshow 2")
    assert "subshell_id" not in house.kernel.requests[0]["header"]
    assert execution.source == "print 1\nshow 2" and execution.kernel_id == "k1"
    assert house.kernels.started == [("a.ipynb", "words")]


async def test_code_runs_on_a_kernel_of_no_notebook(house: House) -> None:
    execution = house.executor.submit_code("print 1", kernel="k1")
    assert execution.path == "" and await ended(execution) == ["ok"]
    with pytest.raises(KernelNotFound):
        await house.executor.submit_code("print 1", kernel="other").wait(5)


async def test_pieces_of_code_run_until_one_fails(house: House) -> None:
    codes = ["print 1", "fail no", "print 2"]
    batch = house.executor.submit_codes(codes, "k1", takes_input=False)
    assert await ended(*batch.executions) == ["ok", "error", "cancelled"]
    assert house.kernel.codes == codes[:2]


async def test_code_runs_beside_what_the_kernel_runs(house: House) -> None:
    running = house.cell("wait")
    await house.begun(running)
    beside = house.code("print 1", while_busy=True, takes_input=True)
    assert await ended(beside) == ["ok"]
    assert (running.status, texts(beside.outputs)) == ("running", ["1"])
    assert beside.in_subshell and beside.is_sent and beside.kernel_id == "k1"
    request = house.kernel.requests[1]
    assert request["header"]["subshell_id"] == "beside"
    assert request["content"]["allow_stdin"] is False, "it could not be ended"
    stuck = house.code("wait", while_busy=True)
    await house.begun(stuck)
    with pytest.raises(Unavailable) as caught:
        await house.interrupt(stuck)
    assert str(caught.value) == (
        "What runs beside another run cannot be interrupted. "
        "Wait for it, or call restart_kernel, which loses all variables."
    )
    house.kernel.release()
    assert await ended(running) == ["ok"]


async def test_code_that_may_run_beside_others_runs_as_ever_where_nothing_runs(
    house: House,
) -> None:
    execution = house.code("print 1", while_busy=True)
    assert await ended(execution) == ["ok"]
    assert not execution.in_subshell
    assert "subshell_id" not in house.kernel.requests[0]["header"]


# Interrupts and the end


async def test_what_runs_is_interrupted_and_what_waits_is_withdrawn(house: House) -> None:
    running, waiting = house.cell("wait"), house.cell("print 1")
    await house.begun(running)
    await house.interrupt(waiting)
    assert (running.status, waiting.status) == ("running", "cancelled")
    await house.interrupt(running)
    assert (running.status, house.kernel.codes) == ("interrupted", ["wait"])
    await house.interrupt(running)
    assert await ended(house.cell("print 2")) == ["ok"]


async def test_an_interrupt_of_what_ended_harms_nobody(house: House) -> None:
    done, running = house.cell("print 1"), house.cell("wait")
    await house.begun(running)
    await house.interrupt(done)
    assert running.status == "running"
    house.kernel.release()
    assert await ended(running) == ["ok"]


async def test_what_the_kernel_has_queued_behind_others_stays_queued(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executor, "START_SECONDS", 0.01)
    monkeypatch.setattr(executor, "END_SECONDS", 0.01)
    await ended(house.cell("print 1"))
    house.kernel.run_by_somebody_else("wait")
    queued = house.cell("print 2")
    with fail_after(5):
        while not queued.is_sent:
            await house.kernel.hear()
    await house.interrupt(queued)
    assert queued.status == "queued" and house.kernel.codes == ["print 1", "wait"]
    house.kernel.release()
    assert await ended(queued) == ["ok"]


async def test_what_a_silent_kernel_was_sent_is_interrupted(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executor, "START_SECONDS", 0.01)
    monkeypatch.setattr(control, "FREE_SECONDS", 0.01)
    monkeypatch.setattr(control, "INTERRUPT_GRACE_SECONDS", 0.01)
    await ended(house.cell("print 1"))
    house.kernel.is_silent = True
    silent = house.cell("wait")
    with fail_after(5):
        while not silent.is_sent:
            await house.kernel.hear()
    with pytest.raises(InterruptFailed):
        await house.interrupt(silent)
    assert silent.status == "queued"
    house.kernel.speak()
    assert await ended(silent) == ["interrupted"]


async def test_what_begins_while_it_is_interrupted_ends(house: House) -> None:
    await ended(house.cell("print 1"))
    house.kernel.run_by_somebody_else("wait")
    queued = house.cell("wait")
    with fail_after(5):
        while not queued.is_sent:
            await house.kernel.hear()
        async with create_task_group() as tasks:
            tasks.start_soon(house.interrupt, queued)
            await wait_all_tasks_blocked()
            house.kernel.release()
    assert await ended(queued) == ["interrupted"]


async def test_a_kernel_that_does_not_stop_is_told(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def ignored() -> None:
        return

    monkeypatch.setattr(house.kernel, "interrupt", ignored)
    monkeypatch.setattr(control, "INTERRUPT_GRACE_SECONDS", 0.01)
    running = house.cell("wait")
    await house.begun(running)
    with pytest.raises(InterruptFailed):
        await house.interrupt(running)
    assert running.status == "running"
    house.kernel.release()


async def test_who_waits_when_the_server_stops_is_told(house: House) -> None:
    running, waiting = house.cell("wait"), house.cell("print 1")
    await house.begun(running)
    house.executor.stop()
    for execution in (running, waiting):
        with pytest.raises(ServerStopping):
            await execution.wait(5)
    assert running.has_begun and not waiting.has_begun
    unfinished = house.cell("print 2")
    await house.interrupt(unfinished)
    assert unfinished.status == "queued", "it was interrupted"


async def test_runs_of_a_kernel_that_dies_end_and_the_next_one_tells(house: House) -> None:
    running = house.cell("wait")
    await house.begun(running)
    house.kernels.connection.lose("it died")
    assert await ended(running) == ["kernel_died"]
    house.kernel._running = None
    again = house.cell("print 1")
    assert await ended(again) == ["ok"]
    assert any("it died" in note for note in again.notes)


async def test_code_on_a_named_kernel_is_recorded(house: House) -> None:
    house.kernels.name = "work"
    assert await ended(house.executor.submit_code("fail no", kernel="k1")) == ["error"]
    with fail_after(5):
        while not (runs := (await house.records.get("work")).runs):
            pass
    assert [(run.code, run.status) for run in runs] == [("fail no", "error")]


# What comes of a run later


async def test_output_that_no_document_can_hold_as_it_is_harms_nothing(house: House) -> None:
    execution = house.cell("wait")
    await house.begun(execution)
    request, data = house.kernel.requests[0], {"application/json": {"id": 2**64}}
    house.kernel.publish(request, "stream", name="stdout", text="half \ud83d")
    house.kernel.publish(request, "display_data", data=data)
    house.kernel.payload.append({"source": "set_next_input", "text": "new \ud83d"})
    house.kernel.payload.append({"source": "set_next_input"})
    house.kernel.release()
    assert await ended(execution) == ["ok"] and execution.notes == []
    cell = house.document.cell(0)
    assert (cell.execution_state, cell.execution_count) == ("idle", 1)
    assert cell.outputs[0]["text"] == "half ?"
    assert cell.outputs[1]["data"] == {"application/json": {"id": 2.0**64}}
    assert [cell.source for cell in house.document.cells()[1:]] == ["", "new ?"]


@pytest.mark.parametrize("content", [{}, {"status": None}, {"status": ["ok"]}])
async def test_a_reply_without_a_status_ends_the_run(house: House, content: Any) -> None:
    running = house.cell("wait")
    await house.begun(running)
    house.kernel.reply(content)
    assert await ended(running) == ["error"]


async def test_output_that_comes_after_the_end_is_in_the_notebook_soon(house: House) -> None:
    assert await ended(house.cell("print 1")) == ["ok"]
    house.kernel.publish(house.kernel.requests[0], "stream", name="stdout", text="late")
    await house.changed()
    assert house.texts() == ["1late"]


async def test_a_display_is_updated_by_later_runs_too(house: House) -> None:
    shown, other = house.cell("show old"), house.cell("print 1")
    await ended(shown, other)
    other.kernel_id = "another"
    updating = house.cell("show own\nupdate new")
    await ended(updating)
    assert house.texts(2) == ["new"]
    if house.texts(0) == ["old"]:
        await house.changed()
    assert house.texts(0) == ["new"]


async def test_displays_of_other_kernels_are_not_updated(house: House) -> None:
    shown = house.cell("show old")
    await ended(shown)
    shown.kernel_id = "another"
    await ended(house.cell("show own\nupdate new"))
    assert texts(shown.outputs) == ["old"] and not shown.has_late_writer


async def test_a_run_can_put_text_into_the_notebook(house: House) -> None:
    first = house.cell("next one\nnext two")
    last = house.cell("replace print 1")
    assert await ended(first, last) == ["ok", "ok"]
    sources = [cell.source for cell in house.document.cells()]
    assert sources == ["next one\nnext two", "two", "one", "print 1"]


async def test_a_cell_may_be_moved_or_deleted_while_it_runs(house: House) -> None:
    house.document.insert_cell("x")
    moved = house.cell("wait\nnext new")
    await house.begun(moved)
    house.document.move_cell(moved.cell_id, "start")
    house.kernel.release()
    assert await ended(moved) == ["ok"]
    assert moved.label == f"[0] {moved.cell_id}"
    deleted = house.cell("wait\nprint 1\nnext new")
    label = deleted.label
    await house.begun(deleted)
    house.document.delete_cells([deleted.cell_id])
    house.kernel.release()
    assert await ended(deleted) == ["ok"]
    assert (deleted.label, texts(deleted.outputs)) == (label, ["1"])
    assert [cell.source for cell in house.document.cells()] == ["wait\nnext new", "new", "x"]


# Input


@pytest.mark.parametrize("kind", ["cell", "cells", "code", "codes"])
async def test_what_a_run_asks_for_can_be_answered(house: House, kind: str) -> None:
    source = "input name?\nprint 1"
    if kind == "cells":
        cell = house.document.insert_cell(source)
        batch = house.executor.submit_cells(
            house.document, [cell], AGENT, stop_on_error=True, takes_input=True
        )
        execution = batch.executions[0]
    elif kind == "codes":
        execution = house.executor.submit_codes([source], "k1", takes_input=True).executions[0]
    else:
        execution = getattr(house, kind)(source, takes_input=True)
    with fail_after(5):
        while execution.prompt is None:
            await execution.wait_changed()
    assert (execution.prompt.text, execution.prompt.is_password) == ("name?", False)
    execution.reply(execution.prompt, "Ada")
    assert await ended(execution) == ["ok"]
    assert house.kernel.answers == ["Ada"]


@pytest.mark.parametrize("kind", ["cell", "cells", "code"])
async def test_a_run_asks_nobody_unless_somebody_can_be_asked(house: House, kind: str) -> None:
    if kind == "cells":
        cell = house.document.insert_cell("input name?")
        batch = house.executor.submit_cells(house.document, [cell], AGENT, stop_on_error=True)
        execution = batch.executions[0]
    else:
        execution = getattr(house, kind)("input name?")
    assert await ended(execution) == ["error"]
    assert texts(execution.outputs) == ["nobody can be asked"]


@pytest.mark.parametrize("kind", ["cell", "code"])
async def test_a_run_that_nobody_answers_is_ended(
    house: House, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(inputs, "INPUT_SECONDS", 0.01)
    execution = getattr(house, kind)("input name?", takes_input=True)
    assert await ended(execution, house.code("print 1")) == ["interrupted", "ok"]
    assert execution.notes == ["Nobody answered its input() within 0.01 s."]

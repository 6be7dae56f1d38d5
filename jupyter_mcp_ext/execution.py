"""One run of a cell or of code: its status, what it printed, what it asks for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic
from typing import Literal

from anyio import CancelScope, Event, move_on_after

from .errors import MCPExtensionError
from .outputs import Output, OutputArea
from .runs import Run

Status = Literal["ok", "error", "queued", "running", "interrupted", "kernel_died", "cancelled"]

PUT_BACK = "The kernel put it back again and again because other runs failed; it was not run."


@dataclass
class Prompt:
    """What an `input()` asks for. `reply` takes the answer; `number` counts those of a run.

    `is_taken` is set while somebody is being asked.
    """

    text: str
    is_password: bool
    number: int
    reply: Callable[[str], None]
    is_taken: bool = False


@dataclass
class Batch:
    """Runs that were asked for together, in their order; `ended_by` is the run that ended it."""

    stop_on_error: bool
    executions: list[Execution] = field(default_factory=list)
    ended_by: Execution | None = None

    def note_end(self, execution: Execution) -> None:
        """Do not go on after what nobody wants to be ignored."""
        failed = self.stop_on_error and execution.status == "error"
        if failed or execution.status in ("interrupted", "kernel_died", "cancelled"):
            self.ended_by = self.ended_by or execution


class Execution:
    """One run, which belongs to the server: it goes on when nobody waits for it.

    `label` names the cell as `Cell.label` does, or is "code". `takes_input` tells whether
    somebody can be asked what an `input()` asks for.
    """

    def __init__(self, execution_id: str, area: OutputArea, path: str, cell_id: str = "") -> None:
        self.id = execution_id
        self.area = area
        self.path = path
        self.cell_id = cell_id
        self.file_id = ""
        self.label = "code"
        self.kernel_id = ""
        self.source = ""
        """What runs, once its turn has come."""
        self.status: Status = "queued"
        self.notes: list[str] = []
        self.failure: MCPExtensionError | None = None
        self.batch: Batch | None = None
        self.takes_input = False
        self.overwrites_changes = False
        self.agreed: str | None = None
        """The only source that may run, if a person was asked about it."""
        self.in_subshell = False
        self.in_queue = CancelScope()
        self.is_sent = False
        self.has_late_writer = False
        self.prompt: Prompt | None = None
        """What it asks for and waits for."""
        self._prompts = 0
        self._started = monotonic()
        self._seconds: float | None = None
        self._changed = Event()

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
        return self._seconds is not None

    @property
    def has_begun(self) -> bool:
        """Whether the kernel may have run something of a cell's source."""
        return bool(self.source)

    async def wait(self, seconds: float) -> None:
        """Wait for the end, for so long at most.

        Raises:
            MCPExtensionError: it could not be run at all.
        """
        with move_on_after(seconds):
            while not self.is_finished:
                await self._changed.wait()
        self.raise_failure()

    async def wait_changed(self) -> None:
        """Wait until its status or what it asks for changes."""
        await self._changed.wait()

    async def wait_settled(self, prompt: Prompt) -> None:
        """Wait until nobody needs to answer this any more."""
        while self.prompt is prompt:
            await self._changed.wait()

    def raise_failure(self) -> None:
        """Raise why it could not be run at all, if so."""
        if self.failure is not None:
            raise self.failure

    def start(self) -> None:
        """The kernel has begun with it; a final status stays what it is."""
        if not self.is_finished:
            self.status, self._started = "running", monotonic()
            self._notify()

    def ask(self, text: str, is_password: bool, reply: Callable[[str], None]) -> Prompt:
        """The kernel waits for an answer."""
        self._prompts += 1
        self.prompt = prompt = Prompt(text, is_password, self._prompts, reply)
        self._notify()
        return prompt

    def reply(self, prompt: Prompt, text: str) -> None:
        """Answer what it asks for, if it still does."""
        if self.prompt is prompt:
            self.prompt = None
            prompt.reply(text)
            self._notify()

    def forget_prompt(self) -> None:
        """Nobody will answer what it asks for."""
        self.prompt = None
        self._notify()

    def follow_batch(self) -> None:
        """End without having run, if the batch has ended."""
        end = None if self.batch is None else self.batch.ended_by
        if end is not None:
            self.notes.append(f"Not run, since {end.label} ended with status {end.status}.")
            self.finish("cancelled")

    def end(self, run: Run) -> None:
        """The kernel is done with it."""
        if run.status == "aborted":
            self.notes.append(PUT_BACK)
        self.finish(_status(run))

    def finish(self, status: Status) -> None:
        """Set the final status."""
        self.status, self._seconds = status, monotonic() - self._started
        self.prompt = None
        if self.batch is not None:
            self.batch.note_end(self)
        self._notify()

    def fail(self, error: MCPExtensionError) -> None:
        """It could not be run; whoever waits gets the error."""
        self.failure = error
        self.finish("cancelled")

    def _notify(self) -> None:
        self._changed.set()
        self._changed = Event()


def _status(run: Run) -> Status:
    if run.status == "died":
        return "kernel_died"
    if run.status == "aborted":
        return "cancelled"
    if run.status == "ok":
        return "ok"
    if run.interrupted and run.content.get("ename") == "KeyboardInterrupt":
        return "interrupted"
    return "error"

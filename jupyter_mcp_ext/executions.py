"""The runs that can be asked for: all that go on, with the newest of those that have ended."""

from __future__ import annotations

from collections import deque
from itertools import count

from .agent import NOBODY, Author
from .errors import ExecutionNotFound
from .execution import Execution
from .outputs import OutputArea

KEPT_EXECUTIONS = 100
"""How many finished executions stay readable."""

KEPT_OUTPUT_BYTES = 64 * 1024 * 1024
"""How much output they may have together; the newest stays readable whatever it has."""


class Executions:
    """Executions by their ids; of each, `max_output_bytes` of output are kept for the document."""

    def __init__(self, max_output_bytes: int) -> None:
        self._max_output_bytes = max_output_bytes
        self._ids = (f"r{number}" for number in count(1))
        self._executions: dict[str, Execution] = {}

    @property
    def unfinished(self) -> list[Execution]:
        """What is queued or running, oldest first."""
        return [run for run in self._executions.values() if not run.is_finished]

    @property
    def finished(self) -> list[Execution]:
        """In the order of their ends."""
        return [run for run in self._executions.values() if run.is_finished]

    def new(self, path: str, cell_id: str = "", author: Author = NOBODY) -> Execution:
        """One that is queued."""
        area = OutputArea(self._max_output_bytes, author)
        execution = Execution(next(self._ids), area, path, cell_id)
        self._executions[execution.id] = execution
        return execution

    def get(self, execution_id: str) -> Execution:
        """One that is unfinished, or finished not long ago.

        Raises:
            ExecutionNotFound: it never was, or was dropped.
        """
        try:
            return self._executions[execution_id]
        except KeyError:
            raise ExecutionNotFound(execution_id) from None

    def note_end(self, execution: Execution) -> None:
        """It has ended: the oldest ends are forgotten for it, even if that run began later."""
        self._executions[execution.id] = self._executions.pop(execution.id)
        finished = deque(self.finished)
        size = sum(run.area.size for run in finished)
        while len(finished) > KEPT_EXECUTIONS or (len(finished) > 1 and size > KEPT_OUTPUT_BYTES):
            oldest = finished.popleft()
            size -= oldest.area.size
            del self._executions[oldest.id]

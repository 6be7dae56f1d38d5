"""What a kernel is known to be doing, for whomever."""

from __future__ import annotations

from time import monotonic

from anyio import Event


class Activity:
    """The execute requests that a kernel runs, those of others too, and when it was last used."""

    def __init__(self) -> None:
        self.runs_heard = 0
        """How many runs of whomever it has begun since its start, or since we listen."""
        self.is_whole = False
        """Whether all runs are known: what had begun before we listened is over."""
        self.is_shared = False
        """Whether somebody else than agents has run something on it."""
        self._running: set[str] = set()
        self._has_ended = Event()
        self._used = monotonic()

    @property
    def running(self) -> frozenset[str]:
        """The ids of the requests that are known to be running."""
        return frozenset(self._running)

    @property
    def idle_seconds(self) -> float:
        """Since somebody used it last, or it said something."""
        return monotonic() - self._used

    def note_use(self) -> None:
        """Somebody uses it now."""
        self._used = monotonic()

    def note_run(self, *, is_ours: bool) -> None:
        """It has begun with some code."""
        self.runs_heard += 1
        self.is_shared = self.is_shared or not is_ours

    def begin(self, msg_id: str) -> None:
        """It runs this request."""
        self._running.add(msg_id)

    def end(self, msg_id: str) -> None:
        """It runs this request no more."""
        self._running.discard(msg_id)
        self._has_ended.set()

    def clear(self) -> None:
        """It runs nothing."""
        self._running.clear()
        self._has_ended.set()

    async def wait_ended(self, msg_ids: frozenset[str]) -> None:
        """Wait until none of these requests runs any more."""
        while msg_ids & self._running:
            if self._has_ended.is_set():
                self._has_ended = Event()
            await self._has_ended.wait()

"""Whether a kernel answers, with what it says of itself when it does."""

from __future__ import annotations

from anyio import Event, move_on_after

from .channels import Message

PROBE_SECONDS = 0.1
"""How long the first question to a kernel waits for its answer; each further one waits twice as
long as the one before, up to MAX_PROBE_SECONDS."""

MAX_PROBE_SECONDS = 1.0


class Readiness:
    """What is known since the kernel's last start.

    A kernel is ready when the reply to a probe and its output have come: they come on sockets of
    their own, and what it prints before the second is connected is lost.
    """

    def __init__(self) -> None:
        self.info: Message = {}
        """The content of its `kernel_info_reply`."""
        self.has_hung_up = False
        """Whether it has closed its sockets since it answered last."""
        self._process = ""
        self._probes: set[str] = set()
        self._is_heard = False
        self._ready = Event()

    @property
    def is_ready(self) -> bool:
        """Whether it has answered."""
        return self._ready.is_set()

    @property
    def is_lost(self) -> bool:
        """Whether it has answered once, and not since it is gone or starts anew."""
        return bool(self._process) and not self.is_ready

    @property
    def language(self) -> str:
        """What it runs, as it says itself, "" if it does not."""
        language = self.info.get("language_info")
        return str(language.get("name", "")) if isinstance(language, dict) else ""

    async def wait(self, seconds: float) -> None:
        """Wait until it is ready, for so long at most."""
        with move_on_after(seconds):
            await self._ready.wait()

    def note_probe(self, msg_id: str) -> None:
        """It was asked by this message."""
        self._probes.add(msg_id)

    def note_info(self, info: Message) -> None:
        """It has said what it is."""
        self.info = info
        self._note_answer()

    def note_idle(self, msg_id: str, process: str) -> None:
        """It is done with a message, as the process with this session says."""
        if msg_id in self._probes:
            self._probes.clear()
            self._process, self._is_heard = process, True
            self._note_answer()

    def is_old(self, process: str) -> bool:
        """Whether what is known is of another process than the one with this session."""
        return self.is_ready and process != self._process

    def reset(self) -> None:
        """It is gone, or starts anew."""
        self._ready = Event()
        self._is_heard, self.info = False, {}
        self._probes.clear()

    def _note_answer(self) -> None:
        if self._is_heard and self.info:
            self.has_hung_up = False
            self._ready.set()

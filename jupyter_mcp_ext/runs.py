"""The runs that a kernel is asked for, until nothing comes of them any more."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

from anyio import Event, move_on_after

from .channels import Message, MessageHandler

KEPT_RUNS = 64
"""For how many finished runs of a kernel late messages still find their way."""

IDLE_GRACE_SECONDS = 4.0
"""How long to wait for the end of a run's output after its reply, counted from the last message."""

MAX_VARIABLES = 200
"""How many names of variables are kept."""

# IPython knows which names were there before anybody ran something.
VARIABLES = (
    "' '.join([name for name in globals() if name[:1] != '_' and "
    f"name not in get_ipython().user_ns_hidden][:{MAX_VARIABLES}])"
)
"""Evaluated after each run that succeeds, by the request that asks for the run."""

BROKE = "The connection to the kernel broke during this run: output may be missing.\n"
UNKNOWN_END = "the run is over, but how it ended is not known"

InputHandler = Callable[[str, bool, Callable[[str], None]], None]
"""Takes the prompt of an `input()`, whether it asks for a password, and what takes the answer."""


@dataclass
class Run:
    """One execute request.

    `status` is that of the reply, or "died", or "left" if nobody waited for it, or "" before.
    """

    handler: MessageHandler
    on_input: InputHandler | None = None
    status: str = ""
    content: Message = field(default_factory=dict)
    interrupted: bool = False
    messages: int = 0
    replied: Event = field(default_factory=Event)
    idle: Event = field(default_factory=Event)

    @property
    def variables(self) -> tuple[str, ...] | None:
        """The names of the kernel's variables after it, None if it has not told."""
        answer = self.answer_to("variables")
        if answer.get("status") != "ok":
            return None
        data = answer.get("data")
        text = data.get("text/plain", "") if isinstance(data, dict) else ""
        names = str(text).strip("'").split()[:MAX_VARIABLES]
        return tuple(name for name in names if name.isidentifier())

    def answer_to(self, question: str) -> dict[str, Any]:
        """What the kernel has answered to one of the request's `user_expressions`."""
        answers = self.content.get("user_expressions")
        answer = answers.get(question) if isinstance(answers, dict) else None
        return answer if isinstance(answer, dict) else {}

    def begin(self) -> None:
        """It is sent, or sent again."""
        self.status, self.replied, self.idle = "", Event(), Event()

    def take(self, message: Message) -> None:
        """The kernel has published something that comes of it."""
        self.messages += 1
        self.handler(message)
        if message["content"].get("execution_state") == "idle":
            self.idle.set()

    def ask(self, content: Message, reply: Callable[[str], None]) -> None:
        """Its code waits for input."""
        if self.on_input is not None and not self.status:
            self.on_input(str(content.get("prompt", "")), bool(content.get("password")), reply)

    def end(self, status: str, content: Message) -> None:
        """The kernel has replied; a status that it has already stays."""
        self.content, self.status = content, self.status or status
        self.replied.set()

    def note_break(self) -> None:
        """The connection to the kernel broke meanwhile."""
        content = {"name": "stderr", "text": BROKE}
        self.handler({"header": {"msg_type": "stream"}, "content": content})

    def end_unknown(self) -> None:
        """It is over, as later requests are answered, but its reply was lost."""
        if not self.status:
            content = {"status": "error", "ename": "ConnectionLost", "evalue": UNKNOWN_END}
            self.handler({"header": {"msg_type": "error"}, "content": {**content, "traceback": []}})
            self.end("error", content)
            self.idle.set()

    def die(self) -> None:
        """The kernel is gone: neither a reply nor output will come."""
        self.status = self.status or "died"
        self.replied.set()
        self.idle.set()

    async def wait_output(self) -> None:
        """Wait, after the reply, until all output is there."""
        messages = -1
        while not self.idle.is_set() and messages != self.messages:
            messages = self.messages
            with move_on_after(IDLE_GRACE_SECONDS):
                await self.idle.wait()


class Runs:
    """The newest runs of one kernel, by the ids of their requests."""

    def __init__(self) -> None:
        self._runs: dict[str, Run] = {}

    def get(self, msg_id: str) -> Run | None:
        """The run of this request, None if it is none of ours, or an old one."""
        return self._runs.get(msg_id)

    def add(self, msg_id: str, run: Run) -> None:
        """Keep it, and forget the oldest of those that have ended."""
        self._runs[msg_id] = run
        ended = [known for known, old in self._runs.items() if old.status]
        for known in ended[:-KEPT_RUNS]:
            del self._runs[known]

    @property
    def are_ended(self) -> bool:
        """Whether none of them runs or waits."""
        return all(run.status for run in self._runs.values())

    def note_interrupt(self, msg_ids: Collection[str]) -> None:
        """A KeyboardInterrupt of these comes from somebody who interrupted the kernel.

        Where none is known to run, that of each which has not ended.
        """
        for msg_id, run in self._runs.items():
            run.interrupted |= msg_id in msg_ids if msg_ids else not run.status

    def die(self) -> None:
        """The kernel is gone, and all that ran on it with it."""
        for run in self._runs.values():
            run.die()


def execute_request(code: str, **content: Any) -> dict[str, Any]:
    """The content of a request that runs `code`, and does not abort what others have queued."""
    return {
        "code": code,
        "silent": False,
        "store_history": False,
        "user_expressions": {},
        "allow_stdin": False,
        "stop_on_error": False,
    } | content

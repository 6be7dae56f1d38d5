"""Our own client of one kernel: the runs it is asked for, and what becomes of them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from time import monotonic
from typing import Any

from anyio import Event, Lock, move_on_after, sleep

from .channels import Channel, Channels, Kernel, Message, MessageHandler
from .errors import Unavailable
from .losses import UNKNOWN, Loss

PROBE_SECONDS = 0.1
"""How long the first question to a kernel waits for its answer; each further one waits twice as
long as the one before, up to MAX_PROBE_SECONDS."""

MAX_PROBE_SECONDS = 1.0

STDIN_SECONDS = 2.0
"""How long to wait for the stdin channel of a kernel that answers; not every kernel has one."""

IDLE_GRACE_SECONDS = 4.0
"""How long to wait for the end of a run's output after its reply, counted from the last message."""

ALIVE_SECONDS = 5.0
"""How often it is looked whether the kernel of a long run is alive."""

KEPT_RUNS = 64
"""For how many finished runs of a kernel late messages still find their way."""

MAX_ABORTS = 50
"""How often a run is sent again that the kernel puts back because somebody else's run failed."""

ABORT_PAUSE_SECONDS = 0.02

BROKE = "The connection to the kernel broke during this run: output may be missing.\n"
UNKNOWN_END = "the run is over, but how it ended is not known"

MAX_VARIABLES = 200
"""How many names of variables are kept."""

# IPython knows which names were there before anybody ran something.
VARIABLES = (
    "' '.join([name for name in globals() if name[:1] != '_' and "
    f"name not in get_ipython().user_ns_hidden][:{MAX_VARIABLES}])"
)
"""Evaluated after each run that succeeds, by the request that asks for the run."""

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


@dataclass
class _Request:
    reply: Message | None = None
    ended: Event = field(default_factory=Event)


class KernelConnection:
    """Our own client of a kernel.

    Lives as long as the kernel, through restarts. `turn` is held by whoever runs something.
    `loss` is set when the kernel has lost its variables, and reset by whoever tells.
    """

    def __init__(self, kernel_id: str, kernel: Kernel) -> None:
        self.kernel_id = kernel_id
        self.turn = Lock()
        self.loss: Loss | None = None
        self.is_fresh = False
        """Whether it was started for a notebook, and nobody has been told."""
        self.variables: tuple[str, ...] = ()
        """Their names after the last run of ours, where the kernel can tell them."""
        self.info: Message = {}
        """The content of its `kernel_info_reply`."""
        self._kernel = kernel
        self._runs: OrderedDict[str, Run] = OrderedDict()
        self._requests: dict[str, _Request] = {}
        self._busy_with: set[str] = set()
        self._probes: set[str] = set()
        self._ready = Event()
        self._is_heard = self._has_hung_up = False
        self._went_idle = Event()
        self._closed = Event()
        self._start = kernel.start
        self._process = ""
        self.is_shared = False
        """Whether somebody else than agents has run something on it."""
        self._used = monotonic()
        self.runs_heard = 0
        """How many runs of whomever it has begun since its start, or since we listen."""
        self.subshell = ""
        """The id of the sub-shell that was made for us, "" without one."""
        self.making_subshell = Lock()
        self._channels = self._open_channels()

    def close(self) -> None:
        """End all runs as died, and this connection."""
        if not self.is_closed:
            self._closed.set()
            self._end_runs()
            self._channels.close()

    async def ready(self, *, is_new: bool = False) -> None:
        """Wait until the kernel answers, also while it is busy, and its output reaches us.

        A restart, or a death that nobody has noticed yet, counts as a loss first.

        Raises:
            ProcessLookupError: the process of a kernel that is new has ended.
            ConnectionError: the program that owns the kernel has ended.
        """
        seconds = PROBE_SECONDS
        while not self.is_closed:
            if not await self.notice_loss() and is_new:
                raise ProcessLookupError("its process ended before it answered")
            if seconds == MAX_PROBE_SECONDS and self._has_hung_up:
                raise ConnectionError(self.kernel_id)
            if self._ready.is_set() and not self._is_shutting_down and await self._answers_still():
                await self._channels.wait_for_input(STDIN_SECONDS)
                return
            self._probe()
            with move_on_after(seconds):
                await self._ready.wait()
            seconds = min(2 * seconds, MAX_PROBE_SECONDS)

    async def execute(
        self,
        source: str,
        handler: MessageHandler,
        *,
        store_history: bool = True,
        subshell: str = "",
        on_input: InputHandler | None = None,
    ) -> Run:
        """Run `source`; return when its reply and all its output are there, or it died.

        `handler` gets each message on iopub at once, also those that come after the end, and
        must not block. Failing does not abort what others have queued. Without `on_input`,
        `input()` raises in the kernel. `subshell` is an id from the kernel, or "".
        """
        run = Run(handler, on_input)
        questions = {"variables": VARIABLES} if self.language == "python" else {}
        content = _execute_request(
            source,
            store_history=store_history,
            user_expressions=questions,
            allow_stdin=on_input is not None,
        )
        await self._run(run, content, subshell)
        self._note_variables(run)
        return run

    async def evaluate(self, expression: str, *, subshell: str = "") -> dict[str, Any]:
        """The kernel's answer to one of an execute request's `user_expressions`.

        Leaves no trace in the kernel's history and count, and none on iopub. Has `status`, then
        `data` by MIME type or `ename`; empty if the kernel died.
        """
        run = Run(lambda message: None)
        content = _execute_request("", silent=True, user_expressions={"": expression})
        await self._run(run, content, subshell)
        return dict((run.content.get("user_expressions") or {}).get("", {}))

    async def is_free(self, seconds: float) -> bool:
        """Whether the kernel takes a request for its main shell within so many seconds."""
        try:
            await self.request("kernel_info_request", {}, seconds, channel="shell")
        except TimeoutError:
            return False
        return True

    async def request(
        self,
        msg_type: str,
        content: dict[str, Any],
        seconds: float,
        *,
        channel: Channel = "control",
    ) -> Message:
        """Ask, by default on the control channel, which kernels serve while they run code.

        Raises:
            TimeoutError: no reply after so many seconds.
        """
        message = self._channels.session.msg(msg_type, content)
        msg_id = message["header"]["msg_id"]
        request = self._requests[msg_id] = _Request()
        try:
            self._channels.send(channel, message)
            with move_on_after(seconds):
                await request.ended.wait()
        finally:
            del self._requests[msg_id]
        if request.reply is None:
            raise TimeoutError(msg_type)
        return request.reply

    def lose(self, reason: str = UNKNOWN) -> None:
        """The kernel is gone or starts anew: end all runs as died, drop what was not sent."""
        if not self.is_closed:
            self._end_runs(reason)
            self._channels.close()
            self._channels = self._open_channels()

    async def notice_loss(self, reason: str = UNKNOWN) -> bool:
        """Lose the kernel if it has not the process any more that was known; is one alive?"""
        is_alive = await self._kernel.is_alive()
        # Jupyter notices a death within seconds, and what is sent meanwhile would be run late.
        if not is_alive and self._kernel.is_remote:
            self.close()
        elif not is_alive or self._kernel.start is not self._start:
            self._start = self._kernel.start
            self.lose(reason if is_alive else "it died")
        return is_alive

    async def note_restart(self) -> None:
        """Jupyter says that it has restarted the kernel."""
        self._kernel.note_restart()
        await self.notice_loss("it was restarted")

    @property
    def is_closed(self) -> bool:
        """Whether the kernel was shut down, or has died for good."""
        return self._closed.is_set()

    @property
    def is_ready(self) -> bool:
        """Whether the kernel has answered since its last start."""
        return self._ready.is_set()

    @property
    def language(self) -> str:
        """What the kernel runs, as it says itself, "" if it does not."""
        language = self.info.get("language_info")
        return str(language.get("name", "")) if isinstance(language, dict) else ""

    @property
    def owns_kernel(self) -> bool:
        """Whether the server has started the kernel's process."""
        return self._kernel.owns_kernel

    @property
    def running(self) -> frozenset[str]:
        """The execute requests that are known to be running, ours and those of others."""
        return frozenset(self._busy_with)

    @property
    def is_used(self) -> bool:
        """Whether something of ours runs or waits."""
        return self.turn.locked() or any(not run.status for run in self._runs.values())

    @property
    def idle_seconds(self) -> float:
        """Since somebody used it last, or it said something."""
        return monotonic() - self._used

    def note_use(self) -> None:
        """Somebody uses it now."""
        self._used = monotonic()

    def note_interrupt(self) -> None:
        """Somebody interrupted the kernel: a KeyboardInterrupt of these runs comes from that."""
        for msg_id in self._busy_with:
            if msg_id in self._runs:
                self._runs[msg_id].interrupted = True

    async def wait_ended(self, msg_ids: frozenset[str]) -> None:
        """Wait until none of these requests runs any more."""
        while msg_ids & self._busy_with:
            if self._went_idle.is_set():
                self._went_idle = Event()
            await self._went_idle.wait()

    # Sending

    async def _run(self, run: Run, content: dict[str, Any], subshell: str) -> None:
        try:
            # Kernels answer "aborted" without having run it when somebody else's run failed.
            for _ in range(MAX_ABORTS):
                await self._try(run, content, subshell)
                if run.status != "aborted":
                    break
                await sleep(ABORT_PAUSE_SECONDS)
        finally:
            run.on_input, run.status = None, run.status or "left"

    async def _try(self, run: Run, content: dict[str, Any], subshell: str) -> None:
        if self.is_closed:
            run.status = "died"
            return
        run.status, run.replied, run.idle = "", Event(), Event()
        breaks = self._channels.breaks
        msg_id = self._send_run(run, content, subshell)
        await self._finished(run, breaks)
        if self._channels.breaks > breaks:
            content = {"name": "stderr", "text": BROKE}
            run.handler({"header": {"msg_type": "stream"}, "content": content})
        # Its idle status may have been lost.
        self._busy_with.discard(msg_id)

    def _send_run(self, run: Run, content: dict[str, Any], subshell: str) -> str:
        message = self._channels.session.msg("execute_request", content)
        if subshell:
            message["header"]["subshell_id"] = subshell
        msg_id = str(message["header"]["msg_id"])
        self._keep(msg_id, run)
        self._channels.send("shell", message)
        return msg_id

    def _keep(self, msg_id: str, run: Run) -> None:
        self._runs[msg_id] = run
        ended = [known for known, old in self._runs.items() if old.status]
        for known in ended[:-KEPT_RUNS]:
            del self._runs[known]

    def _probe(self) -> None:
        if self._is_shutting_down:
            return
        channels: tuple[Channel, ...] = ("control", "shell")
        for channel in channels:
            request = self._channels.session.msg("kernel_info_request")
            self._probes.add(request["header"]["msg_id"])
            self._channels.send(channel, request)

    async def _finished(self, run: Run, breaks: int) -> None:
        while not run.replied.is_set():
            with move_on_after(ALIVE_SECONDS) as patience:
                await run.replied.wait()
            if patience.cancelled_caught:
                # Not every kernel has somebody who notices that it died. A gateway that cannot
                # be reached may be back in time.
                with suppress(Unavailable):
                    await self.notice_loss()
                if self._channels.breaks != breaks and await self.is_free(ALIVE_SECONDS):
                    self._end_unknown(run)
        messages = -1
        while not run.idle.is_set() and messages != run.messages:
            messages = run.messages
            with move_on_after(IDLE_GRACE_SECONDS):
                await run.idle.wait()

    # Loss

    async def _answers_still(self) -> bool:
        # A gateway tells of a death late, and what is sent meanwhile would be run late. Not all
        # kernels answer while they are busy.
        if self._kernel.is_remote:
            with suppress(TimeoutError):
                await self.request("kernel_info_request", {}, ALIVE_SECONDS)
        return self._ready.is_set()

    def _end_unknown(self, run: Run) -> None:
        """End a run that is over, as later requests are answered, but whose reply was lost."""
        if run.status:
            return
        content = {"status": "error", "ename": "ConnectionLost", "evalue": UNKNOWN_END}
        run.handler({"header": {"msg_type": "error"}, "content": {**content, "traceback": []}})
        self._busy_with.clear()
        self._went_idle.set()
        self._on_run_reply(run, content)
        run.idle.set()

    def _note_variables(self, run: Run) -> None:
        answer = (run.content.get("user_expressions") or {}).get("variables", {})
        if answer.get("status") == "ok":
            names = str(answer.get("data", {}).get("text/plain", "")).strip("'").split()
            self.variables = tuple(name for name in names if name.isidentifier())

    def _end_runs(self, reason: str = UNKNOWN) -> None:
        if self._ready.is_set():
            self.loss = self.loss or Loss(reason, self.variables)
            self.variables = ()
        self._ready = Event()
        self._is_heard, self.info = False, {}
        self.subshell, self.runs_heard = "", 0
        self._probes.clear()
        self._busy_with.clear()
        self._went_idle.set()
        for run in self._runs.values():
            run.status = run.status or "died"
            run.replied.set()
            run.idle.set()
        for request in self._requests.values():
            request.ended.set()

    def _on_disconnect(self) -> None:
        # Jupyter tells of its own kernels, and restarts them.
        if not self.owns_kernel or self._kernel.is_remote:
            self._has_hung_up = not self.owns_kernel
            self.lose()

    @property
    def _is_shutting_down(self) -> bool:
        return self._kernel.is_shutting_down

    # Messages

    def _open_channels(self) -> Channels:
        handlers: dict[Channel, MessageHandler] = {
            "shell": self._on_reply,
            "control": self._on_reply,
            "iopub": self._on_iopub,
            "stdin": self._on_stdin,
        }
        return self._kernel.open_channels(handlers, self._on_disconnect)

    def _on_reply(self, message: Message) -> None:
        msg_id, kind = message["parent_header"].get("msg_id"), message["header"]["msg_type"]
        if kind == "kernel_info_reply":
            self.info = message["content"]
            self._note_answer()
        if kind == "execute_reply" and msg_id in self._runs:
            self._on_run_reply(self._runs[msg_id], message["content"])
        elif msg_id in self._requests:
            self._requests[msg_id].reply = message["content"]
            self._requests[msg_id].ended.set()

    def _on_run_reply(self, run: Run, content: Message) -> None:
        run.content = content
        # Kernels are interrupted before they are stopped, and may still reply to that.
        run.status = run.status or ("died" if self._is_shutting_down else str(content["status"]))
        run.replied.set()

    def _on_iopub(self, message: Message) -> None:
        parent, content = message["parent_header"], message["content"]
        msg_id = str(parent.get("msg_id", ""))
        if message["header"]["msg_type"] == "status":
            self._on_status(content["execution_state"], msg_id, message)
        elif message["header"]["msg_type"] == "execute_input":
            self.runs_heard += 1
            self.is_shared = self.is_shared or msg_id not in self._runs
        self.note_use()
        run = self._runs.get(msg_id)
        if run is not None:
            run.messages += 1
            run.handler(message)
            if content.get("execution_state") == "idle":
                run.idle.set()

    def _on_status(self, state: str, msg_id: str, message: Message) -> None:
        parent = message["parent_header"]
        is_run = parent.get("msg_type") == "execute_request" and not parent.get("subshell_id")
        if state in ("restarting", "dead"):  # As gateways say it.
            self.lose()
        elif state == "starting":
            # Kernels may answer before they say this.
            if self._ready.is_set() and message["header"].get("session") != self._process:
                self.lose()
        elif msg_id in self._probes and state == "idle":
            self._probes.clear()
            self._process = message["header"].get("session", "")
            self._is_heard = True
            self._note_answer()
        elif is_run and state == "busy":
            self._busy_with.add(msg_id)
        elif is_run and state == "idle":
            self._busy_with.discard(msg_id)
            self._went_idle.set()

    def _note_answer(self) -> None:
        # Its reply and its output come on sockets of their own.
        if self._is_heard and self.info:
            self._has_hung_up = False
            self._ready.set()

    def _on_stdin(self, message: Message) -> None:
        run = self._runs.get(message["parent_header"].get("msg_id", ""))
        if run is not None and run.on_input is not None and not run.status:
            content = message["content"]
            reply = partial(self._reply_input, run, message)
            run.on_input(str(content.get("prompt", "")), bool(content.get("password")), reply)

    def _reply_input(self, run: Run, request: Message, text: str) -> None:
        # The run may have been interrupted meanwhile.
        if not run.status:
            session = self._channels.session
            reply = session.msg("input_reply", {"value": text}, parent=request)
            self._channels.send("stdin", reply)


def _execute_request(code: str, **content: Any) -> dict[str, Any]:
    return {
        "code": code,
        "silent": False,
        "store_history": False,
        "user_expressions": {},
        "allow_stdin": False,
        "stop_on_error": False,
    } | content

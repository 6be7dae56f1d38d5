"""Our own client of one kernel, which knows what becomes of all it is asked."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import Any

from anyio import Lock, move_on_after, sleep

from .activity import Activity
from .channels import Channel, Channels, Kernel, Message, MessageHandler
from .errors import Unavailable
from .losses import UNKNOWN, Loss
from .readiness import MAX_PROBE_SECONDS, PROBE_SECONDS, Readiness
from .requests import Requests
from .runs import VARIABLES, InputHandler, Run, Runs, execute_request

STDIN_SECONDS = 2.0
"""How long to wait for the stdin channel of a kernel that answers; not every kernel has one."""

ALIVE_SECONDS = 5.0
"""How often it is looked whether the kernel of a long run is alive."""

MAX_ABORTS = 50
"""How often a run is sent again that the kernel puts back because somebody else's run failed."""

ABORT_PAUSE_SECONDS = 0.02


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
        self.is_closed = False
        """Whether the kernel was shut down, or has died for good."""
        self.activity = Activity()
        self.readiness = Readiness()
        self._kernel = kernel
        self._runs = Runs()
        self._requests = Requests()
        self._start = kernel.start
        self.subshell = ""
        """The id of the sub-shell that was made for us, or ""."""
        self.making_subshell = Lock()
        self._channels = self._open_channels()

    def close(self) -> None:
        """End all runs as died, and this connection."""
        if not self.is_closed:
            self.is_closed = True
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
            if seconds == MAX_PROBE_SECONDS and self.readiness.has_hung_up:
                raise ConnectionError(self.kernel_id)
            if await self._answers():
                return await self._channels.wait_for_input(STDIN_SECONDS)
            self._probe()
            await self.readiness.wait(seconds)
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
        questions = {"variables": VARIABLES} if self.readiness.language == "python" else {}
        content = execute_request(
            source,
            store_history=store_history,
            user_expressions=questions,
            allow_stdin=on_input is not None,
        )
        await self._run(run, content, subshell)
        if (variables := run.variables) is not None:
            self.variables = variables
        return run

    async def evaluate(self, expression: str, *, subshell: str = "") -> dict[str, Any]:
        """The kernel's answer to one of an execute request's `user_expressions`.

        Leaves no trace in the kernel's history and count, and none on iopub. Has `status`, then
        `data` by MIME type or `ename`; empty if the kernel died.
        """
        run = Run(lambda message: None)
        content = execute_request("", silent=True, user_expressions={"": expression})
        await self._run(run, content, subshell)
        return run.answer_to("")

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
        send = partial(self._channels.send, channel, message)
        return await self._requests.ask(message["header"]["msg_id"], send, seconds)

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
    def owns_kernel(self) -> bool:
        """Whether the server has started the kernel's process."""
        return self._kernel.owns_kernel

    async def wait_started(self) -> bool:
        """Wait while Jupyter shuts the kernel down or starts it, both to restart it; did it?"""
        return await self._kernel.wait_started()

    @property
    def is_used(self) -> bool:
        """Whether something of ours runs or waits."""
        return self.turn.locked() or not self._runs.are_ended

    def note_interrupt(self) -> None:
        """Somebody interrupted the kernel: a KeyboardInterrupt of these runs comes from that."""
        self._runs.note_interrupt(self.activity.running)

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
        run.begin()
        breaks = self._channels.breaks
        msg_id = self._send_run(run, content, subshell)
        await self._finished(run, breaks)
        if self._channels.breaks > breaks:
            run.note_break()
        # Its idle status may have been lost.
        self.activity.end(msg_id)

    def _send_run(self, run: Run, content: dict[str, Any], subshell: str) -> str:
        message = self._channels.session.msg("execute_request", content)
        if subshell:
            message["header"]["subshell_id"] = subshell
        msg_id = str(message["header"]["msg_id"])
        self._runs.add(msg_id, run)
        self._channels.send("shell", message)
        return msg_id

    def _probe(self) -> None:
        if self._kernel.is_shutting_down:
            return
        channels: tuple[Channel, ...] = ("control", "shell")
        for channel in channels:
            request = self._channels.session.msg("kernel_info_request")
            self.readiness.note_probe(request["header"]["msg_id"])
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
                    run.end_unknown()
                    self.activity.clear()
        await run.wait_output()

    # Loss

    async def _answers(self) -> bool:
        if self._kernel.is_shutting_down or not self.readiness.is_ready:
            return False
        # A gateway tells of a death late, and what is sent meanwhile would be run late. Not all
        # kernels answer while they are busy.
        if self._kernel.is_remote:
            with suppress(TimeoutError):
                await self.request("kernel_info_request", {}, ALIVE_SECONDS)
        return self.readiness.is_ready

    def _end_runs(self, reason: str = UNKNOWN) -> None:
        if self.readiness.is_ready:
            self.loss = self.loss or Loss(reason, self.variables)
            self.variables = ()
        self.readiness.reset()
        self.activity.clear()
        self.subshell, self.activity.runs_heard, self.activity.is_whole = "", 0, False
        self._runs.die()
        self._requests.end()

    def _on_disconnect(self) -> None:
        # Jupyter tells of its own kernels, and restarts them.
        if not self.owns_kernel or self._kernel.is_remote:
            self.readiness.has_hung_up = not self.owns_kernel
            self.lose()

    # Messages

    def _open_channels(self) -> Channels:
        handlers: dict[Channel, MessageHandler] = {
            "shell": self._on_shell,
            "control": self._on_reply,
            "iopub": self._on_iopub,
            "stdin": self._on_stdin,
        }
        return self._kernel.open_channels(handlers, self._on_disconnect)

    def _on_shell(self, message: Message) -> None:
        # The main shell takes one request after the other.
        self.activity.is_whole |= not message["parent_header"].get("subshell_id")
        self._on_reply(message)

    def _on_reply(self, message: Message) -> None:
        msg_id, content = message["parent_header"].get("msg_id", ""), message["content"]
        kind = message["header"]["msg_type"]
        if kind == "kernel_info_reply":
            self.readiness.note_info(content)
        run = self._runs.get(msg_id)
        if kind == "execute_reply" and run is not None:
            self._end(run, content)
        else:
            self._requests.answer(msg_id, content)

    def _end(self, run: Run, content: Message) -> None:
        # A reply ends the run, whatever it says.
        status = str(content.get("status") or "error")
        # Kernels are interrupted before they are stopped, and may still reply to that.
        run.end("died" if self._kernel.is_shutting_down else status, content)

    def _on_iopub(self, message: Message) -> None:
        kind, parent = message["header"]["msg_type"], message["parent_header"]
        msg_id = str(parent.get("msg_id", ""))
        run = self._runs.get(msg_id)
        if kind == "status":
            self._on_status(message["content"]["execution_state"], msg_id, message)
        elif kind == "execute_input":
            self.activity.note_run(is_ours=run is not None)
        self.activity.note_use()
        if run is not None:
            run.take(message)

    def _on_status(self, state: str, msg_id: str, message: Message) -> None:
        parent, process = message["parent_header"], message["header"].get("session", "")
        is_run = parent.get("msg_type") == "execute_request" and not parent.get("subshell_id")
        if state in ("restarting", "dead"):  # As gateways say it.
            self.lose()
        elif state == "starting":
            # Kernels may answer before they say this.
            if self.readiness.is_old(process):
                self.lose()
        elif is_run and state == "busy":
            self.activity.begin(msg_id)
        elif is_run and state == "idle":
            self.activity.end(msg_id)
        elif state == "idle":
            self.readiness.note_idle(msg_id, process)

    def _on_stdin(self, message: Message) -> None:
        run = self._runs.get(message["parent_header"].get("msg_id", ""))
        if run is not None:
            run.ask(message["content"], partial(self._reply_input, run, message))

    def _reply_input(self, run: Run, request: Message, text: str) -> None:
        # The run may have been interrupted meanwhile.
        if not run.status:
            content = {"value": text}
            reply = self._channels.session.msg("input_reply", content, parent=request)
            self._channels.send("stdin", reply)

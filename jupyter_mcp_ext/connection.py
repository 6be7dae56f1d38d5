"""Our own client of one kernel: what is sent, and what comes back for it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from logging import Logger
from time import monotonic
from typing import Any

import zmq
from anyio import Event, Lock, create_task_group, move_on_after
from anyio.lowlevel import checkpoint
from jupyter_client.asynchronous.client import AsyncKernelClient

PROBE_SECONDS = 1.0
"""How often a kernel is asked whether it is there, until it answers."""

IDLE_GRACE_SECONDS = 4.0
"""How long to wait for the end of a run's output after its reply, counted from the last message."""

DRAIN_SECONDS = 0.01
"""How long messages are taken off a socket before others get their turn on the event loop."""

KEPT_RUNS = 64
"""For how many finished runs of a kernel late messages still find their way."""

Message = Mapping[str, Any]
MessageHandler = Callable[[Message], None]


@dataclass
class Run:
    """One execute request. `status` is that of the reply, or "died", or "" before the end."""

    handler: MessageHandler
    status: str = ""
    content: Message = field(default_factory=dict)
    interrupted: bool = False
    messages: int = 0
    replied: Event = field(default_factory=Event)
    idle: Event = field(default_factory=Event)


class KernelConnection:
    """Our own client of one kernel, whose messages it sorts by the request they answer.

    Lives as long as the kernel, through restarts. `turn` is held by whoever runs something.
    `is_shutting_down` tells whether the kernel is about to be stopped or restarted.
    """

    def __init__(
        self,
        kernel_id: str,
        client: AsyncKernelClient,
        is_shutting_down: Callable[[], bool],
        log: Logger,
    ) -> None:
        self.kernel_id = kernel_id
        self._is_shutting_down = is_shutting_down
        self.turn = Lock()
        self.lost_variables = False
        self._client = client
        self._log = log
        self._runs: OrderedDict[str, Run] = OrderedDict()
        self._busy_with: set[str] = set()
        self._probes: set[str] = set()
        self._ready = Event()
        self._went_idle = Event()
        self._closed = Event()

    async def serve(self) -> None:
        """Take messages until `close`."""
        self._client.start_channels(stdin=False, hb=False)
        try:
            async with create_task_group() as tasks:
                tasks.start_soon(self._pump, self._client.iopub_channel, self._on_iopub)
                tasks.start_soon(self._pump, self._client.shell_channel, self._on_reply)
                tasks.start_soon(self._pump, self._client.control_channel, self._on_reply)
                await self._closed.wait()
                tasks.cancel_scope.cancel()
        finally:
            self._client.stop_channels()
            self.lose()

    def close(self) -> None:
        """End all runs as died, and this connection."""
        self._closed.set()
        self.lose()

    async def ready(self) -> None:
        """Wait until the kernel answers, also while it is busy, and its output reaches us."""
        while not (self._ready.is_set() or self.is_closed):
            for channel in (self._client.control_channel, self._client.shell_channel):
                request = self._client.session.msg("kernel_info_request")
                self._probes.add(request["header"]["msg_id"])
                channel.send(request)
            self._take_replies()
            with move_on_after(PROBE_SECONDS):
                await self._ready.wait()

    async def execute(
        self, source: str, handler: MessageHandler, *, store_history: bool = True
    ) -> Run:
        """Run `source`; return when its reply and all its output are there, or it died.

        `handler` gets each message on iopub at once, also those that come after the end, and
        must not block. Failing does not abort what others have queued, and `input()` raises
        in the kernel.
        """
        run = Run(handler)
        # Kernels answer "aborted" without having run anything when somebody else's run failed.
        while run.status in ("", "aborted"):
            run.status, run.replied, run.idle = "", Event(), Event()
            msg_id = self._client.execute(
                source, store_history=store_history, allow_stdin=False, stop_on_error=False
            )
            self._keep(msg_id, run)
            self._take_replies()
            await self._finished(run)
        return run

    def lose(self) -> None:
        """The kernel is gone or starts anew: end all runs as died."""
        self.lost_variables = True
        self._ready = Event()
        self._probes.clear()
        self._busy_with.clear()
        self._went_idle.set()
        for run in self._runs.values():
            if not run.status:
                run.status = "died"
            run.replied.set()
            run.idle.set()

    @property
    def is_closed(self) -> bool:
        """Whether the kernel was shut down, or has died for good."""
        return self._closed.is_set()

    @property
    def running(self) -> frozenset[str]:
        """The execute requests that are known to be running, ours and those of others."""
        return frozenset(self._busy_with)

    def note_interrupt(self) -> None:
        """Somebody interrupted the kernel: a KeyboardInterrupt of these runs comes from that."""
        for msg_id in self._busy_with:
            if msg_id in self._runs:
                self._runs[msg_id].interrupted = True

    async def wait_ended(self, msg_ids: frozenset[str]) -> None:
        """Wait until none of these requests runs any more."""
        while msg_ids & self._busy_with:
            self._went_idle = Event()
            await self._went_idle.wait()

    def request_interrupt(self) -> None:
        """Ask for an interrupt by message, for kernels whose process is not ours."""
        self._client.control_channel.send(self._client.session.msg("interrupt_request"))
        self._take_replies()

    # Inside

    async def _finished(self, run: Run) -> None:
        await run.replied.wait()
        messages = -1
        while not run.idle.is_set() and messages != run.messages:
            messages = run.messages
            with move_on_after(IDLE_GRACE_SECONDS):
                await run.idle.wait()

    def _keep(self, msg_id: str, run: Run) -> None:
        self._runs[msg_id] = run
        ended = [known for known, old in self._runs.items() if old.status]
        for known in ended[:-KEPT_RUNS]:
            del self._runs[known]

    def _take_replies(self) -> None:
        # Sending may swallow the signal that a message has come on the same socket (zmq signals
        # changes only), so that the pump would sleep on: look once after each send.
        for channel in (self._client.shell_channel, self._client.control_channel):
            socket: zmq.Socket[bytes] = zmq.Socket.shadow(channel.socket.underlying)
            while (frames := _receive(socket)) is not None:
                self._take(frames, self._on_reply)

    async def _pump(self, channel: Any, handle: MessageHandler) -> None:
        # Draining without a task switch for each message costs about half.
        socket: zmq.Socket[bytes] = zmq.Socket.shadow(channel.socket.underlying)
        while True:
            await channel.socket.poll()
            deadline = monotonic() + DRAIN_SECONDS
            while (frames := _receive(socket)) is not None:
                self._take(frames, handle)
                if monotonic() > deadline:
                    await checkpoint()
                    deadline = monotonic() + DRAIN_SECONDS

    def _take(self, frames: list[bytes], handle: MessageHandler) -> None:
        session = self._client.session
        try:
            handle(session.deserialize(session.feed_identities(frames)[1]))
        except Exception:
            # A kernel may send anything; one bad message must not end the connection.
            self._log.warning("Bad message from kernel %s", self.kernel_id, exc_info=True)

    def _on_reply(self, message: Message) -> None:
        run = self._runs.get(message["parent_header"].get("msg_id"))
        if run is not None and message["header"]["msg_type"] == "execute_reply":
            run.content = message["content"]
            # Kernels are interrupted before they are stopped, and may still reply to that.
            status = "died" if self._is_shutting_down() else str(run.content["status"])
            run.status = run.status or status
            run.replied.set()

    def _on_iopub(self, message: Message) -> None:
        parent = message["parent_header"]
        msg_id = str(parent.get("msg_id", ""))
        run = self._runs.get(msg_id)
        if message["header"]["msg_type"] == "status":
            self._on_status(message["content"]["execution_state"], msg_id, parent)
        if run is not None:
            run.messages += 1
            run.handler(message)
            if message["content"].get("execution_state") == "idle":
                run.idle.set()

    def _on_status(self, state: str, msg_id: str, parent: Message) -> None:
        if msg_id in self._probes and state == "idle":
            self._probes.clear()
            self._ready.set()
        elif parent.get("msg_type") == "execute_request" and state == "busy":
            self._busy_with.add(msg_id)
        elif parent.get("msg_type") == "execute_request" and state == "idle":
            self._busy_with.discard(msg_id)
            self._went_idle.set()


def _receive(socket: zmq.Socket[bytes]) -> list[bytes] | None:
    try:
        return socket.recv_multipart(zmq.NOBLOCK)
    except zmq.Again:
        return None

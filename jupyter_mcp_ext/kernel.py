"""Notebooks to kernels: the adapter to jupyter_server's and jupyter_client's kernels."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from logging import Logger
from time import monotonic
from typing import Any
from uuid import uuid4

import zmq
import zmq.asyncio
from anyio import Event, Lock, create_task_group, fail_after, move_on_after
from anyio.lowlevel import checkpoint
from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_server.utils import ensure_async
from tornado.web import HTTPError

from .errors import InterruptFailed, KernelNotFound, KernelStartFailed, Unavailable

PROBE_SECONDS = 1.0
"""How often a kernel is asked whether it is there, until it answers."""

IDLE_GRACE_SECONDS = 4.0
"""How long to wait for the end of a run's output after its reply, counted from the last message."""

INTERRUPT_GRACE_SECONDS = 5.0
"""How long a kernel may take to become idle after an interrupt."""

DRAIN_SECONDS = 0.01
"""How long messages are taken off a socket before others get their turn on the event loop."""

KEPT_RUNS = 64
"""For how many finished runs of a kernel late messages still find their way."""

KERNEL_ACTIONS = "https://events.jupyter.org/jupyter_server/kernel_actions/v1"

Message = Mapping[str, Any]
MessageHandler = Callable[[Message], None]
Spawn = Callable[[Callable[[], Awaitable[None]]], None]
"""Starts a task that belongs to the extension."""


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
        while not self._ready.is_set():
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
        self._busy_with.clear()
        self._went_idle.set()
        for run in self._runs.values():
            if not run.status:
                run.status = "died"
            run.replied.set()
            run.idle.set()

    @property
    def is_busy(self) -> bool:
        """Whether an execute request is known to be running."""
        return bool(self._busy_with)

    def note_interrupt(self) -> None:
        """Somebody interrupted the kernel: a KeyboardInterrupt of these runs comes from that."""
        for msg_id in self._busy_with:
            if msg_id in self._runs:
                self._runs[msg_id].interrupted = True

    async def wait_idle(self) -> None:
        """Wait until what runs now has ended."""
        while self._busy_with:
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


class Kernels:
    """The kernels of this server, through its own managers.

    `settings` are those of Jupyter's web application.
    """

    def __init__(
        self, settings: dict[str, Any], spawn: Spawn, start_timeout: float, log: Logger
    ) -> None:
        self._settings = settings
        self._spawn = spawn
        self._start_timeout = start_timeout
        self._log = log
        self._connections: dict[str, KernelConnection] = {}
        self._last_kernel: dict[str, str] = {}
        self._starting: defaultdict[str, Lock] = defaultdict(Lock)
        # A queue without limit: a kernel that prints fast must not lose messages.
        self._context = zmq.asyncio.Context()
        self._context.setsockopt(zmq.RCVHWM, 0)
        settings["event_logger"].add_listener(schema_id=KERNEL_ACTIONS, listener=self._on_action)

    async def attached_to(self, path: str, kernel_name: str = "") -> KernelConnection:
        """The kernel of the notebook's Jupyter session, started with a session if it has none.

        `kernel_name` is a kernelspec, or "" for the server's default; it only counts for a
        start.

        Raises:
            KernelStartFailed: there is no such kernelspec, or the kernel does not answer.
        """
        async with self._starting[path]:
            kernel_id = await self.kernel_id_of(path) or await self._start(path, kernel_name)
        connection = await self._connect(kernel_id)
        if self._last_kernel.get(path, kernel_id) != kernel_id:
            connection.lost_variables = True
        self._last_kernel[path] = kernel_id
        return connection

    async def attach(self, path: str, kernel: str) -> KernelConnection:
        """Make a running kernel that of the notebook's Jupyter session; its old one runs on.

        Raises:
            KernelNotFound: as `find`.
        """
        connection = await self.find(kernel)
        session = await self._session_of(path)
        if session is None:
            name = path.rpartition("/")[2]
            await self._sessions.create_session(
                path=path, name=name, type="notebook", kernel_id=connection.kernel_id
            )
        else:
            await self._sessions.update_session(session["id"], kernel_id=connection.kernel_id)
        self._last_kernel[path] = connection.kernel_id
        return connection

    async def find(self, kernel: str) -> KernelConnection:
        """The running kernel with this id, or with an id that only it starts with.

        Raises:
            KernelNotFound: none, or several.
        """
        fits = [i for i in self._manager.list_kernel_ids() if kernel and i.startswith(kernel)]
        if kernel not in fits and len(fits) != 1:
            raise KernelNotFound(kernel)
        return await self._connect(kernel if kernel in fits else fits[0])

    async def kernel_id_of(self, path: str) -> str | None:
        """The id of the kernel of the notebook's Jupyter session, None without one."""
        session = await self._session_of(path)
        return None if session is None else str(session["kernel"]["id"])

    async def list(self) -> list[dict[str, Any]]:
        """Jupyter's models of the running kernels, each with the `notebooks` attached to it."""
        sessions = await self._sessions.list_sessions()
        models = await ensure_async(self._manager.list_kernels())
        return [
            model | {"notebooks": [s["path"] for s in sessions if s["kernel"]["id"] == model["id"]]}
            for model in models
        ]

    async def describe(self, kernel_id: str) -> dict[str, Any]:
        """Jupyter's model of a running kernel: `id`, `name`, `execution_state`, ..."""
        return dict(await ensure_async(self._manager.kernel_model(kernel_id)))

    async def kernelspecs(self) -> dict[str, dict[str, Any]]:
        """What could be started: names to the contents of their `kernel.json`."""
        specs = await ensure_async(self._settings["kernel_spec_manager"].get_all_specs())
        return {name: specs[name]["spec"] for name in sorted(specs)}

    async def kernelspec(self, name: str) -> tuple[str, dict[str, Any]]:
        """A kernelspec's name and contents; "" is the server's default.

        Raises:
            KernelStartFailed: there is no such kernelspec.
        """
        specs = await self.kernelspecs()
        name = name or self._manager.default_kernel_name
        if name not in specs:
            raise KernelStartFailed(name, "there is no such kernelspec", list(specs))
        return name, specs[name]

    async def interrupt(self, connection: KernelConnection) -> bool:
        """Interrupt what runs and see it end; False when nothing was running.

        Raises:
            InterruptFailed: the kernel is still busy after INTERRUPT_GRACE_SECONDS.
        """
        was_busy = connection.is_busy
        manager = self._manager.get_kernel(connection.kernel_id)
        if getattr(manager, "owns_kernel", True):
            await ensure_async(self._manager.interrupt_kernel(connection.kernel_id))
        else:
            connection.request_interrupt()
        connection.note_interrupt()
        with move_on_after(INTERRUPT_GRACE_SECONDS):
            await connection.wait_idle()
        if connection.is_busy:
            raise InterruptFailed(connection.kernel_id, INTERRUPT_GRACE_SECONDS)
        return was_busy

    async def restart(self, connection: KernelConnection) -> None:
        """Restart the kernel and wait until it answers. What ran ends as died.

        Raises:
            KernelStartFailed: it does not come back.
        """
        await ensure_async(self._manager.restart_kernel(connection.kernel_id))
        await self._wait_ready(connection)

    async def shutdown(self, connection: KernelConnection) -> None:
        """Shut the kernel down. What ran ends as died.

        Raises:
            Unavailable: another program owns the kernel.
        """
        manager = self._manager.get_kernel(connection.kernel_id)
        if not getattr(manager, "owns_kernel", True):
            raise Unavailable(
                f"The kernel {connection.kernel_id!r} belongs to another program.", "Stop it there."
            )
        await ensure_async(self._manager.shutdown_kernel(connection.kernel_id))
        self._drop(connection)

    def close(self) -> None:
        """End all connections; the kernels live on."""
        for connection in list(self._connections.values()):
            self._drop(connection)
        self._context.destroy(linger=0)

    # Inside

    async def _session_of(self, path: str) -> dict[str, Any] | None:
        try:
            return dict(await self._sessions.get_session(path=path, type="notebook"))
        except (HTTPError, KeyError):
            # KeyError: the session's kernel is gone; asking has removed the session.
            return None

    async def _start(self, path: str, kernel_name: str) -> str:
        name, _ = await self.kernelspec(kernel_name)
        session = await self._sessions.create_session(
            path=path, name=path.rpartition("/")[2], type="notebook", kernel_name=name
        )
        return str(session["kernel"]["id"])

    async def _connect(self, kernel_id: str) -> KernelConnection:
        connection = self._connections.get(kernel_id)
        if connection is None:
            manager = self._manager.get_kernel(kernel_id)
            connection = KernelConnection(
                kernel_id,
                self._new_client(manager),
                lambda: bool(getattr(manager, "shutting_down", False)),
                self._log,
            )
            self._connections[kernel_id] = connection
            self._manager.add_restart_callback(kernel_id, connection.lose, "restart")
            self._manager.add_restart_callback(kernel_id, partial(self._drop, connection), "dead")
            self._spawn(connection.serve)
            await checkpoint()
        await self._wait_ready(connection)
        return connection

    async def _wait_ready(self, connection: KernelConnection) -> None:
        try:
            with fail_after(self._start_timeout):
                await connection.ready()
        except TimeoutError as error:
            reason = f"it did not answer within {self._start_timeout:g} s"
            specs = await self.kernelspecs()
            raise KernelStartFailed(connection.kernel_id, reason, list(specs)) from error

    def _new_client(self, manager: Any) -> AsyncKernelClient:
        # Clients of one manager share a zmq identity, and a kernel only hears the newest.
        session = manager.session.clone()
        session.session = str(uuid4())
        client = manager.client(session=session, context=self._context)
        if not hasattr(client.iopub_channel_class, "msg_ready"):
            raise Unavailable("Kernels behind a gateway cannot be used yet.")
        return client  # type: ignore[no-any-return]

    async def _on_action(self, logger: Any, schema_id: str, data: dict[str, Any]) -> None:
        connection = self._connections.get(data.get("kernel_id", ""))
        if connection is None or data.get("status") != "success":
            return
        if data["action"] == "interrupt":
            connection.note_interrupt()
        elif data["action"] == "restart":
            connection.lose()
        elif data["action"] == "shutdown":
            self._drop(connection)

    def _drop(self, connection: KernelConnection) -> None:
        connection.close()
        self._connections.pop(connection.kernel_id, None)

    @property
    def _manager(self) -> Any:
        return self._settings["kernel_manager"]

    @property
    def _sessions(self) -> Any:
        return self._settings["session_manager"]

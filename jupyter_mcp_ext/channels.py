"""The sockets of our own client of one kernel."""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from hmac import compare_digest
from logging import Logger
from time import monotonic
from typing import Any, Literal, Protocol
from uuid import uuid4

import zmq
from anyio import Event, move_on_after
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.localinterfaces import is_local_ip
from jupyter_server.utils import ensure_async
from tornado.ioloop import IOLoop
from zmq.utils.monitor import recv_monitor_message

Channel = Literal["shell", "iopub", "stdin", "control"]
Context = zmq.Context[zmq.Socket[bytes]]
Message = Mapping[str, Any]
MessageHandler = Callable[[Message], None]

CONNECTED = zmq.EVENT_HANDSHAKE_SUCCEEDED

DRAIN_SECONDS = 0.003
"""How long messages are taken off a socket before others get their turn on the event loop."""

PART_CHARS = 10_000
"""How much is taken at once of a text that overwrites itself: a character takes up to 1 µs."""


def new_context() -> Context:
    """A context whose sockets queue without limit: kernels that print fast must lose nothing."""
    context: Context = zmq.Context()
    context.setsockopt(zmq.RCVHWM, 0)
    # Of itself it takes 1,023, which are those of 170 kernels.
    context.set(zmq.MAX_SOCKETS, 65_535)
    return context


class Channels(Protocol):
    """What a kernel is talked to by; `session` makes the messages, `breaks` counts how often
    messages may have been lost."""

    session: Any
    breaks: int

    async def wait_for_input(self, seconds: float) -> None: ...
    def send(self, channel: Channel, message: dict[str, Any]) -> None: ...
    def close(self) -> None: ...


class Kernel(Protocol):
    """A kernel, as a connection to it has to know it.

    `start` is another object after each start of the kernel. One that `is_remote` is looked after
    by another server: when that says that it is not alive, it is gone for good.
    """

    @property
    def owns_kernel(self) -> bool: ...
    @property
    def is_shutting_down(self) -> bool: ...
    @property
    def is_remote(self) -> bool: ...
    @property
    def start(self) -> object: ...
    def note_restart(self) -> None: ...
    async def is_alive(self) -> bool: ...
    async def wait_started(self) -> bool: ...
    def open_channels(
        self, handlers: Mapping[Channel, MessageHandler], on_disconnect: Callable[[], None]
    ) -> Channels: ...


class LocalKernel:
    """A kernel whose sockets can be reached, by Jupyter's manager of it."""

    is_remote = False

    def __init__(self, manager: Any, context: Context, log: Logger) -> None:
        self._manager = manager
        self._context = context
        self._log = log

    @property
    def owns_kernel(self) -> bool:
        return bool(getattr(self._manager, "owns_kernel", True))

    @property
    def is_shutting_down(self) -> bool:
        return bool(getattr(self._manager, "shutting_down", False))

    @property
    def start(self) -> object:
        # Jupyter makes a new future for each start of the process.
        return self._manager.ready

    def note_restart(self) -> None:
        """Jupyter has restarted it, which `start` shows."""

    async def is_alive(self) -> bool:
        return not self.owns_kernel or bool(await ensure_async(self._manager.is_alive()))

    async def wait_started(self) -> bool:
        is_pending = not self._manager.ready.done()
        # Jupyter makes one future for the end of the old process and one for the new one. Others
        # wait for them too: they must not end with us, or fail for us.
        while not self._manager.ready.done():
            await asyncio.wait([self._manager.ready])
        return is_pending

    def open_channels(
        self, handlers: Mapping[Channel, MessageHandler], on_disconnect: Callable[[], None]
    ) -> Channels:
        return KernelChannels(self._manager, self._context, handlers, on_disconnect, self._log)


class KernelChannels:
    """Connected to the kernel of a jupyter_client manager, under an identity of its own.

    `handlers` get each message, as `in_parts` gives it, at once, in its order on the channel,
    and must not block; what one of them fails on is logged and dropped. `on_disconnect` is
    called when a kernel of this machine hangs up.
    """

    breaks = 0

    def __init__(
        self,
        manager: Any,
        context: Context,
        handlers: Mapping[Channel, MessageHandler],
        on_disconnect: Callable[[], None],
        log: Logger,
    ) -> None:
        self._handlers = handlers
        self._on_disconnect = on_disconnect
        self._log = log
        self._left: defaultdict[Channel, deque[Message]] = defaultdict(deque)
        client = _new_client(manager, context)
        self.session = client.session
        self._sockets, self._monitor = _connect(client)
        self._hears_end = client.transport == "ipc" or is_local_ip(client.ip)
        self._takes_input = Event()
        IOLoop.current().add_handler(
            self._monitor.FD, lambda *_: self._look_at_monitor(), IOLoop.READ
        )
        # zmq signals only to those who found nothing when they looked.
        self._look_at_monitor()
        for channel, socket in self._sockets.items():
            IOLoop.current().add_handler(socket.FD, partial(self._on_signal, channel), IOLoop.READ)

    async def wait_for_input(self, seconds: float) -> None:
        """Wait, for so long at most, until the kernel's `input()` would reach us.

        Each socket is connected on its own, and a kernel drops what it asks a client whose stdin
        channel it does not know yet: it would wait for the answer for ever.
        """
        with move_on_after(seconds):
            await self._takes_input.wait()
        self._takes_input.set()

    def send(self, channel: Channel, message: dict[str, Any]) -> None:
        """Send a message made by `session.msg`; once closed, nothing is sent."""
        if channel not in self._sockets:
            return
        self.session.send(self._sockets[channel], message)
        # Sending may swallow the signal that a message has come on the same socket, since zmq
        # signals changes only.
        self._drain(channel)

    def close(self) -> None:
        """Close the sockets; what has not been sent yet is dropped."""
        self._takes_input.set()
        self._sockets["stdin"].disable_monitor()
        for socket in (*self._sockets.values(), self._monitor):
            IOLoop.current().remove_handler(socket.FD)
            socket.close(linger=0)
        self._sockets.clear()
        self._left.clear()

    def _look_at_monitor(self) -> None:
        while not self._monitor.closed and self._monitor.poll(0):
            if recv_monitor_message(self._monitor)["event"] == CONNECTED:
                self._takes_input.set()
            elif self._hears_end:  # A network between may come back.
                self._on_disconnect()

    def _on_signal(self, channel: Channel, descriptor: int, events: int) -> None:
        self._drain(channel)

    def _drain(self, channel: Channel) -> None:
        deadline = monotonic() + DRAIN_SECONDS
        while self._take(channel):
            if monotonic() > deadline:
                IOLoop.current().add_callback(self._drain, channel)
                return

    def _take(self, channel: Channel) -> bool:
        """Hand on the next message or part of one; was there any?"""
        if not self._left[channel]:
            frames = self._receive(channel)
            if frames is None:
                return False
            with dropping_bad(channel, self._log):
                self._left[channel].extend(in_parts(self._unpack(frames)))
        if self._left[channel]:
            with dropping_bad(channel, self._log):
                self._handlers[channel](self._left[channel].popleft())
        return True

    def _receive(self, channel: Channel) -> list[bytes] | None:
        # A handler may have closed the channels.
        socket = self._sockets.get(channel)
        try:
            return None if socket is None else socket.recv_multipart(zmq.NOBLOCK)
        except zmq.Again:
            return None

    def _unpack(self, frames: list[bytes]) -> Message:
        # Session.deserialize looks for dates in all that a message has, which takes longer than
        # everything else together.
        session = self.session
        _, (signature, *parts) = session.feed_identities(frames)
        if session.auth is not None and not compare_digest(signature, session.sign(parts[:4])):
            raise ValueError("The signature is wrong")
        return message_of(*map(session.unpack, parts[:4]))


def message_of(header: Any, parent: Any, metadata: Any, content: Any) -> Message:
    """A message of which the parts are what handlers take them for, whatever a kernel sends.

    Raises:
        ValueError: it does not say what it is.
    """
    if not isinstance(header, dict) or not isinstance(header.get("msg_type"), str):
        raise ValueError("The header is none")
    parts = {"parent_header": parent, "content": content}
    return {"header": header} | {
        name: part if isinstance(part, dict) else {} for name, part in parts.items()
    }


def in_parts(message: Message) -> Sequence[Message]:
    """The message; or, if it is a text that overwrites itself, some that come to the same."""
    name, text = map(message["content"].get, ("name", "text"))
    is_stream = message["header"]["msg_type"] == "stream" and isinstance(text, str)
    if not is_stream or not ("\r" in text or "\b" in text):
        return [message]
    parts = [text[start : start + PART_CHARS] for start in range(0, len(text), PART_CHARS)]
    return [{**message, "content": {"name": name, "text": part}} for part in parts]


@contextmanager
def dropping_bad(source: str, log: Logger) -> Iterator[None]:
    """Inside, a message of a kernel is taken; one that cannot be is logged."""
    try:
        yield
    except Exception:
        # A kernel may send anything; one bad message must not end the connection.
        log.warning("Bad message of a kernel (%s)", source, exc_info=True)


def _connect(
    client: BlockingKernelClient,
) -> tuple[dict[Channel, zmq.Socket[bytes]], zmq.Socket[bytes]]:
    """The sockets of all channels, and one that tells of the connection of stdin."""
    identity = client.session.bsession
    sockets: dict[Channel, zmq.Socket[bytes]] = {
        "shell": client.connect_shell(identity),
        "iopub": client.connect_iopub(),
        "control": client.connect_control(identity),
    }
    # The client would connect before the monitor is there, which then misses it.
    stdin = client.context.socket(zmq.DEALER)
    stdin.identity = identity
    # Older clients know no encryption.
    if (key := getattr(client, "curve_publickey", None)) is not None:
        stdin.curve_publickey = stdin.curve_serverkey = key
        stdin.curve_secretkey = client.curve_secretkey
    monitor = stdin.get_monitor_socket(CONNECTED | zmq.EVENT_DISCONNECTED)
    separator = ":" if client.transport == "tcp" else "-"
    stdin.connect(f"{client.transport}://{client.ip}{separator}{client.stdin_port}")
    return sockets | {"stdin": stdin}, monitor


def _new_client(manager: Any, context: Context) -> BlockingKernelClient:
    # Clients of one manager share a zmq identity, and a kernel only hears the newest.
    session = manager.session.clone()
    session.session = str(uuid4())
    info = manager.get_connection_info(session=True) | {"session": session}
    for key in ("curve_publickey", "curve_secretkey"):
        if isinstance(info.get(key), str):
            info[key] = info[key].encode("ascii")
    return BlockingKernelClient(context=context, parent=manager, **info)

"""The sockets of our own client of one kernel: what is sent, and each message as it comes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from hmac import compare_digest
from logging import Logger
from time import monotonic
from typing import Any, Literal
from uuid import uuid4

import zmq
from anyio import move_on_after, sleep
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_server.gateway.managers import GatewayKernelClient
from tornado.ioloop import IOLoop

from .errors import Unavailable

Channel = Literal["shell", "iopub", "stdin", "control"]
Context = zmq.Context[zmq.Socket[bytes]]
Message = Mapping[str, Any]
MessageHandler = Callable[[Message], None]

CHANNELS: tuple[Channel, ...] = ("shell", "iopub", "stdin", "control")

HANDSHAKE_SECONDS = 0.01
"""How often it is looked whether the stdin channel is connected."""

DRAIN_SECONDS = 0.003
"""How long messages are taken off a socket before others get their turn on the event loop."""


def new_context() -> Context:
    """A context whose sockets queue without limit: kernels that print fast must lose nothing."""
    context: Context = zmq.Context()
    context.setsockopt(zmq.RCVHWM, 0)
    return context


class KernelChannels:
    """Connected to the kernel of a jupyter_client manager, under an identity of its own.

    `handlers` get each message at once, in its order on the channel, and must not block; a
    message that one of them fails on is logged and dropped.
    """

    def __init__(
        self,
        manager: Any,
        context: Context,
        handlers: Mapping[Channel, MessageHandler],
        log: Logger,
    ) -> None:
        self._handlers = handlers
        self._log = log
        self._client = _new_client(manager, context)
        self._client.start_channels(hb=False)
        self.session = self._client.session
        self._sockets: dict[Channel, zmq.Socket[bytes]] = {
            channel: getattr(self._client, f"{channel}_channel").socket for channel in CHANNELS
        }
        self._handshake = self._sockets["stdin"].get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED)
        self._takes_input = False
        for channel, socket in self._sockets.items():
            IOLoop.current().add_handler(socket.FD, partial(self._on_signal, channel), IOLoop.READ)

    async def wait_for_input(self, seconds: float) -> None:
        """Wait, once and for so long at most, until the kernel's `input()` would reach us.

        Each socket is connected on its own, and a kernel drops what it asks a client whose stdin
        channel it does not know yet: it would wait for the answer for ever.
        """
        if not self._takes_input:
            self._takes_input = True
            with move_on_after(seconds):
                while not (self._handshake.closed or self._handshake.poll(0)):  # noqa: ASYNC110
                    await sleep(HANDSHAKE_SECONDS)

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
        for socket in self._sockets.values():
            IOLoop.current().remove_handler(socket.FD)
        self._sockets["stdin"].disable_monitor()
        self._handshake.close(linger=0)
        self._sockets.clear()
        self._client.stop_channels()

    def _on_signal(self, channel: Channel, descriptor: int, events: int) -> None:
        self._drain(channel)

    def _drain(self, channel: Channel) -> None:
        deadline = monotonic() + DRAIN_SECONDS
        while (frames := self._receive(channel)) is not None:
            self._take(channel, frames)
            if monotonic() > deadline:
                IOLoop.current().add_callback(self._drain, channel)
                return

    def _receive(self, channel: Channel) -> list[bytes] | None:
        # A handler may have closed the channels.
        socket = self._sockets.get(channel)
        try:
            return None if socket is None else socket.recv_multipart(zmq.NOBLOCK)
        except zmq.Again:
            return None

    def _take(self, channel: Channel, frames: list[bytes]) -> None:
        try:
            self._handlers[channel](self._unpack(frames))
        except Exception:
            # A kernel may send anything; one bad message must not end the connection.
            self._log.warning("Bad message on the %s channel of a kernel", channel, exc_info=True)

    def _unpack(self, frames: list[bytes]) -> Message:
        # Session.deserialize looks for dates in all that a message has, which takes longer than
        # everything else together.
        session = self.session
        _, (signature, *parts) = session.feed_identities(frames)
        if session.auth is not None and not compare_digest(signature, session.sign(parts[:4])):
            raise ValueError("The signature is wrong")
        header, parent, _, content = map(session.unpack, parts[:4])
        return {"header": header, "parent_header": parent, "content": content}


def _new_client(manager: Any, context: Context) -> BlockingKernelClient:
    if issubclass(manager.client_factory, GatewayKernelClient):
        raise Unavailable("Kernels behind a gateway cannot be used yet.")
    # Clients of one manager share a zmq identity, and a kernel only hears the newest.
    session = manager.session.clone()
    session.session = str(uuid4())
    info = manager.get_connection_info(session=True) | {"session": session}
    for key in ("curve_publickey", "curve_secretkey"):
        if isinstance(info.get(key), str):
            info[key] = info[key].encode("ascii")
    return BlockingKernelClient(context=context, parent=manager, **info)

"""Our own client of a kernel behind a gateway: one websocket in place of the kernel's sockets.

Jupyter's client for this sends no login, blocks the event loop while it connects, and is busy while
it waits.
"""

from __future__ import annotations

import json
import socket as tcp
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from logging import Logger
from typing import Any

from anyio import Event, move_on_after, sleep
from anyio.lowlevel import checkpoint
from jupyter_client.session import Session
from jupyter_server.gateway.gateway_client import GatewayClient
from jupyter_server.gateway.managers import (
    GatewayKernelManager,
    GatewayKernelSpecManager,
    GatewayMappingKernelManager,
)
from jupyter_server.services.kernels.connection.base import (
    deserialize_binary_message,
    deserialize_msg_from_ws_v1,
    serialize_msg_to_ws_v1,
)
from jupyter_server.utils import ensure_async, url_path_join
from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.web import HTTPError
from tornado.websocket import WebSocketClientConnection, WebSocketClosedError, websocket_connect

from .channels import Channel, Message, MessageHandler, dropping_bad, in_parts, message_of
from .errors import Unavailable
from .starts import Spawn

PROTOCOL = "v1.kernel.websocket.jupyter.org"
"""Newer gateways take messages in parts, as kernels do; older ones only as one JSON."""

MAX_MESSAGE_BYTES = 1_000_000_000
"""Tornado would close the connection at a message of more than 10 MiB."""

PARTS = ("header", "parent_header", "metadata", "content")
"""Of a message that comes as one JSON."""

PING_SECONDS = 20.0

FIRST_PAUSE_SECONDS = 0.2
MAX_PAUSE_SECONDS = 5.0
FORBIDDEN, NOT_FOUND, SERVER_ERROR = 403, 404, 500


def is_behind_gateway(manager: object) -> bool:
    """Whether a manager of Jupyter is that of a gateway."""
    kinds = (GatewayKernelManager, GatewayMappingKernelManager, GatewayKernelSpecManager)
    return isinstance(manager, kinds)


@contextmanager
def reaching(manager: object) -> Iterator[None]:
    """Inside, Jupyter's managers may have to ask a gateway.

    Raises:
        Unavailable: it does not answer, or refuses.
    """
    try:
        yield
    except (HTTPError, OSError) as error:
        if not is_behind_gateway(manager):
            raise
        status = getattr(error, "status_code", SERVER_ERROR)
        did = "does not answer" if status >= SERVER_ERROR else f"refuses this (HTTP {status})"
        raise Unavailable(
            f"The gateway that has the kernels of this Jupyter server {did}.",
            "Try again later, or ask its administrator.",
        ) from error


async def list_kernels(manager: Any) -> list[dict[str, Any]]:
    """Jupyter's models of its running kernels, also where a gateway lists none."""
    try:
        return list(await ensure_async(manager.list_kernels()))
    except HTTPError as error:
        if not (is_behind_gateway(manager) and error.status_code == FORBIDDEN):
            raise
    return [await manager.kernel_model(kernel_id) for kernel_id in manager.list_kernel_ids()]


class RemoteKernel:
    """A kernel behind a gateway, by Jupyter's manager of it; see `channels.LocalKernel`."""

    owns_kernel = True
    is_shutting_down = False
    is_remote = True

    def __init__(self, manager: Any, spawn: Spawn, log: Logger) -> None:
        self._manager = manager
        self._spawn = spawn
        self._log = log
        self._start = object()

    @property
    def start(self) -> object:
        return self._start

    def note_restart(self) -> None:
        self._start = object()

    async def is_alive(self) -> bool:
        with reaching(self._manager):
            is_alive = bool(await self._manager.is_alive())
        if is_alive and self._manager.has_kernel:
            return True
        # Jupyter would notice when it next lists the kernels.
        self._manager.parent.remove_kernel(self._manager.kernel_id)
        return False

    async def wait_started(self) -> bool:
        return False  # Only the gateway knows.

    def open_channels(
        self, handlers: Mapping[Channel, MessageHandler], on_disconnect: Callable[[], None]
    ) -> GatewayChannels:
        return GatewayChannels(
            self._manager.kernel_id, handlers, on_disconnect, self._spawn, self._log
        )


class GatewayChannels:
    """All channels of one kernel over one websocket; see `channels.KernelChannels`.

    Connects when something is to be sent, and again, with what was not sent yet, after the
    connection broke: gateways keep the messages for a client of the same session meanwhile, but
    drop some of those that come while it connects.
    `on_disconnect` is called when the gateway has the kernel no more.
    """

    def __init__(
        self,
        kernel_id: str,
        handlers: Mapping[Channel, MessageHandler],
        on_disconnect: Callable[[], None],
        spawn: Spawn,
        log: Logger,
    ) -> None:
        self.session = Session()
        self.breaks = 0
        self._kernel_id = kernel_id
        self._handlers = handlers
        self._on_disconnect = on_disconnect
        self._spawn = spawn
        self._log = log
        self._socket: WebSocketClientConnection | None = None
        self._unsent: list[tuple[Channel, dict[str, Any]]] = []
        self._connected = Event()
        self._speaks_parts = False
        self._is_serving = self._is_closed = self._is_gone = False

    async def wait_for_input(self, seconds: float) -> None:
        """Wait, for so long at most, until the kernel's `input()` would reach us."""
        with move_on_after(seconds):
            await self._connected.wait()

    def send(self, channel: Channel, message: dict[str, Any]) -> None:
        """Send a message made by `session.msg`; once closed, nothing is sent."""
        if self._is_closed:
            return
        self._unsent.append((channel, message))
        if not self._is_serving:
            self._is_serving = True
            self._spawn(self._serve)
        self._flush()

    def close(self) -> None:
        """Close the connection; what has not been sent yet is dropped."""
        self._is_closed = True
        self._unsent.clear()
        self._connected.set()
        if self._socket is not None:
            self._socket.close()

    async def _serve(self) -> None:
        """Take messages until closed, over as many connections as that takes."""
        pause = FIRST_PAUSE_SECONDS
        while not (self._is_closed or self._is_gone):
            is_heard = await self._talk()
            pause = FIRST_PAUSE_SECONDS if is_heard else min(2 * pause, MAX_PAUSE_SECONDS)
            await sleep(pause)
        if not self._is_closed:
            self._on_disconnect()

    async def _talk(self) -> bool:
        """Take messages until the connection ends; was there any?"""
        try:
            socket = await websocket_connect(
                self._request(),
                ping_interval=PING_SECONDS,
                max_message_size=MAX_MESSAGE_BYTES,
                subprotocols=[PROTOCOL],
            )
        except (HTTPClientError, OSError) as error:
            self._log.debug("No connection to kernel %s: %s", self._kernel_id, error)
            self._is_gone = isinstance(error, HTTPClientError) and error.code == NOT_FOUND
            return False
        self._socket, is_heard = socket, False
        self._speaks_parts = socket.selected_subprotocol == PROTOCOL
        self._connected.set()
        self._flush()
        while not self._is_closed and (message := await socket.read_message()) is not None:
            _acknowledge(socket)
            await self._take(message)
            is_heard = True
        socket.close()
        self._socket = None
        self.breaks += 1
        self._log.info("The connection to kernel %s has ended", self._kernel_id)
        return is_heard

    def _request(self) -> HTTPRequest:
        gateway: Any = GatewayClient.instance()
        url = url_path_join(gateway.ws_url, gateway.kernels_endpoint, self._kernel_id, "channels")
        options = gateway.load_connection_args()
        return HTTPRequest(f"{url}?session_id={self.session.session}", **options)

    def _flush(self) -> None:
        # What a connection that has ended does not take is sent on the next.
        with suppress(WebSocketClosedError):
            while self._socket is not None and self._unsent:
                _acknowledge(self._socket)
                self._socket.write_message(*self._pack(*self._unsent[0]))
                del self._unsent[0]

    def _pack(self, channel: Channel, message: dict[str, Any]) -> tuple[bytes, bool]:
        """A message as this connection takes it, and whether that is binary."""
        if self._speaks_parts:
            return serialize_msg_to_ws_v1(message, channel, self.session.pack), True
        return self.session.pack({**message, "channel": channel}), False

    async def _take(self, data: str | bytes) -> None:
        with dropping_bad(self._kernel_id, self._log):
            channel, message = self._unpack(data)
            for part in in_parts(message):
                if self._is_closed:
                    break
                with dropping_bad(self._kernel_id, self._log):
                    self._handlers[channel](part)
                await checkpoint()

    def _unpack(self, data: str | bytes) -> tuple[Channel, Message]:
        if self._speaks_parts:
            channel, parts = deserialize_msg_from_ws_v1(data)
            return channel, message_of(*map(self.session.unpack, parts[:4]))
        is_binary = isinstance(data, bytes)
        message = deserialize_binary_message(data) if is_binary else json.loads(data)
        return message["channel"], message_of(*(message.get(name) for name in PARTS))


def _acknowledge(socket: WebSocketClientConnection) -> None:
    """Have what has come acknowledged at once, where the system can.

    Gateways hold back a message until the one before is acknowledged, which takes 40 ms by itself.
    """
    quickly = getattr(tcp, "TCP_QUICKACK", None)
    stream: Any = getattr(socket.protocol, "stream", None)
    if quickly is not None and stream is not None and not stream.closed():
        stream.socket.setsockopt(tcp.IPPROTO_TCP, quickly, 1)

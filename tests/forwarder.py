"""What stands between a client and a server, and can be cut."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import anyio
from anyio.abc import SocketAttribute, SocketStream

from .server import Server


class Forwarder:
    """Stands before a server; while it is not open, nothing passes."""

    def __init__(self, host: str, port: int) -> None:
        self._to = host, port
        self._streams: list[SocketStream] = []
        self._is_open = True

    async def carry(self, near: SocketStream) -> None:
        async with near:
            if not self._is_open:
                return
            try:
                far = await anyio.connect_tcp(*self._to)
            except OSError:  # The server is gone, which is the client's to see.
                return
            async with far, anyio.create_task_group() as both:
                self._streams += [near, far]
                both.start_soon(self._copy, near, far)
                both.start_soon(self._copy, far, near)

    async def close(self) -> None:
        self._is_open = False
        for stream in self._streams:
            await anyio.aclose_forcefully(stream)
        self._streams.clear()

    def open(self) -> None:
        self._is_open = True

    async def _copy(self, source: SocketStream, target: SocketStream) -> None:
        # One end may have gone, which the other is told by closing it.
        with suppress(OSError, anyio.BrokenResourceError, anyio.ClosedResourceError):
            async for data in source:
                await target.send(data)
            await target.send_eof()


@asynccontextmanager
async def forwarding(server: Server) -> AsyncIterator[tuple[str, Forwarder]]:
    host, port = server.url.split("/")[2].split(":")
    forwarder = Forwarder(host, int(port))
    async with (
        await anyio.create_tcp_listener(local_host="127.0.0.1") as listener,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(listener.serve, forwarder.carry)
        own = listener.extra(SocketAttribute.local_port)
        yield server.url.replace(port, str(own)), forwarder
        tasks.cancel_scope.cancel()

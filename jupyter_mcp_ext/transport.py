"""The SDK's session manager, from the first request to an orderly stop."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from anyio import Event, Lock, move_on_after, sleep, to_thread

if TYPE_CHECKING:
    from mcp.server.lowlevel import Server

ASGIMessage = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[ASGIMessage]]
Send = Callable[[ASGIMessage], Awaitable[None]]
ASGIApp = Callable[[ASGIMessage, Receive, Send], Awaitable[None]]

SESSION_IDLE_SECONDS = 30 * 60
"""After how long without a request an MCP session of the older protocol era is closed."""

MAX_SESSIONS = 1000
"""How many such sessions may be open at once."""

STREAM_STOP_SECONDS = 0.6
"""How long sse_starlette takes to see that the server stops; it looks every 0.5 s."""


STOP_SECONDS = 1.0
"""How long is waited for what is asked to end."""


class Transport:
    """Serves MCP over streamable HTTP, in both protocol eras, as an ASGI application.

    `build` makes the MCP server, once and on the first request: importing the SDK takes about half
    a second, which a server start should not pay for. `spawn` starts tasks from then on.
    """

    def __init__(
        self,
        build: Callable[[], Awaitable[Server[Any]]],
        spawn: Callable[..., None],
        max_body_bytes: int,
    ) -> None:
        self.is_stopping = False
        self._max_body_bytes = max_body_bytes
        self._build = build
        self._spawn = spawn
        self._server: Server[Any] | None = None
        self._app: ASGIApp | None = None
        self._starting = Lock()
        self._stop = Event()
        self._stopped = Event()
        self._requests: set[asyncio.Task[Any]] = set()

    async def app(self) -> ASGIApp:
        """The running application."""
        if self._app is None:
            async with self._starting:
                if self._app is None:
                    self._app = await self._start()
        return self._app

    @contextmanager
    def serving(self) -> Iterator[None]:
        """To be held by each request's task until it is answered, so that `stop` can end it."""
        task = asyncio.current_task()
        assert task is not None
        self._requests.add(task)
        try:
            yield
        finally:
            self._requests.discard(task)

    async def stop(self) -> None:
        """End all event streams and calls; new requests are to be refused."""
        self.is_stopping = True
        if sse := sys.modules.get("sse_starlette.sse"):
            # Its watcher task would otherwise be destroyed while pending.
            sse.AppStatus.should_exit = True
            await sleep(STREAM_STOP_SECONDS)
        self._stop.set()
        if self._app is not None:
            with move_on_after(STOP_SECONDS):
                await self._stopped.wait()
        await self._end_requests()

    async def _end_requests(self) -> None:
        # One that is open when the event loop stops would be broken off anywhere.
        if self._requests:
            await asyncio.wait({*self._requests}, timeout=STOP_SECONDS)
        if late := {*self._requests}:
            for request in late:
                request.cancel()
            await asyncio.wait(late, timeout=STOP_SECONDS)

    async def _start(self) -> ASGIApp:
        self._server = self._server or await self._build()
        manager = await to_thread.run_sync(self._new_manager, self._server)
        started = Event()

        async def serve() -> None:
            # The manager's task group must be entered and left in one task.
            try:
                async with manager.run():
                    started.set()
                    await self._stop.wait()
            finally:
                self._stopped.set()
                started.set()  # Where it could not: requests must not wait for it for ever.

        self._spawn(serve)
        await started.wait()
        return _with_owners(manager.handle_request)

    def _new_manager(self, server: Server[Any]) -> Any:
        from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

        # Without an event store: its events could be replayed to other sessions. Without
        # security settings: Jupyter's own host check and the handler's origin check stand in.
        return StreamableHTTPSessionManager(
            server,
            session_idle_timeout=SESSION_IDLE_SECONDS,
            max_sessions=MAX_SESSIONS,
            max_request_body_size=self._max_body_bytes,
        )


def _with_owners(app: ASGIApp) -> ASGIApp:
    """The SDK then lets a session be used only by the login that has opened it."""
    from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
    from mcp.server.auth.provider import AccessToken

    async def serve(scope: ASGIMessage, receive: Receive, send: Send) -> None:
        known = AccessToken(token="", client_id=scope["state"]["login"], scopes=[])
        await app({**scope, "user": AuthenticatedUser(known)}, receive, send)

    return serve

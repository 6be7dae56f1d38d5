"""A client's session at the MCP endpoint of a server that may be restarted."""

from __future__ import annotations

import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

from anyio import Lock, to_thread
from httpx2 import AsyncClient, ConnectError, EventSource, Limits, Response, Timeout

from ..clients import Connection
from .messages import (
    CONTENT_HEADERS,
    INITIALIZED,
    INVALID_REQUEST,
    Message,
    NotAMessage,
    as_object,
)
from .servers import LOOPBACK

CONNECT_SECONDS = 30.0


@dataclass(eq=False)
class Session:
    """What the handshake agreed on; nothing before it, nor in the era that has no sessions."""

    connection: Connection
    id: str = ""
    version: str = ""

    def headers(self, message: Message | None = None) -> dict[str, str]:
        if message and message.version:
            own = message.stateless_headers
        else:
            own = {"Mcp-Session-Id": self.id, "Mcp-Protocol-Version": self.version}
        found = {**CONTENT_HEADERS, **self.connection.headers, **own}
        return {name: value for name, value in found.items() if value}


class Endpoint:
    """Sends messages to where `find` says that the server is, and asks again once it is gone.

    A session that the server no longer knows is begun again with the client's own handshake.
    `on_session` is called with each session as soon as notifications can be asked for.
    """

    def __init__(
        self,
        connection: Connection,
        find: Callable[[], Connection],
        http: AsyncClient,
        on_session: Callable[[Session], Awaitable[None]],
    ) -> None:
        self.session = Session(connection)
        self._find = find
        self._http = http
        self._on_session = on_session
        self._handshake: Message | None = None
        self._subscriptions: dict[str, Message] = {}
        self._recovering = Lock()

    @asynccontextmanager
    async def post(self, message: Message) -> AsyncIterator[Response]:
        """The response to a message, which is sent once more after a recovery.

        Raises:
            NoConnection: the server is gone.
            NotAMessage: it cannot be written.
            HTTPError: it cannot be reached, or breaks the connection.
        """
        if message.method == "initialize":
            self.session, self._handshake = Session(self.session.connection), message
            self._subscriptions.clear()
        session = self.session
        try:
            async with self._send(message, session) as response:
                if not _is_stale(response, session):
                    yield response
                    return
        except ConnectError:
            pass  # Nothing was sent. While the response is used, connecting is over.
        await self._recover(session)
        async with self._send(message, self.session) as response:
            yield response

    def listen(self, session: Session) -> AbstractAsyncContextManager[Response]:
        """The stream of notifications that answer no request."""
        return self._http.stream("GET", session.connection.url, headers=session.headers())

    async def end_session(self) -> None:
        if self.session.id:
            url, headers = self.session.connection.url, self.session.headers()
            await self._http.delete(url, headers=headers)

    def learn(self, message: Message, response: Response, result: dict[str, Any]) -> None:
        """Keep from a result what the next messages need."""
        if message.method == "initialize":
            _agree(self.session, response, result)
        elif message.method == "resources/subscribe" and not message.version:
            self._subscriptions[str(message.params.get("uri"))] = message
        elif message.method == "resources/unsubscribe":
            self._subscriptions.pop(str(message.params.get("uri")), None)

    async def begun(self) -> None:
        """To be called when the client has completed the handshake."""
        await self._on_session(self.session)

    def _send(self, message: Message, session: Session) -> AbstractAsyncContextManager[Response]:
        try:
            body = json.dumps(message.body).encode()
        except RecursionError as error:  # It could just be read, at less depth of calls.
            raise NotAMessage(INVALID_REQUEST, "The message is nested too deeply") from error
        headers = session.headers(message)
        return self._http.stream("POST", session.connection.url, content=body, headers=headers)

    async def _recover(self, lost: Session) -> None:
        async with self._recovering:
            if self.session is not lost:
                return  # Another message has done it meanwhile.
            self.session = Session(await to_thread.run_sync(self._find))
            if self._handshake and lost.id:
                # It keeps the lost id until it has one, so that the next message tries again.
                self.session.id, self.session.version = lost.id, lost.version
                await self._begin(self.session, self._handshake)

    async def _begin(self, session: Session, handshake: Message) -> None:
        first = Session(session.connection)
        async with self._send(handshake.with_id("handshake"), first) as response:
            async for _, answer in messages_in(response):
                if "result" in answer:
                    _agree(session, response, as_object(answer["result"]))
                    break
            else:
                return
        await self._tell(INITIALIZED, session)
        await self._on_session(session)
        for subscription in self._subscriptions.values():
            await self._tell(subscription, session)

    async def _tell(self, message: Message, session: Session) -> None:
        async with self._send(message, session) as response:
            await response.aread()


def http_client() -> AsyncClient:
    """A client that waits for an answer as long as it takes, with any number of them at once.

    It trusts what this machine trusts, and uses no proxy for this machine itself.
    """
    return AsyncClient(
        timeout=Timeout(CONNECT_SECONDS, read=None, pool=None),
        limits=Limits(max_connections=None),
        verify=ssl.create_default_context(),
        mounts={f"all://{host}": None for host in LOOPBACK - {"::1"}} | {"all://[::1]": None},
    )


async def messages_in(response: Response) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    """The messages in a response, each as a line and as what it says; nothing that is none."""
    async for text in _texts_in(response):
        # Within the strings of JSON there are no ends of lines.
        line = text.replace("\r", " ").replace("\n", " ")
        with suppress(ValueError, RecursionError):
            body = json.loads(line)
            if isinstance(body, dict):
                yield line, body


async def _texts_in(response: Response) -> AsyncIterator[str]:
    if response.headers.get("Content-Type", "").startswith("text/event-stream"):
        async for event in EventSource(response, max_event_size=None):
            yield event.data
    else:
        yield (await response.aread()).decode(errors="replace")


def _agree(session: Session, response: Response, result: dict[str, Any]) -> None:
    session.id = response.headers.get("Mcp-Session-Id", "")
    session.version = str(result.get("protocolVersion", ""))


def _is_stale(response: Response, session: Session) -> bool:
    """Whether the server was started anew, with another token or without our session."""
    return response.status_code in (401, 403) or (response.status_code == 404 and bool(session.id))

"""Relays MCP from the lines of a client to an endpoint over HTTP, in both protocol eras.

Messages pass as they are. Only what HTTP says in other ways is translated: the version and the
session are headers there, and a stateless request is cancelled by closing its stream.
"""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from anyio import CancelScope, Event, create_task_group, move_on_after, sleep
from httpx2 import HTTPError, Response

from ..clients import Connection
from .endpoint import Endpoint, Session, http_client, messages_in
from .messages import CONNECTION_LOST, Message, NotAMessage, as_object, error_line
from .servers import NoConnection
from .waits import Waits

END_SECONDS = 1.0
"""How long what is asked may still be answered when the client has no more to say."""

LISTEN_SECONDS = 2.0
"""How long the stream of notifications may take to open before other messages go on."""

REOPEN_SECONDS = 1.0
"""How long after its end the stream of notifications is opened again."""

LOST = "The connection to the Jupyter server was lost before it answered. A run may go on there."

UNREADABLE = "The Jupyter server sent no answer that can be read. A run may go on there."


@dataclass(eq=False)
class Pending:
    """A request that is not answered yet."""

    message: Message
    scope: CancelScope = field(default_factory=CancelScope)
    is_cancelled: bool = False


class Bridge:
    """Joins one client to the endpoint that `find` finds; `write` takes a line for the client."""

    def __init__(
        self, find: Callable[[], Connection], write: Callable[[str], None], waits: Waits
    ) -> None:
        self._find = find
        self._write = write
        self._waits = waits
        self._pending: dict[str, Pending] = {}
        self._answered = Event()

    async def run(self, connection: Connection, lines: AsyncIterator[bytes]) -> None:
        """Relay from a connection that was tried, until there are no more lines."""
        async with http_client() as http, create_task_group() as self._tasks:
            self._endpoint = Endpoint(connection, self._find, http, self._follow)
            async for line in lines:
                if line.strip():
                    await self._take(line)
            with move_on_after(END_SECONDS):
                await self._all_answered()
            self._tasks.cancel_scope.cancel()
            with move_on_after(END_SECONDS, shield=True), suppress(HTTPError):
                await self._endpoint.end_session()

    async def _all_answered(self) -> None:
        while self._pending:
            self._answered = Event()
            await self._answered.wait()

    async def _take(self, line: bytes) -> None:
        try:
            message = Message.from_line(line)
        except NotAMessage as error:
            self._write(error_line(None, error.code, str(error)))
            return
        if message.is_request:
            pending = self._pending[_key(message.id)] = Pending(self._waits.fill(message))
            self._tasks.start_soon(self._answer, pending)
        elif message.method != "notifications/cancelled" or self._cancel(message):
            await self._notify(message)

    def _cancel(self, message: Message) -> bool:
        """Cancel a request; whether the endpoint has to be told."""
        pending = self._pending.get(_key(message.params.get("requestId")))
        if pending is None:
            return False
        pending.is_cancelled = True
        if pending.message.version:
            pending.scope.cancel()
        return not pending.message.version

    async def _notify(self, message: Message) -> None:
        try:
            async with self._endpoint.post(message) as response:
                await response.aread()
        except (HTTPError, NoConnection, NotAMessage) as error:
            print(f"jupyter mcp stdio: not delivered: {error}", file=sys.stderr)
            return
        if message.method == "notifications/initialized":
            await self._endpoint.begun()

    async def _answer(self, pending: Pending) -> None:
        """Bring the answer, or an error in its place; nothing to who has cancelled."""
        problem = ""
        with pending.scope:
            try:
                if not await self._relay(pending.message):
                    problem = UNREADABLE
            except NotAMessage as error:
                problem = f"{error}."
            except NoConnection as error:
                problem = f"The Jupyter server is gone: {error}."
            except HTTPError as error:
                problem = f"{LOST} ({str(error) or type(error).__name__})"
        if self._pending.get(_key(pending.message.id)) is pending:
            del self._pending[_key(pending.message.id)]
        self._answered.set()
        if problem and not pending.is_cancelled:
            self._write(error_line(pending.message.id, CONNECTION_LOST, problem))

    async def _relay(self, message: Message) -> bool:
        """Pass on all that comes for a request; whether its answer was among it."""
        async with self._endpoint.post(message) as response:
            if response.is_error:
                self._write(await _refusal(message, response))
                return True
            async for line, body in messages_in(response):
                is_answer = "method" not in body
                if is_answer:
                    self._learn(message, response, body)
                self._write(line)
                if is_answer:
                    return True
        return False

    def _learn(self, message: Message, response: Response, body: dict[str, Any]) -> None:
        if "result" in body:
            result = as_object(body["result"])
            self._endpoint.learn(message, response, result)
            if message.method == "tools/list":
                self._waits.learn(result.get("tools"))

    async def _follow(self, session: Session) -> None:
        """Pass on what the server says of itself, from here on."""
        listens = Event()
        self._tasks.start_soon(self._pass_on_notifications, session, listens)
        with move_on_after(LISTEN_SECONDS):
            await listens.wait()

    async def _pass_on_notifications(self, session: Session, listens: Event) -> None:
        try:
            while self._endpoint.session is session:
                async with self._endpoint.listen(session) as response:
                    listens.set()
                    if response.status_code != 200:
                        return
                    async for line, _ in messages_in(response):
                        self._write(line)
                await sleep(REOPEN_SECONDS)
        except HTTPError:
            pass  # The next message finds the server again, or says that it is gone.
        finally:
            listens.set()


async def _refusal(message: Message, response: Response) -> str:
    """A response with an error status, as the answer to the message."""
    async for _, body in messages_in(response):
        if "error" in body:
            return json.dumps({"jsonrpc": "2.0", "id": message.id, "error": body["error"]})
    text = f"The Jupyter server, or a proxy before it, answers with status {response.status_code}"
    return error_line(message.id, CONNECTION_LOST, f"{text} and no reason. Is it running?")


def _key(id: Any) -> str:
    """Tells the id 1 from the id "1", and takes what is no id as well."""
    return json.dumps(id)

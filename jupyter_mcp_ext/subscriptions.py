"""Tells clients when what they follow changes, in the way of their protocol era."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from typing import Any

from anyio import TASK_STATUS_IGNORED, CancelScope, Event, create_task_group, sleep
from anyio.abc import TaskGroup, TaskStatus
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler, ResourceUpdated
from mcp_types import (
    EmptyResult,
    SubscribeRequestParams,
    SubscriptionFilter,
    SubscriptionsListenRequestParams,
    SubscriptionsListenResult,
    UnsubscribeRequestParams,
)

from .errors import InvalidRequest, MCPExtensionError
from .links import parse_uri
from .room import NotebookRooms
from .starts import Spawn

PAUSE_SECONDS = 1.0
"""How long a client hears nothing more of a resource after it was told of a change."""

MAX_SUBSCRIPTIONS = 100
"""Resources that one client can follow at once."""

Tell = Callable[[str], Awaitable[None]]

_STATE = "jupyter_mcp_ext.subscriber"


class Subscriber:
    """One client that wants to hear of changes, by `tell(uri)`: a task for each resource.

    Each task holds the notebook's room, so that there is something to hear of.
    """

    def __init__(self, rooms: NotebookRooms, tell: Tell) -> None:
        self._rooms = rooms
        self._tell = tell
        self._scopes: dict[str, CancelScope] = {}
        self._tasks: TaskGroup
        self._started = Event()
        self._ended = Event()

    async def run(self) -> None:
        """Own the tasks, until `end` or a cancellation."""
        async with create_task_group() as self._tasks:
            self._started.set()
            await self._ended.wait()
            self._tasks.cancel_scope.cancel()

    def end(self) -> None:
        """Forget all subscriptions."""
        self._ended.set()

    async def add(self, uri: str) -> None:
        """Tell of all changes from now on; a change of a notebook is one of any of its cells.

        Raises:
            InvalidRequest: these are too many.
            NotFound, NotANotebook: there is no such resource.
        """
        await self._started.wait()
        if uri in self._scopes:
            return
        if len(self._scopes) >= MAX_SUBSCRIPTIONS:
            raise InvalidRequest(
                f"One client can follow {MAX_SUBSCRIPTIONS} resources.", "Unsubscribe from some."
            )
        scope = self._scopes[uri] = CancelScope()
        with ExitStack() as undo:
            undo.callback(self._scopes.pop, uri, None)
            await self._tasks.start(self._follow, uri, scope)
            undo.pop_all()

    def remove(self, uri: str) -> None:
        """Tell no more of this resource."""
        if scope := self._scopes.pop(uri, None):
            scope.cancel()

    async def _follow(
        self, uri: str, scope: CancelScope, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED
    ) -> None:
        path, cell_id = parse_uri(uri)
        changed = Event()

        def note(cell_ids: set[str] | None) -> None:
            if not cell_id or cell_ids is None or cell_id in cell_ids:
                changed.set()

        with scope:
            async with self._rooms.open(path) as document:
                if cell_id:
                    document.position(cell_id)
                forget = document.on_change(note)
                try:
                    task_status.started()
                    while True:
                        await changed.wait()
                        changed = Event()
                        await self._tell(uri)
                        await sleep(PAUSE_SECONDS)
                finally:
                    forget()


class Subscriptions:
    """The clients that want to hear of changes; all of them end with their connections."""

    def __init__(self, rooms: NotebookRooms, spawn: Spawn) -> None:
        self._rooms = rooms
        self._spawn = spawn
        self._listening: set[ListenHandler] = set()

    async def subscribe(self, ctx: Any, params: SubscribeRequestParams) -> EmptyResult:
        """Answer `resources/subscribe`, for the rest of the MCP session.

        Raises:
            MCPExtensionError: as `Subscriber.add`.
        """
        # The SDK shows no other way to the end of a session.
        connection = ctx.session._connection
        subscriber = connection.state.get(_STATE)
        if subscriber is None:
            subscriber = Subscriber(self._rooms, ctx.session.send_resource_updated)
            connection.state[_STATE] = subscriber
            connection.exit_stack.callback(subscriber.end)
            self._spawn(subscriber.run)
        await subscriber.add(params.uri)
        return EmptyResult()

    async def unsubscribe(self, ctx: Any, params: UnsubscribeRequestParams) -> EmptyResult:
        """Answer `resources/unsubscribe`; it is fine if there was no subscription."""
        if subscriber := ctx.session._connection.state.get(_STATE):
            subscriber.remove(params.uri)
        return EmptyResult()

    async def listen(
        self, ctx: Any, params: SubscriptionsListenRequestParams
    ) -> SubscriptionsListenResult:
        """Answer `subscriptions/listen`, until the client leaves or the server stops.

        What the client asked for and cannot be followed is left out of the acknowledgement.
        """
        # A bus of its own: each client has its own pauses.
        bus = InMemorySubscriptionBus()
        handler = ListenHandler(bus)

        async def tell(uri: str) -> None:
            await bus.publish(ResourceUpdated(uri=uri))

        subscriber = Subscriber(self._rooms, tell)
        self._listening.add(handler)
        try:
            async with create_task_group() as tasks:
                tasks.start_soon(subscriber.run)
                wanted = params.notifications.resource_subscriptions or []
                followed = [uri for uri in wanted if await _is_added(subscriber, uri)]
                honored = SubscriptionFilter(resource_subscriptions=followed)
                result = await handler(ctx, SubscriptionsListenRequestParams(notifications=honored))
                subscriber.end()
        finally:
            self._listening.discard(handler)
        return result

    def close(self) -> None:
        """End what `listen` serves, each with its last message."""
        for handler in self._listening:
            handler.close()


async def _is_added(subscriber: Subscriber, uri: str) -> bool:
    try:
        await subscriber.add(uri)
    except MCPExtensionError:
        return False
    return True

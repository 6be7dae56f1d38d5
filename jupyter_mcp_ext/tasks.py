"""The tasks of the extension, which all end with it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from logging import Logger

from anyio import Event, create_task_group

from .failures import is_failure

STOP_SECONDS = 1.0
"""How long stopping waits for the tasks to end."""


class Tasks:
    """A task group, held open by a task of its own: it must be left in the task that entered it."""

    def __init__(self, log: Logger) -> None:
        self._log = log
        self._stopping = Event()

    def spawn(self, function: Callable[[], Awaitable[None]], name: str | None = None) -> None:
        """Start a task that belongs to the extension; its failure is logged and stays its own."""
        self._group.start_soon(self._logged, function, name=name)

    async def start(self) -> None:
        """From here on tasks can be started."""
        started = Event()
        self._owner = asyncio.create_task(self._own(started))
        await started.wait()

    async def stop(self) -> None:
        """Cancel all, and wait for a short time until they have ended."""
        self._stopping.set()
        await asyncio.wait([self._owner], timeout=STOP_SECONDS)

    async def _own(self, started: Event) -> None:
        async with create_task_group() as self._group:
            started.set()
            await self._stopping.wait()
            self._group.cancel_scope.cancel()

    async def _logged(self, function: Callable[[], Awaitable[None]]) -> None:
        try:
            await function()
        except BaseException as error:
            # One broken task must not take the others along.
            if not is_failure(error):
                raise
            self._log.exception("A task of jupyter_mcp_ext failed")

"""Starts of kernels that go on when their caller gives up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from functools import partial

Spawn = Callable[[Callable[[], Awaitable[None]]], None]
"""Starts a task that belongs to the extension."""


class Starts:
    """Runs each start once for all who wait for it, to its end: cut off in the middle, it would
    leave a kernel that nobody knows, or that never comes back."""

    def __init__(self, spawn: Spawn) -> None:
        self._spawn = spawn
        self._futures: dict[str, asyncio.Future[str]] = {}

    @property
    def keys(self) -> Collection[str]:
        """Of the starts that go on."""
        return self._futures.keys()

    async def join(self, key: str, start: Callable[[], Awaitable[str]]) -> str:
        """What `start` returns or raises, or the start that goes on under this key."""
        future = self._futures.get(key)
        if future is None:
            future = self._futures[key] = asyncio.get_running_loop().create_future()
            self._spawn(partial(self._run, key, start, future))
        return await asyncio.shield(future)

    async def _run(
        self, key: str, start: Callable[[], Awaitable[str]], future: asyncio.Future[str]
    ) -> None:
        try:
            future.set_result(await start())
        except Exception as error:
            # Whatever it is, it is for those who wait.
            future.set_exception(error)
            future.exception()  # Those who waited may be gone, which asyncio would complain about.
        finally:
            del self._futures[key]
            future.cancel()

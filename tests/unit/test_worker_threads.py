"""AnyIO's worker threads, in a loop that runs as Jupyter's does."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from anyio import to_thread
from anyio._backends import _asyncio as backend

from jupyter_mcp_ext import worker_threads


@pytest.fixture
def run() -> Iterator[Callable[[Callable[[], Awaitable[Any]]], Any]]:
    """Run a function as Tornado runs its callbacks, and tell what it returns."""
    loop = asyncio.new_event_loop()
    found: list[Any] = []

    async def stop_after(function: Callable[[], Awaitable[Any]]) -> None:
        try:
            found.append(await function())
        finally:
            loop.stop()

    def run_in_loop(function: Callable[[], Awaitable[Any]]) -> Any:
        task = loop.create_task(stop_after(function))
        loop.run_forever()
        task.result()
        return found.pop()

    yield run_in_loop
    loop.close()


def test_anyio_is_told_the_root_of_the_loop(run: Callable[..., Any]) -> None:
    async def roots() -> tuple[object, object, threading.Thread]:
        own = asyncio.create_task(worker_threads.own())
        await asyncio.sleep(0)
        thread = await to_thread.run_sync(threading.current_thread)
        root = backend.find_root_task()
        own.cancel()
        await asyncio.wait([own])
        return own, root, thread

    own, root, thread = run(roots)
    assert root is own
    thread.join(10)
    assert not thread.is_alive()


def test_threads_end_though_the_task_goes_on_that_used_them(run: Callable[..., Any]) -> None:
    async def use() -> threading.Thread:
        used = asyncio.get_running_loop().create_future()

        async def websocket() -> None:
            used.set_result(await to_thread.run_sync(threading.current_thread))
            await asyncio.Event().wait()

        tasks.append(asyncio.create_task(websocket()))
        thread: threading.Thread = await used
        worker_threads.end()
        await to_thread.run_sync(thread.join, 10)
        tasks[0].cancel()
        await asyncio.wait(tasks)
        worker_threads.end()
        return thread

    tasks: list[asyncio.Task[None]] = []
    assert not run(use).is_alive()

"""Starts of kernels, with no kernel."""

from __future__ import annotations

import pytest
from anyio import Event, create_task_group, fail_after, move_on_after

from jupyter_mcp_ext.starts import Starts

pytestmark = pytest.mark.anyio


async def test_a_start_goes_on_when_its_caller_gives_up_and_is_joined_by_the_next() -> None:
    begun, end, ids = Event(), Event(), ["kernel-1", "kernel-2"]

    async def start() -> str:
        begun.set()
        await end.wait()
        return ids.pop(0)

    async def let_end() -> None:
        end.set()

    async with create_task_group() as tasks:
        starts = Starts(tasks.start_soon)
        with move_on_after(0.01):
            await starts.join("a", start)
        with fail_after(5):
            await begun.wait()
            assert list(starts.keys) == ["a"]
            tasks.start_soon(let_end)
            assert await starts.join("a", start) == "kernel-1"
            assert list(starts.keys) == []
            assert await starts.join("a", start) == "kernel-2"


async def test_all_who_wait_for_a_start_hear_why_it_failed() -> None:
    heard: list[str] = []

    async def start() -> str:
        raise OSError("no")

    async def wait() -> None:
        try:
            await starts.join("a", start)
        except OSError as error:
            heard.append(str(error))

    with fail_after(5):
        async with create_task_group() as tasks:
            starts = Starts(tasks.start_soon)
            tasks.start_soon(wait)
            tasks.start_soon(wait)
    assert heard == ["no", "no"]

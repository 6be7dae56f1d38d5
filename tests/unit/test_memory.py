"""Garbage is collected once nothing holds it, and what existed before is passed over."""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Callable, Iterator
from typing import Any
from weakref import ref

import anyio
import pytest
from anyio.lowlevel import checkpoint

from jupyter_mcp_ext import memory

pytestmark = pytest.mark.anyio


class Room:
    def __init__(self) -> None:
        self.itself = self


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No collector comes by of itself, and looks are frequent."""
    monkeypatch.setattr(memory, "LOOK_SECONDS", 0.001)
    gc.disable()
    yield
    memory.take_back()
    gc.enable()


async def until(claim: Callable[[], bool]) -> None:
    with anyio.fail_after(20):
        while not claim():
            await checkpoint()


async def test_garbage_is_collected_as_soon_as_nothing_holds_it() -> None:
    rooms: list[ref[Room]] = []
    looks = 0

    def has_garbage() -> bool:
        nonlocal looks
        looks += 1
        return any(room() is not None for room in rooms)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(memory.give_back, has_garbage)
        await until(lambda: looks > 0)
        held = Room()
        rooms.append(ref(held))
        await until(lambda: looks > 9)
        assert rooms[0]() is held
        del held
        await until(lambda: rooms[0]() is None)
        tasks.cancel_scope.cancel()


async def test_what_was_in_use_when_all_was_set_aside_is_collected_too() -> None:
    users = [Room()]
    room = ref(users[0])
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(memory.give_back, lambda: not users and room() is not None)
        await until(lambda: gc.get_freeze_count() > 0)
        users.clear()
        gc.collect()
        assert room() is not None  # The collector passes over it.
        await until(lambda: room() is None)
        await until(lambda: gc.get_freeze_count() > 0)
        tasks.cancel_scope.cancel()


async def test_what_was_left_behind_before_is_not_set_aside() -> None:
    room = ref(Room())
    gc.freeze()
    gc.unfreeze()  # All is old now.
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(memory.give_back, lambda: False)
        await until(lambda: gc.get_freeze_count() > 0)
        assert room() is None
        tasks.cancel_scope.cancel()


async def test_it_is_looked_for_less_often_while_something_holds_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 23:
            raise StopAsyncIteration

    monkeypatch.setattr(memory, "sleep", sleep)
    with pytest.raises(StopAsyncIteration):
        await memory.give_back(lambda: len(pauses) != 22)
    # The first is for what the first agent has had loaded.
    assert pauses[1:4] == [0.001, 0.002, 0.004]
    assert pauses[-2:] == [memory.MAX_LOOK_SECONDS, memory.LOOK_SECONDS]


def test_what_is_set_aside_is_passed_over_until_it_is_taken_back() -> None:
    memory.set_aside()
    assert gc.get_freeze_count() > 1000
    memory.take_back()
    assert not gc.get_freeze_count()


@pytest.mark.parametrize("error", [TypeError("no None on Windows"), OSError("static")])
async def test_a_system_without_such_a_library_is_left_alone(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def refuse(name: Any) -> None:
        raise error

    monkeypatch.setattr(ctypes, "CDLL", refuse)
    await anyio.to_thread.run_sync(memory._trim)

"""The stores in which rooms keep their changes."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest
from anyio.lowlevel import checkpoint
from pycrdt import Doc
from pycrdt.store import SQLiteYStore
from pycrdt.websocket import YRoom

from jupyter_mcp_ext import room_store
from jupyter_mcp_ext.room_store import caught_up, close_store, drain

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.parametrize(("number", "waits"), [(3, False), (30, True)])
async def test_changes_wait_for_a_store_that_has_many_to_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, waits: bool
) -> None:
    monkeypatch.setattr(room_store, "MAX_WAITING", 10)
    monkeypatch.setattr(SQLiteYStore, "db_path", str(tmp_path / "store.db"))
    update = Doc().get_update()
    async with SQLiteYStore("a") as store, anyio.create_task_group() as tasks:
        room, is_over = YRoom(ystore=store), anyio.Event()
        assert store.db_initialized is not None
        await store.db_initialized.wait()

        async def wait() -> None:
            await caught_up(room)  # type: ignore[arg-type]
            is_over.set()

        async with store.lock:
            for _ in range(number):
                tasks.start_soon(store.write, update)
            await anyio.wait_all_tasks_blocked()
            tasks.start_soon(wait)
            await checkpoint()
            await anyio.wait_all_tasks_blocked()
            assert is_over.is_set() is not waits
        with anyio.fail_after(5):
            await is_over.wait()


def store_in(directory: Path, path: str) -> SQLiteYStore:
    class Store(SQLiteYStore):
        db_path = str(directory / "store.db")

    return Store(path)


async def written(store: SQLiteYStore) -> list[bytes]:
    return [update async for update, *_ in store.read()]


async def test_a_store_that_was_cut_off_while_it_wrote_keeps_nobody_out(tmp_path: Path) -> None:
    async with anyio.create_task_group() as tasks:
        cut_off, other = store_in(tmp_path, "one"), store_in(tmp_path, "two")
        await tasks.start(cut_off.start)
        await cut_off.write(b"first")
        await tasks.start(other.start)
        await (await cut_off._db.cursor()).execute("BEGIN IMMEDIATE")
        await close_store(cut_off)
        with anyio.fail_after(3):  # SQLite itself would wait for 5 s, in vain.
            await other.write(b"second")
        assert await written(other) == [b"second"]
        await close_store(other)
        tasks.cancel_scope.cancel()


async def test_a_store_that_was_never_started_can_be_closed(tmp_path: Path) -> None:
    await close_store(store_in(tmp_path, "one"))


async def test_a_store_is_drained_when_all_that_waits_is_written(tmp_path: Path) -> None:
    async with anyio.create_task_group() as tasks:
        store = store_in(tmp_path, "one")
        await tasks.start(store.start)
        async with anyio.create_task_group() as writers:
            for number in range(5):
                writers.start_soon(store.write, bytes([number]))
            await checkpoint()
            await drain(store)
            assert len(await written(store)) == 5
        await close_store(store)
        tasks.cancel_scope.cancel()

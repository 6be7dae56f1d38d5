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
from jupyter_mcp_ext.room_store import caught_up

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

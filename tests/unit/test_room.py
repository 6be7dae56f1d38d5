"""Leases on rooms, where it takes no server to see what becomes of them."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import anyio
import pytest
from jupyter_ydoc import YNotebook

from jupyter_mcp_ext import room
from jupyter_mcp_ext.notebook import NotebookDocument
from jupyter_mcp_ext.saving import SAVE_INTERVAL_SECONDS, Autosave

pytestmark = pytest.mark.anyio


async def settled() -> None:
    pass


async def test_nothing_is_saved_in_time_any_more_when_the_first_save_takes_too_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(room, "CLOSE_GRACE_SECONDS", 0.01)
    asked: list[Any] = []
    rooms: Any = room.NotebookRooms(*[None] * 4)  # type: ignore[arg-type]
    documents = []
    for name in ("first", "second"):
        ynotebook = YNotebook()
        document = NotebookDocument(ynotebook, name, settled)
        saving = asyncio.get_running_loop().create_future()
        live: Any = SimpleNamespace(clients=set(), _save_delay=1, _saving_document=saving)
        live._save_to_disc = lambda saving=saving: saving
        autosave = Autosave(live, lambda save: asked.append(save), document.on_change)
        rooms._leases[name] = room._Lease(live, document, autosave)
        documents.append(document)
    await rooms.close()
    for document in documents:
        document.insert_cell("1")
    assert asked == []


async def test_a_notebook_that_is_closed_just_after_a_person_has_left_it_is_freed() -> None:
    deleted: list[Any] = []

    async def delete(room: Any) -> None:
        deleted.append(room)
        del collaboration.rooms["id"]

    async def notebook(path: str) -> dict[str, str]:
        return {"path": path}

    # What Jupyter has for a room that the last person has left: no clients, and a cleaner.
    live: Any = SimpleNamespace(clients=set(), ystore=None, room_id="id", _saving_document=None)
    live._document, live._save_delay = SimpleNamespace(dirty=False), 1
    live.cleaner = asyncio.create_task(asyncio.sleep(60))
    lock = asyncio.Lock()
    collaboration: Any = SimpleNamespace(rooms={"id": live}, lock=lambda room: lock, delete=delete)
    collaboration.notebook_room_id = lambda path: "id"
    contents: Any = SimpleNamespace(notebook=notebook)
    rooms: Any = room.NotebookRooms(collaboration, contents, None, None)  # type: ignore[arg-type]
    document = NotebookDocument(YNotebook(), "a.ipynb", settled)
    with anyio.fail_after(SAVE_INTERVAL_SECONDS / 2):
        async with anyio.create_task_group() as saves:
            autosave = Autosave(live, saves.start_soon, document.on_change)
            rooms._leases["id"] = room._Lease(live, document, autosave)
            document.insert_cell("1")
            await rooms.leave("a.ipynb")
            await live.cleaner
            assert deleted == [live] and not rooms._leases
        # It is not kept for a save that would come later.

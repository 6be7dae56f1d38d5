"""Leases on rooms, where it takes no server to see what becomes of them."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from jupyter_ydoc import YNotebook

from jupyter_mcp_ext import room
from jupyter_mcp_ext.notebook import NotebookDocument

pytestmark = pytest.mark.anyio


async def settled() -> None:
    pass


async def test_nothing_is_saved_in_time_any_more_when_the_first_save_takes_too_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(room, "CLOSE_GRACE_SECONDS", 0.01)
    asked: list[str] = []
    rooms: Any = room.NotebookRooms(*[None] * 4)  # type: ignore[arg-type]
    documents = []
    for name in ("first", "second"):
        ynotebook = YNotebook()
        document = NotebookDocument(ynotebook, name, settled)
        stop = document.on_change(lambda changed, name=name: asked.append(name))  # type: ignore[misc]
        saving = asyncio.get_running_loop().create_future()
        live: Any = SimpleNamespace(
            clients=set(), _saving_document=saving, _save_to_disc=lambda saving=saving: saving
        )
        rooms._leases[name] = room._Lease(live, document, stop)
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
    live._document = SimpleNamespace(dirty=False)
    live.cleaner = asyncio.create_task(asyncio.sleep(60))
    lock = asyncio.Lock()
    collaboration: Any = SimpleNamespace(rooms={"id": live}, lock=lambda room: lock, delete=delete)
    collaboration.notebook_room_id = lambda path: "id"
    contents: Any = SimpleNamespace(notebook=notebook)
    rooms: Any = room.NotebookRooms(collaboration, contents, None, None)  # type: ignore[arg-type]
    document = NotebookDocument(YNotebook(), "a.ipynb", settled)
    rooms._leases["id"] = room._Lease(live, document, lambda: None)
    await rooms.leave("a.ipynb")
    await live.cleaner
    assert deleted == [live] and not rooms._leases

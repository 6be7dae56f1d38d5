"""Leases on rooms, where it takes no server to see what becomes of them."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint
from jupyter_server_ydoc.app import YDocExtension
from jupyter_ydoc import YNotebook

from jupyter_mcp_ext import room
from jupyter_mcp_ext.collaboration import Collaboration
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


class FakeCollaboration:
    """What jupyter-collaboration has: one room, of which the last person may have just left."""

    def __init__(self) -> None:
        document = SimpleNamespace(dirty=False)
        file = SimpleNamespace(path="a.ipynb", file_id="file")
        self.live: Any = SimpleNamespace(clients=set(), ystore=None, room_id="id", cleaner=None)
        self.live._saving_document, self.live._save_delay = None, 1
        self.live._document, self.live._file, self.live.awareness = document, file, None
        self.rooms: dict[str, Any] = {"id": self.live}
        self.deleted: list[Any] = []
        self.grace_seconds = 0
        self.is_loading = anyio.Event()
        self._lock = asyncio.Lock()

    def lock(self, room: Any) -> asyncio.Lock:
        return self._lock

    def notebook_room_id(self, path: str) -> str:
        return "id"

    async def join(self, path: str, room_id: str) -> tuple[Any, bool]:
        return self.live, True

    async def initialize(self, room: Any) -> None:
        self.is_loading.set()
        await anyio.sleep_forever()

    async def delete(self, room: Any) -> None:
        self.deleted.append(room)
        del self.rooms["id"]


def rooms_of(collaboration: Any) -> room.NotebookRooms:
    async def notebook(path: str) -> dict[str, Any]:
        return {"path": path, "writable": True}

    contents: Any = SimpleNamespace(notebook=notebook)
    notices: Any = SimpleNamespace(listen=lambda: None, follow=lambda room_id: None)
    return room.NotebookRooms(collaboration, contents, notices, lambda function: None)


async def test_a_notebook_that_is_closed_just_after_a_person_has_left_it_is_freed() -> None:
    collaboration = FakeCollaboration()
    live, rooms = collaboration.live, rooms_of(collaboration)
    live.cleaner = asyncio.create_task(asyncio.sleep(60))
    document = NotebookDocument(YNotebook(), "a.ipynb", settled)
    with anyio.fail_after(SAVE_INTERVAL_SECONDS / 2):
        async with anyio.create_task_group() as saves:
            autosave = Autosave(live, saves.start_soon, document.on_change)
            rooms._leases["id"] = room._Lease(live, document, autosave)
            document.insert_cell("1")
            await rooms.leave("a.ipynb")
            await live.cleaner
            assert collaboration.deleted == [live] and not rooms._leases
        # It is not kept for a save that would come later.


async def test_a_room_is_freed_where_the_call_is_cancelled_that_loads_it() -> None:
    collaboration = FakeCollaboration()
    live, rooms = collaboration.live, rooms_of(collaboration)
    live._document = YNotebook()

    async def open_it() -> None:
        async with rooms.open("a.ipynb"):
            raise AssertionError("it was never loaded")

    async with anyio.create_task_group() as calls:
        calls.start_soon(open_it)
        await collaboration.is_loading.wait()
        calls.cancel_scope.cancel()
    with anyio.fail_after(5):
        await live.cleaner
    assert collaboration.deleted == [live] and not live.clients and not rooms._leases


@pytest.mark.parametrize("is_coming_in", [False, True])
async def test_a_room_that_each_left_to_the_other_is_freed_unless_somebody_comes_in(
    monkeypatch: pytest.MonkeyPatch, is_coming_in: bool
) -> None:
    pauses: list[float] = []
    person = "whose browser has seen no cleaner that it would have to cancel"

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if seconds == room.COME_IN_SECONDS and is_coming_in:
            live.clients.add(person)
        await checkpoint()

    monkeypatch.setattr(room, "COME_IN_SECONDS", room.LOOK_SECONDS / 2)
    monkeypatch.setattr(room.asyncio, "sleep", sleep)
    collaboration = FakeCollaboration()
    live, rooms = collaboration.live, rooms_of(collaboration)
    document = NotebookDocument(YNotebook(), "a.ipynb", settled)
    autosave = Autosave(live, lambda save: None, document.on_change)
    rooms._leases["id"] = room._Lease(live, document, autosave)
    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(rooms.free_left)
            while len(pauses) < 9:
                await checkpoint()
            tasks.cancel_scope.cancel()
    assert {room.LOOK_SECONDS, room.COME_IN_SECONDS} <= {*pauses}
    assert collaboration.deleted == ([] if is_coming_in else [live])
    assert live.clients == ({person} if is_coming_in else set())


async def test_a_room_is_freed_also_when_its_file_was_deleted() -> None:
    class Deleted:
        @property
        def path(self) -> str:
            raise RuntimeError("No path found")

    async def save() -> None:
        raise RuntimeError(live._file.path)

    collaboration = FakeCollaboration()
    live, rooms = collaboration.live, rooms_of(collaboration)
    live._document.dirty, live._file = True, Deleted()
    live._save_to_disc = lambda: asyncio.create_task(save())
    live.cleaner = asyncio.create_task(asyncio.sleep(60))
    document = NotebookDocument(YNotebook(), "a.ipynb", settled)
    autosave = Autosave(live, lambda save: None, document.on_change)
    rooms._leases["id"] = lease = room._Lease(live, document, autosave)
    await rooms._free(lease, 0)
    assert collaboration.deleted == [live]


async def test_a_room_is_not_gone_before_its_file_is_written() -> None:
    written = asyncio.Event()

    async def write_to_the_end() -> None:
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(60)
        await written.wait()

    async def delete_room(room: Any) -> None:
        room._saving_document.cancel()

    store: Any = SimpleNamespace(stop=lambda: settled())
    live: Any = SimpleNamespace(ystore=store, _file=SimpleNamespace(file_id="file"))
    live._saving_document = asyncio.create_task(write_to_the_end())
    extension: Any = YDocExtension()
    extension.file_loaders = {}
    extension.ywebsocket_server = SimpleNamespace(delete_room=delete_room)
    collaboration = Collaboration({"jupyter_server_ydoc": extension})
    deleting = asyncio.create_task(collaboration.delete(live))
    await anyio.wait_all_tasks_blocked()
    assert not deleting.done()
    written.set()
    await deleting
    assert live._saving_document.done()

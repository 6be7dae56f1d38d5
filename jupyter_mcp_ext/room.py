"""Paths to live notebooks, held open by leases while they are in use."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from anyio import move_on_after
from jupyter_server_ydoc.rooms import DocumentRoom
from pycrdt import Awareness

from .collaboration import Collaboration, loading, room_id_of, settled
from .contents import Contents, clean_path
from .errors import NotANotebook, NotebookNotFound, StillOpen
from .file_notices import FileNotices
from .notebook import NotebookDocument
from .people import Participant, Writers, participants, saves_itself, views
from .room_store import drain
from .saving import Autosave, save_pending
from .starts import Spawn

CLOSE_GRACE_SECONDS = 15.0
"""How long stopping waits at most for the last edits to reach the disk."""

LOOK_SECONDS = 5.0
"""How often is looked for rooms that were left."""

COME_IN_SECONDS = 5.0
"""How long these stay at least: a browser may be coming in."""

GLOBAL_AWARENESS = "JupyterLab:globalAwareness"
"""The id of the room in which JupyterLab's browsers tell of their users."""


class _OwnClient:
    """Stands among a room's clients like a browser, so that nobody frees the room under us."""

    path = "jupyter_mcp_ext"

    async def send(self, message: bytes) -> None:
        """Take an update; the document has it already."""


@dataclass
class _Lease:
    room: DocumentRoom
    document: NotebookDocument
    autosave: Autosave
    client: _OwnClient = field(default_factory=_OwnClient)
    users: int = 0
    is_new: bool = False
    """Whether nobody was in the room before us, and its cells have not been looked at yet."""


class NotebookRooms:
    """The rooms of this server's notebooks, shared with every browser that has them open."""

    def __init__(
        self,
        collaboration: Collaboration,
        contents: Contents,
        notices: FileNotices,
        spawn: Spawn,
    ) -> None:
        self._collaboration = collaboration
        self._contents = contents
        self._spawn = spawn
        self._leases: dict[str, _Lease] = {}
        self._notices = notices

    @asynccontextmanager
    async def open(self, path: str) -> AsyncIterator[NotebookDocument]:
        """The live notebook at `path`, from the server's root, held open while in use.

        Joins the room that the browsers use, and makes it where there is none. Afterwards
        the room stays for the time that jupyter-collaboration grants a document without
        clients; then it is saved and freed.

        Raises:
            NotebookNotFound: nothing is there.
            NotANotebook: what is there cannot be read as a notebook.
            Unavailable, OtherCollaboration: there is no jupyter-collaboration to work with.
        """
        model = await self._contents.notebook(path)
        lease = await self._acquire(model["path"])
        with self._releasing(lease):
            with loading(model["path"], NotANotebook):
                await self._collaboration.initialize(lease.room)
            if lease.is_new:
                lease.is_new = False
                lease.document.end_stale_runs()
            # A notebook that was renamed keeps its room.
            lease.document.path = model["path"]
            lease.document.is_writable = bool(model["writable"])
            await lease.document.settled()
            yield lease.document

    @asynccontextmanager
    async def reopen(self, document: NotebookDocument) -> AsyncIterator[NotebookDocument]:
        """As `open`, for a notebook that was open a moment ago, wherever its file is now."""
        path = self.path_of(document.file_id)
        if path is None:
            raise NotebookNotFound(document.path, "it was deleted")
        document.path = path
        lease = self._leases.get(room_id_of(document.file_id))
        if lease is None or not self.is_live(document):
            async with self.open(document.path) as document:
                yield document
            return
        self._use(lease)
        with self._releasing(lease):
            yield document

    async def opened(self, path: str) -> NotebookDocument | None:
        """The notebook, if it is open for agents.

        Raises:
            NotebookNotFound, NotANotebook: as `open`.
        """
        lease = self._leases.get(self._collaboration.notebook_room_id(await self.find(path)))
        return lease.document if lease is not None and self._is_live(lease) else None

    async def find(self, path: str) -> str:
        """The path in the form that names it everywhere, checked by the contents manager.

        Raises:
            NotebookNotFound, NotANotebook: as `open`.
        """
        return str((await self._contents.notebook(path))["path"])

    async def create(self, path: str, metadata: dict[str, Any]) -> str:
        """Make an empty notebook; return its path.

        Raises:
            NotebookExists: something is there already.
            StillOpen: somebody has the notebook open that was there, which would be replaced.
            InvalidRequest: the contents manager refuses the path.
            Unavailable, OtherCollaboration: there is no jupyter-collaboration to work with.
        """
        rooms = self._collaboration.rooms
        room = rooms.get(self._collaboration.notebook_room_id(clean_path(path)))
        if room is not None and not await self._contents.exists(path) and _has_guests(room):
            raise StillOpen(path)
        path = await self._contents.create_notebook(path, metadata)
        room = rooms.get(self._collaboration.notebook_room_id(path))
        if room is not None:
            # The room of a deleted notebook of that name: let it see the new file now.
            await room._file.maybe_notify()
        return path

    def take_notices(self, path: str) -> list[str]:
        """What went wrong with the notebook's file since it was last asked, once each."""
        if not self._notices.any:
            return []
        return self._notices.take(self._collaboration.notebook_room_id(clean_path(path)))

    def participants_in(self, path: str) -> list[Participant] | None:
        """Who is in the notebook's room; None when it is not in memory."""
        room = self._collaboration.rooms.get(self._collaboration.notebook_room_id(path))
        return None if room is None else participants(room.awareness)

    def saves_itself(self, path: str) -> bool:
        """Whether what is done to the notebook is saved without anybody asking for it."""
        path = clean_path(path)
        open_here = (each.room for each in self._leases.values() if each.document.path == path)
        return all(saves_itself(room.awareness) for room in open_here)

    @property
    def everywhere(self) -> Awareness | None:
        """In which JupyterLab tells who is on the server; None as long as no browser is there."""
        rooms = self._collaboration.rooms
        room = rooms.get(GLOBAL_AWARENESS)
        return None if room is None else room.awareness

    @property
    def views(self) -> dict[str, set[str]]:
        """The paths of the notebooks that people look at, by their usernames."""
        return views(self.everywhere)

    def is_live(self, document: NotebookDocument) -> bool:
        """Whether the room of this document still exists."""
        lease = self._leases.get(room_id_of(document.file_id))
        return lease is not None and lease.document is document and self._is_live(lease)

    def path_of(self, file_id: str) -> str | None:
        """Where the file is now, None if it is gone."""
        return self._collaboration.path_of(file_id)

    async def leave(self, path: str) -> None:
        """Save what is not saved yet, and free the room now if nobody else is in it.

        Raises:
            NotebookNotFound, NotANotebook: as `open`.
        """
        lease = self._leases.get(self._collaboration.notebook_room_id(await self.find(path)))
        if lease is not None:
            await save_pending(lease.room, is_wanted=True)
            is_being_freed = self._collaboration.lock(lease.room).locked()
            if not lease.users and lease.room.cleaner is not None and not is_being_freed:
                lease.room.cleaner.cancel()
                lease.room.cleaner = asyncio.create_task(self._free(lease, 0))

    async def free_left(self) -> None:
        """Free rooms that nobody is in and nobody else will free, until cancelled.

        A person who leaves while an agent is there leaves the room to the agent, and is among its
        clients for a moment more, in which the agent may leave the room to the person.
        """
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            self._forget_dead()
            for lease in self._leases.values():
                cleaner = lease.room.cleaner
                is_left = not lease.users and not lease.room.clients
                if is_left and (cleaner is None or cleaner.done()):
                    self._free_later(lease, COME_IN_SECONDS)

    async def close(self) -> None:
        """Save what is not on disk yet, for a short time at most."""
        leases = list(self._leases.values())
        for lease in leases:
            # What starts its tasks ends next, and people may go on typing.
            lease.autosave.stop()
        with move_on_after(CLOSE_GRACE_SECONDS):
            for lease in leases:
                await save_pending(lease.room, is_wanted=not _has_guests(lease.room))

    # Leases

    async def _acquire(self, path: str) -> _Lease:
        self._notices.listen()
        self._forget_dead()
        room_id = self._collaboration.notebook_room_id(path)
        lease = self._leases.get(room_id)
        if lease is None:
            room, is_new = await self._collaboration.join(path, room_id)
            lease = self._lease(room_id, room)
            lease.is_new |= is_new
        # Nothing is awaited between joining and here, or the room could be freed meanwhile.
        self._notices.follow(room_id)
        self._use(lease)
        return lease

    def _is_live(self, lease: _Lease) -> bool:
        rooms = self._collaboration.rooms
        return rooms.get(lease.room.room_id) is lease.room

    def _use(self, lease: _Lease) -> None:
        lease.users += 1
        lease.room.clients.add(lease.client)
        if lease.room.cleaner is not None:
            lease.room.cleaner.cancel()
            lease.room.cleaner = None

    def _lease(self, room_id: str, room: DocumentRoom) -> _Lease:
        lease = self._leases.get(room_id)
        if lease is None or lease.room is not room:
            writers = Writers(room.awareness)
            room.on_message = writers.on_message
            document = NotebookDocument(
                room._document, room._file.path, partial(settled, room), writers.current
            )
            document.file_id = room._file.file_id
            autosave = Autosave(room, self._spawn, document.on_change)
            lease = self._leases[room_id] = _Lease(room, document, autosave)
        return lease

    @contextmanager
    def _releasing(self, lease: _Lease) -> Iterator[None]:
        try:
            yield
        finally:
            self._release(lease)

    def _release(self, lease: _Lease) -> None:
        lease.users -= 1
        if not lease.users:
            self._free_later(lease)

    def _free_later(self, lease: _Lease, least: float = 0) -> None:
        """Free the room after jupyter-collaboration's grace, and `least` seconds at least."""
        grace = self._collaboration.grace_seconds
        delay = None if grace is None else max(grace, least)
        # Browsers cancel a room's cleaner when they come, so it must be an asyncio.Task.
        lease.room.cleaner = asyncio.create_task(self._free(lease, delay))

    async def _free(self, lease: _Lease, delay: float | None) -> None:
        if delay is None:
            return
        try:
            await asyncio.sleep(delay)
            async with self._collaboration.lock(lease.room):
                await save_pending(lease.room, is_wanted=not _has_guests(lease.room))
                await drain(lease.room.ystore)
                await save_pending(lease.room)  # What has come meanwhile.
                # Our client is gone where there was a guest when this was last tried.
                if self._is_live(lease) and not _has_guests(lease.room):
                    lease.room.clients.discard(lease.client)
                    if lease.room.cleaner not in (None, asyncio.current_task()):
                        lease.room.cleaner.cancel()  # Of a person who left just now.
                    await self._collaboration.delete(lease.room)
                    self._forget_dead()
        finally:
            # Cancelled by a browser, which takes the room over; if we come back ourselves, it is
            # no longer the room's cleaner.
            if lease.room.cleaner is asyncio.current_task():
                lease.room.clients.discard(lease.client)

    def _forget_dead(self) -> None:
        # A room that a browser takes over keeps its lease: what the journal knows goes on.
        for room_id, lease in list(self._leases.items()):
            if not self._is_live(lease):
                del self._leases[room_id]
                lease.autosave.stop()
                lease.document.close()


def _has_guests(room: DocumentRoom) -> bool:
    return any(not isinstance(client, _OwnClient) for client in room.clients)

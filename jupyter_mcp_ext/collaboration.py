"""The rooms of jupyter-collaboration, in which documents are live."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from weakref import WeakSet

from anyio import Lock, move_on_after
from jupyter_server_ydoc.app import YDocExtension
from jupyter_server_ydoc.rooms import DocumentRoom

from .contents import reason_of
from .errors import FileRefused, NotANotebook, OtherCollaboration, Unavailable
from .failures import is_failure
from .room_store import caught_up, close_store, configure_store, store_own

STOP_SECONDS = 20.0
"""How long stopping waits at most for the rooms."""


class Collaboration:
    """The collaboration extension of this server.

    `settings` are those of Jupyter's web application: the extension and the file id manager are
    looked up when they are needed, since extensions load in alphabetical order.
    """

    def __init__(self, settings: dict[str, Any]) -> None:
        self._settings = settings
        self._first_join = Lock()
        self._has_joined = False
        self._observed: WeakSet[DocumentRoom] = WeakSet()
        self._seen: WeakSet[Any] = WeakSet()

    @property
    def rooms(self) -> dict[str, Any]:
        """The rooms that are in memory, by their ids.

        Raises:
            Unavailable, OtherCollaboration: there is no jupyter-collaboration to work with.
        """
        return self._extension.ywebsocket_server.rooms  # type: ignore[no-any-return]

    @property
    def grace_seconds(self) -> float | None:
        """How long a document without clients stays in memory; None is for ever."""
        return self._extension.document_cleanup_delay  # type: ignore[no-any-return]

    def rooms_of(self, path: str) -> dict[str, DocumentRoom]:
        """The rooms of a file by format and type; none without jupyter-collaboration."""
        ids = self._settings.get("file_id_manager")
        if ids is None or self._server is None:
            return {}
        file_id = ids.get_id(path)
        names = [(room_id.rpartition(":"), room) for room_id, room in self._server.rooms.items()]
        return {kind: room for (kind, _, known), room in names if known == file_id}

    def path_of(self, file_id: str) -> str | None:
        """Where the file is now, None if it is gone."""
        return self._settings["file_id_manager"].get_path(file_id) or None

    def notebook_room_id(self, path: str) -> str:
        """The id of the room of a notebook, whether it is in memory or not."""
        return room_id_of(str(self._settings["file_id_manager"].index(path)))

    async def join(self, path: str, room_id: str) -> tuple[DocumentRoom, bool]:
        """The room of a notebook, made where there is none; and whether it was.

        Raises:
            NotANotebook: it cannot be loaded.
            Unavailable, OtherCollaboration: as `rooms`.
        """
        if self._has_joined:
            return await self._join(path, room_id)
        # Where there is no database yet, the store of each room makes it. If two do that at once,
        # one of them fails, and whoever waits for its room waits for ever.
        async with self._first_join:
            joined = await self._join(path, room_id)
            self._has_joined = True
            return joined

    async def initialize(self, room: DocumentRoom) -> None:
        """Load what the room is for, unless that was done, and wait until it stores changes.

        What was changed earlier is missing in the store; `store_own` stores that.
        """
        if room not in self._observed:
            async with self.lock(room):
                await room.initialize()
                await room.ydoc_observed.wait()
                await store_own(room)
                self._observed.add(room)

    def lock(self, room: DocumentRoom) -> Any:
        """Held by whoever loads or frees a room."""
        return self._extension._room_locks[room.room_id]

    async def delete(self, room: DocumentRoom) -> None:
        """Free a room that nobody is in."""
        loaders, file_id = self._extension.file_loaders, room._file.file_id
        saving = room._saving_document
        await self._extension.ywebsocket_server.delete_room(room=room)
        if saving is not None:
            # Broken off by that, but what is being written is written to its end. Whoever reads the
            # file meanwhile makes Jupyter take it for broken, and move it away.
            await asyncio.wait([saving])
        await close_store(room.ystore)
        if file_id in loaders and not loaders[file_id].number_of_subscriptions:
            # The watcher of a file that was deleted has ended with this error.
            with suppress(RuntimeError):
                await loaders.remove(file_id)

    def has_freed(self) -> bool:
        """Whether rooms are in memory though they were freed: of those that agents were in, or
        that there were when this was asked before.
        """
        live = set(self._server.rooms.values()) if self._server else set()
        is_left = any(room not in live for room in self._observed | self._seen)
        self._seen.update(live)
        return is_left

    async def close(self) -> None:
        """Wait until all rooms have ended, for some time.

        That takes longer than jupyter-collaboration waits where many have much to write, and a call
        may have opened one after it had stopped. What a room has not stored when the event loop
        stops is lost.
        """
        server = self._server
        if server is None or not server.started.is_set():
            return
        with move_on_after(STOP_SECONDS):
            if server._task_group is not None:
                await server.stop()
            await server._start_finished.wait()

    @property
    def _server(self) -> Any:
        """The websocket server, None before it starts and without jupyter-collaboration."""
        return getattr(self._settings.get("jupyter_server_ydoc"), "ywebsocket_server", None)

    async def _join(self, path: str, room_id: str) -> tuple[DocumentRoom, bool]:
        extension, rooms = self._extension, self.rooms
        is_new = room_id not in rooms
        configure_store(extension)
        try:
            with loading(path, NotANotebook):
                await extension.get_document(room_id=room_id, copy=False, create=True)
        except NotANotebook as error:
            # It would show an empty notebook to everybody and save nothing.
            if (room := rooms.pop(room_id, None)) is not None:
                if not isinstance(error.__cause__, Exception):  # After those, it was stopped.
                    await room.stop()
                await close_store(room.ystore)
            raise
        return rooms[room_id], is_new

    @property
    def _extension(self) -> YDocExtension:
        extension = self._settings.get("jupyter_server_ydoc")
        if hasattr(extension, "get_document") and not isinstance(extension, YDocExtension):
            raise OtherCollaboration(type(extension).__module__.partition(".")[0])
        if not isinstance(extension, YDocExtension):
            raise Unavailable(
                "jupyter-collaboration is not running in this Jupyter server.",
                "Install it with `pip install jupyter-collaboration` and restart the server.",
            )
        if extension.disable_rtc:
            raise Unavailable(
                "Real-time collaboration is switched off in this Jupyter server.",
                "Remove YDocExtension.disable_rtc from its configuration.",
            )
        return extension


def room_id_of(file_id: str) -> str:
    """The id of the room of a notebook with this file."""
    return f"json:notebook:{file_id}"


@contextmanager
def loading(path: str, refusal: type[NotANotebook | FileRefused]) -> Iterator[None]:
    """Inside, a document is loaded from its file; if that fails, `refusal` is raised."""
    try:
        yield
    except BaseException as error:
        # Contents managers are anybody's code, and raise anything.
        if not is_failure(error):
            raise
        raise refusal(path, reason_of(error)) from error


async def settled(room: DocumentRoom) -> None:
    """Wait until the store has kept up and no reload from disk is under way."""
    await caught_up(room)
    while room._update_lock.locked():
        async with room._update_lock:
            pass

"""A person's browser without a browser: one more websocket client of a notebook's room."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote, urlencode

import anyio
from anyio.lowlevel import checkpoint
from jupyter_ydoc import YNotebook
from pycrdt import (
    Awareness,
    Doc,
    Provider,
    Text,
    YMessageType,
    create_awareness_message,
    read_message,
)
from tornado.httpclient import HTTPRequest
from tornado.websocket import WebSocketClientConnection, websocket_connect

from .server import Server

WAIT_SECONDS = 15


class RoomChannel:
    """pycrdt's `Channel` over tornado: sync messages go to the provider, awareness is applied."""

    def __init__(
        self, socket: WebSocketClientConnection, room_id: str, awareness: Awareness
    ) -> None:
        self.path = room_id
        self._socket = socket
        self._awareness = awareness

    def __aiter__(self) -> RoomChannel:
        return self

    async def __anext__(self) -> bytes:
        while (message := await self._socket.read_message()) is not None:
            assert isinstance(message, bytes)
            if message[0] == YMessageType.AWARENESS:
                self._awareness.apply_awareness_update(read_message(message[1:]), "remote")
            elif message[0] == YMessageType.SYNC:
                return message
        raise StopAsyncIteration

    async def recv(self) -> bytes:
        return await self.__anext__()

    async def send(self, message: bytes) -> None:
        await self._socket.write_message(message, binary=True)


class Seat:
    """A place in a room, from which its changes are seen."""

    def __init__(self) -> None:
        self._changed = anyio.Event()

    def notice_change(self, *_: Any) -> None:
        self._changed.set()

    async def wait_until(self, claim: Callable[[], bool], seconds: float = WAIT_SECONDS) -> None:
        """Ask again after each change of the document or of awareness; TimeoutError at the end."""
        with anyio.fail_after(seconds):
            while not claim():
                self._changed = anyio.Event()
                await self._changed.wait()


class TextPeer(Seat):
    """`text` is that of a file which is no notebook."""

    def __init__(self, text: Text) -> None:
        super().__init__()
        self.text = text

    async def type_text(self, text: str, after: str = "") -> None:
        """As `Peer.type_text`."""
        await _type(self.text, text, after)


class Peer(Seat):
    """`notebook` is the live document. Change it directly or with the helpers."""

    def __init__(self, notebook: YNotebook, awareness: Awareness) -> None:
        super().__init__()
        self.notebook = notebook
        self.awareness = awareness

    def cells(self) -> list[dict[str, Any]]:
        cells: list[dict[str, Any]] = self.notebook.get()["cells"]
        return cells

    def sources(self) -> list[str]:
        return [str(cell["source"]) for cell in self.notebook.ycells]

    def position_of(self, cell_id: str) -> int:
        return [cell["id"] for cell in self.notebook.ycells].index(cell_id)

    def source_of(self, cell_id: str) -> Text:
        source: Text = self.notebook.ycells[self.position_of(cell_id)]["source"]
        return source

    async def type_text(self, cell_id: str, text: str, after: str = "") -> None:
        """Type after the first `after`, one character a transaction, with a caret others move."""
        await _type(self.source_of(cell_id), text, after)

    def others(self) -> list[dict[str, Any]]:
        """Awareness states of everyone else in the room who shows a name."""
        me = self.awareness.client_id
        states = self.awareness.states.items()
        return [state for client_id, state in states if client_id != me and "user" in state]


async def _type(source: Text, text: str, after: str) -> None:
    caret = str(source).index(after) + len(after)
    for character in text:
        source.insert(len(str(source)[:caret].encode()), character)
        caret += 1
        before = str(source)
        await checkpoint()
        caret = _moved_caret(caret, before, str(source))


def _moved_caret(caret: int, before: str, after: str) -> int:
    """Where a caret is after someone else's edit (a sticky index of pycrdt panics after "é")."""
    if after.startswith(before[:caret]):
        return caret
    assert after.endswith(before[caret:]), "edited on both sides of the caret at once"
    return len(after) - len(before) + caret


async def _open_socket(
    server: Server, path: str, format: str = "json", kind: str = "notebook"
) -> tuple[WebSocketClientConnection, str]:
    request = {"format": format, "type": kind}
    answer = await server.http.put(f"api/collaboration/session/{quote(path)}", json=request)
    room = answer.raise_for_status().json()
    room_id = f"{room['format']}:{room['type']}:{room['fileId']}"
    query = urlencode({"sessionId": room["sessionId"], "token": server.token})
    base = server.url.replace("http", "ws", 1)
    # The colons stay as they are: encoded ones would open another, empty room.
    url = f"{base}api/collaboration/room/{room_id}?{query}"
    return await websocket_connect(HTTPRequest(url)), room_id


@asynccontextmanager
async def join_room(server: Server, path: str, name: str = "ada") -> AsyncIterator[Peer]:
    """Join as a person called `name`; the document is in step with the room from the start."""
    doc: Doc[Any] = Doc()
    awareness = Awareness(doc)
    peer = Peer(YNotebook(doc, awareness), awareness)
    socket, room_id = await _open_socket(server, path)
    channel = RoomChannel(socket, room_id, awareness)

    def announce(topic: str, change: tuple[dict[str, Any], Any]) -> None:
        peer.notice_change()
        if topic == "update" and change[1] == "local":
            state = awareness.encode_awareness_update([awareness.client_id])
            socket.write_message(create_awareness_message(state), binary=True)

    doc.observe(peer.notice_change)
    awareness.observe(announce)
    try:
        async with Provider(doc, channel) as provider:
            with anyio.fail_after(WAIT_SECONDS):
                await provider.synced.wait()
            user = {"username": name, "name": name, "display_name": name}
            awareness.set_local_state({"user": user, "autosave": True})
            yield peer
    finally:
        socket.close()


@asynccontextmanager
async def join_text(server: Server, path: str) -> AsyncIterator[TextPeer]:
    """Open a text file as an editor does; in step with the room from the start."""
    doc: Doc[Any] = Doc()
    peer = TextPeer(doc.get("source", type=Text))
    socket, room_id = await _open_socket(server, path, "text", "file")
    doc.observe(peer.notice_change)
    try:
        async with Provider(doc, RoomChannel(socket, room_id, Awareness(doc))) as provider:
            with anyio.fail_after(WAIT_SECONDS):
                await provider.synced.wait()
            yield peer
    finally:
        socket.close()

"""A kernel as a person uses it: by the websocket that JupyterLab has too."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any
from uuid import uuid4

import anyio
from nbformat.v4 import output_from_msg
from tornado.httpclient import HTTPRequest
from tornado.websocket import WebSocketClientConnection, websocket_connect

from tests.server import Server

RUN_SECONDS = 60
OUTPUTS = {"stream", "display_data", "execute_result", "error"}

Message = dict[str, Any]


class Kernel:
    """A running kernel of the server; each run has a connection of its own."""

    def __init__(self, kernel_id: str, server: Server) -> None:
        self.id = kernel_id
        self._server = server

    async def run(self, code: str) -> tuple[list[Any], int]:
        """Run code as a person does; returns its outputs and its execution count."""
        outputs = []
        async for message in self._answers(code):
            if message["msg_type"] in OUTPUTS:
                outputs.append(output_from_msg(message))
            elif message["msg_type"] == "execute_input":
                count = int(message["content"]["execution_count"])
        return outputs, count

    async def value(self, expression: str) -> str:
        """The text of an expression's value, or the name of its error; leaves no trace."""
        async for message in self._answers("", silent=True, user_expressions={"it": expression}):
            if message["msg_type"] == "execute_reply":
                it = message["content"]["user_expressions"]["it"]
        return str(it["data"]["text/plain"] if it["status"] == "ok" else it["ename"])

    async def start(self, code: str) -> None:
        """Have code running that prints at once, and leave it."""
        async with aclosing(self._answers(code)) as messages:
            async for message in messages:
                if message["msg_type"] == "stream":
                    break

    async def state(self) -> str:
        model = await self._server.get(f"api/kernels/{self.id}")
        return str(model["execution_state"])

    async def _answers(self, code: str, **more: Any) -> AsyncGenerator[Message]:
        """The messages that answer a request, until the reply and the end of its output."""
        content = {"code": code, "silent": False, "store_history": True, "allow_stdin": False}
        header = {"msg_id": uuid4().hex, "msg_type": "execute_request", "session": uuid4().hex}
        header |= {"version": "5.3", "username": "ada"}
        request = {"header": header, "parent_header": {}, "metadata": {}, "channel": "shell"}
        async with self._connect() as socket:
            await socket.write_message(json.dumps(request | {"content": content | more}))
            awaited = {"execute_reply", "idle"}
            while awaited:
                with anyio.fail_after(RUN_SECONDS):
                    message = json.loads(str(await socket.read_message()))
                if message["parent_header"].get("msg_id") == header["msg_id"]:
                    awaited -= {message["msg_type"], message["content"].get("execution_state")}
                    yield message

    @asynccontextmanager
    async def _connect(self) -> AsyncIterator[WebSocketClientConnection]:
        base = self._server.url.replace("http", "ws", 1)
        url = f"{base}api/kernels/{self.id}/channels?token={self._server.token}"
        socket = await websocket_connect(HTTPRequest(url))
        try:
            yield socket
        finally:
            socket.close()

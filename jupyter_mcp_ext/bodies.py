"""How much of a request is read, and for how long."""

from __future__ import annotations

from asyncio import Future
from typing import Any

from jupyter_server.base.handlers import JupyterHandler
from tornado.ioloop import IOLoop
from tornado.web import stream_request_body

LINGER_SECONDS = 2.0
"""How long is read and dropped what the client of a refused request still sends: cut off at once,
it would not hear why."""


@stream_request_body
class BodyHandler(JupyterHandler):
    """Lets in a body only after `prepare`, and keeps it in `body` unless the request is refused."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.body = bytearray()
        self._lingers = False
        super().__init__(*args, **kwargs)

    def limit_body(self, max_bytes: int, seconds: float) -> None:
        """How large it may be, and how long a client may take to send it."""
        connection: Any = self.request.connection
        connection.set_max_body_size(max_bytes)
        connection.set_body_timeout(seconds)

    def data_received(self, chunk: bytes) -> None:
        if not self._lingers:
            self.body += chunk

    def finish(self, chunk: Any = None) -> Future[None]:
        """Answer at once, and close when the client has sent all, or has had its time."""
        sent = self.request._body_future
        if sent.done():
            return super().finish(chunk)
        if chunk is not None:
            self.write(chunk)
        if not self._lingers:
            self._lingers = True
            self.flush()
            IOLoop.current().call_later(LINGER_SECONDS, self._end)
            sent.add_done_callback(lambda _: self._end())
        return sent

    def _end(self) -> None:
        if not self._finished:
            connection: Any = self.request.connection
            stream = connection.stream
            super().finish().add_done_callback(lambda _: stream.close())

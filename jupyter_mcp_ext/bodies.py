"""The part of a request after its headers, within bounds."""

from __future__ import annotations

from asyncio import Future
from typing import Any

from jupyter_server.base.handlers import JupyterHandler
from tornado.ioloop import IOLoop
from tornado.web import HTTPError, stream_request_body

LINGER_SECONDS = 2.0
"""How long is read and dropped what the client of a refused request still sends: cut off at once,
it would not hear why."""


@stream_request_body
class BodyHandler(JupyterHandler):
    """Lets in a body only after `prepare`, and keeps it in `body` unless the request is refused."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.body = bytearray()
        super().__init__(*args, **kwargs)

    def limit_body(self, max_bytes: int, seconds: float) -> None:
        """How large it may be, and how long a client may take to send it.

        Raises:
            HTTPError: it is announced to be larger.
        """
        length = self.request.headers.get("Content-Length", "")
        if length.isdigit() and int(length) > max_bytes:
            raise HTTPError(413, f"The request has more than {max_bytes} bytes.")
        connection: Any = self.request.connection
        connection.set_max_body_size(max_bytes)
        connection.set_body_timeout(seconds)

    def data_received(self, chunk: bytes) -> None:
        if not self._finished:
            self.body += chunk

    def finish(self, chunk: Any = None) -> Future[None]:
        """Answer at once, and close when the client has sent all, or has had its time."""
        sent = self.request._body_future
        if self._finished or sent.done():
            return super().finish(chunk)
        if chunk is not None:
            self.write(chunk)
        # It must be whole: whatever Tornado sends during the rest of the body comes after it.
        self.set_header("Content-Length", sum(map(len, self._write_buffer)))
        self.set_header("Connection", "close")
        written = self.flush(include_footers=True)
        self._log()
        self._finished = True
        self.on_finish()
        self._close_after(sent)
        return written

    def _close_after(self, sent: Future[None]) -> None:
        connection: Any = self.request.connection
        timer = IOLoop.current().call_later(LINGER_SECONDS, connection.close)

        def close(_: Any) -> None:
            IOLoop.current().remove_timeout(timer)
            connection.close()

        sent.add_done_callback(close)

"""The questions that a kernel is asked, each until its reply comes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from anyio import Event, move_on_after

from .channels import Message


@dataclass
class _Request:
    reply: Message | None = None
    ended: Event = field(default_factory=Event)


class Requests:
    """What has been asked and not been answered yet, by the ids of the messages."""

    def __init__(self) -> None:
        self._open: dict[str, _Request] = {}

    async def ask(self, msg_id: str, send: Callable[[], None], seconds: float) -> Message:
        """The content of the reply to the message that `send` sends.

        Raises:
            TimeoutError: there is none after so many seconds, or the kernel is gone.
        """
        request = self._open[msg_id] = _Request()
        try:
            send()
            with move_on_after(seconds):
                await request.ended.wait()
        finally:
            del self._open[msg_id]
        if request.reply is None:
            raise TimeoutError
        return request.reply

    def answer(self, msg_id: str, content: Message) -> None:
        """A reply has come, to this message of ours or to another."""
        if (request := self._open.get(msg_id)) is not None:
            request.reply = content
            request.ended.set()

    def end(self) -> None:
        """The kernel is gone: no reply will come."""
        for request in self._open.values():
            request.ended.set()

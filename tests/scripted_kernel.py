"""A kernel without a process: it speaks Jupyter's protocol, and its code is a few plain words."""

from __future__ import annotations

from asyncio import get_running_loop
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import suppress
from typing import Any

from anyio import Event
from jupyter_client.session import Session


class ScriptedKernel:
    """What a `KernelConnection` knows a kernel by, and its channels.

    A line of its code is a word and a text:

    - `print text` and `show text` (a display whose id is `d`), `update text` (of that display)
    - `next text` and `replace text`, as `%load` asks for
    - `input text`, which goes on when the answer is there
    - `wait`, until `release()` or `interrupt()`; `fail`
    """

    is_remote = is_shutting_down = False
    owns_kernel = True
    breaks = 0

    def __init__(self) -> None:
        self.session = Session(key=b"any")
        self.start = object()
        self.requests: list[dict[str, Any]] = []
        """The execute requests that it has begun with."""
        self.answers: list[str] = []
        """What its `input()`s were given."""
        self.payload: list[dict[str, Any]] = []
        """What the front end is asked to do at the end of the present run."""
        self.is_silent = False
        """Whether it holds back what it has to say, until `speak()`."""
        self._unsaid: list[tuple[str, dict[str, Any]]] = []
        self._heard = Event()
        self._handlers: Mapping[Any, Callable[[Any], None]] = {}
        self._queue: deque[dict[str, Any]] = deque()
        self._running: Generator[None, None, None] | None = None
        self._beside: Generator[None, None, None] | None = None
        self._count = 0

    @property
    def codes(self) -> list[str]:
        """What it has begun with."""
        return [request["content"]["code"] for request in self.requests]

    # As connections see it

    def note_restart(self) -> None: ...

    async def is_alive(self) -> bool:
        return True

    async def wait_started(self) -> bool:
        return False

    async def wait_for_input(self, seconds: float) -> None: ...

    def close(self) -> None: ...

    def open_channels(
        self, handlers: Mapping[Any, Callable[[Any], None]], on_disconnect: Callable[[], None]
    ) -> ScriptedKernel:
        self._handlers = handlers
        return self

    def send(self, channel: str, message: dict[str, Any]) -> None:
        get_running_loop().call_soon(self._take, channel, message)

    # As the person at the machine sees it

    def release(self) -> None:
        """What waits goes on."""
        self._go_on()

    async def interrupt(self) -> None:
        """What runs ends with a KeyboardInterrupt."""
        if self._running is not None:
            with suppress(StopIteration):
                self._running.throw(KeyboardInterrupt)
            self._running = None
            self._begin_next()

    def speak(self) -> None:
        """Say what was held back."""
        self.is_silent = False
        unsaid, self._unsaid = self._unsaid, []
        for channel, message in unsaid:
            self._handlers[channel](message)

    async def hear(self) -> None:
        """Wait until it is sent something."""
        await self._heard.wait()

    def run_by_somebody_else(self, code: str) -> None:
        """Another client asks for a run."""
        self._take("shell", self.session.msg("execute_request", _content(code)))

    def publish(self, request: dict[str, Any], kind: str, **content: Any) -> None:
        """A message that comes of a request."""
        self._say("iopub", request, kind, content)

    def reply(self, content: dict[str, Any]) -> None:
        """What runs ends, with a reply of its own."""
        request, self._running = self.requests[-1], None
        self._say("shell", request, "execute_reply", content)
        self.publish(request, "status", execution_state="idle")

    # Inside

    def _say(self, channel: str, request: dict[str, Any], kind: str, content: Any) -> None:
        message = self.session.msg(kind, content, parent=request)
        message["header"]["session"] = "the kernel's"
        self._unsaid.append((channel, message))
        if not self.is_silent:
            self.speak()

    def _take(self, channel: str, message: dict[str, Any]) -> None:
        self._heard.set()
        self._heard = Event()
        kind = message["header"]["msg_type"]
        if kind == "input_reply":
            self.answers.append(message["content"]["value"])
            self._go_on()
        elif kind == "create_subshell_request":
            self._say(channel, message, "create_subshell_reply", {"subshell_id": "beside"})
        elif message["header"].get("subshell_id"):
            self._beside = self._execute(message)
            next(self._beside, None)
        elif channel == "control":
            self._answer(message, channel)
        else:
            self._queue.append(message)
            self._begin_next()

    def _begin_next(self) -> None:
        while self._queue and self._running is None:
            message = self._queue.popleft()
            if message["header"]["msg_type"] == "execute_request":
                self._running = self._execute(message)
                self._go_on()
            else:
                self._answer(message, "shell")

    def _go_on(self) -> None:
        try:
            next(self._running or iter(()))
        except StopIteration:
            self._running = None
            self._begin_next()

    def _answer(self, request: dict[str, Any], channel: str) -> None:
        info = {"language_info": {"name": "words"}, "supported_features": ["kernel subshells"]}
        self._say(channel, request, "kernel_info_reply", info)
        self.publish(request, "status", execution_state="idle")

    def _execute(self, request: dict[str, Any]) -> Generator[None, None, None]:
        self.requests.append(request)
        self._count += request["content"]["store_history"]
        self.publish(request, "status", execution_state="busy")
        code = request["content"]["code"]
        self.publish(request, "execute_input", code=code, execution_count=self._count)
        self.payload = []
        reply: dict[str, Any] = {"status": "ok", "payload": self.payload}
        try:
            for line in code.split("\n"):
                word, _, text = line.partition(" ")
                yield from getattr(self, f"_{word}")(request, text)
        except (KeyboardInterrupt, RuntimeError) as error:
            failure = {"ename": type(error).__name__, "evalue": str(error), "traceback": []}
            self.publish(request, "error", **failure)
            reply = {"status": "error"} | failure
        self._say("shell", request, "execute_reply", reply)
        self.publish(request, "status", execution_state="idle")

    def _print(self, request: Any, text: str) -> Iterator[None]:
        self.publish(request, "stream", name="stdout", text=text)
        yield from ()

    def _show(self, request: Any, text: str) -> Iterator[None]:
        self._display(request, "display_data", text)
        yield from ()

    def _update(self, request: Any, text: str) -> Iterator[None]:
        self._display(request, "update_display_data", text)
        yield from ()

    def _display(self, request: Any, kind: str, text: str) -> None:
        data, transient = {"text/plain": text}, {"display_id": "d"}
        self.publish(request, kind, data=data, metadata={}, transient=transient)

    def _next(self, request: Any, text: str) -> Iterator[None]:
        self.payload += [{"source": "page"}, {"source": "set_next_input", "text": text}]
        yield from ()

    def _replace(self, request: Any, text: str) -> Iterator[None]:
        self.payload.append({"source": "set_next_input", "text": text, "replace": True})
        yield from ()

    def _wait(self, request: Any, text: str) -> Iterator[None]:
        yield

    def _input(self, request: Any, text: str) -> Iterator[None]:
        if not request["content"]["allow_stdin"]:
            raise RuntimeError("nobody can be asked")
        self._say("stdin", request, "input_request", {"prompt": text, "password": False})
        yield

    def _fail(self, request: Any, text: str) -> Iterator[None]:
        raise RuntimeError(text)


def _content(code: str) -> dict[str, Any]:
    return {"code": code, "store_history": True, "allow_stdin": False}

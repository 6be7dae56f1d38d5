"""A server under attack: what is sent to it, and what must be true of its answers."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path
from time import perf_counter
from typing import Any

import httpx2

from jupyter_mcp_ext.tools import TOOLSETS

from ..agent import HANDSHAKE, STATELESS, Era
from ..server import Server, run_server, with_modules
from ..wire import Wire, answer_in, connect_wire
from .calls import Message, request

ROOT = Path(__file__).parents[2]
FREEZE_MILLISECONDS = 50.0
"""No callback of the event loop may take longer, in processor time."""
ANSWER_SECONDS = 20.0
MAX_ANSWER_BYTES = 1_048_576
"""What clients refuse."""

STATUSES = {"ok", "error", "queued", "running", "interrupted", "kernel_died", "cancelled"}
HTTP = {200, 202, 204, 400, 403, 404, 405, 406, 409, 413, 415}
CODES = {
    -32700,
    -32600,
    -32601,
    -32602,
    -32000,
    -32001,
    -32002,
    -32003,
    -32004,
    -32010,
    -32020,
    -32021,
    -32022,
}
LEAK = re.compile(
    r"Traceback \(most recent|jupyter_mcp_ext[./]\w+|site-packages|/lib/python3|object at 0x"
    r"|failed inside the Jupyter|[Ii]nternal (?:server )?error|root:x:0:0|\w+Error\("
)
LOG_FAULT = re.compile(
    r"^.*(?:\] \S+ failed$|task of jupyter_mcp_ext failed|could not be followed|never retrieved"
    r"|could not be written|Uncaught exception|Exception in callback|PanicException).*$"
)
PACKAGE = re.compile(
    r"/(jupyter_mcp_ext|jupyter_server_ydoc|jupyter_server|jupyter_ydoc|nbformat|mcp|starlette)/"
)
"""Whose work it is that takes long: that of the innermost of these."""

OUR_LINE = re.compile(r"\||\[\d+\] ")
"""Outputs and headers; sources stand in answers as they are."""

UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


@dataclass
class Finding:
    """Something that must not be. `where` tells those of one cause from others."""

    why: str
    where: str
    detail: str = ""

    @property
    def is_ours(self) -> bool:
        """Whether it is of this extension, and not of what it stands on."""
        return not self.why.endswith("of others")


@dataclass
class Tally:
    """What came of many inputs."""

    inputs: Counter[str] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)
    longest: tuple[float, str] = (0.0, "")
    slowest: list[tuple[float, str, str]] = field(default_factory=list)

    def note_time(self, seconds: float, kind: str, what: str) -> None:
        self.slowest = sorted([*self.slowest, (seconds, kind, what[:160])], reverse=True)[:10]


class Target:
    """`findings` are those of the present input."""

    def __init__(self, server: Server, wires: Mapping[Era, Wire], base: Path) -> None:
        self.server = server
        self.tally = Tally()
        self.findings: list[Finding] = []
        self.base = base
        self.compares = True
        """Whether nothing may change on errors: outputs come late."""
        self.freeze_milliseconds = FREEZE_MILLISECONDS
        self._wires = wires
        self._log_end = 0
        self._state: dict[str, Any] = {}
        self._number = 0

    def new_name(self, ending: str = ".ipynb") -> str:
        self._number += 1
        return f"fuzz-{self._number}{ending}"

    async def refresh(self) -> None:
        """Bring back what inputs have used up, and end the kernels that they have started."""
        for kernel in (await self.server.get("api/kernels"))[4:]:
            await self.server.http.delete(f"api/kernels/{kernel['id']}")
        furnish(self.base)
        self.forget_state()

    def forget_state(self) -> None:
        """Somebody else changes something."""
        self._state = {}

    def note(self, why: str, where: str, detail: str = "") -> None:
        self.findings.append(Finding(why, where, detail[:2_000]))

    async def call(self, tool: str, *, era: Era = STATELESS, **arguments: Any) -> dict[str, Any]:
        """The result of a call; what is wrong about it is noted."""
        name = {"name": tool, "arguments": arguments}
        answer = await self.fire(request("tools/call", name, era, tool))
        return dict(answer.get("result") or answer)

    async def fire(self, message: Message) -> dict[str, Any]:
        """Send it and judge the answer; {} if there is none."""
        if not self._state:
            self._state = await self.state()
        before, started = self._state, perf_counter()
        try:
            response = await self._send(message)
        except (httpx2.TransportError, httpx2.InvalidURL) as error:
            self.note("no answer", f"{message.tool or 'rpc'} {type(error).__name__}")
            return {}
        took = perf_counter() - started
        self.tally.note_time(took, message.tool or "rpc", message.body[:300].decode("latin-1"))
        answer = self._judge(message, response)
        self._state = await self.state()
        if _is_error(answer):
            self._check_same(before, self._state, message)
        self._read_log(message)
        return answer

    async def state(self) -> dict[str, Any]:
        """What the server holds now; the longest callback since the last time is noted."""
        state: dict[str, Any] = (await self.server.http.get("fuzz")).raise_for_status().json()
        for told in state.pop("stale"):
            self.note("stale", told[:40], told)
        milliseconds, where = state.pop("longest")
        if milliseconds > self.tally.longest[0]:
            self.tally.longest = milliseconds, where[-1]
        if milliseconds > self.freeze_milliseconds:
            known = [line for line in where if PACKAGE.search(line)] or where
            found = PACKAGE.search(known[-1])
            who = found[1] if found else "?"
            why = "freeze" if who == "jupyter_mcp_ext" else "freeze of others"
            place = re.sub(r"^.*/([^/]+/[^/]+)$", r"\1", known[-1])
            last = [line for line in where[-14:] if line not in known]
            self.note(why, place, "\n".join([f"{milliseconds:.0f} ms", *known[-14:], *last]))
        return state

    async def _send(self, message: Message) -> httpx2.Response:
        wire = self._wires[message.era]
        response = await wire.send(message.body, message.headers, message.method)
        if response.status_code == 404 and message.era == HANDSHAKE:
            await wire.open()  # The session was ended, or never was.
        return response

    def _judge(self, message: Message, response: httpx2.Response) -> dict[str, Any]:
        what = message.tool or "rpc"
        status = response.status_code
        self.tally.answers[f"HTTP {status}"] += 1
        if status not in HTTP:
            self.note("HTTP status", f"{what} {status}", response.text)
        if len(response.content) > MAX_ANSWER_BYTES:
            self.note("large answer", what, f"{len(response.content)} bytes")
        if not response.content:
            return {}
        try:
            answer = answer_in(response)
        except (ValueError, KeyError):
            # HTTP's own errors need no JSON-RPC.
            if status < 400 or LEAK.search(response.text) or len(response.text) > 200:
                self.note("no JSON-RPC", f"{what} {status}", response.text)
            return {}
        self._judge_answer(what, message, answer)
        return answer

    def _judge_answer(self, what: str, message: Message, answer: dict[str, Any]) -> None:
        if answer.get("jsonrpc") != "2.0" or ("result" in answer) == ("error" in answer):
            self.note("no JSON-RPC", what, str(answer))
            return
        if "error" in answer:
            error = answer["error"]
            self.tally.answers[f"error {error.get('code')}"] += 1
            if error.get("code") not in CODES:
                self.note("error code", f"{what} {error.get('code')}", str(error))
            self._check_words(what, message, str(error.get("message")))
        elif message.tool:
            self._judge_result(what, message, answer["result"])

    def _judge_result(self, what: str, message: Message, result: dict[str, Any]) -> None:
        if result.get("resultType") == "input_required":
            self.tally.answers["input required"] += 1
            return
        texts = [block["text"] for block in result["content"] if block["type"] == "text"]
        for line in "\n".join(texts).split("\n"):
            if bad := UNPRINTABLE.search(line):
                is_source = bad.group() in ("\r", "\t") or not OUR_LINE.match(line)
                if not is_source:
                    self.note("control character", f"{what} {bad.group()!r}", line[:300])
        if result.get("isError"):
            self.tally.answers["tool error"] += 1
            self._check_words(what, message, "\n".join(texts))
            return
        statuses = re.findall(r"^\S.*?  status: (\w+)  execution: r\d+", "\n".join(texts), re.M)
        for status in statuses or ["done"]:
            self.tally.answers[status] += 1
            if status not in STATUSES | {"done"}:
                self.note("status", f"{what} {status}")

    def _check_words(self, what: str, message: Message, words: str) -> None:
        leak = LEAK.search(words)
        sent = message.body.decode(errors="replace")
        if leak and leak.group() not in sent:
            self.note("internal detail", f"{what} {leak.group()}", words)
        # Connection files are named by their paths.
        if what != "connect_kernel" and str(self.base) in words and str(self.base) not in sent:
            self.note("path of the machine", what, words)

    def _check_same(self, before: dict[str, Any], now: dict[str, Any], message: Message) -> None:
        """Nothing is changed by what is refused."""
        if before["unfinished"] or now["unfinished"] or not self.compares:
            return
        what = message.tool or "rpc"
        for part in ("documents", "files"):
            for name in before[part].keys() & now[part].keys():
                if before[part][name] != now[part][name]:
                    self.note("changed on error", f"{what} {part}", name)
        known = {ascii(name) for name in [*before["documents"], *now["documents"]]}
        moved = (before["files"].keys() ^ now["files"].keys()) - known
        if moved:
            self.note("changed on error", f"{what} files", str(moved))
        if before["kernels"] != now["kernels"]:
            self.note("changed on error", f"{what} kernels")

    def _read_log(self, message: Message) -> None:
        size = self.server.log.stat().st_size
        if size == self._log_end:
            return
        with self.server.log.open("rb") as file:
            file.seek(self._log_end)
            added = file.read(size - self._log_end).decode(errors="replace")
        self._log_end = size
        lines = added.splitlines()
        for number, line in enumerate(lines):
            if LOG_FAULT.match(line):
                trace = [*takewhile(lambda each: each[:1] != "[", lines[number + 1 :])]
                frames = [each for each in trace if "/jupyter_mcp_ext/" in each]
                last = re.search(r'([\w]+\.py)", line (\d+)', frames[-1]) if frames else None
                reason = next(
                    (e for e in reversed(trace) if re.match(r"[\w.]*(Error|Exception)", e)), ""
                )
                place = f"{last[1]}:{last[2]}" if last else ""
                title = re.sub(r"^\[.*?\] *", "", line)[:60]
                title = re.sub(r"\br\d+\b", "r", title)
                why = "log" if frames or "MCPExtension" in line else "log of others"
                self.note(
                    why,
                    f"{title} {place} {reason[:60]}",
                    "\n".join([line, *trace])[-1900:],
                )


def _is_error(answer: Mapping[str, Any]) -> bool:
    return "error" in answer or bool((answer.get("result") or {}).get("isError"))


def tools() -> list[dict[str, Any]]:
    """All tools there are, as tools/list has them."""
    return [
        tool.description.model_dump(mode="json", by_alias=True, exclude_none=True)
        for toolset in TOOLSETS
        for tool in toolset.tools
    ]


KERNELSPEC = {"display_name": "Hostile", "language": "python"}


def furnish(base: Path) -> None:
    """What is below the server's root: notebooks, texts, links out of it, and traps."""
    root, outside = base / "root", base / "outside"
    for directory in (root / "dir", outside):
        directory.mkdir(parents=True, exist_ok=True)
    notebook = {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {"kernelspec": {"name": "hostile", **KERNELSPEC}},
        "cells": [_cell("first", "1+1"), _cell("second", "print('x')\nx = 1")],
    }
    for name in ("plain.ipynb", "rich.ipynb", "kernel.ipynb"):
        (root / name).write_text(json.dumps(notebook))
    (root / "v3.ipynb").write_text(
        '{"nbformat": 3, "nbformat_minor": 0, "worksheets": [], "metadata": {}}'
    )
    (root / "broken.ipynb").write_text('{"cells": [')
    (root / "empty.ipynb").write_text("")
    (root / "list.ipynb").write_text("[1, 2]")
    (root / "text.txt").write_text("1\nx = print\n")
    (root / "latin.txt").write_bytes(b"\xe9\xff\0")
    (root / ".env").write_text("SECRET=1")
    (outside / "secret.txt").write_text("secret")
    links = {"out": outside, "loop": root / "loop", "link.ipynb": outside / "nothing.ipynb"}
    for name, target in links.items():
        if not (root / name).is_symlink():
            (root / name).symlink_to(target)
    for pipe in (root / "pipe", root / "pipe.ipynb"):
        if not pipe.exists():
            os.mkfifo(pipe)


def _cell(cell_id: str, source: str) -> dict[str, Any]:
    cell: dict[str, Any] = {"id": cell_id, "cell_type": "code", "source": source, "metadata": {}}
    return cell | {"outputs": [], "execution_count": None}


@asynccontextmanager
async def run_target(base: Path) -> AsyncIterator[Target]:
    """A server with the monitor, all tools, and a hostile kernel as its default."""
    import sys

    kernel = base / "data/kernels/hostile"
    kernel.mkdir(parents=True)
    script = Path(__file__).with_name("hostile_kernel.py")
    spec = {"argv": [sys.executable, str(script), "{connection_file}"], **KERNELSPEC}
    (kernel / "kernel.json").write_text(json.dumps(spec))
    furnish(base)
    names = [toolset.name for toolset in TOOLSETS]
    options = (
        "--ServerApp.jpserver_extensions=tests.fuzz.monitor=True",
        *(f"--MCPExtension.toolsets={name}" for name in names),
        "--MultiKernelManager.default_kernel_name=hostile",
        "--YDocExtension.document_cleanup_delay=1",
        "--ServerApp.log_level=WARN",
    )
    module = "jupyter_server"
    async with AsyncExitStack() as stack:
        environment = with_modules(ROOT)
        running = run_server(base, *options, module=module, environment=environment)
        server = await stack.enter_async_context(running)
        wires = {}
        for era in (HANDSHAKE, STATELESS):
            wires[era] = await stack.enter_async_context(connect_wire(server, era))
            wires[era].http.timeout = httpx2.Timeout(ANSWER_SECONDS)
            await wires[era].open()
        target = Target(server, wires, base)
        await target.call("open_notebook", notebook="plain.ipynb")
        await target.call("start_kernel", name="one")
        target.findings.clear()
        yield target

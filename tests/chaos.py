"""Two agents and a person at work while what they work with is killed, and what must be true then.

Each cell has a tag, and each run a number that the cell or code appends to a file, so that it can
be told how often it ran. The ledger has what answers have acknowledged; of a call that got no
answer, it allows both.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from random import Random
from time import monotonic
from typing import Any

import anyio
import psutil
from anyio.lowlevel import checkpoint

from .agent import HANDSHAKE, STATELESS, Agent, Era, connect_agent, execution_in, text
from .forwarder import forwarding
from .ledger import Ledger
from .mixed_work import REFUSALS
from .peer import Peer, join_room
from .server import Server, run_kernel_gateway, run_server

STATUSES = {"ok", "error", "queued", "running", "interrupted", "kernel_died", "cancelled"}
KILLS = ("kernel", "client", "browser", "server", "stop")
KILLS_BEHIND_GATEWAY = ("kernel", "client", "gateway", "server")
"""`stop` is the end that a service manager asks for, at which nothing may be lost."""

LOSS_SECONDS = 8.0
"""How old an edit may be that a killed server loses: the longest pause between two saves, the
save delay, and the time that a save takes."""

CALL_SECONDS = 30.0
MAX_STROKES = 100
"""In one round: a person is not faster, and each looks through the whole text."""

NOT_RUN = "This is done, but"
STOPPING = "server is stopping"
OUTSIDE = ("gateway", "kernel", "Kernel", STOPPING)
"""What refusals speak of while what runs cells is gone."""


@dataclass
class Report:
    """What was done, and what was wrong."""

    done: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)


class Chaos:
    """A server with its clients in a directory, where the next server begins as the last ended."""

    def __init__(self, base: Path, seed: int, gateway_base: Path | None = None) -> None:
        self.random = Random(seed)
        base.mkdir(exist_ok=True)
        self.base = base
        self.report = Report()
        self.ledger = Ledger()
        self.path = "chaos.ipynb"
        self.runs = base / "runs"
        self.runs.touch()
        self._gateway_base = gateway_base
        self._numbers = count(1)
        self._strokes = count(1)
        self._typed: set[str] = set()
        self._stepped = anyio.Event()
        self._is_over = False
        self._over = anyio.Event()
        self._strokes_allowed = 0
        self._life = AsyncExitStack()
        self.server: Server
        self.gateway: Server | None = None
        self._gateway_life = AsyncExitStack()

    # Lives

    @asynccontextmanager
    async def alive(self) -> AsyncIterator[Chaos]:
        try:
            if self._gateway_base is not None:
                await self._start_gateway()
            await self._start()
            await self._create()
            yield self
        finally:
            await self._life.aclose()
            await self._gateway_life.aclose()

    async def _start(self) -> None:
        options = ["--YDocExtension.document_cleanup_delay=1"]
        if self.gateway is not None:
            options += [f"--gateway-url={self.gateway.url}"]
            options += [f"--GatewayClient.auth_token={self.gateway.token}"]
        running = run_server(self.base, *options, module="jupyter_server")
        self.server = await self._life.enter_async_context(running)
        # What an agent or a browser is connected through can be cut.
        url, self._to_agents = await self._life.enter_async_context(forwarding(self.server))
        self._agents_url = url + "mcp"
        url, self._to_browser = await self._life.enter_async_context(forwarding(self.server))
        self._browsers_server = replace(self.server, url=url)

    async def _start_gateway(self, port: int = 0, token: str = "") -> None:
        assert self._gateway_base is not None
        running = run_kernel_gateway(self._gateway_base, port, token)
        self.gateway = await self._gateway_life.enter_async_context(running)

    async def _create(self) -> None:
        async with connect_agent(self.server.mcp_url, self.server.token) as agent:
            await agent.tell("open_notebook", notebook=self.path, create=True)
            await agent.tell("overwrite_cell", notebook=self.path, cell=0, source="# typed: ")
            await agent.tell("close_notebook", notebook=self.path)

    # Rounds

    async def round(self, kind: str) -> None:
        """Work, a kill after some acknowledged steps, work on, and look at everything."""
        self._is_over, self._over = False, anyio.Event()
        self._strokes_allowed = self.report.done["keystrokes"] + MAX_STROKES
        at = self.ledger.acknowledged + self.random.randint(2, 12)
        more = self.random.randint(2, 6)
        kernels = self._kernels()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._let_agent_work, "first", STATELESS)
            tasks.start_soon(self._let_agent_work, "second", HANDSHAKE)
            tasks.start_soon(self._let_person_type)
            await self._until(at)
            kernels |= self._kernels()
            killed = monotonic()
            await self._kill(kind)
            if kind not in ("server", "stop"):
                await self._until(self.ledger.acknowledged + more)
            self._is_over = True
            self._over.set()
            if kind in ("server", "stop"):
                tasks.cancel_scope.cancel()
        self.report.done[f"kill: {kind}"] += 1
        if kind in ("server", "stop"):
            await self._life.aclose()
            self._life = AsyncExitStack()
            if self.gateway is None:  # Which has kernels that outlive a server that is killed.
                await self._wait_gone(kernels)
            await self._start()
            for run in self.ledger.open_runs.values():
                self.ledger.note_run(run, 0, 1)
            self.ledger.open_runs.clear()
        await self.check(killed - LOSS_SECONDS if kind == "server" else float("inf"))

    async def _until(self, acknowledged: int) -> None:
        with anyio.fail_after(60):
            while self.ledger.acknowledged < acknowledged:
                self._stepped = anyio.Event()
                await self._stepped.wait()

    async def _kill(self, kind: str) -> None:
        await getattr(self, f"_kill_{kind}")()

    async def _kill_kernel(self) -> None:
        for kernel in self._kernels():
            with suppress(psutil.NoSuchProcess):
                kernel.kill()

    async def _kill_client(self) -> None:
        await self._to_agents.close()
        self._to_agents.open()

    async def _kill_browser(self) -> None:
        await self._to_browser.close()
        self._to_browser.open()

    async def _kill_server(self) -> None:
        self.server.process.kill()
        await self.server.process.wait()

    async def _kill_stop(self) -> None:
        self.server.process.terminate()
        with anyio.fail_after(60):
            await self.server.process.wait()

    async def _kill_gateway(self) -> None:
        assert self.gateway is not None
        port, token = int(self.gateway.url.rpartition(":")[2].strip("/")), self.gateway.token
        self.gateway.process.kill()
        await self.gateway.process.wait()
        await self._gateway_life.aclose()
        self._gateway_life = AsyncExitStack()
        await self._start_gateway(port, token)

    def _kernels(self) -> set[psutil.Process]:
        owner = self.gateway or self.server
        with suppress(psutil.NoSuchProcess):
            children = psutil.Process(owner.process.pid).children(recursive=True)
            return {each for each in children if "ipykernel" in " ".join(_command(each))}
        return set()

    async def _wait_gone(self, processes: set[psutil.Process]) -> None:
        _, alive = await anyio.to_thread.run_sync(lambda: psutil.wait_procs(processes, 20))
        self.report.violations += [f"kernel {each.pid} outlives what had it" for each in alive]

    # The person

    async def _let_person_type(self) -> None:
        while not self._is_over:
            await self._open_browser()

    async def _open_browser(self) -> None:
        try:
            async with (
                join_room(self._browsers_server, self.path) as ada,
                join_room(self.server, self.path, "bob") as bob,
            ):
                await self._type(ada, bob)
        except Exception:
            # Whatever the websocket client makes of its connection's end; it comes again.
            self.report.done["browsers that came again"] += 1
            await checkpoint()

    async def _type(self, ada: Peer, bob: Peer) -> None:
        """A keystroke is acknowledged once somebody else has it from the server."""
        cell = str(ada.notebook.ycells[0]["id"])
        while not self._is_over:
            if self.report.done["keystrokes"] >= self._strokes_allowed:
                await self._over.wait()
                return
            stroke = f"k{next(self._strokes)};"
            source = ada.source_of(cell)
            source.insert(len(str(source).encode()), stroke)
            await bob.wait_until(lambda stroke=stroke: stroke in str(bob.source_of(cell)), 5)
            self._typed.add(stroke)
            self.report.done["keystrokes"] += 1

    # The agents

    async def _let_agent_work(self, name: str, era: Era) -> None:
        own: dict[str, tuple[str, str]] = {}
        while not self._is_over:
            await self._connect(name, era, own)

    async def _connect(self, name: str, era: Era, own: dict[str, tuple[str, str]]) -> None:
        try:
            async with connect_agent(self._agents_url, self.server.token, era, name) as agent:
                while not self._is_over:
                    await self._step(agent, own)
        except Exception:
            # The SDK's client and its streams end in many ways; the next one connects anew.
            self.report.done["clients that came again"] += 1
            await checkpoint()

    async def _step(self, agent: Agent, own: dict[str, tuple[str, str]]) -> None:
        acts = [self._insert, self._insert_and_run, self._run_code]
        if own:
            acts += [self._edit, self._edit, self._move, self._run, self._delete]
        await self.random.choice(acts)(agent, own)
        self._stepped.set()

    async def _insert(self, agent: Agent, own: dict[str, tuple[str, str]], run: int = 0) -> None:
        tag, number = f"{self.random.getrandbits(48):012x}", run or next(self._numbers)
        source = _source(tag, number, self.runs)
        call = {"notebook": self.path, "source": source, "execute": bool(run)}
        answer = await self._call(agent, "insert_cell", call, {tag: source}, run)
        if answer:
            found = re.search(r"\[\d+\] (\w+) +(?:inserted|status)", answer)
            if found:
                own[tag] = found[1], source
            else:
                self.report.violations.append(f"which cell is it? {answer!r}")

    async def _insert_and_run(self, agent: Agent, own: dict[str, tuple[str, str]]) -> None:
        await self._insert(agent, own, next(self._numbers))

    async def _edit(self, agent: Agent, own: dict[str, tuple[str, str]]) -> None:
        tag = self.random.choice([*own])
        cell, source = own.pop(tag)
        new = _source(tag, next(self._numbers), self.runs)
        call = {"notebook": self.path, "cell": cell, "source": new}
        if await self._call(agent, "overwrite_cell", call, {tag: new}):
            own[tag] = cell, new

    async def _delete(self, agent: Agent, own: dict[str, tuple[str, str]]) -> None:
        tag = self.random.choice([*own])
        call = {"notebook": self.path, "cells": own.pop(tag)[0], "confirm_removal": True}
        await self._call(agent, "delete_cells", call, {tag: None})

    async def _move(self, agent: Agent, own: dict[str, tuple[str, str]]) -> None:
        tag = self.random.choice([*own])
        cell, source = own.pop(tag)
        call = {"notebook": self.path, "cell": cell, "after": "end"}
        if await self._call(agent, "move_cell", call, {}):
            own[tag] = cell, source

    async def _run(self, agent: Agent, own: dict[str, tuple[str, str]]) -> None:
        tag = self.random.choice([*own])
        cell, source = own.pop(tag)
        number = int(source.split("run = ")[1].split()[0])
        call = {"notebook": self.path, "cell": cell}
        if await self._call(agent, "execute_cell", call, {}, number):
            own[tag] = cell, source

    async def _run_code(self, agent: Agent, own: dict[str, tuple[str, str]]) -> None:
        number = next(self._numbers)
        call = {"notebook": self.path, "code": _source("none", number, self.runs)}
        await self._call(agent, "execute_code", call, {}, number)

    async def _call(
        self,
        agent: Agent,
        tool: str,
        arguments: dict[str, Any],
        changes: dict[str, str | None],
        run: int = 0,
    ) -> str:
        """The answer, entered in the ledger; "" where the tool refused."""
        try:
            with anyio.fail_after(CALL_SECONDS):
                result = await agent.call(tool, **arguments)
        except BaseException:
            # Nobody knows what became of it: the answer is lost.
            for tag, source in changes.items():
                self.ledger.note(tag, source, is_certain=False)
            self.ledger.note_run(run, 0, 1)
            self.report.done["calls without an answer"] += 1
            raise
        answer = text(result)
        self.report.done[tool] += 1
        if result.is_error:
            for tag, source in changes.items() if NOT_RUN in answer else ():
                self.ledger.note(tag, source, is_certain=True)
            # Whether it had begun is not known then, and not said.
            self.ledger.note_run(run, 0, STOPPING in answer)
            self._note_refusal(tool, answer)
            return ""
        for tag, source in changes.items():
            self.ledger.note(tag, source, is_certain=True)
        self.ledger.acknowledged += not changes
        if run:
            self._note_status(answer, run)
        return answer

    def _note_refusal(self, tool: str, answer: str) -> None:
        self.report.done["refusals"] += 1
        self.ledger.acknowledged += 1
        if not any(words in answer for words in (*REFUSALS, *OUTSIDE)):
            self.report.violations.append(f"{tool} answered {answer!r}")

    def _note_status(self, answer: str, run: int) -> None:
        statuses = re.findall(r"status: (\w+)", answer)
        self.report.done[f"status {statuses[0] if statuses else '?'}"] += 1
        if not statuses or not set(statuses) <= STATUSES:
            self.report.violations.append(f"there is no such status: {answer!r}")
        elif statuses[0] in ("queued", "running"):
            self.ledger.note_run(run, 0, 0)
            self.ledger.open_runs[execution_in(answer)] = run
        else:
            self.ledger.note_run(run, statuses[0] == "ok", statuses[0] != "cancelled")

    # What must be true

    async def check(self, before: float = float("inf")) -> None:
        """Live document, browsers, file and kernel's traces are as the answers said."""
        async with (
            connect_agent(self.server.mcp_url, self.server.token, name="checker") as agent,
            join_room(self.server, self.path, "eve") as eve,
        ):
            await self._end_runs(agent)
            await eve.wait_until(lambda: not _running(eve), 20)
            sources = eve.sources()
            self._check_cells(sources, before)
            self._check_typed(sources[0], before)
            self._check_runs()
            answer = await agent.tell("read_notebook", notebook=self.path)
            listed = re.findall(r"^\[\d+\] (\w+)|^ +\[\d+\] (\w+)", answer, re.MULTILINE)
            ids = [str(cell["id"])[:8] for cell in eve.cells()]
            if [first or second for first, second in listed] != ids:
                self.report.violations.append(f"an agent reads {listed}, a browser {ids}")
            await self._check_file(eve)
        self.report.done["checks"] += 1

    async def _end_runs(self, agent: Agent) -> None:
        for execution, run in [*self.ledger.open_runs.items()]:
            del self.ledger.open_runs[execution]
            call = {"execution": execution, "wait_seconds": 20}
            result = await agent.call("get_execution", **call)
            if not result.is_error:
                self._note_status(text(result), run)
            else:
                self.ledger.note_run(run, 0, 1)

    async def end(self) -> None:
        """Everybody leaves: neither kernels nor rooms may stay."""
        kernels = self._kernels()
        async with connect_agent(self.server.mcp_url, self.server.token) as agent:
            await agent.tell("close_notebook", notebook=self.path, shutdown_kernel=True)
            if self.gateway is None:  # Which keeps those of servers that were killed.
                await self._wait_gone(kernels)
            with anyio.move_on_after(20) as patience:
                while " live" in await agent.tell("list_notebooks"):
                    await anyio.sleep(0.05)  # The end of a room is no event for clients.
        if patience.cancelled_caught:
            self.report.violations.append("a room stays that nobody is in")

    def _check_cells(self, sources: list[str], before: float) -> None:
        tags = [found[1] if (found := re.search('tag = "(.*)"', each)) else "" for each in sources]
        self.report.done["cells checked"] += len(tags)
        if len({*tags}) != len(tags):
            self.report.violations.append(f"a cell is there twice: {tags}")
        found_cells = dict(zip(tags[1:], sources[1:], strict=True))
        self.report.violations += self.ledger.settle(found_cells, before)

    def _check_typed(self, source: str, before: float) -> None:
        found = re.findall(r"k\d+;", source)
        if len(found) != len(set(found)):
            self.report.violations.append(f"a keystroke is there twice: {source}")
        lost = self._typed - set(found)
        if lost and before == float("inf"):
            self.report.violations.append(f"lost keystrokes: {sorted(lost)}")
        self._typed &= set(found)

    def _check_runs(self) -> None:
        ran = Counter(map(int, self.runs.read_text().split()))
        for number, (least, most) in self.ledger.ran.items():
            if number and not least <= ran[number] <= most:
                told = f"run {number} ran {ran[number]} times, not {least} to {most}"
                self.report.violations.append(told)
            self.ledger.ran[number] = ran[number], ran[number]
        self.report.done["runs checked"] = len(self.ledger.ran)

    async def _check_file(self, eve: Peer) -> None:
        def agrees() -> bool:
            try:
                saved = json.loads((self.server.root / self.path).read_text())["cells"]
            except ValueError:  # It is being written.
                return False
            live = [(cell["id"], str(cell["source"])) for cell in eve.cells()]
            return [(cell["id"], "".join(cell["source"])) for cell in saved] == live

        with anyio.move_on_after(20):
            while not agrees():
                await anyio.sleep(0.05)  # A file tells of no event.
            return
        self.report.violations.append("the file is not as the document")


def _running(peer: Peer) -> list[str]:
    return [
        str(cell["id"]) for cell in peer.notebook.ycells if cell.get("execution_state") == "running"
    ]


def _command(process: psutil.Process) -> list[str]:
    with suppress(psutil.Error):
        return list(process.cmdline())
    return []


def _source(tag: str, number: int, runs: Path) -> str:
    return (
        f'tag = "{tag}"\nrun = {number}\nwith open({str(runs)!r}, "a") as file:\n'
        '    file.write(f"{run}\\n")\nimport time; time.sleep(0.02)\nprint("out", tag, run)'
    )


async def wreak(chaos: Chaos, kinds: Iterable[str]) -> Report:
    """One round for each kind, in this order; then everything is given back."""
    async with chaos.alive():
        for kind in kinds:
            await chaos.round(kind)
        await chaos.end()
    return chaos.report

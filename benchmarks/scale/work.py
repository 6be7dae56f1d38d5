"""Thousands of calls of mixed work, by hundreds of MCP sessions in dozens of notebooks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from contextlib import AsyncExitStack
from random import Random
from statistics import median, quantiles
from time import perf_counter
from typing import Any

import anyio
import httpx2
import psutil

from tests.agent import HANDSHAKE
from tests.notebooks.make import large
from tests.server import Server
from tests.wire import Wire

from .probing import facts, until_given_back

NOTEBOOKS, LARGE, SESSIONS, WORKERS = 50, 10_000, 200, 4
EACH = 3
"""In how many notebooks each session works."""

RUN_IN = 5
"""In how many notebooks something is run: each has a kernel."""

SLICE = 1_000

BYTES = ("rss", "malloc")
HELD = (*BYTES, "blocks", "descriptors", "tasks", "queue")
"""What is told of the server; see `probe.facts`."""


class Crowd:
    """Sessions that work in notebooks; each notebook keeps its number of cells."""

    def __init__(self, server: Server, calls: int, seed: int) -> None:
        self.server, self.calls, self.random = server, calls, Random(seed)
        self.sessions: list[Wire] = []
        self.places: dict[Wire, list[str]] = {}
        self.paths: list[str] = []
        self.seconds: list[float] = []
        self.done: Counter[str] = Counter()
        self.peak: Counter[str] = Counter()

    async def come(self, http: httpx2.AsyncClient) -> None:
        sizes = [LARGE] + [self.random.choice([10, 30, 100]) for _ in range(NOTEBOOKS - 1)]
        self.paths = [self.server.write_notebook(large(size)) for size in sizes]
        for _ in range(SESSIONS):
            wire = Wire(http, self.server.mcp_url, HANDSHAKE, self.server.token)
            await wire.open()
            self.sessions.append(wire)
            self.places[wire] = self.random.sample(self.paths, EACH)
        for path in self.paths:
            await self.sessions[0].result("read_cell", notebook=path, cell=0)

    async def work(self) -> None:
        async with anyio.create_task_group() as tasks:
            for _ in range(WORKERS):
                tasks.start_soon(self._let_work)
            tasks.start_soon(self._watch)

    async def leave(self) -> None:
        for path in self.paths:
            call = {"notebook": path, "shutdown_kernel": True}
            await self.sessions[0].result("close_notebook", **call)
        for wire in self.sessions:
            await wire.send(method="DELETE")

    async def _watch(self) -> None:
        while len(self.seconds) < self.calls:
            now = await facts(self.server)
            self.peak |= Counter({name: now[name] for name in HELD})
            await anyio.sleep(0.5)

    async def _let_work(self) -> None:
        while len(self.seconds) < self.calls:
            wire = self.random.choice(self.sessions)
            path = self.random.choice(self.places[wire])
            for tool, arguments in self._calls(path):
                started = perf_counter()
                result = await wire.result(tool, notebook=path, **arguments)
                self.seconds.append(perf_counter() - started)
                self.done["refused" if result.get("isError") else tool] += 1

    def _calls(self, path: str) -> list[tuple[str, Mapping[str, Any]]]:
        cell = self.random.randrange(9)
        choices: list[list[tuple[str, Mapping[str, Any]]]] = [
            [("read_cell", {"cell": cell})],
            [("read_notebook", {"cells": "0-5", "view": "source"})],
            [("search_notebook", {"query": "value_7"})],
            [
                ("insert_cell", {"source": "n = 1", "after": cell}),
                ("delete_cells", {"cells": str(cell + 1)}),
            ],
            [("overwrite_cell", {"cell": cell, "source": f"n = {self.random.random()}"})],
            [("overwrite_cell", {"cell": cell, "source": "n = 0"}), ("undo", {})],
            [("move_cell", {"cell": cell, "after": (cell + 3) % 9})],
            [("clear_outputs", {"cells": str(cell)})],
        ]
        if path in self.paths[:RUN_IN]:
            choices += [[("execute_cell", {"cell": cell})], [("execute_code", {"code": "1 + 1"})]]
        return self.random.choice(choices)


async def measure_work(server: Server, calls: int, seed: int) -> None:
    """Print latencies of the first and the last calls, and what was held before and after."""
    crowd = Crowd(server, calls, seed)
    async with AsyncExitStack() as stack:
        limits = httpx2.Limits(max_connections=WORKERS + 2)
        http = await stack.enter_async_context(httpx2.AsyncClient(timeout=120, limits=limits))
        warm = Wire(http, server.mcp_url, HANDSHAKE, server.token)
        await warm.open()
        await warm.send(method="DELETE")
        before = await facts(server)
        await crowd.come(http)
        came = await facts(server)
        started = perf_counter()
        await crowd.work()
        seconds = perf_counter() - started
        worked = await facts(server)
        await crowd.leave()
    after = await until_given_back(server)
    told = ", ".join(f"{tool} {number:,}" for tool, number in crowd.done.most_common())
    print(f"{len(crowd.seconds):,} calls in {seconds:.0f} s: {told}")
    size = min(SLICE, len(crowd.seconds) // 2)
    for name, part in (("first", crowd.seconds[:size]), ("last", crowd.seconds[-size:])):
        p95 = quantiles(part, n=20)[-1] * 1000
        print(f"{name} {size:,}: median {median(part) * 1000:.1f} ms, 95 % below {p95:.1f} ms")
    rows = {"before": before, "opened": came, "worked": worked, "after": after}
    rows |= {"peak": crowd.peak, "trimmed": await server.get("probe/trimmed")}
    for name, row in rows.items():
        print(f"{name:8} {_held(row)}")
    print(f"kernels left: {_kernels(server)}")


def _held(row: Mapping[str, int]) -> str:
    told = "  ".join(f"{what} {row[what]:,}" for what in HELD if what not in BYTES)
    return "  ".join([*(f"{what} {row[what] / 1e6:.0f} MB" for what in BYTES), told])


def _kernels(server: Server) -> int:
    return len(psutil.Process(server.process.pid).children(recursive=True))

"""What both sides are made to do, in turn."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from time import perf_counter
from typing import Any

import anyio
import psutil
from anyio import to_thread

from tests.notebooks.make import large
from tests.peer import join_room
from tests.server import Server

from ..load import RawKernel, longest_wait
from ..startup import Start
from .sides import Ours, Rival, Side, connect, list_tools
from .table import Row

SIZES = (10, 100, 1_000, 10_000)
ROUNDS = {10: 20, 100: 15, 1_000: 7, 10_000: 2}
OUTPUTS = {
    "1 MB of stdout": "for _ in range(10_000): print('x' * 99)",
    "10 MB of stdout": "for _ in range(100_000): print('x' * 99)",
    "2,000 flushed prints": "for n in range(2_000): print(n, flush=True)",
}
CLIENTS = 8
MILLION = 1_000_000

Step = Callable[[Side], Awaitable[Any]]


async def _milliseconds(step: Awaitable[Any]) -> float:
    started = perf_counter()
    await step
    return (perf_counter() - started) * 1000


async def _watched(side: Side, step: Step) -> tuple[float, float]:
    """The bytes of the answer, and the longest wait of somebody else meanwhile."""
    before = side.player.on_wire
    asking = longest_wait(side.server)
    longest = await to_thread.run_sync(asking.__enter__)
    size = await step(side)
    await to_thread.run_sync(partial(asking.__exit__, None, None, None))
    return size or side.player.on_wire - before, longest[0]


class Bench:
    """Both sides, and what they take for each kind of work."""

    def __init__(self, ours: Ours, rival: Rival, kernel: RawKernel) -> None:
        self.sides: Sequence[Side] = (ours, rival)
        self.kernel = kernel
        self.rows: list[Row] = []

    async def run(self) -> None:
        memory = [_memory(side.server) for side in self.sides]
        await self._compare("connect (handshake)", connect, 15)
        await self._compare("tools/list", list_tools, 15)
        for cells in SIZES:
            await self._work_on_cells(cells)
        await self._runs()
        for name, code in OUTPUTS.items():
            await self._output(name, code)
        await self._clients()
        after = [_memory(side.server) for side in self.sides]
        self._add(Row("server's memory before", [memory[0]], [memory[1]], unit="MB"))
        self._add(Row("server's memory after", [after[0]], [after[1]], unit="MB"))

    def _add(self, row: Row) -> None:
        self.rows.append(row)
        print(" | ".join(row.cells()), flush=True)

    async def _compare(
        self, name: str, step: Step, rounds: int, floor: Callable[[], Any] | None = None
    ) -> None:
        times: list[list[float]] = [[], []]
        floors: list[float] = []
        for _ in range(rounds):
            for mine, side in zip(times, self.sides, strict=True):
                mine.append(await _milliseconds(step(side)))
            if floor is not None:
                floors.append(await _milliseconds(to_thread.run_sync(floor)))
        # Asking makes the others slower, so it has a round of its own.
        ours, rivals = [await _watched(side, step) for side in self.sides]
        sizes, waits = zip(ours, rivals, strict=True)
        self._add(Row(name, times[0], times[1], floors, sizes=sizes, waits=waits))

    @asynccontextmanager
    async def _opened(self, content: Any) -> AsyncIterator[dict[str, str]]:
        """A notebook on each side, which a person has open too; by the side's name."""
        async with AsyncExitStack() as stack:
            paths = {}
            for side in self.sides:
                path = paths[side.name] = side.server.write_notebook(content)
                await stack.enter_async_context(join_room(side.server, path))
                await side.open(path)
            yield paths

    async def _work_on_cells(self, cells: int) -> None:
        middle, rounds = cells // 2, ROUNDS[cells]
        async with self._opened(large(cells)) as paths:

            async def edit(side: Side) -> None:
                # There and back, so that each round finds the same.
                path = paths[side.name]
                await side.edit(path, middle, "before", "after")
                await side.edit(path, middle, "after", "before")

            steps: dict[str, Step] = {
                "read the sources": lambda side: side.read(paths[side.name], cells),
                "read one cell": lambda side: side.read_cell(paths[side.name], middle),
                "insert": lambda side: side.insert(paths[side.name], middle, "new = 1"),
                "overwrite": lambda side: side.overwrite(paths[side.name], middle, "before = 1"),
                "edit twice": edit,
                "delete": lambda side: side.delete(paths[side.name], middle),
            }
            for name, step in steps.items():
                await self._compare(f"{name}, {cells:,} cells", step, rounds)

    async def _runs(self) -> None:
        async with self._opened(large(10)) as paths:
            for code in ("1+1", "pass"):
                for side in self.sides:
                    await side.overwrite(paths[side.name], 5, code)
                    await side.execute(paths[side.name], 5)
                run: Step = lambda side: side.execute(paths[side.name], 5)  # noqa: E731
                raw = partial(self.kernel.execute, code)
                await self._compare(f"execute {code}", run, 20, raw)

            async def many(side: Side) -> None:
                for number in range(100):
                    await side.insert_and_execute(paths[side.name], 5 + number, "1+1")

            def many_raw() -> None:
                for _ in range(100):
                    self.kernel.execute("1+1")

            await self._compare("100 insert-and-execute", many, 2, many_raw)

    async def _output(self, name: str, code: str) -> None:
        async with self._opened(large(10)) as paths:
            for side in self.sides:
                await side.overwrite(paths[side.name], 5, code)
            run: Step = lambda side: side.execute(paths[side.name], 5)  # noqa: E731
            await self._compare(name, run, 3, partial(self.kernel.execute, code))

    async def _clients(self) -> None:
        """Runs a second of clients with a kernel each."""
        rates = []
        for side in self.sides:
            kernels = [await _start_kernel(side.server) for _ in range(CLIENTS)]
            for kernel in kernels:
                await side.execute_code(kernel, "1")

            async def run(side: Side, kernel: str) -> None:
                for _ in range(20):
                    await side.execute_code(kernel, "1+1")

            started = perf_counter()
            async with anyio.create_task_group() as tasks:
                for kernel in kernels:
                    tasks.start_soon(run, side, kernel)
            rates.append((perf_counter() - started) * 1000 / (CLIENTS * 20))
            for kernel in kernels:
                await side.server.http.delete(f"api/kernels/{kernel}")
        self._add(Row(f"{CLIENTS} clients, a run", rates[:1], rates[1:]))


async def _start_kernel(server: Server) -> str:
    answer = await server.http.post("api/kernels", json={"name": "python3"})
    return str(answer.raise_for_status().json()["id"])


def _memory(server: Server) -> float:
    return float(psutil.Process(server.process.pid).memory_info().rss) / MILLION


def start_rows(name: str, ours: Sequence[Start], floor: Sequence[Start]) -> list[Row]:
    """What a start takes with an extension, against starts without it."""
    kinds = (("start", "ms"), ("start, on the processor", "ms"), ("memory after a start", "MB"))
    return [
        Row(f"{kind} with {name}", mine, [], plain, unit)
        for (kind, unit), mine, plain in zip(kinds, zip(*ours), zip(*floor), strict=True)  # noqa: B905
    ]

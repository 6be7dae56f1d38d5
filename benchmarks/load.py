"""How runs with much output, and many runs at once, compare with the raw kernel in the same run.

Run it with `python -m benchmarks.load [name ...]`. Beside each of our times stands the longest
that a plain Jupyter request had to wait meanwhile, which is how long the server was blocked.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from threading import Event, Thread
from time import perf_counter

import anyio
import httpx2
from anyio import to_thread
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager

from tests.server import Server, run_server

from .executions import RawClient, notebook, raw_execute

ROUNDS = 5
CLIENTS = 8
RUNS = 50

OUTPUTS = {
    "1 MB of stdout": "for _ in range(10_000): print('x' * 99)",
    "10 MB of stdout": "for _ in range(100_000): print('x' * 99)",
    "2,000 flushed prints": "for n in range(2_000): print(n, flush=True)",
    "10,000 flushed prints": "for n in range(10_000): print(n, flush=True)",
    "100,000 flushed prints": "for n in range(100_000): print(n, flush=True)",
    "2,000 display updates": (
        "h = display(0, display_id=True)\nfor n in range(2_000): h.update(n)"
    ),
    "a progress bar": (
        "for n in range(20_000): print(f'\\r{n / 200:5.1f} %', end='', flush=not n % 4)"
    ),
}


class RawKernel:
    """A kernel of our own, and the plainest client."""

    def __init__(self) -> None:
        self._manager = KernelManager()
        self._manager.start_kernel()
        self._client: BlockingKernelClient = self._manager.client()
        self._client.start_channels()
        self._client.wait_for_ready(timeout=60)

    def execute(self, code: str) -> None:
        raw_execute(self._client, code)

    def stop(self) -> None:
        self._client.stop_channels()
        self._manager.shutdown_kernel(now=True)


@contextmanager
def longest_wait(server: Server) -> Iterator[list[float]]:
    """Ask the server all the time; at the end the list has the longest wait in milliseconds."""
    asked, stop, waits = Event(), Event(), [0.0]
    headers = {"Authorization": f"token {server.token}"}

    def ask() -> None:
        with httpx2.Client(base_url=server.url, headers=headers, timeout=60) as http:
            http.get("api")  # The connection is no part of the wait.
            asked.set()
            while not stop.wait(0.002):
                started = perf_counter()
                http.get("api")
                waits[0] = max(waits[0], (perf_counter() - started) * 1000)

    asking = Thread(target=ask)
    asking.start()
    try:
        asked.wait(60)
        yield waits
    finally:
        stop.set()
        asking.join()


def seconds(step: Callable[[], object]) -> float:
    started = perf_counter()
    step()
    return perf_counter() - started


def compare(name: str, raw: list[float], ours: list[float], waits: list[float]) -> None:
    ratio = median(ours) / median(raw)
    longest = f"   longest wait {max(waits):5.0f} ms" if waits else ""
    print(f"{name:32} {median(ours):7.3f} s  {ratio:5.2f} x raw kernel{longest}", flush=True)


def measure_outputs(server: Server, kernel: RawKernel, wanted: list[str]) -> None:
    client = RawClient(server)
    with longest_wait(server) as waits:
        anyio.run(anyio.sleep, 3)
    print(f"longest wait while nothing runs: {waits[0]:.0f} ms")
    for name, code in OUTPUTS.items():
        if wanted and not any(word in name for word in wanted):
            continue
        raw, ours, longest = [], [], []
        path = server.write_notebook(notebook(1))
        cell = {"notebook": path, "cell": 0, "wait_seconds": 300}
        client.call("overwrite_cell", notebook=path, cell=0, source=code)
        client.call("execute_code", notebook=path, code="pass")
        for _ in range(1 if "100," in name else ROUNDS):
            raw.append(seconds(lambda code=code: kernel.execute(code)))
            with longest_wait(server) as waits:
                ours.append(seconds(lambda cell=cell: client.call("execute_cell", **cell)))
            longest += waits
        compare(name, raw, ours, longest)


def measure_many(server: Server, kernel: RawKernel) -> None:
    client, path = RawClient(server), server.write_notebook(notebook(1))
    call = {"notebook": path, "source": "1+1", "execute": True}
    client.call("insert_cell", **call)
    raw, ours = [], []
    for _ in range(ROUNDS):
        raw.append(seconds(lambda: [kernel.execute("1+1") for _ in range(20)]))
        ours.append(seconds(lambda: [client.call("insert_cell", **call) for _ in range(20)]))
    compare("100 insert-and-execute", raw, ours, [])


def measure_clients(server: Server) -> None:
    kernels = [RawKernel() for _ in range(CLIENTS)]
    clients = [RawClient(server) for _ in range(CLIENTS)]
    paths = [server.write_notebook(notebook(10)) for _ in range(CLIENTS)]
    for client, path in zip(clients, paths, strict=True):
        client.call("execute_cell", notebook=path, cell=0)

    def raw(number: int) -> None:
        for _ in range(RUNS):
            kernels[number].execute("1+1")

    def ours(number: int) -> None:
        for _ in range(RUNS):
            clients[number].call("execute_cell", notebook=paths[number], cell=5)

    def rate(work: Callable[[int], None]) -> float:
        with ThreadPoolExecutor(CLIENTS) as threads:
            return CLIENTS * RUNS / seconds(lambda: list(threads.map(work, range(CLIENTS))))

    rates = [(rate(raw), rate(ours)) for _ in range(3)]
    shares = median(our / its for its, our in rates)
    runs = median(ours for _, ours in rates)
    print(f"{CLIENTS} clients: {runs:.0f} runs/s, {shares:.2f} of raw clients")
    for kernel in kernels:
        kernel.stop()


def run(server: Server, wanted: list[str]) -> None:
    kernel = RawKernel()
    measure_outputs(server, kernel, wanted)
    if not wanted or "many" in wanted:
        measure_many(server, kernel)
    if not wanted or "clients" in wanted:
        measure_clients(server)
    kernel.stop()


async def main() -> None:
    with tempfile.TemporaryDirectory() as base:
        async with run_server(Path(base) / "server") as server:
            await to_thread.run_sync(run, server, sys.argv[1:])


if __name__ == "__main__":
    anyio.run(main)

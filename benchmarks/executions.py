"""How long a call takes, against the raw kernel and a plain Jupyter request in the same run.

Run it with `python -m benchmarks.executions`. Prints medians in milliseconds and ratios.
"""

from __future__ import annotations

import http.client
import json
import tempfile
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any
from urllib.parse import urlsplit

import anyio
import nbformat
from anyio import to_thread
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager

from tests.server import Server, run_server

ROUNDS = 100
META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": "benchmark", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}


class RawClient:
    """MCP's stateless era over one kept-alive connection, with nothing in between."""

    def __init__(self, server: Server) -> None:
        place = urlsplit(server.mcp_url)
        self._connection = http.client.HTTPConnection(str(place.hostname), place.port)
        self._path = place.path
        self._login = {"Authorization": f"Bearer {server.token}"}

    def request(self, method: str, params: Mapping[str, Any], name: str = "") -> dict[str, Any]:
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {**params, "_meta": META}}
        headers = {
            "Accept": "application/json, text/event-stream",
            "Content-Type": "application/json",
            "MCP-Protocol-Version": "2026-07-28",
            "Mcp-Method": method,
        }
        headers |= self._login | ({"Mcp-Name": name} if name else {})
        self._connection.request("POST", self._path, json.dumps(body), headers)
        response = self._connection.getresponse()
        text = response.read().decode()
        if response.headers["Content-Type"].startswith("text/event-stream"):
            # A call of more than some seconds is answered by the last event of a stream.
            text = text[text.rindex("data: ") :].removeprefix("data: ")
        return json.loads(text)["result"]  # type: ignore[no-any-return]

    def call(self, tool: str, **arguments: Any) -> str:
        result = self.request("tools/call", {"name": tool, "arguments": arguments}, tool)
        assert not result.get("isError"), result
        return str(result["content"][0]["text"])

    def get(self, path: str) -> None:
        self._connection.request("GET", path, headers=self._login)
        self._connection.getresponse().read()


def raw_execute(client: BlockingKernelClient, code: str) -> None:
    """Run code and wait for its reply and the end of its output."""
    msg_id = client.execute(code)
    while True:
        message = client.get_iopub_msg(timeout=10)
        is_own = message["parent_header"].get("msg_id") == msg_id
        if is_own and message["content"].get("execution_state") == "idle":
            break
    client.get_shell_msg(timeout=10)


def measure(steps: Mapping[str, Callable[[], Any]]) -> dict[str, float]:
    """Median milliseconds of each step, all taken in turn."""
    times: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(ROUNDS):
        for name, step in steps.items():
            started = perf_counter()
            step()
            times[name].append((perf_counter() - started) * 1000)
    return {name: median(values) for name, values in times.items()}


def beside_starts(server: Server, steps: Mapping[str, Callable[[], Any]]) -> dict[str, float]:
    """Median milliseconds of each step while kernels are being started."""
    starter, is_over = RawClient(server), threading.Event()

    def start_and_end() -> None:
        while not is_over.is_set():
            starter.call("start_kernel", name="other")
            starter.call("shutdown_kernel", kernel="other")

    thread = threading.Thread(target=start_and_end)
    thread.start()
    try:
        medians = measure(steps)
    finally:
        is_over.set()
        thread.join()
    return {f"{name}, beside starts": value for name, value in medians.items()}


def notebook(cells: int) -> dict[str, Any]:
    code = [nbformat.v4.new_code_cell("1+1") for _ in range(cells)]
    return nbformat.v4.new_notebook(cells=code)  # type: ignore[no-any-return,no-untyped-call]


def run(server: Server) -> None:
    manager = KernelManager()
    manager.start_kernel()
    kernel = manager.client()
    kernel.start_channels()
    kernel.wait_for_ready(timeout=60)
    client = RawClient(server)
    tools = client.request("tools/list", {})["tools"]
    small, large = (server.write_notebook(notebook(cells)) for cells in (10, 1000))
    for path in (small, large):
        client.call("execute_cell", notebook=path, cell=0)
    client.call("start_kernel", name="scratch")
    steps: dict[str, Callable[[], Any]] = {
        "raw kernel 1+1": lambda: raw_execute(kernel, "1+1"),
        "GET /api": lambda: client.get("/api"),
        "execute_cell, 10 cells": lambda: client.call("execute_cell", notebook=small, cell=5),
        "execute_cell, 1000 cells": lambda: client.call("execute_cell", notebook=large, cell=500),
        "execute_code": lambda: client.call("execute_code", notebook=small, code="1+1"),
        "execute_code, scratch": lambda: client.call("execute_code", kernel="scratch", code="1+1"),
        "read_cell, 10 cells": lambda: client.call("read_cell", notebook=small, cell=5),
        "read_cell, 1000 cells": lambda: client.call("read_cell", notebook=large, cell=500),
        "read_notebook, 1000 cells": lambda: client.call("read_notebook", notebook=large),
    }
    medians = measure(steps)
    disturbed = ("raw kernel 1+1", "execute_code, scratch")
    medians |= beside_starts(server, {name: steps[name] for name in disturbed})
    kernel.stop_channels()
    manager.shutdown_kernel(now=True)
    floor, request = medians["raw kernel 1+1"], medians["GET /api"]
    for name, value in medians.items():
        ratios = f"{value / floor:5.2f} x kernel  {value / request:6.2f} x request"
        print(f"{name:36} {value:8.2f} ms  {ratios}")
    sizes = [len(json.dumps(tool, separators=(",", ":"), ensure_ascii=False)) for tool in tools]
    print(f"tools/list: {len(tools)} tools, {sum(sizes)} bytes, largest {max(sizes)}")


async def main() -> None:
    with tempfile.TemporaryDirectory() as base:
        async with run_server(Path(base) / "server") as server:
            await to_thread.run_sync(run, server)


if __name__ == "__main__":
    anyio.run(main)

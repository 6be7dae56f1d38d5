"""Notebooks of 100 MB: what is answered, how long it takes, and how long others wait meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from time import perf_counter
from typing import Any

import psutil
from nbformat import NotebookNode
from nbformat.v4 import new_output

from tests.notebooks.make import code, notebook
from tests.server import Server

from ..executions import RawClient
from ..load import longest_wait

MEGABYTES, CELLS = 100, 100
LINE = "# " + "x" * 97 + "\n"
LINES = LINE * (MEGABYTES * 1_000_000 // len(LINE) // CELLS)


def of_outputs() -> NotebookNode:
    made = notebook(*(code(f"cell{n:04}", f"n = {n}\nn") for n in range(CELLS)))
    for cell in made.cells:
        cell.outputs = [new_output("stream", name="stdout", text=LINES)]
    return made


def of_one_output() -> NotebookNode:
    made = notebook(*(code(f"cell{n:04}", f"n = {n}\nn") for n in range(CELLS)))
    made.cells[CELLS // 2].outputs = [new_output("stream", name="stdout", text=LINES * CELLS)]
    return made


def of_sources() -> NotebookNode:
    return notebook(*(code(f"cell{n:04}", f"n = {n}\n{LINES}n") for n in range(CELLS)))


def measure_huge(server: Server) -> None:
    """Print for each kind of notebook what each tool takes, below Jupyter's own reading of it."""
    for make in (of_outputs, of_one_output, of_sources):
        path, client = server.write_notebook(make()), RawClient(server)
        print(f"{MEGABYTES} MB {make.__name__.replace('_', ' ')}")
        _measure(server, "GET /api/contents", partial(client.get, f"/api/contents/{path}"))
        middle = CELLS // 2
        edit = {"cell": middle, "old_text": f"n = {middle}\n", "new_text": f"n = {middle} \n"}
        calls: list[tuple[str, Mapping[str, Any]]] = [
            ("open_notebook", {}),
            ("read_notebook", {}),
            ("read_notebook", {"view": "full"}),
            ("read_cell", {"cell": middle}),
            ("search_notebook", {"query": "n = 7"}),
            ("edit_cell", edit),
            ("edit_cell", edit),
            ("insert_cell", {"source": "1 + 1", "execute": True}),
            ("undo", {}),
            ("close_notebook", {"shutdown_kernel": True}),
        ]
        for tool, arguments in calls:
            call = {"name": tool, "arguments": {"notebook": path, **arguments}}
            _measure(server, tool, partial(client.request, "tools/call", call, tool))


def _measure(server: Server, name: str, call: Callable[[], Any]) -> None:
    with longest_wait(server) as waits:
        started = perf_counter()
        result = call() or {}
        seconds = perf_counter() - started
    megabytes = psutil.Process(server.process.pid).memory_info().rss / 1e6
    told = result["content"][0]["text"][:100] if result.get("isError") else ""
    print(
        f"  {name:20} {seconds:6.2f} s, others waited {waits[0] / 1000:5.2f} s at most, "
        f"{megabytes:5.0f} MB {told}",
        flush=True,
    )

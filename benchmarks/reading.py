"""What reading a notebook takes: bytes of the answers, and time against a plain Jupyter request.

Run it with `python -m benchmarks.reading [--rival PYTHON]`. Bytes are those of a result's content
as JSON. The rival is `jupyter-mcp-server`, of the Python that has it.
"""

from __future__ import annotations

import argparse
import base64
import io
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import anyio
from anyio import to_thread
from nbformat.v4 import new_output
from PIL import Image

from tests.notebooks.make import large
from tests.server import Server, run_server

from .agent_tasks.content import chart, code, notebook, printed, ran
from .agent_tasks.player import Player, size
from .executions import RawClient, measure
from .notebooks import realistic

SIZES = (10, 1_000, 10_000)
LINES = "".join(f"line {number} of the log, all is well\n" for number in range(100_000))


@dataclass(frozen=True)
class Figure:
    """What was measured, its value in words, and whether it is as it should be."""

    name: str
    value: str
    target: str = ""
    is_met: bool = True

    def __str__(self) -> str:
        verdict = f"{self.target:24} {'ok' if self.is_met else 'MISSED'}" if self.target else ""
        return f"{self.name:44} {self.value:32} {verdict}".rstrip()


@dataclass(frozen=True)
class Reading:
    """The bytes of answers: content, content without pictures, and whole responses."""

    content: int
    text: int
    on_wire: int

    def __add__(self, other: Reading) -> Reading:
        sums = (self.content + other.content, self.text + other.text)
        return Reading(*sums, self.on_wire + other.on_wire)


class Reader(Player):
    """A player that tells what an answer weighs."""

    async def weigh(self, tool: str, **arguments: Any) -> Reading:
        before = Reading(-self.received, 0, -self.on_wire)
        answer = await self.ask(tool, **arguments)
        assert not answer.is_error, answer.text
        text = self.received + before.content - sum(map(len, answer.images))
        return before + Reading(self.received, text, self.on_wire)


async def outlines(server: Server, reader: Reader) -> list[Figure]:
    made = {
        "realistic, 17 cells": server.write_notebook(realistic()),
        "mixed.ipynb, 7 cells": server.copy_notebook("mixed.ipynb"),
        "large, 1,000 cells": server.write_notebook(large()),
    }
    figures = []
    for name, path in made.items():
        weight = (await reader.weigh("read_notebook", notebook=path)).text
        cells = len(server.saved_notebook(path)["cells"])
        value = f"{weight:,} B, {weight / cells:.1f} B a cell"
        is_met = weight / cells <= 60
        figures.append(Figure(f"outline, {name}", value, "at most 60 B a cell", is_met))
    return figures


async def read_ours(server: Server, reader: Reader) -> dict[str, Reading]:
    path = server.write_notebook(realistic())
    read = {"notebook": path, "max_chars": 200_000}
    return {
        "sources": await reader.weigh("read_notebook", view="source", **read),
        "sources and outputs": await reader.weigh("read_notebook", view="full", **read),
    }


async def read_rivals(server: Server, reader: Reader) -> dict[str, Reading]:
    """The rival reads outputs of one cell at a time only."""
    path = server.write_notebook(realistic())
    await reader.tell("use_notebook", notebook_name="n", notebook_path=path)
    view = {"notebook_name": "n", "response_format": "detailed", "limit": 0}
    each = Reading(0, 0, 0)
    for position in range(len(server.saved_notebook(path)["cells"])):
        each += await reader.weigh("read_cell", cell_index=position)
    return {
        "sources": await reader.weigh("read_notebook", **view),
        "sources and outputs": each,
    }


def compared(ours: dict[str, Reading], rivals: dict[str, Reading]) -> list[Figure]:
    figures = []
    for name, our in ours.items():
        for part in ("text", "content", "on_wire"):
            words = f"17 cells, {name}: {part.replace('_', ' ')}"
            mine, its = getattr(our, part), getattr(rivals.get(name), part, 0)
            if its:
                value = f"{mine:,} B, {mine / its:.2f} of {its:,} B"
                figures.append(Figure(words, value, "at most 0.6 of the rival", mine <= 0.6 * its))
            else:
                figures.append(Figure(words, f"{mine:,} B"))
    return figures


async def long_output(server: Server, reader: Reader) -> Figure:
    path = server.write_notebook(notebook(ran(code("log", "log()"), 1, printed(LINES))))
    weight = (await reader.weigh("read_cell", notebook=path, cell=0)).text
    return Figure("100,000 printed lines", f"{weight:,} B", "less than 4 kB", weight < 4_000)


async def large_picture(server: Server, reader: Reader) -> Figure:
    picture = chart({"red": 300, "green": 500, "blue": 700})
    cell = ran(code("chart", "chart()"), 1, new_output("display_data", {"image/png": picture}))
    path = server.write_notebook(notebook(cell))
    answer = await reader.ask("read_cell", notebook=path, cell=0)
    (sent,) = answer.images
    before, after = (Image.open(io.BytesIO(base64.b64decode(data))) for data in (picture, sent))
    sizes = f"{before.width}x{before.height} to {after.width}x{after.height}"
    value = f"{len(sent):,} B, {sizes}"
    name = f"a PNG of {len(base64.b64decode(picture)) // 1_000} kB as sent"
    return Figure(name, value, "less than 60 kB", size(sent) < 60_000)


def times(server: Server) -> list[Figure]:
    """Medians of requests that take turns with a plain one, on live notebooks."""
    client = RawClient(server)
    paths = {cells: server.write_notebook(large(cells)) for cells in SIZES}
    steps: dict[str, Callable[[], Any]] = {"request": lambda: client.get("/api")}
    for cells, path in paths.items():
        client.call("read_cell", notebook=path, cell=0)
        read: dict[str, Any] = {"notebook": path, "cell": cells // 2}
        steps[f"read_cell of {cells:,}"] = partial(client.call, "read_cell", **read)
    outline = f"outline of {SIZES[1]:,} cells"
    steps[outline] = partial(client.call, "read_notebook", notebook=paths[SIZES[1]])
    medians = measure(steps)
    request = medians.pop("request")
    figures = [Figure("GET /api", f"{request:.2f} ms")]
    for name, value in medians.items():
        ratio = value / request
        targets = ("less than 20 ms", value < 20), ("at most 3 x a request", ratio <= 3)
        text = f"{value:.2f} ms, {ratio:.2f} x a request"
        figures.append(Figure(name, text, *targets[name != outline]))
    return figures


async def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reading")
    parser.add_argument("--rival", metavar="PYTHON", default=os.environ.get("RIVAL_PYTHON"))
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as base:
        rivals: dict[str, Reading] = {}
        if chosen.rival:
            settings: dict[str, Any] = {"python": chosen.rival, "environment": {"PYTHONPATH": ""}}
            async with run_server(Path(base) / "rival", **settings) as server:
                rivals = await read_rivals(server, Reader(server.http, server.mcp_url))
        async with run_server(Path(base) / "server") as server:
            reader = Reader(server.http, server.mcp_url)
            figures = await outlines(server, reader)
            figures += compared(await read_ours(server, reader), rivals)
            figures += [await long_output(server, reader), await large_picture(server, reader)]
            print(*figures, sep="\n", flush=True)
            print(*await to_thread.run_sync(times, server), sep="\n")


if __name__ == "__main__":
    anyio.run(main)

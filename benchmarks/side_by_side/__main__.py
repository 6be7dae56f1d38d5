"""Run it with `make bench`, or `python -m benchmarks.side_by_side --rival PYTHON [--write]`.

The rival is `jupyter-mcp-server`, of the Python that has it and the same JupyterLab. With `--write`
the table and the plot in the documentation are replaced.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
from contextlib import AbstractAsyncContextManager
from datetime import date
from functools import partial
from pathlib import Path

import anyio
from anyio import to_thread

from tests.server import Server, run_server

from ..load import RawKernel
from ..startup import starts
from .sides import Ours, Rival
from .table import Row, markdown, plot
from .work import Bench, start_rows

DOCS = Path(__file__).parents[2] / "docs"
STARTS = 9
BEGIN, END = "<!-- side by side -->", "<!-- end of side by side -->"


def _serve(
    base: Path, name: str, python: str, *options: str
) -> AbstractAsyncContextManager[Server]:
    # The rival's Python has packages of its own.
    return run_server(base / name, *options, python=python, environment={"PYTHONPATH": ""})


async def _starts(base: Path, extension: str, python: str) -> list[Row]:
    clean = {"PYTHONPATH": ""} if python != sys.executable else {}
    found = await starts(base, extension, STARTS, python, clean)
    return start_rows(extension, *found)


async def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.side_by_side")
    parser.add_argument("--rival", metavar="PYTHON", default=os.environ.get("RIVAL_PYTHON"))
    parser.add_argument("--write", action="store_true")
    chosen = parser.parse_args()
    if not chosen.rival:
        parser.error("name the Python that has jupyter-mcp-server")
    kernel = await to_thread.run_sync(RawKernel)
    with tempfile.TemporaryDirectory() as directory:
        serve = partial(_serve, Path(directory))
        async with (
            run_server(Path(directory) / "ours") as ours,
            serve("rival", chosen.rival) as rival,
        ):
            bench = Bench(Ours(ours), Rival(rival), kernel)
            await bench.run()
        rows = [
            *bench.rows,
            *await _starts(Path(directory), "jupyter_mcp_ext", sys.executable),
            *await _starts(Path(directory), "jupyter_mcp_server", chosen.rival),
        ]
    await to_thread.run_sync(kernel.stop)
    if chosen.write:
        _write(rows)


def _write(rows: list[Row]) -> None:
    page = DOCS / "benchmarks.md"
    text = page.read_text(encoding="utf-8")
    before, after = text.partition(BEGIN)[0], text.partition(END)[2]
    where = f"{date.today():%B %Y}, {os.cpu_count()} processors, Python {platform.python_version()}"
    image = "![The time of each kind of work, as a part of the rival's](images/side-by-side.png)"
    told = f"{BEGIN}\nMeasured in {where}.\n\n{markdown(rows)}\n\n{image}\n{END}"
    page.write_text(f"{before}{told}{after}", encoding="utf-8")
    plot(rows, DOCS / "images" / "side-by-side.png")


if __name__ == "__main__":
    anyio.run(main)

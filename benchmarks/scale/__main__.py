"""Run it with `python -m benchmarks.scale [costs] [work] [huge] [leaks] [--calls N] [--write]`.

With `--write` the table and the plot of the costs in the documentation are replaced.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
from datetime import date
from pathlib import Path

import anyio
from anyio import to_thread

from .costs import NO_SAVES, Costs, measure_costs, plot, table
from .huge import measure_huge
from .leaks import measure_leaks
from .probing import probed_server
from .work import measure_work

PARTS = ("costs", "work", "huge", "leaks")
DOCS = Path(__file__).parents[2] / "docs"
BEGIN, END = "<!-- scale -->", "<!-- end of scale -->"

# What agents go on working in stays live for Jupyter's usual minute.
OPTIONS = {"costs": [NO_SAVES], "work": ["--YDocExtension.document_cleanup_delay=60"]}


async def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale")
    parser.add_argument("parts", nargs="*", default=PARTS, help=", ".join(PARTS))
    parser.add_argument("--calls", type=int, default=0, help="20,000 of work, 2,000 for leaks")
    parser.add_argument("--kind", action="append", default=[], help="of the calls for leaks")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--write", action="store_true")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        for part in chosen.parts:
            async with probed_server(Path(directory) / part, *OPTIONS.get(part, ())) as server:
                if part == "costs":
                    costs = await measure_costs(server)
                    print(table(costs), flush=True)
                    if chosen.write:
                        _write(costs)
                elif part == "work":
                    await measure_work(server, chosen.calls or 20_000, chosen.seed)
                elif part == "huge":
                    await to_thread.run_sync(measure_huge, server)
                else:
                    await measure_leaks(server, chosen.calls or 2_000, chosen.kind)


def _write(costs: Costs) -> None:
    page = DOCS / "benchmarks.md"
    text = page.read_text(encoding="utf-8")
    before, after = text.partition(BEGIN)[0], text.partition(END)[2]
    where = f"{date.today():%B %Y}, {os.cpu_count()} processors, Python {platform.python_version()}"
    image = "![The cost of each tool as the notebook grows](images/scale.png)"
    told = f"{BEGIN}\nMeasured in {where}.\n\n{table(costs)}\n\n{image}\n{END}"
    page.write_text(f"{before}{told}{after}", encoding="utf-8")
    plot(costs, DOCS / "images" / "scale.png")


if __name__ == "__main__":
    anyio.run(main)

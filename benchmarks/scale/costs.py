"""What each tool costs the server's loop as the notebook grows."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from statistics import median

from tests.agent import STATELESS
from tests.notebooks.make import large
from tests.server import Server
from tests.wire import Wire, connect_wire

from .probing import facts

SIZES = (10, 100, 1_000, 10_000)
ROUNDS = {10: 15, 100: 15, 1_000: 15, 10_000: 7}
NO_SAVES = "--YDocExtension.document_save_delay=3600"
"""A save is Jupyter's own work, and comes a second after a call."""

Costs = Mapping[str, Mapping[int, float]]
"""Milliseconds of the loop's thread, by the tool and the number of cells."""

Step = Callable[[Wire, str, int], Awaitable[object]]

# Overwriting is what comes before an edit and an undo; its own cost is taken off.
ONE_CELL: Mapping[str, Step] = {
    "read_cell": lambda wire, path, cell: wire.result("read_cell", notebook=path, cell=cell),
    "read_notebook of 5 cells": lambda wire, path, cell: wire.result(
        "read_notebook", notebook=path, cells=f"{cell}-{cell + 4}", view="full"
    ),
    "insert_cell": lambda wire, path, cell: wire.result(
        "insert_cell", notebook=path, source="n = 1", after=cell
    ),
    "overwrite_cell": lambda wire, path, cell: wire.result(
        "overwrite_cell", notebook=path, cell=cell, source="before = 1"
    ),
    "edit_cell": lambda wire, path, cell: wire.result(
        "edit_cell", notebook=path, cell=cell, old_text="1", new_text="11", replace_all=True
    ),
    "undo": lambda wire, path, _: wire.result("undo", notebook=path),
    "move_cell": lambda wire, path, cell: wire.result(
        "move_cell", notebook=path, cell=cell, after=cell + 3
    ),
    "delete_cells": lambda wire, path, cell: wire.result(
        "delete_cells", notebook=path, cells=str(cell)
    ),
    "clear_outputs": lambda wire, path, cell: wire.result(
        "clear_outputs", notebook=path, cells=str(cell + 5)
    ),
    "execute_cell": lambda wire, path, cell: wire.result(
        "execute_cell", notebook=path, cell=cell + 5
    ),
    "execute_code": lambda wire, path, _: wire.result("execute_code", notebook=path, code="1"),
}
ALL_CELLS: Mapping[str, Step] = {
    "open_notebook": lambda wire, path, _: wire.result("open_notebook", notebook=path),
    "read_notebook, outline": lambda wire, path, _: wire.result("read_notebook", notebook=path),
    "search_notebook": lambda wire, path, _: wire.result(
        "search_notebook", notebook=path, query="value_7"
    ),
}


async def measure_costs(server: Server) -> Costs:
    """Medians of each tool in notebooks of each size, all of whose cells have been changed."""
    costs: dict[str, dict[int, float]] = {}
    async with connect_wire(server, STATELESS) as wire:
        wire.http.timeout = 300
        for cells in SIZES:
            path = server.write_notebook(large(cells))
            first = await _cost(server, wire.result("read_cell", notebook=path, cell=0))
            costs.setdefault("loading it (Jupyter's work)", {})[cells] = first
            edit = wire.result("insert_cell", notebook=path, source="1")
            costs.setdefault("first edit", {})[cells] = await _cost(server, edit)
            await wire.result("clear_outputs", notebook=path, cells="all")
            for name, step in {**ONE_CELL, **ALL_CELLS}.items():
                await step(wire, path, cells // 3)
                taken = [
                    await _cost(server, step(wire, path, cells // 3)) for _ in range(ROUNDS[cells])
                ]
                costs.setdefault(name, {})[cells] = median(taken)
    return costs


async def _cost(server: Server, call: Awaitable[object]) -> float:
    before = (await facts(server))["loop"]
    await call
    between = (await facts(server))["loop"]
    asked = (await facts(server))["loop"] - between
    return float(between - before - asked) * 1000


def table(costs: Costs) -> str:
    """For the documentation."""
    lines = [["", *(f"{cells:,} cells" for cells in SIZES)], ["---", *["---:"] * len(SIZES)]]
    lines += [[name, *(f"{row[cells]:,.1f}" for cells in SIZES)] for name, row in costs.items()]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


LABEL_STEP = 1.25
"""How many times higher the next label is at least, so that none hides another."""


def plot(costs: Costs, file: Path) -> None:
    """A line for each tool, those on one cell in one colour."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(9, 4.5))
    for name, row in costs.items():
        color = "#4c956c" if name in ONE_CELL else "#c1666b"
        axes.plot(SIZES, [max(row[cells], 0.1) for cells in SIZES], color=color, marker="o", ms=3)
    labelled = {name: row for name, row in costs.items() if name not in ONE_CELL}
    labelled["tools on one cell"] = costs["overwrite_cell"]
    height = 0.0
    for end, name in sorted((row[SIZES[-1]], name) for name, row in labelled.items()):
        height = max(end, height * LABEL_STEP)
        axes.annotate(name, (SIZES[-1], height), fontsize=7)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(SIZES[0] * 0.8, SIZES[-1] * 6)
    axes.set_xlabel("cells of the notebook")
    axes.set_ylabel("ms of the server's loop for a call")
    figure.tight_layout()
    figure.savefig(file, dpi=110)
    pyplot.close(figure)

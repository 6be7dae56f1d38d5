"""What the server holds after thousands of calls of each kind, and did not before."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from tests.agent import STATELESS
from tests.server import Server
from tests.wire import Wire, connect_wire

from ..executions import notebook
from .probing import facts

WARM_UP = 100
"""Calls before the first count: what is kept of each cell or agent is there then."""

SHARE = 0.1
"""From how many objects for each call on a type is told."""

Step = Callable[[Wire, str, int], Awaitable[object]]


async def _insert_and_delete(wire: Wire, path: str, number: int) -> None:
    await wire.result("insert_cell", notebook=path, source="1", after="start")
    await wire.result("delete_cells", notebook=path, cells="0")


async def _edit_and_undo(wire: Wire, path: str, number: int) -> None:
    await wire.result("overwrite_cell", notebook=path, cell=3, source=f"n = {number}")
    await wire.result("undo", notebook=path)


KINDS: Mapping[str, Step] = {
    "list_notebooks": lambda wire, path, _: wire.result("list_notebooks"),
    "list_kernels": lambda wire, path, _: wire.result("list_kernels"),
    "open_notebook": lambda wire, path, _: wire.result("open_notebook", notebook=path),
    "read_notebook": lambda wire, path, _: wire.result("read_notebook", notebook=path),
    "read_cell": lambda wire, path, _: wire.result("read_cell", notebook=path, cell=3),
    "search_notebook": lambda wire, path, _: wire.result(
        "search_notebook", notebook=path, query="1"
    ),
    "insert_cell and delete_cells": _insert_and_delete,
    "overwrite_cell and undo": _edit_and_undo,
    "move_cell": lambda wire, path, number: wire.result(
        "move_cell", notebook=path, cell=0, after=number % 5 + 1
    ),
    "clear_outputs": lambda wire, path, _: wire.result("clear_outputs", notebook=path, cells="3"),
    "execute_cell": lambda wire, path, _: wire.result("execute_cell", notebook=path, cell=4),
    "execute_code": lambda wire, path, _: wire.result("execute_code", notebook=path, code="1"),
    "list_variables": lambda wire, path, _: wire.result("list_variables", notebook=path),
    "an error": lambda wire, path, _: wire.result("read_cell", notebook=path, cell="none"),
    "tools/list": lambda wire, path, _: wire.ask("tools/list"),
}


async def measure_leaks(server: Server, calls: int, wanted: list[str]) -> None:
    """Print what grew, by kind of call."""
    path = server.write_notebook(notebook(10))
    async with connect_wire(server, STATELESS) as wire:
        for name, step in KINDS.items():
            if wanted and name not in wanted:
                continue
            for number in range(WARM_UP):
                await step(wire, path, number)
            before, types = await facts(server), await server.get("probe/types")
            for number in range(calls):
                await step(wire, path, number)
            _print(name, calls, before, await facts(server), types, await server.get("probe/types"))


def _print(
    name: str,
    calls: int,
    before: Mapping[str, float],
    after: Mapping[str, float],
    old: Mapping[str, int],
    new: Mapping[str, int],
) -> None:
    grown = {kind: number - old.get(kind, 0) for kind, number in new.items()}
    kept = [f"{kind} {n:+}" for kind, n in grown.items() if n > SHARE * calls]
    held = ", ".join(
        f"{what} {after[what] - before[what]:+.0f}" for what in ("tasks", "descriptors")
    )
    megabytes = (after["rss"] - before["rss"]) / 1e6
    print(f"{name:30} {calls} calls: {held}, {megabytes:+.1f} MB; {', '.join(kept)}", flush=True)

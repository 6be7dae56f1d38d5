"""Thousands of mixed edits, moves, deletions, runs and keystrokes by two agents and a person.

Run it with `python -m benchmarks.convergence [seed] [steps of each agent]`. It fails when a
keystroke is lost, an output is in the wrong cell, or the replicas and the file do not agree.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from random import randrange
from time import perf_counter

import anyio

from tests.mixed_work import work
from tests.server import run_server


async def main(seed: int, steps: int) -> None:
    print(f"seed {seed}, {steps} steps of each agent, {steps} bursts of typing")
    with tempfile.TemporaryDirectory() as directory:
        async with run_server(Path(directory), module="jupyter_server") as server:
            started = perf_counter()
            done = await work(server, seed, agent_steps=steps, bursts=steps)
    for what, number in sorted(done.done.items()):
        print(f"{number:6}  {what}")
    print(f"{len(done.typed):6}  keystrokes, all there")
    print(f"all replicas and the file agree after {perf_counter() - started:.0f} s")


if __name__ == "__main__":
    given = [int(argument) for argument in sys.argv[1:]]
    anyio.run(main, given[0] if given else randrange(10**6), given[1] if given[1:] else 1000)

"""Kills of all that takes part in mixed work, again and again; then all must be as was answered.

Run it with `python -m benchmarks.chaos [--seed N] [--rounds N] [--gateway]`. It prints what was
done and what was wrong, and fails if anything was.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from random import Random, randrange
from time import perf_counter

import anyio

from tests.chaos import KILLS, KILLS_BEHIND_GATEWAY, Chaos, wreak


async def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.chaos")
    parser.add_argument("--seed", type=int, default=randrange(10**6))
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--gateway", action="store_true", help="with kernels behind a gateway")
    chosen = parser.parse_args()
    print(f"seed {chosen.seed}, {chosen.rounds} rounds", flush=True)
    kinds = KILLS_BEHIND_GATEWAY if chosen.gateway else KILLS
    random, started = Random(chosen.seed), perf_counter()
    with tempfile.TemporaryDirectory() as directory:
        base = Path(directory)
        far = base / "far" if chosen.gateway else None
        chaos = Chaos(base / "near", chosen.seed, far)
        report = await wreak(chaos, (random.choice(kinds) for _ in range(chosen.rounds)))
    for what, number in sorted(report.done.items()):
        print(f"{number:7,}  {what}")
    print(f"{len(report.violations):7,}  violations, after {perf_counter() - started:.0f} s")
    print(*report.violations, sep="\n")
    return 1 if report.violations else 0


if __name__ == "__main__":
    sys.exit(anyio.run(main))

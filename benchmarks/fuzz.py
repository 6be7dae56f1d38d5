"""A long run of the attacks of `tests/fuzz`: wrong requests, arguments, files, peers and kernels.

Run it with `python -m benchmarks.fuzz [--inputs 100000] [--kind files] [--seed 1]`. What is found
is told once for each cause, with an input that shows it; the run goes on.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from pathlib import Path
from random import randrange
from time import perf_counter

from anyio import sleep
from anyio.from_thread import BlockingPortal, start_blocking_portal
from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.fuzz.attacks import KINDS
from tests.fuzz.target import Finding, Target, run_target

RELOAD_SECONDS = 1.5
"""After so long Jupyter has noticed that files were written anew."""

ROUND = 2_000
"""How many inputs are drawn in one go, of one kind."""


class LongRun:
    def __init__(self, portal: BlockingPortal, target: Target) -> None:
        self.portal = portal
        self.target = target
        self.found: dict[tuple[str, str], tuple[Finding, str]] = {}
        self.times: Counter[tuple[str, str]] = Counter()

    def attack(self, kind: str, number: int, start: int) -> None:
        chosen = KINDS[kind]

        @seed(start)
        @settings(
            max_examples=number,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(chosen.strategy)
        def one(value: object) -> None:
            self.target.findings.clear()
            self.portal.call(chosen.attack, self.target, value)
            self.target.tally.inputs[kind] += 1
            for finding in self.target.findings:
                self._note(kind, finding, value)

        one()

    def _note(self, kind: str, finding: Finding, value: object) -> None:
        key = finding.why, finding.where
        self.times[key] += 1
        if key not in self.found:
            self.found[key] = finding, repr(value)
            print(f"\n!! {kind}: {finding.why}: {finding.where}", flush=True)
            print(f"   {finding.detail}\n   input: {repr(value)[:1500]}", flush=True)


def report(run: LongRun, seconds: float) -> None:
    tally = run.target.tally
    total = sum(tally.inputs.values())
    print(f"\n{total} inputs in {seconds:.0f} s: {dict(tally.inputs)}")
    for answer, number in tally.answers.most_common():
        print(f"{number:8}  {answer}")
    longest, where = tally.longest
    print(f"longest freeze {longest:.0f} ms of processor time: {where}")
    print("slowest:")
    for took, kind, what in tally.slowest:
        print(f"  {took:6.2f} s  {kind}: {what}")
    for (why, where), number in run.times.most_common():
        print(f"{number:8} x {why}: {where}")
    print("nothing was found" if not run.found else f"{len(run.found)} causes", flush=True)


def rounds(run: LongRun, wanted: dict[str, int], start: int, until: float) -> None:
    """All kinds in turn, until there are as many inputs of each as are wanted."""
    left, told = dict(wanted), 0
    while any(left.values()) and perf_counter() < until:
        for kind in left:
            size = min(left[kind], max(round(ROUND * KINDS[kind].share), 10))
            if size:
                start += 1
                run.portal.call(run.target.refresh)
                run.portal.call(sleep, RELOAD_SECONDS)
                run.attack(kind, size, start)
                left[kind] -= size
        done = run.target.tally.inputs.total()
        if done >= told + ROUND:
            told = done
            print(f"{done} inputs, {len(run.found)} causes found", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--minutes", type=float, default=float("inf"), help="end earlier")
    parser.add_argument("--kind", choices=[*KINDS], action="append")
    parser.add_argument("--seed", type=int, default=randrange(10**6))
    options = parser.parse_args()
    shares = {name: KINDS[name].share for name in options.kind or KINDS}
    whole = sum(shares.values())
    wanted = {name: round(options.inputs * share / whole) for name, share in shares.items()}
    print(f"--seed {options.seed}")
    started = perf_counter()
    with tempfile.TemporaryDirectory() as base, start_blocking_portal() as portal:
        with portal.wrap_async_context_manager(run_target(Path(base))) as target:
            run = LongRun(portal, target)
            rounds(run, wanted, options.seed, started + options.minutes * 60)
            report(run, perf_counter() - started)


if __name__ == "__main__":
    main()

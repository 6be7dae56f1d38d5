"""What the extension adds to a start of JupyterLab to which no MCP client connects.

Run it with `python -m benchmarks.startup [--rounds N]`. Starts with and without it take turns. The
server's processor time is steadier than its time to the first answer, which is asked for every
50 ms.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from importlib.metadata import distribution
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import NamedTuple

import anyio
import psutil
from packaging.requirements import Requirement

from tests.server import Server, run_server

MILLION = 1_000_000
SETTLE_SECONDS = 1.5
"""Work that a start leaves for later is counted too."""


class Start(NamedTuple):
    """Until the first answer, on the processor until it settled, and memory of its own."""

    milliseconds: float
    processor_milliseconds: float
    megabytes: float


async def start(run: AbstractAsyncContextManager[Server]) -> Start:
    """Start a server once, and end it."""
    started = perf_counter()
    async with run as server:
        milliseconds = (perf_counter() - started) * 1000
        await anyio.sleep(SETTLE_SECONDS)
        process = psutil.Process(server.process.pid)
        times = process.cpu_times()
        own = process.memory_full_info().uss / MILLION
        return Start(milliseconds, (times.user + times.system) * 1000, own)


async def starts(
    base: Path,
    extension: str,
    rounds: int,
    python: str = sys.executable,
    environment: Mapping[str, str] | None = None,
) -> tuple[list[Start], list[Start]]:
    """Starts with and without the extension, in turn."""
    found: dict[bool, list[Start]] = {True: [], False: []}
    for number in range(rounds):
        for is_on, mine in found.items():
            # A directory of its own: what one start has cached must not help another.
            place = base / f"{extension}-{is_on}-{number}"
            setting = f"--ServerApp.jpserver_extensions={extension}={is_on}"
            run = run_server(place, setting, python=python, environment=environment)
            mine.append(await start(run))
    return found[True], found[False]


def installed(*requirements: str) -> dict[str, int]:
    """The bytes of each distribution that these need, without compiled bytecode."""
    sizes: dict[str, int] = {}
    waiting = [Requirement(each) for each in requirements]
    while waiting:
        wanted = waiting.pop()
        name = wanted.name.lower().replace("_", "-")
        extras = wanted.extras or {""}
        if f"{name}{sorted(extras)}" in sizes:
            continue
        found = distribution(name)
        files = [Path(str(file.locate())) for file in found.files or []]
        here = [file for file in files if file.suffix != ".pyc" and file.is_file()]
        sizes[f"{name}{sorted(extras)}"] = 0
        sizes[name] = sum(file.stat().st_size for file in here)
        needs = [Requirement(each) for each in found.requires or []]
        waiting += [
            need
            for need in needs
            if need.marker is None or any(need.marker.evaluate({"extra": e}) for e in extras)
        ]
    return {name: size for name, size in sizes.items() if "[" not in name}


def _tell_sizes() -> None:
    beside = installed("jupyterlab", "jupyter-collaboration")
    for extra in ("", "[images]"):
        wanted = installed(f"jupyter_mcp_ext{extra}")
        ours = {name: size for name, size in wanted.items() if name not in beside}
        ours["jupyter-mcp-ext"] = _own_size()
        largest = sorted(ours, key=lambda name: -ours[name])[:3]
        told = ", ".join(f"{name} {ours[name] / MILLION:.1f}" for name in largest)
        print(f"site-packages: jupyter_mcp_ext{extra} adds {sum(ours.values()) / MILLION:.1f} MB")
        print(f"  of which {told}")


def _own_size() -> int:
    # An editable install lists no files of the package.
    package = Path(__file__).parents[1] / "jupyter_mcp_ext"
    files = [file for file in package.rglob("*") if file.is_file() and file.suffix != ".pyc"]
    return sum(file.stat().st_size for file in files)


def _told(name: str, ours: Sequence[float], floor: Sequence[float], unit: str) -> str:
    added = [mine - plain for mine, plain in zip(ours, floor, strict=True)]
    spread = f"{min(added):+.0f} to {max(added):+.0f}"
    return (
        f"{name}: {median(floor):.0f} -> {median(ours):.0f} {unit}, "
        f"{median(added):+.1f} in the middle of {len(added)} pairs ({spread})"
    )


async def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.startup")
    parser.add_argument("--rounds", type=int, default=10)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as directory:
        ours, floor = await starts(Path(directory), "jupyter_mcp_ext", rounds)
    units = ("ms", "ms", "MB")
    names = ("first answer", "processor time", "memory of its own")
    for name, unit, mine, plain in zip(names, units, zip(*ours), zip(*floor), strict=True):  # noqa: B905
        print(_told(name, mine, plain, unit))
    _tell_sizes()


if __name__ == "__main__":
    anyio.run(main)

"""Play tasks on a server, and say what it took."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tests.server import Server

from .player import CallRefused, Player
from .scene import open_scene
from .task import NotDone, Solution, Task


@dataclass(frozen=True)
class Result:
    """What became of one task. `verdict` is `ok`, or what is missing."""

    task: str
    verdict: str
    calls: int = 0
    received: int = 0
    on_wire: int = 0
    sent: int = 0

    @property
    def is_success(self) -> bool:
        return self.verdict == "ok"


async def play(server: Server, task: Task, solution: Solution | None = None) -> Result:
    """Prepare a task, have it played by its own solution or another one, and check it."""
    async with open_scene(server) as scene:
        await task.prepare(scene)
        player = Player(server.http, server.mcp_url)
        try:
            await task.verify(scene, await (solution or task.solution)(player, scene))
            verdict = "ok"
        except NotDone as missing:
            verdict = f"not done: {missing}"
        except CallRefused as refused:
            verdict = f"refused: {refused}"
        except (LookupError, ValueError) as unreadable:
            verdict = f"not as expected: {unreadable!r}"
        counts = (player.calls, player.received, player.on_wire, player.sent)
        return Result(task.name, verdict, *counts)


ROW = "{:22} {:>6} {:>10} {:>10} {:>7}  {}"


def heading(title: str) -> str:
    return f"{title}\n" + ROW.format("task", "calls", "received", "on wire", "sent", "verdict")


def row(result: Result) -> str:
    counts = (result.calls, result.received, result.on_wire, result.sent)
    shown = [f"{number:,}" if result.calls else "" for number in counts]
    return ROW.format(result.task, *shown, " ".join(result.verdict.split())[:160])


def totals(results: Iterable[Result], name: str = "all") -> str:
    """The sums over the tasks that were done."""
    results = list(results)
    done = [each for each in results if each.is_success]
    sums = [sum(getattr(each, key) for each in done) for key in ("calls", "received")]
    sums += [sum(getattr(each, key) for each in done) for key in ("on_wire", "sent")]
    shown = [f"{number:,}" for number in sums]
    return ROW.format(name, *shown, f"{len(done)} of {len(results)} done")

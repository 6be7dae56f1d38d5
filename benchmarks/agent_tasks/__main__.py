"""`python -m benchmarks.agent_tasks [--list] [--serve TASK] [--rival PYTHON] [TASK ...]`."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

import anyio
from anyio import to_thread

from tests.server import Server, run_server

from . import TASKS, rival
from .playing import Result, heading, play, row, totals
from .scene import open_scene
from .task import NotDone, Task


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.agent_tasks", description=__doc__)
    parser.add_argument("tasks", nargs="*", metavar="TASK", help="play these; otherwise all")
    parser.add_argument("--list", action="store_true", help="name all tasks")
    parser.add_argument("--serve", metavar="TASK", help="have one played by an agent of yours")
    help = "play with jupyter-mcp-server too, which this Python has; or set RIVAL_PYTHON"
    environment = os.environ.get("RIVAL_PYTHON")
    parser.add_argument("--rival", metavar="PYTHON", default=environment, help=help)
    chosen = parser.parse_args()
    for name in [*chosen.tasks, *filter(None, [chosen.serve])]:
        if name not in TASKS:
            parser.error(f"there is no task {name}; --list names them")
    return chosen


async def play_ours(server: Server, tasks: list[Task]) -> list[Result]:
    """Play with our own tools and print the table."""
    print(heading("jupyter_mcp_ext: bytes of JSON"))
    results = []
    for task in tasks:
        results.append(await play(server, task))
        print(row(results[-1]), flush=True)
    print(totals(results))
    return results


async def play_rival(python: str, base: Path, ours: list[Result]) -> None:
    """The same tasks with the rival's tools, and our sums over those that it did."""
    print(heading("\njupyter-mcp-server: bytes of JSON"))
    results = []
    async with run_server(base, python=python, environment={"PYTHONPATH": ""}) as server:
        for name in [result.task for result in ours]:
            if reason := rival.CANNOT.get(name):
                results.append(Result(name, f"cannot: {reason}"))
            else:
                results.append(await play(server, TASKS[name], rival.SOLUTIONS[name]))
            print(row(results[-1]), flush=True)
    print(totals(results))
    done = {result.task for result in results if result.is_success}
    print(totals([result for result in ours if result.task in done], "ours, same tasks"))


def read_answer() -> str:
    """What is typed or piped in, up to an empty line or the end."""
    lines = []
    for line in sys.stdin:
        if not line.strip():
            break
        lines.append(line)
    return "".join(lines)


async def serve(server: Server, task: Task) -> bool:
    """Print what an agent needs, wait for its answer, and print the verdict."""
    async with open_scene(server) as scene:
        await task.prepare(scene)
        print(f"url: {server.mcp_url}\ntoken: {server.token}\nprompt: {task.prompt_for(scene)}")
        print("Then type the agent's answer and an empty line.", flush=True)
        answer = await to_thread.run_sync(read_answer)
        try:
            await task.verify(scene, answer)
        except NotDone as missing:
            print(f"not done: {missing}")
            return False
    print("ok")
    return True


async def main() -> int:
    chosen = arguments()
    if chosen.list:
        for task in TASKS.values():
            print(f"{task.name:22} {task.prompt}")
        return 0
    tasks = [TASKS[name] for name in chosen.tasks] or list(TASKS.values())
    with tempfile.TemporaryDirectory() as base:
        async with run_server(Path(base) / "server") as server:
            if chosen.serve:
                is_done = await serve(server, TASKS[chosen.serve])
            else:
                results = await play_ours(server, tasks)
                is_done = all(result.is_success for result in results)
        if chosen.rival and not chosen.serve:
            await play_rival(chosen.rival, Path(base) / "rival", results)
    return 0 if is_done else 1


if __name__ == "__main__":
    sys.exit(anyio.run(main))

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

from . import TASKS
from .playing import heading, play, row, totals
from .scene import open_scene
from .task import NotDone, Task


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.agent_tasks", description=__doc__)
    parser.add_argument("tasks", nargs="*", metavar="TASK", help="play these; otherwise all")
    parser.add_argument("--list", action="store_true", help="name all tasks")
    parser.add_argument("--serve", metavar="TASK", help="have one played by an agent of yours")
    rival = "play on jupyter-mcp-server too; the Python that has it, or RIVAL_PYTHON"
    parser.add_argument("--rival", metavar="PYTHON", default=os.environ.get("RIVAL_PYTHON"))
    parser.epilog = f"--rival: {rival}"
    chosen = parser.parse_args()
    for name in [*chosen.tasks, *filter(None, [chosen.serve])]:
        if name not in TASKS:
            parser.error(f"there is no task {name}; --list names them")
    return chosen


async def play_all(server: Server, tasks: list[Task]) -> bool:
    """Play with our own tools and print the table; whether all were done."""
    print(heading("jupyter_mcp_ext: bytes of JSON"))
    results = []
    for task in tasks:
        results.append(await play(server, task))
        print(row(results[-1]), flush=True)
    print(totals(results))
    return all(result.is_success for result in results)


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
                is_done = await play_all(server, tasks)
    return 0 if is_done else 1


if __name__ == "__main__":
    sys.exit(anyio.run(main))

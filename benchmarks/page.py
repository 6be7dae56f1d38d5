"""How long it takes from a call to what a person sees in JupyterLab, in Chromium.

Run it with `python -m benchmarks.page`. Prints medians of 20 in milliseconds. The time ends when
the browser has the text in its document, plus Playwright's answer, which takes a few milliseconds.
"""

from __future__ import annotations

import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median
from time import perf_counter

import anyio

from tests.agent import Agent, connect_agent
from tests.e2e.browser import LabPage, launch_browser, open_notebook
from tests.server import run_server

ROUNDS = 20


async def seen(lab: LabPage, text: str, call: Callable[[], Awaitable[object]]) -> float:
    """Milliseconds from the call until the page has the text."""
    is_there = "text => document.querySelector('.jp-Notebook').innerText.includes(text)"
    async with anyio.create_task_group() as tasks:
        started = perf_counter()
        tasks.start_soon(call)
        await lab.page.wait_for_function(is_there, arg=text, polling="raf")
        return (perf_counter() - started) * 1000


async def measure(agent: Agent, lab: LabPage, path: str) -> dict[str, float]:
    times: dict[str, list[float]] = {"insert": [], "edit": [], "execute": []}
    for number in range(ROUNDS):
        steps = {
            "insert": ("insert_cell", {"source": f"print('a' 'b{number:03}')", "after": "start"}),
            "edit": ("edit_cell", {"cell": 0, "old_text": "print", "new_text": f"print({number},"}),
            "execute": ("execute_cell", {"cell": 0}),
        }
        steps["edit"][1]["new_text"] = f"e{number:03} = print"
        expected = {
            "insert": f"'b{number:03}'",
            "edit": f"e{number:03} =",
            "execute": f"ab{number:03}",
        }
        for name, (tool, arguments) in steps.items():

            async def call(tool: str = tool, arguments: dict[str, object] = arguments) -> None:
                await agent.tell(tool, notebook=path, **arguments)

            times[name].append(await seen(lab, expected[name], call))
        await agent.tell("delete_cells", notebook=path, cells="0")
    return {name: median(values) for name, values in times.items()}


async def main() -> None:
    with tempfile.TemporaryDirectory() as base:
        async with run_server(Path(base) / "server") as server, launch_browser() as browser:
            path = server.copy_notebook("plain.ipynb")
            async with (
                connect_agent(server.mcp_url, server.token) as agent,
                open_notebook(browser, server, path) as lab,
            ):
                for name, value in (await measure(agent, lab, path)).items():
                    print(f"call to page, {name:8} {value:6.1f} ms")


if __name__ == "__main__":
    anyio.run(main)

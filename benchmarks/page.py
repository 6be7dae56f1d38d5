"""How long it takes from a call to what a person sees in JupyterLab, in Chromium.

Run it with `python -m benchmarks.page`. Prints medians of 20 in milliseconds. The time ends when
the page's document has the text, as told by an observer inside the page; the browser then paints
it with its next frame. A run that prints much is compared, 5 times, with the raw kernel.
"""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path
from statistics import median
from time import time
from typing import Any

import anyio
from anyio import to_thread

from tests.e2e.browser import LabPage, launch_browser, open_notebook
from tests.server import Server, run_server

from .executions import RawClient
from .load import OUTPUTS, RawKernel, compare, seconds

ROUNDS = 20
MUCH = "10,000 flushed prints"

WATCH = """text => {
    const notebook = document.querySelector('.jp-Notebook');
    window.seen = new Promise(resolve => {
        const look = () => {
            if (notebook.textContent.includes(text)) {
                observer.disconnect();
                resolve(performance.timeOrigin + performance.now());
            }
        };
        const observer = new MutationObserver(look);
        observer.observe(notebook, {subtree: true, childList: true, characterData: true});
    });
}"""


async def seen(lab: LabPage, client: RawClient, text: str, tool: str, **arguments: Any) -> float:
    """Milliseconds from the call until the page has the text."""
    await lab.page.evaluate(WATCH, text)
    called = time() * 1000
    await to_thread.run_sync(partial(client.call, tool, **arguments))
    return float(await lab.page.evaluate("window.seen")) - called


async def measure(client: RawClient, lab: LabPage, path: str) -> dict[str, float]:
    times: dict[str, list[float]] = {"insert": [], "edit": [], "execute": []}
    for number in range(ROUNDS):
        mark = f"{number:03}"
        at = {"notebook": path, "cell": 0}
        insert = {"notebook": path, "source": f"print('a' 'b{mark}')", "after": "start"}
        edit = at | {"old_text": "print", "new_text": f"e{mark} = print"}
        times["insert"].append(await seen(lab, client, f"'b{mark}'", "insert_cell", **insert))
        times["edit"].append(await seen(lab, client, f"e{mark} =", "edit_cell", **edit))
        times["execute"].append(await seen(lab, client, f"ab{mark}", "execute_cell", **at))
        await to_thread.run_sync(partial(client.call, "delete_cells", notebook=path, cells="0"))
    return {name: median(values) for name, values in times.items()}


async def measure_much(client: RawClient, lab: LabPage, kernel: RawKernel, path: str) -> None:
    raw, ours = [], []
    cell = {"notebook": path, "cell": 1, "wait_seconds": 300}
    client.call("overwrite_cell", notebook=path, cell=1, source=OUTPUTS[MUCH])
    for _ in range(5):
        client.call("clear_outputs", notebook=path, cells="1")
        await lab.outputs(1).get_by_text("9999").wait_for(state="detached")
        raw.append(await to_thread.run_sync(seconds, lambda: kernel.execute(OUTPUTS[MUCH])))
        run = partial(client.call, "execute_cell", **cell)
        ours.append(await to_thread.run_sync(seconds, run))
        await lab.outputs(1).get_by_text("9999").wait_for()
    compare(f"{MUCH}, page open", raw, ours, [])


async def run(server: Server) -> None:
    client, kernel = RawClient(server), await to_thread.run_sync(RawKernel)
    async with launch_browser() as browser:
        path = server.copy_notebook("plain.ipynb")
        async with open_notebook(browser, server, path) as lab:
            for name, value in (await measure(client, lab, path)).items():
                print(f"call to page, {name:8} {value:6.1f} ms", flush=True)
        path = server.copy_notebook("plain.ipynb")
        async with open_notebook(browser, server, path) as lab:
            await measure_much(client, lab, kernel, path)
    kernel.stop()


async def main() -> None:
    with tempfile.TemporaryDirectory() as base:
        async with run_server(Path(base) / "server") as server:
            await run(server)


if __name__ == "__main__":
    anyio.run(main)

"""Tasks about kernels that are busy, restarted or dead."""

from __future__ import annotations

import random

from tests.peer import Peer

from .answers import cells_named, numbers_in, quoted, sections
from .content import code, markdown, notebook, outputs_text, printed, ran
from .player import Player
from .running import by_id, require_clean_run
from .scene import Scene
from .task import Task, require

WATCH_SECONDS = 3_600


async def prepare_long(scene: Scene) -> None:
    energy = scene.facts["energy"] = random.randrange(100, 900)
    run = f"import time\nprint('started')\ntime.sleep(3)\nprint('energy', {energy * 7} // 7)"
    cells = notebook(markdown("title", "# A simulation"), code("simulate", run))
    scene.write("simulation", cells)
    scene.task_group.start_soon(_watch_note, scene, await scene.invite())


async def _watch_note(scene: Scene, ada: Peer) -> None:
    """Notes whether the run had not ended yet when the note appeared."""
    await ada.wait_until(lambda: "Simulation started" in ada.sources(), WATCH_SECONDS)
    scene.facts["was beside"] = "energy" not in outputs_text(by_id(ada.cells())["simulate"])


async def check_long(scene: Scene, answer: str) -> None:
    cells = by_id(await scene.cells())
    energy = str(scene.facts["energy"])
    require(energy in outputs_text(cells["simulate"]), "the simulation ran to its end")
    require(scene.facts.get("was beside", False), "the note was made before it ended")
    require(energy in numbers_in(answer), "the answer tells the energy")


async def run_long(player: Player, scene: Scene) -> str:
    at = {"notebook": scene.notebook}
    started = await player.tell("execute_cell", **at, cell="simulate", wait_seconds=0)
    await player.tell("insert_cell", **at, source="Simulation started", cell_type="markdown")
    execution = started.split("execution: ")[1].split()[0]
    text = await player.tell("get_execution", execution=execution, wait_seconds=60)
    return quoted(text).split()[-1]


async def prepare_endless(scene: Scene) -> None:
    seen = scene.facts["seen"] = random.randrange(100, 900)
    poll = "while True:\n    latest = poll()"
    path = scene.write("polling", notebook(markdown("title", "# Polling"), code("poll", poll)))
    kernel = scene.facts["kernel"] = await scene.start_kernel(path)
    await kernel.run(f"seen = dict.fromkeys(range({seen}))\ndef poll(): pass")
    await kernel.start(f"print('polling')\n{poll}")


async def check_endless(scene: Scene, answer: str) -> None:
    kernel = scene.facts["kernel"]
    require(await kernel.state() == "idle", "the kernel is idle")
    require(await kernel.value("len(seen)") == str(scene.facts["seen"]), "`seen` is still there")
    require(str(scene.facts["seen"]) in numbers_in(answer), "the answer tells the number")


async def stop_endless(player: Player, scene: Scene) -> str:
    await player.tell("interrupt_kernel", notebook=scene.notebook)
    return quoted(await player.tell("execute_code", notebook=scene.notebook, code="len(seen)"))


async def prepare_restart(scene: Scene) -> None:
    base = scene.facts["base"] = random.randrange(1_000, 9_000)
    path = scene.write(
        "ledger",
        notebook(
            markdown("title", "# Ledger"),
            code("rows", f"rows = [{base}, 20, 30]"),
            code("fees", "fees = globals().get('fees', 0) + 5"),
            code("total", "print('total', sum(rows) + fees)"),
        ),
    )
    kernel = scene.facts["kernel"] = await scene.start_kernel(path)
    await kernel.run("fees = 400")
    await scene.run_cells(path, kernel)


async def check_restart(scene: Scene, answer: str) -> None:
    cells = await scene.cells()
    total = str(scene.facts["base"] + 55)
    counts = [cell["execution_count"] for cell in cells if cell["cell_type"] == "code"]
    require(counts == [1, 2, 3], "all cells ran once on a new kernel")
    require(outputs_text(by_id(cells)["total"]) == f"total {total}\n", "the total is the new one")
    require(total in numbers_in(answer), "the answer tells the new total")


async def rerun_after_restart(player: Player, scene: Scene) -> str:
    await player.tell("restart_kernel", notebook=scene.notebook)
    return quoted(await player.tell("execute_cells", notebook=scene.notebook)).split()[-1]


async def prepare_death(scene: Scene) -> None:
    base = scene.facts["base"] = random.randrange(1_000, 9_000)
    kill = "import os\nif chunk > 10:\n    os._exit(9)  # stands for a lack of memory"
    cells = [
        ran(code("settings", "chunk = 500"), 1),
        ran(code("rows", f"rows = [{base}] * 3"), 2, printed("")),
        code("crunch", f"{kill}\ncrunched = [row + chunk for row in rows]"),
        code("total", "print('total', sum(crunched))"),
    ]
    scene.write("crunch", notebook(markdown("title", "# Crunch"), *cells))


async def check_death(scene: Scene, answer: str) -> None:
    cells = await scene.cells()
    total = str((scene.facts["base"] + 10) * 3)
    require_clean_run(cells)
    require(outputs_text(by_id(cells)["total"]) == f"total {total}\n", "the notebook ran through")
    require(by_id(cells)["settings"]["source"].strip() == "chunk = 10", "chunk is 10")
    require("crunch" in cells_named(answer, scene.ids()), "the answer names the deadly cell")
    require(total in numbers_in(answer), "the answer tells the total")


async def recover_from_death(player: Player, scene: Scene) -> str:
    died = await player.tell("execute_cells", notebook=scene.notebook)
    deadly = next(line for line in died.split("\n") if "status: kernel_died" in line).split()[1]
    outline = sections(await player.tell("read_notebook", notebook=scene.notebook))
    cell = next(each.cell_id for each in outline if "chunk = 500" in each.facts)
    edit = {"cell": cell, "old_text": "500", "new_text": "10"}
    await player.tell("edit_cell", notebook=scene.notebook, **edit)
    text = await player.tell("execute_cells", notebook=scene.notebook)
    return f"{deadly}: {quoted(text).split()[-1]}"


TASKS = [
    Task(
        "run_long",
        "Start the cell `simulate` of {notebook}, which runs for some time. While it runs, append "
        "a markdown cell `Simulation started`. When it has finished, answer with the energy.",
        prepare_long,
        check_long,
        run_long,
    ),
    Task(
        "stop_endless",
        "The kernel of {notebook} hangs in an endless loop. Stop it without losing its variables, "
        "and answer with the number of entries in the dict `seen`.",
        prepare_endless,
        check_endless,
        stop_endless,
    ),
    Task(
        "rerun_after_restart",
        "Restart the kernel of {notebook}, run all cells from the top, and answer with the total "
        "that it then prints.",
        prepare_restart,
        check_restart,
        rerun_after_restart,
    ),
    Task(
        "recover_from_death",
        "A cell of {notebook} kills its kernel when `chunk` is too large. Find out which, set "
        "chunk to 10 where it is set, and run the whole notebook. Answer with the id or position "
        "(from 0) of the deadly cell and the total that the notebook prints.",
        prepare_death,
        check_death,
        recover_from_death,
    ),
]

"""How the tasks are done with the tools of `jupyter-mcp-server`, where they can be."""

from __future__ import annotations

import re
from typing import Any

from .player import Player
from .reading import tallest_bar
from .scene import Scene
from .task import Solution, require

CANNOT = {
    "stop_endless": "no tool interrupts a kernel, and a restart loses the variables",
}

DEATH_TIMEOUT = 10
POLLS = 20

_CELL = re.compile(r"^=====Cell (\d+) \|.*=====\n\n?", re.MULTILINE)


def name_of(path: str) -> str:
    """The name a notebook gets: one for each, as a name stays with its first notebook."""
    return path.removeprefix("task-").removesuffix(".ipynb")


async def use(player: Player, path: str, **more: Any) -> list[list[str]]:
    """Make a notebook the current one; returns the rows (position, type, count, first line)."""
    call = {"notebook_name": name_of(path), "notebook_path": path}
    text = await player.tell("use_notebook", **call, **more)
    rows = [line.split("\t") for line in text.split("\n")]
    return [row for row in rows if len(row) == 4 and row[0].isdigit()]


async def sources(player: Player, path: str) -> list[str]:
    """The sources of all cells."""
    await use(player, path)
    view = {"notebook_name": name_of(path), "response_format": "detailed", "limit": 0}
    text = await player.tell("read_notebook", **view)
    return [body.strip("\n") for body in _CELL.split(text)[2::2]]


async def run(player: Player, *positions: int, **more: Any) -> str:
    """Run cells one by one; returns what the last one answered."""
    text = ""
    for position in positions:
        text = await player.tell("execute_cell", cell_index=position, **more)
    return text


async def ask(player: Player, scene: Scene, code: str) -> str:
    await use(player, scene.notebook)
    return await player.tell("execute_code", code=code)


async def find_definition(player: Player, scene: Scene) -> str:
    texts = await sources(player, scene.notebook)
    return str([at for at, text in enumerate(texts) if "def settle_accounts" in text])


async def report_shape(player: Player, scene: Scene) -> str:
    return await ask(player, scene, "orders.shape")


async def ask_variable(player: Player, scene: Scene) -> str:
    return await ask(player, scene, "min(history, key=lambda e: e['val_loss'])['epoch']")


async def ask_plot(player: Player, scene: Scene) -> str:
    return await ask(player, scene, "print(f'{ax.lines[0].get_ydata().max():.3f}')")


async def look_at_picture(player: Player, scene: Scene) -> str:
    await use(player, scene.notebook)
    answer = await player.ask("read_cell", cell_index=1)
    return tallest_bar(answer.images[0])


async def find_error_line(player: Player, scene: Scene) -> str:
    await use(player, scene.notebook)
    text = await player.tell("read_cell", cell_index=1)  # Its kernel has another directory.
    return text.partition(" ERROR")[0].rpartition("batch ")[2]


async def find_stale(player: Player, scene: Scene) -> str:
    newest, stale = 0, []
    for position, _, count, _ in await use(player, scene.notebook):
        if count.isdigit() and int(count) < newest:
            stale.append(position)
        newest = max(newest, int(count) if count.isdigit() else 0)
    return ", ".join(stale)


async def delete_empty(player: Player, scene: Scene) -> str:
    texts = await sources(player, scene.notebook)
    empty = [at for at, text in enumerate(texts) if not text.strip()]
    return await player.tell("delete_cell", cell_indices=empty, include_source=False)


async def reorder_sections(player: Player, scene: Scene) -> str:
    await use(player, scene.notebook)
    for number in range(3):
        await player.tell("move_cell", source_index=5 + number, target_index=number)
    return "done"


async def add_heading(player: Player, scene: Scene) -> str:
    rows = await use(player, scene.notebook)
    (at,) = (int(row[0]) for row in rows if ".fit(" in row[3])
    heading = {"cell_type": "markdown", "cell_source": "## Model"}
    return await player.tell("insert_cell", cell_index=at, **heading)


async def rename_column(player: Player, scene: Scene) -> str:
    for at, text in enumerate(await sources(player, scene.notebook)):
        for old, new in (("'amt'", "'amount'"), ("`amt`", "`amount`")):
            if old in text:
                edit = {"cell_index": at, "old_string": old, "new_string": new}
                await player.tell("edit_cell_source", **edit)
    return await run(player, 1, 2, 3, 4)


async def clear_outputs(player: Player, scene: Scene) -> str:
    for row in await use(player, scene.notebook):
        await player.tell("clear_cell_output", cell_index=int(row[0]))
    for position in range(20, 30):  # The answer showed 20 cells.
        await player.tell("clear_cell_output", cell_index=position)
    return "done"


async def insert_while_typing(player: Player, scene: Scene) -> str:
    rows = await use(player, scene.notebook)
    (at,) = (int(row[0]) for row in rows if row[3].startswith("lengths = ["))
    await run(player, at)
    insert = {"cell_index": at + 1, "cell_source": "total = sum(lengths)\nprint(total)"}
    return await player.tell("insert_execute_code_cell", **insert)


async def fix_failing(player: Player, scene: Scene) -> str:
    for position, kind, _, _ in await use(player, scene.notebook):
        if kind != "code":
            continue
        if "NameError" in await player.tell("read_cell", cell_index=int(position)):
            edit = {"old_string": "len(price_3)", "new_string": "len(prices_3)"}
            await player.tell("edit_cell_source", cell_index=int(position), **edit)
            return await run(player, int(position))
    return "found none"


async def fix_order(player: Player, scene: Scene) -> str:
    await use(player, scene.notebook)
    await player.tell("move_cell", source_index=4, target_index=2)
    return await run(player, 1, 2, 3, 4, 5)


async def make_new(player: Player, scene: Scene) -> str:
    await use(player, scene.notebook, mode="create")
    # A new notebook comes with a markdown cell.
    await player.tell("overwrite_cell_source", cell_index=0, cell_source="# Primes")
    source = "print(sum(all(n % d for d in range(2, n)) for n in range(2, 100)))"
    return await player.tell("insert_execute_code_cell", cell_index=1, cell_source=source)


async def use_two(player: Player, scene: Scene) -> str:
    await use(player, scene.paths["rates"])
    rate = (await run(player, 0)).split()[-1]
    await use(player, scene.paths["invoice"])
    edit = {"cell_index": 0, "old_string": "None", "new_string": rate}
    await player.tell("edit_cell_source", **edit)
    return await run(player, 0, 1, 2)


async def run_long(player: Player, scene: Scene) -> str:
    await use(player, scene.notebook)
    await run(player, 1, timeout=1)  # Its wait ends, and the run goes on.
    note = {"cell_type": "markdown", "cell_source": "Simulation started"}
    await player.tell("insert_cell", cell_index=-1, **note)
    for _ in range(POLLS):
        text = await player.tell("read_cell", cell_index=1)
        if found := re.search(r"^energy (\d+)", text, re.MULTILINE):
            return found[1]
        await player.tell("execute_code", code="__import__('time').sleep(1)")
    return "no result"


async def rerun_after_restart(player: Player, scene: Scene) -> str:
    await use(player, scene.notebook)
    await player.tell("restart_notebook", notebook_name=name_of(scene.notebook))
    return await run(player, 1, 2, 3)


async def recover_from_death(player: Player, scene: Scene) -> str:
    await use(player, scene.notebook)
    await run(player, 1, 2)
    text = await run(player, 3, timeout=DEATH_TIMEOUT)
    require("total" not in text, "the third cell kills the kernel")
    await player.tell("unuse_notebook", notebook_name=name_of(scene.notebook))
    await use(player, scene.notebook)
    edit = {"cell_index": 1, "old_string": "500", "new_string": "10"}
    await player.tell("edit_cell_source", **edit)
    return f"3: {(await run(player, 1, 2, 3, 4)).split()[-1]}"


SOLUTIONS: dict[str, Solution] = {
    solution.__name__: solution
    for solution in (
        *(find_definition, report_shape, ask_variable, ask_plot, look_at_picture),
        *(find_error_line, find_stale, delete_empty, reorder_sections, add_heading),
        *(rename_column, clear_outputs, insert_while_typing, fix_failing, fix_order),
        *(make_new, use_two, run_long, rerun_after_restart, recover_from_death),
    )
}

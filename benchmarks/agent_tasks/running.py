"""Tasks that mend, make and run notebooks."""

from __future__ import annotations

import random
from typing import Any

from .answers import numbers_in, quoted, sections
from .content import code, markdown, notebook, outputs_text
from .player import Player
from .scene import Cells, Scene
from .task import Task, require


def by_id(cells: Cells) -> dict[str, dict[str, Any]]:
    return {cell["id"]: cell for cell in cells}


def require_clean_run(cells: Cells) -> None:
    """All code cells have run and none failed."""
    ran = [cell for cell in cells if cell["cell_type"] == "code" and cell["source"].strip()]
    require(all(cell["execution_count"] for cell in ran), "all code cells have run")
    kinds = {output["output_type"] for cell in ran for output in cell["outputs"]}
    require("error" not in kinds, "no cell shows an error")


async def prepare_failing(scene: Scene) -> None:
    cells = [code(f"load{n}", f"prices_{n} = [{n}, {n + 1}, {n + 2}]") for n in range(8)]
    cells[5:5] = [code("mean", "mean = sum(prices_3) / len(price_3)\nprint(f'mean {mean}')")]
    path = scene.write("prices", notebook(markdown("title", "# Prices"), *cells))
    await scene.run_cells(path, await scene.start_kernel(path))


async def check_failing(scene: Scene, answer: str) -> None:
    cells = await scene.cells()
    before = by_id(scene.written[scene.notebook])
    require([cell["id"] for cell in cells] == list(before), "the cells are the same")
    changed = [cell["id"] for cell in cells if cell["source"] != before[cell["id"]]["source"]]
    require(changed == ["mean"], "only the failing cell was changed")
    require(outputs_text(by_id(cells)["mean"]) == "mean 4.0\n", "it ran, and prints the mean")


async def fix_failing(player: Player, scene: Scene) -> str:
    outline = sections(await player.tell("read_notebook", notebook=scene.notebook))
    cell = next(each.cell_id for each in outline if "error" in each.facts)
    await player.tell("read_cell", notebook=scene.notebook, cell=cell)
    edit = {"cell": cell, "old_text": "len(price_3)", "new_text": "len(prices_3)"}
    await player.tell("edit_cell", notebook=scene.notebook, execute=True, **edit)
    return "done"


async def prepare_order(scene: Scene) -> None:
    cells = [
        code("rows", "rows = [3, 5, 8]"),
        code("scaled", "scaled = [row * scale for row in rows]\nprint(sum(scaled))"),
        code("text", "print(f'{len(rows)} rows')"),
        code("scale", "scale = 10"),
        code("last", "print(max(scaled))"),
    ]
    path = scene.write("scaling", notebook(markdown("title", "# Scaling"), *cells))
    await scene.run_cells(path, await scene.start_kernel(path), "rows", "scaled")


async def check_order(scene: Scene, answer: str) -> None:
    cells = await scene.cells()
    ids = [cell["id"] for cell in cells]
    sources = sorted(cell["source"] for cell in scene.written[scene.notebook])
    require(sorted(cell["source"] for cell in cells) == sources, "the sources are as they were")
    require(ids.index("scale") < ids.index("scaled"), "`scale` is defined before its use")
    require_clean_run(cells)
    counts = [cell["execution_count"] for cell in cells if cell["cell_type"] == "code"]
    require(counts == sorted(counts), "the cells ran from the top down")
    require(outputs_text(by_id(cells)["last"]) == "80\n", "the last cell prints the maximum")


async def fix_order(player: Player, scene: Scene) -> str:
    outline = sections(await player.tell("read_notebook", notebook=scene.notebook))
    by_source = {each.facts.rpartition(": ")[2][:8]: each.cell_id for each in outline}
    move = {"cell": by_source["scale = "], "after": by_source["rows = ["]}
    await player.tell("move_cell", notebook=scene.notebook, **move)
    await player.tell("execute_cells", notebook=scene.notebook)
    return "done"


async def prepare_new(scene: Scene) -> None:
    scene.place("primes")


async def check_new(scene: Scene, answer: str) -> None:
    exists = (scene.server.root / scene.notebook).exists()
    require(exists, "there is such a notebook")
    cells = [cell for cell in await scene.cells() if cell["source"].strip()]
    require([cell["cell_type"] for cell in cells] == ["markdown", "code"], "it has the two cells")
    require(cells[0]["source"].strip() == "# Primes", "the first is the heading")
    require("25" in outputs_text(cells[1]).split(), "the second ran, and prints the number")
    require("25" in numbers_in(answer), "the answer tells the number")


async def make_new(player: Player, scene: Scene) -> str:
    at = {"notebook": scene.notebook}
    await player.tell("open_notebook", **at, create=True)
    await player.tell("insert_cell", **at, source="# Primes", cell_type="markdown")
    source = "print(sum(all(n % d for d in range(2, n)) for n in range(2, 100)))"
    return quoted(await player.tell("insert_cell", **at, source=source, execute=True))


async def prepare_two(scene: Scene) -> None:
    rate = scene.facts["rate"] = random.randrange(11, 99)
    rates = notebook(code("rate", f"rate = {rate * 3} // 3\nprint('rate', rate)"))
    invoice = notebook(
        code("rate", "rate = None  # from the other notebook"),
        code("hours", "hours = 7"),
        code("sum", "print('sum', rate * hours)"),
    )
    scene.write("rates", rates, "rates")
    scene.write("invoice", invoice, "invoice")


async def check_two(scene: Scene, answer: str) -> None:
    expected = scene.facts["rate"] * 7
    rates, invoice = [await scene.cells(scene.paths[key]) for key in ("rates", "invoice")]
    require_clean_run(rates)
    require_clean_run(invoice)
    require(outputs_text(invoice[2]) == f"sum {expected}\n", "the invoice shows the right sum")
    require([len(rates), len(invoice)] == [1, 3], "no cells were added")
    require(str(expected) in numbers_in(answer), "the answer tells the sum")


async def use_two(player: Player, scene: Scene) -> str:
    text = await player.tell("execute_cell", notebook=scene.paths["rates"], cell=0)
    edit = {"cell": 0, "old_text": "None", "new_text": quoted(text).split()[-1]}
    invoice = scene.paths["invoice"]
    await player.tell("edit_cell", notebook=invoice, **edit)
    return quoted(await player.tell("execute_cells", notebook=invoice))


TASKS = [
    Task(
        "fix_failing",
        "One cell of {notebook} has failed. Find it, correct it and run it. Change nothing else.",
        prepare_failing,
        check_failing,
        fix_failing,
    ),
    Task(
        "fix_order",
        "{notebook} fails with a NameError when it is run from the top, because its cells are in "
        "the wrong order. Move the cell that must come earlier, change no source, and run all.",
        prepare_order,
        check_order,
        fix_order,
    ),
    Task(
        "make_new",
        "Make the notebook {notebook}: a markdown cell `# Primes`, then a code cell that prints "
        "how many primes there are below 100. Run it, and answer with the number.",
        prepare_new,
        check_new,
        make_new,
    ),
    Task(
        "use_two",
        "Run {rates}, put the rate that it prints into the first cell of {invoice} in place of "
        "None, and run that notebook too. Add no cells. Answer with the sum that it prints.",
        prepare_two,
        check_two,
        use_two,
    ),
]

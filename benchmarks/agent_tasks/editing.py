"""Tasks that change cells."""

from __future__ import annotations

from itertools import count

import anyio

from tests.peer import Peer

from .answers import numbers_in, quoted, sections
from .content import code, markdown, notebook, outputs_text, printed, ran, result
from .player import Player
from .scene import Scene
from .task import Task, require

KEYSTROKE_SECONDS = 0.05
NOTE_EVERY = 10
MAX_NOTES = 20


async def prepare_empty(scene: Scene) -> None:
    empty = {2: "", 5: "\n", 6: "", 11: "   \n\n"}
    cells = [code(f"part-{n:02}", empty.get(n, f"value_{n} = {n}")) for n in range(13)]
    cells[6] = markdown("part-06", "")
    cells[9] = code("part-09", "# keep me: only a comment")
    scene.facts["kept"] = [cell.id for n, cell in enumerate(cells) if n not in empty]
    scene.write("parts", notebook(*cells))


async def check_empty(scene: Scene, answer: str) -> None:
    ids = [cell["id"] for cell in await scene.cells()]
    require(ids == scene.facts["kept"], "all cells without text are gone, and no other")


async def delete_empty(player: Player, scene: Scene) -> str:
    outline = await player.tell("read_notebook", notebook=scene.notebook)
    empty = [each.cell_id for each in sections(outline) if each.facts.endswith(": empty")]
    await player.tell("delete_cells", notebook=scene.notebook, cells=",".join(empty))
    return "done"


async def prepare_sections(scene: Scene) -> None:
    cells = [
        markdown("method", "# Method"),
        ran(code("method-fit", "model = fit(rows)"), 2),
        markdown("results", "# Results"),
        ran(code("results-score", "score(model)"), 3, result("0.93", 3)),
        markdown("results-text", "The score is good."),
        markdown("data", "# Data"),
        ran(code("data-load", "rows = load()\nprint(len(rows))"), 1, printed("812\n")),
        markdown("data-text", "There are 812 rows."),
    ]
    scene.write("report", notebook(*cells))


async def check_sections(scene: Scene, answer: str) -> None:
    before = scene.written[scene.notebook]
    expected = [cell["id"] for cell in [*before[5:], *before[:5]]]
    cells = await scene.cells()
    require([cell["id"] for cell in cells] == expected, "the sections are Data, Method, Results")
    shown = [outputs_text(cell) for cell in cells if cell.get("outputs")]
    require(shown == ["812\n", "0.93"], "the outputs moved with their cells")


async def reorder_sections(player: Player, scene: Scene) -> str:
    outline = sections(await player.tell("read_notebook", notebook=scene.notebook))
    start = next(each.position for each in outline if each.facts.endswith("# Data"))
    after = "start"
    for each in outline[start:]:
        await player.tell("move_cell", notebook=scene.notebook, cell=each.cell_id, after=after)
        after = each.cell_id
    return "done"


async def prepare_heading(scene: Scene) -> None:
    cells = [code(f"step{n}", f"rows_{n} = prepare({n})") for n in range(6)]
    cells.insert(4, code("fit", "model = LinearRegression().fit(rows_0, rows_1)"))
    scene.write("model", notebook(markdown("title", "# Houses"), *cells))


async def check_heading(scene: Scene, answer: str) -> None:
    before = [cell["id"] for cell in scene.written[scene.notebook]]
    cells = await scene.cells()
    new = [at for at, cell in enumerate(cells) if cell["id"] not in before]
    require(len(new) == 1 and len(cells) == len(before) + 1, "there is one more cell")
    heading, following = cells[new[0]], cells[new[0] + 1 :]
    require(heading["cell_type"] == "markdown", "it is a markdown cell")
    require(heading["source"].strip() == "## Model", "it says `## Model`")
    require(bool(following) and following[0]["id"] == "fit", "it is before the fitting cell")


async def add_heading(player: Player, scene: Scene) -> str:
    found = await player.tell("search_notebook", notebook=scene.notebook, query=".fit(")
    before = sections(found)[0].position - 1
    heading = {"source": "## Model", "cell_type": "markdown", "after": before}
    await player.tell("insert_cell", notebook=scene.notebook, **heading)
    return "done"


async def prepare_column(scene: Scene) -> None:
    cells = [
        markdown("title", "# Sales\n\nThe column `amt` is in euros."),
        code(
            "load", "import pandas as pd\nsales = pd.DataFrame({'shop': [1, 2], 'amt': [30, 12]})"
        ),
        code("total", "amt_total = sales['amt'].sum()\namt_total"),
        code("best", "sales.sort_values('amt').tail(1)"),
        code("share", "(sales['amt'] / amt_total).round(2).tolist()"),
    ]
    path = scene.write("sales", notebook(*cells))
    await scene.run_cells(path, await scene.start_kernel(path))


async def check_column(scene: Scene, answer: str) -> None:
    cells = {cell["id"]: cell for cell in await scene.cells()}
    text = "\n".join(cell["source"] for cell in cells.values())
    require("'amt'" not in text and "`amt`" not in text, "no cell names the column `amt`")
    require(text.count("amt_total") == 3, "the variable `amt_total` kept its name")
    require("`amount`" in cells["title"]["source"], "the text names the new column")
    require("amount" in outputs_text(cells["best"]), "the table was shown again")
    require(outputs_text(cells["share"]) == "[0.71, 0.29]", "the last cell ran")


async def rename_column(player: Player, scene: Scene) -> str:
    text = await player.tell("read_notebook", notebook=scene.notebook, view="source")
    for each in sections(text):
        for old, new in (("'amt'", "'amount'"), ("`amt`", "`amount`")):
            if old in each.body:
                edit = {"cell": each.cell_id, "old_text": old, "new_text": new}
                await player.tell("edit_cell", notebook=scene.notebook, **edit)
    await player.tell("execute_cells", notebook=scene.notebook)
    return "done"


async def prepare_outputs(scene: Scene) -> None:
    cells = [ran(code(f"cell{n}", f"print({n})"), n + 1, printed(f"{n}\n")) for n in range(30)]
    scene.write("outputs", notebook(*cells))


async def check_outputs(scene: Scene, answer: str) -> None:
    cells = await scene.cells()
    require(not any(cell["outputs"] for cell in cells), "no cell has outputs")
    sources = [cell["source"] for cell in scene.written[scene.notebook]]
    require([cell["source"] for cell in cells] == sources, "the sources are as they were")


async def clear_outputs(player: Player, scene: Scene) -> str:
    await player.tell("clear_outputs", notebook=scene.notebook, cells="all")
    return "done"


async def prepare_typing(scene: Scene) -> None:
    scene.write(
        "shared",
        notebook(
            markdown("title", "# Rivers"),
            code("lengths", "lengths = [6650, 6400, 6300]"),
            code("shortest", "min(lengths)"),
            code("longest", "max(lengths)"),
        ),
    )
    scene.task_group.start_soon(_type_on, await scene.invite())


async def _type_on(ada: Peer) -> None:
    """Ada adds notes at the top and writes in the cell `shortest`, until the scene ends."""
    for number in count():
        if number % NOTE_EVERY == 0 and number < NOTE_EVERY * MAX_NOTES:
            note = {"cell_type": "markdown", "source": f"note {number}", "metadata": {}}
            ada.notebook.ycells.insert(0, ada.notebook.create_ycell(note))
        source = ada.source_of("shortest")
        source += "x" if number else "  # x"
        await anyio.sleep(KEYSTROKE_SECONDS)


async def check_typing(scene: Scene, answer: str) -> None:
    cells = await scene.cells()
    ids = [cell["id"] for cell in cells]
    new = cells[ids.index("lengths") + 1]
    require(new["id"] != "shortest", "there is a cell directly after `lengths`")
    require("sum(lengths)" in new["source"], "it sums the lengths")
    require("19350" in outputs_text(new), "it was run, and prints the sum")
    typed = cells[ids.index("shortest")]["source"]
    is_whole = typed.removeprefix("min(lengths)  # ").strip("x") == ""
    require(is_whole, f"what Ada types is whole: {typed}")
    require("19350" in numbers_in(answer), "the answer tells the sum")


async def insert_while_typing(player: Player, scene: Scene) -> str:
    source = "total = sum(lengths)\nprint(total)"
    outline = sections(await player.tell("read_notebook", notebook=scene.notebook))
    after = next(each.cell_id for each in outline if "lengths = [" in each.facts)
    await player.tell("execute_cell", notebook=scene.notebook, cell=after)
    insert = {"source": source, "after": after, "execute": True}
    return quoted(await player.tell("insert_cell", notebook=scene.notebook, **insert))


TASKS = [
    Task(
        "delete_empty",
        "Delete all cells of {notebook} that have no text, or only blanks and empty lines.",
        prepare_empty,
        check_empty,
        delete_empty,
    ),
    Task(
        "reorder_sections",
        "Bring the sections of {notebook} into the order Data, Method, Results. A section is a "
        "heading with the cells below it. Outputs stay with their cells; run nothing.",
        prepare_sections,
        check_sections,
        reorder_sections,
    ),
    Task(
        "add_heading",
        "Insert a markdown cell `## Model` in {notebook}, directly before the cell that fits the "
        "model.",
        prepare_heading,
        check_heading,
        add_heading,
    ),
    Task(
        "rename_column",
        "Rename the column `amt` of the table in {notebook} to `amount`, in all code and text. "
        "The variable amt_total keeps its name. Then run all cells.",
        prepare_column,
        check_column,
        rename_column,
    ),
    Task(
        "clear_outputs",
        "Clear the outputs of all cells of {notebook}.",
        prepare_outputs,
        check_outputs,
        clear_outputs,
    ),
    Task(
        "insert_while_typing",
        "Ada has {notebook} open and is typing. Run the cell that defines `lengths`; directly "
        "after it insert a cell that prints sum(lengths), and run that. Leave Ada's work alone, "
        "and answer with the sum.",
        prepare_typing,
        check_typing,
        insert_while_typing,
    ),
]

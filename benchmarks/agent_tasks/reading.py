"""Tasks that ask about a notebook and leave it as it is."""

from __future__ import annotations

import base64
import io
import random
from typing import Any

from nbformat.v4 import new_output
from PIL import Image

from .answers import cells_named, numbers_in, quoted, sections, words_in
from .content import chart, code, markdown, notebook, printed, ran, result
from .player import Player
from .scene import Scene
from .task import Task, require

STEPS = 200
MAX_IMAGE_CHARS = 60_000
COLOURS = ("red", "green", "blue")


def _step(number: int) -> str:
    return (
        f"# Step {number} of the month's end; settle_accounts comes after all imports.\n"
        f"rows_{number} = [row * {number} for row in range({number % 7 + 3})]\n"
        f"total_{number} = sum(rows_{number})\n"
        f"print('step {number}', total_{number})"
    )


async def prepare_definition(scene: Scene) -> None:
    made = notebook(*(code(f"step-{n:03}", _step(n)) for n in range(STEPS)))
    number = random.randrange(120, 180)
    definition = "\n\n\ndef settle_accounts(rows):\n    return sorted(rows)[1:]"
    made.cells[number].source += definition
    made.cells[-1].source += "\nsettle_accounts(rows_3)"
    scene.facts["cell"] = f"step-{number:03}"
    scene.write("month-end", made)


async def check_definition(scene: Scene, answer: str) -> None:
    named = cells_named(answer, scene.ids())
    require(named == {scene.facts["cell"]}, "the answer names the one cell that defines it")


async def find_definition(player: Player, scene: Scene) -> str:
    search = {"query": "def settle_accounts", "within": "source"}
    (found,) = sections(await player.tell("search_notebook", notebook=scene.notebook, **search))
    return found.cell_id


async def prepare_shape(scene: Scene) -> None:
    scene.facts["rows"] = random.randrange(1_000, 9_000)
    load = (
        "import pandas as pd\n"
        f"orders = pd.DataFrame({{name: range({scene.facts['rows']}) for name in 'abcdefghijk'}})"
    )
    path = scene.write(
        "orders",
        notebook(markdown("title", "# Orders"), code("load", "orders = pd.read_csv(source)")),
    )
    await (await scene.start_kernel(path)).run(load)


async def check_shape(scene: Scene, answer: str) -> None:
    told = {str(scene.facts["rows"]), "11"}
    require(told <= numbers_in(answer), "the answer tells the rows and the columns")


async def report_shape(player: Player, scene: Scene) -> str:
    listing = await player.tell("list_variables", notebook=scene.notebook, pattern="orders")
    return quoted(listing).replace("x", " by ")


async def prepare_variable(scene: Scene) -> None:
    best = scene.facts["epoch"] = random.randrange(10, 90)
    path = scene.write(
        "training",
        notebook(
            markdown("title", "# Training"),
            code("train", "history = train(model, epochs=100)"),
            code("show", "len(history)"),
        ),
    )
    losses = f"[{{'epoch': n, 'val_loss': 0.2 + abs(n - {best}) / 100}} for n in range(100)]"
    await (await scene.start_kernel(path)).run(f"history = {losses}")


async def check_variable(scene: Scene, answer: str) -> None:
    require(str(scene.facts["epoch"]) in numbers_in(answer), "the answer tells the epoch")


async def ask_variable(player: Player, scene: Scene) -> str:
    question = "min(history, key=lambda e: e['val_loss'])['epoch']"
    return quoted(await player.tell("execute_code", notebook=scene.notebook, code=question))


async def prepare_plot(scene: Scene) -> None:
    draw = (
        "import numpy as np, matplotlib.pyplot as plt\n"
        "fig, ax = plt.subplots(figsize=(4, 3))\n"
        "ax.plot(np.cumsum(np.random.default_rng().normal(size=500)))\n"
        "plt.show()"
    )
    path = scene.write("walk", notebook(markdown("title", "# A walk"), code("draw", draw)))
    kernel = await scene.start_kernel(path)
    await scene.run_cells(path, kernel)
    scene.facts["highest"] = await kernel.value("f'{ax.lines[0].get_ydata().max():.3f}'")


async def check_plot(scene: Scene, answer: str) -> None:
    highest = float(scene.facts["highest"].strip("'"))
    close = [number for number in numbers_in(answer) if abs(float(number) - highest) < 0.0015]
    require(bool(close), f"the answer tells the highest value of the curve, {highest}")


async def ask_plot(player: Player, scene: Scene) -> str:
    question = "print(f'{ax.lines[0].get_ydata().max():.3f}')"
    return quoted(await player.tell("execute_code", notebook=scene.notebook, code=question))


async def prepare_picture(scene: Scene) -> None:
    heights = dict(zip(COLOURS, random.sample([280, 520, 760], 3), strict=True))
    scene.facts["tallest"] = max(heights, key=lambda colour: heights[colour])
    show = ran(code("chart", "show(quarters)"), 1)
    data = {"image/png": chart(heights), "text/plain": "<Figure>"}
    show.outputs = [new_output("display_data", data)]
    scene.write("quarters", notebook(markdown("title", "# Quarters"), show))


async def check_picture(scene: Scene, answer: str) -> None:
    named = words_in(answer.lower()) & set(COLOURS)
    require(named == {scene.facts["tallest"]}, "the answer names the tallest bar and no other")


def tallest_bar(picture: str) -> str:
    """Which of the three colours a picture in base64 has most of."""
    pixels = Image.open(io.BytesIO(base64.b64decode(picture))).convert("RGBA").convert("RGB")
    counts = dict.fromkeys(COLOURS, 0)
    colours: Any = pixels.getcolors(pixels.width * pixels.height)
    for count, (red, green, blue) in colours:
        strongest = max(zip((red, green, blue), COLOURS, strict=True))
        if strongest[0] - min(red, green, blue) > 90:
            counts[strongest[1]] += count
    return max(counts, key=lambda colour: counts[colour])


async def look_at_picture(player: Player, scene: Scene) -> str:
    answer = await player.ask("read_cell", notebook=scene.notebook, cell="chart")
    (picture,) = answer.images
    require(len(picture) < MAX_IMAGE_CHARS, "the picture is sent in less than 60 kB")
    return tallest_bar(picture)


async def prepare_error_line(scene: Scene) -> None:
    batch = scene.facts["batch"] = random.randrange(30_000, 70_000)
    lines = [f"batch {number} ok, 512 rows" for number in range(100_000)]
    lines[batch] = f"batch {batch} ERROR: checksum differs"
    run = ran(code("audit", "run_audit(archive)"), 1, printed("\n".join(lines) + "\n"))
    scene.write("audit", notebook(markdown("title", "# Last night's audit"), run))


async def check_error_line(scene: Scene, answer: str) -> None:
    require(numbers_in(answer) == {str(scene.facts["batch"])}, "the answer is the batch's number")


async def find_error_line(player: Player, scene: Scene) -> str:
    search = {"query": "ERROR", "within": "outputs"}
    answer = await player.tell("search_notebook", notebook=scene.notebook, **search)
    return quoted(answer).split("batch ")[1].split()[0]


async def prepare_stale(scene: Scene) -> None:
    cells = [
        ran(code("rows-load", "rows = load('2024')"), 7),
        ran(code("rows-clean", "rows = clean(rows)"), 8),
        ran(code("rows-count", "len(rows)"), 3, result("4812", 3)),
        ran(code("rows-mean", "mean(rows)"), 9, result("17.2", 9)),
        ran(code("rows-spread", "spread(rows)"), 5, result("3.4", 5)),
        ran(code("rows-chart", "summary(rows)"), 10, printed("4790 rows\n")),
    ]
    scene.write("rows", notebook(markdown("title", "# Rows"), *cells))


async def check_stale(scene: Scene, answer: str) -> None:
    named = cells_named(answer, scene.ids())
    require(
        named == {"rows-count", "rows-spread"}, "the answer names the two stale cells and no other"
    )


async def find_stale(player: Player, scene: Scene) -> str:
    text = await player.tell("read_notebook", notebook=scene.notebook, view="source")
    newest, stale = 0, []
    for section in sections(text):
        ran_as = int(section.facts.partition("In[")[2].partition("]")[0] or 0)
        if 0 < ran_as < newest:
            stale.append(section.cell_id)
        newest = max(newest, ran_as)
    return ", ".join(stale)


TASKS = [
    Task(
        "find_definition",
        "In which cell of {notebook} is the function settle_accounts defined? Answer with the "
        "cell's id or position (from 0), and change nothing.",
        prepare_definition,
        check_definition,
        find_definition,
        is_read_only=True,
    ),
    Task(
        "report_shape",
        "How many rows and columns has the DataFrame `orders` in the kernel of {notebook}? Leave "
        "the notebook as it is.",
        prepare_shape,
        check_shape,
        report_shape,
        is_read_only=True,
    ),
    Task(
        "ask_variable",
        "The kernel of {notebook} holds `history`, a list of dicts with `epoch` and `val_loss`. "
        "Which epoch has the lowest val_loss? Leave the notebook as it is.",
        prepare_variable,
        check_variable,
        ask_variable,
        is_read_only=True,
    ),
    Task(
        "ask_plot",
        "The last cell of {notebook} has drawn a curve on `ax`. Which is the highest value of that "
        "curve, to three decimals? Leave the notebook as it is.",
        prepare_plot,
        check_plot,
        ask_plot,
        is_read_only=True,
    ),
    Task(
        "look_at_picture",
        "The cell `chart` of {notebook} shows a chart with three bars, whose data are lost. Which "
        "bar is the tallest: the red, the green or the blue one? Answer with the colour.",
        prepare_picture,
        check_picture,
        look_at_picture,
        is_read_only=True,
    ),
    Task(
        "find_error_line",
        "The cell `audit` of {notebook} printed 100,000 lines last night and cannot be run again. "
        "One line has ERROR in it. Answer with the number of its batch, and change nothing.",
        prepare_error_line,
        check_error_line,
        find_error_line,
        is_read_only=True,
    ),
    Task(
        "find_stale",
        "A code cell of {notebook} is stale when a code cell above it was run after it. Answer "
        "with the ids or positions (from 0) of the stale cells, and change nothing.",
        prepare_stale,
        check_stale,
        find_stale,
        is_read_only=True,
    ),
]

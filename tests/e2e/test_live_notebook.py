"""A person has a notebook open in JupyterLab while an agent works in it over MCP."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial

import anyio
import pytest
from playwright.async_api import expect

from ..agent import Agent, Era, connect_agent, images, text
from ..server import Server
from .browser import LabPage

pytestmark = [pytest.mark.anyio, pytest.mark.e2e]

NUMBERS = "first = 1\nsecond = 2\nthird = 3\ntotal = first + second + third\ntotal"
PLOT = """\
import matplotlib.pyplot as plt
import numpy as np

x = np.linspace(0, 12, 400)
fig, ax = plt.subplots(figsize=(7, 3))
ax.plot(x, np.exp(-x / 4) * np.cos(2 * x))
ax.set_title("drawn by an agent")
plt.show()"""
WAIT_FOR_FILE = """\
import pathlib, time
print("started", flush=True)
while not pathlib.Path({name!r}).exists():
    time.sleep(0.02)
print("finished")"""


async def test_an_inserted_cell_appears_in_the_open_page(
    lab: LabPage, agent: Agent, notebook: str
) -> None:
    source = "# naïve 日本語 🎉\nx = {'a': 1}"
    await agent.tell("insert_cell", notebook=notebook, source=source, after="numbers")
    await lab.expect_source(2, source)
    await lab.expect_source(3, 'words = ["alpha", "beta", "gamma"]\nlen(words)')
    assert not await lab.was_reloaded()


async def test_an_edit_appears_in_the_open_page(lab: LabPage, agent: Agent, notebook: str) -> None:
    change = {"old_text": "second = 2", "new_text": "second = 20\nhalf = second / 2"}
    await agent.tell("edit_cell", notebook=notebook, cell="numbers", **change)
    await lab.expect_source(1, NUMBERS.replace("second = 2", "second = 20\nhalf = second / 2"))
    assert not await lab.was_reloaded()


async def test_an_overwritten_and_a_deleted_cell_show_in_the_open_page(
    lab: LabPage, agent: Agent, notebook: str
) -> None:
    await agent.tell("overwrite_cell", notebook=notebook, cell="letters", source="len('new')")
    await lab.expect_source(2, "len('new')")
    await agent.tell("delete_cells", notebook=notebook, cells="numbers")
    await expect(lab.cells()).to_have_count(2)
    await lab.expect_source(1, "len('new')")


async def test_a_plot_appears_in_the_page_and_in_the_result(
    lab: LabPage, agent: Agent, notebook: str
) -> None:
    result = await agent.call(
        "insert_cell", notebook=notebook, source=PLOT, after="title", execute=True
    )
    assert not result.is_error, text(result)
    assert [image.mime_type for image in images(result)] == ["image/png"]
    await expect(lab.outputs(1).locator("img")).to_be_visible()
    await expect(lab.outputs(1)).to_have_count(1)
    await lab.screenshot("plot")


async def test_the_output_of_a_run_appears_in_the_page(
    lab: LabPage, agent: Agent, notebook: str
) -> None:
    answer = await agent.tell("execute_cell", notebook=notebook, cell="numbers")
    assert "status: ok" in answer.splitlines()[0] and "6" in answer
    await expect(lab.outputs(1)).to_have_text(["6"])
    await expect(lab.prompt(1)).to_have_text("[1]:")


async def test_a_person_and_an_agent_write_in_one_cell_and_lose_nothing(
    lab: LabPage, agent: Agent, notebook: str
) -> None:
    typed = ["  # the person", " types in this", " line while the", " agent edits"]
    edits = [
        ("first = 1\n", "first = 10\n"),
        ("first = 10\n", "first = 10\nextra = 0\n"),
        ("extra = 0\n", "extra = first\n"),
        ("+ third\n", "+ third\nprint(extra)\n"),
    ]
    await lab.put_caret_after(1, "third = 3")
    for piece, (old, new) in zip(typed, edits, strict=True):
        edit = partial(agent.tell, old_text=old, new_text=new, overwrite_changes=True)
        async with anyio.create_task_group() as both:
            both.start_soon(lab.type_text, piece)
            both.start_soon(partial(edit, "edit_cell", notebook=notebook, cell="numbers"))
    line = "third = 3" + "".join(typed)
    edited = (
        "first = 10\nextra = first\nsecond = 2\n{}\n"
        "total = first + second + third\nprint(extra)\ntotal"
    )
    await lab.expect_source(1, edited.format(line))
    assert await lab.caret() == {"line": 3, "column": len(line)}

    for _ in range(8):  # More than the person's own steps: none of the agent's may be taken.
        await lab.page.keyboard.press("Control+z")
    await lab.expect_source(1, edited.format("third = 3"))


async def test_a_person_types_in_another_cell_during_a_run(
    lab: LabPage, agent: Agent, notebook: str, server: Server
) -> None:
    gate = server.root / f"{notebook}.go"
    source = WAIT_FOR_FILE.format(name=gate.name)
    run = partial(agent.tell, "insert_cell", notebook=notebook, source=source, execute=True)
    async with anyio.create_task_group() as both:
        both.start_soon(run)
        await expect(lab.outputs(3)).to_have_text(["started"])
        await expect(lab.prompt(3)).to_have_text("[*]:")
        await lab.put_caret_after(2, "len(words)")
        await lab.type_text("  # typed meanwhile")
        gate.touch()
    await expect(lab.outputs(3)).to_have_text(["started\nfinished"])
    await expect(lab.prompt(3)).to_have_text("[1]:")
    await lab.expect_source(2, 'words = ["alpha", "beta", "gamma"]\nlen(words)  # typed meanwhile')
    assert await lab.caret() == {"line": 1, "column": len("len(words)  # typed meanwhile")}


async def test_what_an_agent_did_alone_is_there_when_a_person_opens_the_page(
    server: Server,
    notebook: str,
    era: Era,
    open_page: Callable[[str], AbstractAsyncContextManager[LabPage]],
) -> None:
    source = 'answer = 41\nprint("set by the agent")'
    async with connect_agent(server.mcp_url, server.token, era) as agent:
        await agent.tell("insert_cell", notebook=notebook, source=source, execute=True)
        change = {"old_text": "words = [", "new_text": "words = ['zero', "}
        await agent.tell("edit_cell", notebook=notebook, cell="letters", **change)
    async with open_page(notebook) as lab:
        await lab.expect_source(3, source)
        await expect(lab.outputs(3)).to_have_text(["set by the agent"])
        await lab.expect_source(2, 'words = [\'zero\', "alpha", "beta", "gamma"]\nlen(words)')
        (jupyter_session,) = await server.sessions_of(notebook)
        assert await lab.kernel_id() == jupyter_session["kernel"]["id"]
        await lab.replace_source(2, "answer + 1")
        await lab.page.keyboard.press("Shift+Enter")
        await expect(lab.outputs(2)).to_have_text(["42"])
        assert len(await server.sessions_of(notebook)) == 1

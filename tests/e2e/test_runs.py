"""What a person does while an agent's cell runs, and what they see."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import anyio
import pytest
from playwright.async_api import expect

from ..agent import Agent
from ..server import Server
from .browser import LabPage

pytestmark = [pytest.mark.anyio, pytest.mark.e2e]

LINES = 12
CODE = (
    f"import time\nfor n in range({LINES}):\n    print('line', n, flush=True)\n    time.sleep(0.25)"
)
PRINTED = "".join(f"line {n}\n" for n in range(LINES))


@asynccontextmanager
async def running(agent: Agent, notebook: str) -> AsyncIterator[list[str]]:
    """The agent inserts a cell after the first one and runs it; the list gets its answer."""
    await agent.tell("open_notebook", notebook=notebook)
    answers: list[str] = []

    async def run() -> None:
        arguments = {"source": CODE, "after": 0, "execute": True, "wait_seconds": 30}
        answers.append(await agent.tell("insert_cell", notebook=notebook, **arguments))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run)
        yield answers


async def begun(lab: LabPage) -> None:
    await expect(lab.outputs(1)).to_contain_text("line 1")


async def expect_all_lines_once(lab: LabPage, position: int) -> None:
    await expect(lab.outputs(position)).to_contain_text(f"line {LINES - 1}")
    await expect(lab.outputs(position)).to_have_count(1)
    assert await lab.outputs(position).locator("pre").inner_text() == PRINTED
    await expect(lab.prompt(position)).to_have_text("[1]:")


async def test_a_reload_in_the_middle_of_a_run_shows_complete_outputs(
    lab: LabPage, agent: Agent, notebook: str
) -> None:
    async with running(agent, notebook):
        await begun(lab)
        await lab.page.reload()
    await expect_all_lines_once(lab, 1)


async def test_outputs_are_complete_after_closing_and_opening_the_browser_during_a_run(
    open_page: Callable[[str], AbstractAsyncContextManager[LabPage]], agent: Agent, notebook: str
) -> None:
    async with running(agent, notebook) as answers:
        async with open_page(notebook) as lab:
            if not answers:
                await expect(lab.outputs(1)).to_contain_text("line")
    assert "status: ok" in answers[0]
    async with open_page(notebook) as lab:
        await expect_all_lines_once(lab, 1)


async def test_a_running_cell_that_is_moved_keeps_getting_its_outputs(
    lab: LabPage, agent: Agent, notebook: str
) -> None:
    async with running(agent, notebook):
        await begun(lab)
        await lab.editor(1).click()
        await lab.page.evaluate("jupyterapp.commands.execute('notebook:move-cell-down')")
        await expect(lab.editor(2)).to_contain_text("range(")
    await expect_all_lines_once(lab, 2)


async def test_the_result_of_a_running_cell_that_is_deleted_reaches_the_agent(
    lab: LabPage, agent: Agent, notebook: str
) -> None:
    async with running(agent, notebook) as answers:
        await begun(lab)
        count = await lab.cells().count()
        await lab.editor(1).click()
        await lab.page.evaluate("jupyterapp.commands.execute('notebook:delete-cell')")
        await expect(lab.cells()).to_have_count(count - 1)
    assert "status: ok" in answers[0] and f"line {LINES - 1}" in answers[0]
    await expect(lab.cells()).to_have_count(count - 1)


async def test_a_running_cell_that_the_person_runs_again_shows_their_run(
    server: Server, lab: LabPage, agent: Agent, notebook: str
) -> None:
    async with running(agent, notebook) as answers:
        await begun(lab)
        await lab.editor(1).click()
        await lab.page.keyboard.press("Control+Enter")
    assert "status: ok" in answers[0] and f"line {LINES - 1}" in answers[0]
    await expect(lab.prompt(1)).to_have_text("[2]:")
    assert await lab.outputs(1).locator("pre").inner_text() == PRINTED


async def test_a_person_interrupts_the_agents_run(
    lab: LabPage, agent: Agent, notebook: str
) -> None:
    async with running(agent, notebook) as answers:
        await begun(lab)
        await lab.page.evaluate("jupyterapp.commands.execute('notebook:interrupt-kernel')")
    assert "status: interrupted" in answers[0]
    await expect(lab.outputs(1).last).to_contain_text("KeyboardInterrupt")
    assert "status: ok" in await agent.tell("execute_code", notebook=notebook, code="1")

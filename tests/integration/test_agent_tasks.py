"""The tasks of `benchmarks/agent_tasks`: their solutions do them, and nothing less does."""

from __future__ import annotations

import pytest

from benchmarks.agent_tasks import TASKS
from benchmarks.agent_tasks.player import Player
from benchmarks.agent_tasks.scene import open_scene
from benchmarks.agent_tasks.task import NotDone, Task

from ..server import Server

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
async def test_a_task_is_done_by_its_solution_and_not_by_doing_nothing(
    server: Server, task: Task
) -> None:
    async with open_scene(server) as scene:
        await task.prepare(scene)
        with pytest.raises(NotDone):
            await task.verify(scene, "")
        player = Player(server.http, server.mcp_url)
        answer = await task.solution(player, scene)
        await task.verify(scene, answer)
        if task.is_read_only:
            await player.tell("insert_cell", notebook=scene.notebook, source="left behind")
            with pytest.raises(NotDone):
                await task.verify(scene, answer)


def test_prompts_name_their_notebooks_and_nothing_else() -> None:
    places = {"notebook": "a.ipynb", "rates": "b.ipynb", "invoice": "c.ipynb"}
    for task in TASKS.values():
        assert ".ipynb" in task.prompt.format(**places)

"""The stage of a task: its notebooks, their kernels and the people who have them open."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any
from uuid import uuid4

import anyio
import nbformat
from anyio.abc import TaskGroup

from tests.peer import Peer, join_room
from tests.server import Server

from .kernel import Kernel

Cells = list[dict[str, Any]]


class Scene:
    """`paths` names notebooks for the prompt; `facts` is what `prepare` tells `check`.

    `task_group` and `stack` live as long as the scene: people stay in them.
    """

    def __init__(self, server: Server, task_group: TaskGroup, stack: AsyncExitStack) -> None:
        self.server = server
        self.task_group = task_group
        self.stack = stack
        self.directory = f"task-{uuid4().hex[:6]}"
        (server.root / self.directory).mkdir()
        self.paths: dict[str, str] = {}
        self.written: dict[str, Cells] = {}
        self.facts: dict[str, Any] = {}

    @property
    def notebook(self) -> str:
        return self.paths["notebook"]

    def ids(self) -> list[str]:
        """The ids of the notebook's cells as it was written."""
        return [cell["id"] for cell in self.written[self.notebook]]

    def place(self, name: str, key: str = "notebook") -> str:
        """A path for a notebook that the prompt calls `{key}`."""
        self.paths[key] = f"{self.directory}/{name}.ipynb"
        return self.paths[key]

    def write(self, name: str, content: Any, key: str = "notebook") -> str:
        """Write a notebook; returns its path."""
        path = self.place(name, key)
        nbformat.write(content, self.server.root / path)
        self.written[path] = content["cells"]
        return path

    async def start_kernel(self, path: str) -> Kernel:
        """Start the kernel of a notebook, as a person does who opens it."""
        kernel = {"name": "python3"}
        model = {"path": path, "name": path, "type": "notebook", "kernel": kernel}
        answer = await self.server.http.post("api/sessions", json=model)
        return Kernel(answer.raise_for_status().json()["kernel"]["id"], self.server)

    async def run_cells(self, path: str, kernel: Kernel, *cell_ids: str) -> None:
        """Run cells and write their outputs to the file; nobody may have it open yet."""
        content = nbformat.read(self.server.root / path, as_version=4)
        for cell in content.cells:
            if cell.cell_type == "code" and (not cell_ids or cell.id in cell_ids):
                cell.outputs, cell.execution_count = await kernel.run(cell.source)
        nbformat.write(content, self.server.root / path)
        self.written[path] = content["cells"]

    async def invite(self, name: str = "ada", path: str = "") -> Peer:
        """A person opens a notebook, and stays."""
        return await self.stack.enter_async_context(
            join_room(self.server, path or self.notebook, name)
        )

    async def cells(self, path: str = "") -> Cells:
        """The cells of the live notebook, as a person would see them now."""
        async with join_room(self.server, path or self.notebook, "judge") as peer:
            return peer.cells()

    async def is_untouched(self, path: str) -> bool:
        live = await self.cells(path)
        return [_shape(cell) for cell in live] == [_shape(cell) for cell in self.written[path]]

    async def close(self) -> None:
        """End the kernels of the scene's notebooks."""
        for session in await self.server.get("api/sessions"):
            if session["path"].startswith(self.directory):
                await self.server.http.delete(f"api/sessions/{session['id']}")


def _shape(cell: dict[str, Any]) -> tuple[Any, ...]:
    ran = (cell["execution_count"], len(cell["outputs"])) if "outputs" in cell else ()
    return (cell["id"], cell["cell_type"], cell["source"], *ran)


@asynccontextmanager
async def open_scene(server: Server) -> AsyncIterator[Scene]:
    """An empty scene in a directory of its own; at the end people leave and kernels end."""
    async with anyio.create_task_group() as task_group, AsyncExitStack() as stack:
        scene = Scene(server, task_group, stack)
        try:
            yield scene
        finally:
            task_group.cancel_scope.cancel()
            with anyio.move_on_after(30, shield=True):
                await scene.close()

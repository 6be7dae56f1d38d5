"""What a task is, and how a check says that it was not done."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from .player import Player
from .scene import Scene

Prepare = Callable[[Scene], Awaitable[None]]
Check = Callable[[Scene, str], Awaitable[None]]
Solution = Callable[[Player, Scene], Awaitable[str]]


class NotDone(Exception):
    """The state or the answer is not what the task asked for; the text says what is missing."""


def require(claim: bool, what: str) -> None:
    """Raises:
    NotDone: the claim is false. `what` says what should have been.
    """
    if not claim:
        raise NotDone(what)


@dataclass(frozen=True)
class Task:
    """`{words}` in `prompt` are keys of `Scene.paths`. `check` changes nothing.

    `solution` plays the task with the fewest calls and bytes that the tools allow; it returns the
    answer that an agent would give.
    """

    name: str
    prompt: str
    prepare: Prepare
    check: Check
    solution: Solution
    is_read_only: bool = False
    """The notebooks must be as they were."""

    def prompt_for(self, scene: Scene) -> str:
        return self.prompt.format(**scene.paths)

    async def verify(self, scene: Scene, answer: str) -> None:
        """Raises:
        NotDone: the task was not done.
        """
        await self.check(scene, answer)
        if self.is_read_only:
            for path in scene.written:
                require(await scene.is_untouched(path), f"{path} is as it was before")

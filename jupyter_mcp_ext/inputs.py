"""What the `input()` of a run asks for, until somebody answers or it is ended."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from anyio import move_on_after

from .errors import MCPExtensionError
from .execution import Execution, Prompt
from .runs import InputHandler
from .starts import Spawn

INPUT_SECONDS = 600.0
"""How long an `input()` waits for its answer."""

Interrupt = Callable[[Execution], Awaitable[None]]


def input_handler(execution: Execution, spawn: Spawn, interrupt: Interrupt) -> InputHandler | None:
    """What takes the prompts of this run; None if nobody can be asked.

    A run that nobody answers within INPUT_SECONDS is ended by `interrupt`, in a task of `spawn`.
    """
    # What runs beside another run cannot be ended, so nothing may wait there.
    if not execution.takes_input or execution.in_subshell:
        return None

    def handle(text: str, is_password: bool, reply: Callable[[str], None]) -> None:
        prompt = execution.ask(text, is_password, reply)
        spawn(partial(_expire, execution, prompt, interrupt))

    return handle


async def _expire(execution: Execution, prompt: Prompt, interrupt: Interrupt) -> None:
    """End a run that nobody answers: what others have queued waits behind it."""
    with move_on_after(INPUT_SECONDS):
        await execution.wait_settled(prompt)
    if execution.prompt is prompt:
        execution.notes.append(f"Nobody answered its input() within {INPUT_SECONDS:g} s.")
        execution.forget_prompt()
        try:
            await interrupt(execution)
        except MCPExtensionError as error:
            execution.notes.append(str(error))

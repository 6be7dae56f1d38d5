"""Waits for runs as long as the caller wants, to answer with what is known then."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import chain
from time import monotonic
from typing import Any, Literal

from anyio import get_cancelled_exc_class, move_on_after

from .. import render
from ..control import INTERRUPT_GRACE_SECONDS
from ..elicitation import NotAsked
from ..errors import MCPExtensionError
from ..execution import Execution, Prompt
from ..links import cell_link
from ..output_blocks import Block
from ..shell_commands import command_in
from ..text import printable
from .toolset import EXECUTE, READ, SEE_KERNELS, ToolContext, rendered

PROGRESS_SECONDS = 2.0
"""How often a waiting client is told that the run goes on."""

MAX_PROMPT_CHARS = 500

MAX_TOLD = 40
"""Of how many runs an answer tells more than the status."""

MAX_LISTED = 20

NEXT_CALL = {
    "queued": "It waits for its kernel or for its turn. get_execution({id!r}) waits on.",
    "running": "It goes on. get_execution({id!r}) waits on; interrupt_kernel stops it.",
    "kernel_died": "The kernel died; its variables are lost. The next run starts it anew.",
}
NOT_HEARD_OF = (
    "It was sent to the kernel, which has not said that it has begun: another run may come first, "
    "or the code lets it say nothing. get_execution({id!r}) waits on; interrupt_kernel stops what "
    "runs."
)
WAITS_FOR_INPUT = (
    "It waits for input(): {prompt!r}. get_execution({id!r}) asks the person for it where the MCP "
    "client can; interrupt_kernel stops it."
)
NO_INPUT = (
    "This MCP client cannot ask the person for what input() wants: put the value in the code."
)
NO_PASSWORD = (
    "It asked for a password, which must not pass through an agent. The person can run it in "
    "JupyterLab."
)
FOR_THE_SHELL = (
    "If `{command}` is for the shell, write !{command}; for several lines, begin with %%bash."
)
NOT_ANSWERED = "The person gave no answer to its input()."


async def answer(
    context: ToolContext,
    executions: Sequence[Execution],
    wait_seconds: float | None,
    on_timeout: Literal["leave", "interrupt"] = "leave",
    max_chars: int | None = None,
) -> list[Block]:
    """Wait, then a status line and the outputs so far for each.

    A cancelled call interrupts the runs, but a lost connection does not: they belong to the
    server, and their outputs to the notebook.
    """
    context.cells.extend(execution.cell_id for execution in executions if execution.cell_id)
    seconds = context.services.wait_seconds if wait_seconds is None else wait_seconds
    try:
        await _Waiting(context, executions, seconds).wait()
    except get_cancelled_exc_class():
        if not context.client_left():
            grace = move_on_after(INTERRUPT_GRACE_SECONDS, shield=True)
            # Whatever comes of it: the call was cancelled, and that is what has to be said.
            with grace, suppress(MCPExtensionError):
                await _interrupt(context, executions)
        raise
    if on_timeout == "interrupt":
        await _interrupt(context, executions)
    return await report(context, executions, max_chars)


async def poll(
    context: ToolContext, execution: Execution, seconds: float, max_chars: int | None
) -> list[Block]:
    """As `answer`, but the end of this call is not the end of the run."""
    await _Waiting(context, [execution], seconds).wait()
    return await report(context, [execution], max_chars)


async def resume(
    context: ToolContext,
    wait_seconds: float | None = None,
    on_timeout: Literal["leave", "interrupt"] = "leave",
    max_chars: int | None = None,
    **arguments: Any,
) -> list[Block]:
    """Go on with a call that had to ask: its run has been waiting for the answer."""
    execution = context.services.executions.get(context.elicitation.state.partition(":")[0])
    for right in [EXECUTE, SEE_KERNELS, *([READ] if execution.path else [])]:
        await context.require(right)
    if context.tool == "get_execution":
        return await poll(context, execution, wait_seconds or 0, max_chars)
    executions = execution.batch.executions if execution.batch else [execution]
    return await answer(context, executions, wait_seconds, on_timeout, max_chars)


@dataclass
class _Waiting:
    """One call that waits for runs, one after the other."""

    context: ToolContext
    executions: Sequence[Execution]
    seconds: float

    def __post_init__(self) -> None:
        self._started = self._told = monotonic()

    async def wait(self) -> None:
        """Wait until all have ended, the time is over, or something is asked in vain."""
        for execution in self.executions:
            while not execution.is_finished:
                prompt = execution.prompt
                if prompt and not prompt.is_taken and not await self._settle_prompt(execution):
                    return
                left = self.seconds - (monotonic() - self._started)
                if left <= 0:
                    return
                with move_on_after(min(left, PROGRESS_SECONDS)):
                    await execution.wait_changed()
                await self._tell(execution)

    async def _tell(self, execution: Execution) -> None:
        now = monotonic()
        if now - self._told >= PROGRESS_SECONDS and not execution.is_finished:
            self._told = now
            message = f"{execution.label} {execution.status} for {execution.seconds:.0f} s"
            await self.context.report_progress(round(now - self._started, 1), message)

    async def _settle_prompt(self, execution: Execution) -> bool:
        """Answer what the run asks for, or end the run; False if there is nobody to ask."""
        prompt, elicitation = execution.prompt, self.context.elicitation
        if prompt is None or not (elicitation.is_possible and await self.context.may(EXECUTE)):
            return False
        if prompt.is_password:
            return await self._give_up(execution, NO_PASSWORD)
        where = f"{execution.path}, {execution.label}" if execution.cell_id else execution.label
        text = printable(prompt.text[:MAX_PROMPT_CHARS])
        state = f"{execution.id}:{prompt.number}"
        question = f"Code that runs in Jupyter ({printable(where)}) asks for input: {text!r}"
        settled = partial(self._until_settled, execution, prompt)
        prompt.is_taken = True
        try:
            reply = await elicitation.ask(question, state, settled)
        except NotAsked:
            return False
        finally:
            prompt.is_taken = False
        if self.context.client_left():
            return False
        if reply is None and execution.prompt is prompt:
            return await self._give_up(execution, NOT_ANSWERED)
        execution.reply(prompt, reply or "")
        return True

    async def _until_settled(self, execution: Execution, prompt: Prompt) -> None:
        while execution.prompt is prompt and not self.context.client_left():
            with move_on_after(PROGRESS_SECONDS):
                await execution.wait_settled(prompt)
            await self._tell(execution)

    async def _give_up(self, execution: Execution, note: str) -> bool:
        execution.forget_prompt()
        execution.notes.append(note)
        await _interrupt(self.context, [execution])
        return True


async def _interrupt(context: ToolContext, executions: Sequence[Execution]) -> None:
    # Backwards, so that those in the queue do not begin when one before them ends.
    for execution in reversed(executions):
        if not execution.is_finished:
            await _interrupt_one(context, execution)


async def _interrupt_one(context: ToolContext, execution: Execution) -> None:
    try:
        await context.services.executor.interrupt(execution)
    except MCPExtensionError as error:
        execution.notes.append(str(error))


async def report(
    context: ToolContext, executions: Sequence[Execution], max_chars: int | None
) -> list[Block]:
    """For each run the status line, what to know and do next, and the outputs so far.

    Of many runs, those with nothing to tell are only listed.

    Raises:
        MCPExtensionError: the only run could not be run at all.
    """
    if len(executions) == 1:
        executions[0].raise_failure()
        return await _rendered(context, [_run(executions[0])], max_chars)
    told = [execution for execution in executions if _has_news(execution)]
    told = told[-MAX_TOLD:]
    summary = "\n".join([_counts(executions), *_listed(executions, told)])
    runs = [_run(execution) for execution in told]
    return await _rendered(context, [(summary, [], "", None), *runs], max_chars)


async def _rendered(
    context: ToolContext, runs: Sequence[render.RunSection], max_chars: int | None
) -> list[Block]:
    outputs = chain.from_iterable(outputs for _, outputs, *_ in runs)
    return await rendered(outputs, partial(render.runs, runs, context.limits(max_chars)))


def _run(execution: Execution) -> render.RunSection:
    outputs = execution.outputs
    lines = [_status_line(execution), *execution.notes]
    if execution.failure is not None:
        lines.append(str(execution.failure))
    if execution.prompt is not None:
        prompt = printable(execution.prompt.text[:MAX_PROMPT_CHARS])
        lines.append(WAITS_FOR_INPUT.format(prompt=prompt, id=execution.id))
    elif execution.status == "queued" and execution.is_sent:
        lines.append(NOT_HEARD_OF.format(id=execution.id))
    elif hint := NEXT_CALL.get(execution.status):
        lines.append(hint.format(id=execution.id))
    if any(output.get("ename") == "StdinNotImplementedError" for output in outputs):
        lines.append(NO_INPUT)
    if execution.status == "error" and (command := command_in(execution.source, outputs)):
        lines.append(FOR_THE_SHELL.format(command=printable(command[:MAX_PROMPT_CHARS])))
    if omitted := execution.area.omitted:
        lines.append(f"{omitted} bytes of output came after the notebook's bound and were dropped.")
    call = f"get_execution({execution.id!r}, max_chars=...)"
    link = cell_link(execution.path, execution.cell_id) if execution.cell_id else None
    return "\n".join(lines), outputs, call, link


def _status_line(execution: Execution) -> str:
    seconds = execution.seconds
    time = f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"
    return f"{execution.label}  status: {execution.status}  execution: {execution.id}  {time}"


def _has_news(execution: Execution) -> bool:
    if execution.status == "cancelled":  # Those after the one that ended a batch.
        return execution.failure is not None
    if execution.status == "queued":
        return bool(execution.notes)
    return execution.status != "ok" or bool(execution.area.size or execution.notes)


def _counts(executions: Sequence[Execution]) -> str:
    """Such as `12 cells: 7 ok, 1 error, 4 cancelled`."""
    counts = Counter(execution.status for execution in executions)
    things = "cells" if executions[0].cell_id else "runs"
    return f"{len(executions)} {things}: " + ", ".join(
        f"{n} {status}" for status, n in counts.items()
    )


def _listed(executions: Sequence[Execution], told: Sequence[Execution]) -> list[str]:
    """A line for each status of the runs that are not told in full."""
    lines = []
    others = [execution for execution in executions if execution not in told]
    for status in dict.fromkeys(execution.status for execution in others):
        labels = [execution.label for execution in others if execution.status == status]
        more = f" and {len(labels) - MAX_LISTED} more" if len(labels) > MAX_LISTED else ""
        lines.append(f"{status}: {', '.join(labels[:MAX_LISTED])}{more}")
    if unfinished := [execution.id for execution in executions if not execution.is_finished]:
        lines.append(f"They go on. get_execution({unfinished[-1]!r}) waits for the last one.")
    return lines

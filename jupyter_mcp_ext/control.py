"""A kernel that is busy: interrupt it, or run something beside what it runs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress

from anyio import move_on_after

from .connection import KernelConnection
from .errors import InterruptFailed, NoSubshells

INTERRUPT_GRACE_SECONDS = 5.0
"""How long a kernel may take to become idle after an interrupt."""

FREE_SECONDS = 1.0
"""Within which time a kernel that runs nothing takes a request."""

SUBSHELLS = "kernel subshells"
"""How kernels call them among their `supported_features`."""

SUBSHELL_SECONDS = 5.0
"""How long a kernel may take to make a sub-shell."""


async def interrupt(connection: KernelConnection, send: Callable[[], Awaitable[None]]) -> bool:
    """Interrupt what runs, by `send`, and see it end; False when nothing was running.

    Raises:
        InterruptFailed: the kernel is still busy after INTERRUPT_GRACE_SECONDS.
    """
    was_busy = await is_busy(connection)
    running = connection.activity.running
    connection.note_interrupt()
    with move_on_after(INTERRUPT_GRACE_SECONDS):
        await send()
        await connection.activity.wait_ended(running)
    is_unknown = was_busy and not running
    if running & connection.activity.running or (
        is_unknown and not await connection.is_free(INTERRUPT_GRACE_SECONDS)
    ):
        raise InterruptFailed(connection.kernel_id, INTERRUPT_GRACE_SECONDS)
    return was_busy


async def is_busy(connection: KernelConnection) -> bool:
    """Whether the kernel runs something, also what began before we were connected."""
    if connection.activity.running or connection.turn.locked():
        return True
    return not await connection.is_free(FREE_SECONDS)


async def is_silent(connection: KernelConnection) -> bool:
    """Whether it does not answer, although it did since its start, and runs nothing of others.

    So it is while code in C holds the interpreter, which may keep the kernel from saying that it
    has begun with it.
    """
    if connection.activity.running or not connection.activity.is_whole:
        return False
    try:
        await connection.request("kernel_info_request", {}, FREE_SECONDS)
    except TimeoutError:
        return connection.readiness.is_ready and not connection.activity.running
    return False


async def subshell_of(connection: KernelConnection) -> str:
    """The id of a sub-shell of ours, in which code runs beside what the kernel runs.

    Raises:
        NoSubshells: this kernel has none.
    """
    features = connection.readiness.info.get("supported_features")
    has_subshells = isinstance(features, list) and SUBSHELLS in features
    async with connection.making_subshell:
        if has_subshells and not connection.subshell:
            with suppress(TimeoutError):
                reply = await connection.request("create_subshell_request", {}, SUBSHELL_SECONDS)
                connection.subshell = str(reply.get("subshell_id", ""))
    if not connection.subshell:
        raise NoSubshells(connection.kernel_id)
    return connection.subshell

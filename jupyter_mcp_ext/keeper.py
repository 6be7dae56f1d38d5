"""Keeps the kernels that agents use, for as long as they use them."""

from __future__ import annotations

from logging import Logger

from anyio import sleep

from .connection import KernelConnection
from .kernel import Kernels
from .text import duration

LEASE_SECONDS = 1800.0
"""For how long after its last use by an agent a kernel looks active to Jupyter."""

LOOK_SECONDS = 20.0
"""How often the kernels are looked at, or more often where kernels end sooner."""


class Keeper:
    """Looks after kernels that agents are connected to.

    Jupyter can be configured to end kernels that are idle and in no browser, as an agent's are
    between two calls.
    """

    def __init__(self, kernels: Kernels, log: Logger) -> None:
        self._kernels = kernels
        self._log = log

    async def run(self) -> None:
        """Look after them for ever."""
        timeouts = filter(None, (self._kernels.idle_timeout, self._kernels.jupyter_idle_timeout))
        seconds = min([LOOK_SECONDS, *(timeout / 4 for timeout in timeouts)])
        while True:
            await sleep(seconds)
            for connection in self._kernels.connections:
                await self._look_after(connection)

    async def _look_after(self, connection: KernelConnection) -> None:
        if connection.turn.locked() or connection.activity.running:
            connection.activity.note_use()
        try:
            if await self._is_left(connection):
                self._log.info("Ending kernel %s, which agents left", connection.kernel_id)
                await self._kernels.end(
                    connection, f"it was not used for {duration(self._kernels.idle_timeout)}"
                )
            elif connection.activity.idle_seconds < LEASE_SECONDS:
                self._kernels.note_activity(connection)
        except Exception:
            # Kernels come and go, and one must not end the care for the others.
            self._log.warning("Kernel %s", connection.kernel_id, exc_info=True)

    async def _is_left(self, connection: KernelConnection) -> bool:
        model = await self._kernels.describe(connection.kernel_id)
        timeout = model["ends_after"]
        is_unused = model["execution_state"] != "busy" and not model.get("connections")
        return bool(timeout) and is_unused and connection.activity.idle_seconds >= timeout

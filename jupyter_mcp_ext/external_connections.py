"""Connections to kernels that other programs started, which run on when they are left."""

from __future__ import annotations

from anyio import fail_after

from .connection import KernelConnection
from .connections import Connections
from .errors import InvalidRequest, KernelProblem, StillRunning, Unavailable
from .inventory import KernelInventory

CONNECT_SECONDS = 10.0
"""How long such a kernel may take to answer."""


class ExternalConnections:
    """Made and ended by agents, who name connection files."""

    def __init__(self, inventory: KernelInventory, connections: Connections) -> None:
        self._inventory = inventory
        self._connections = connections

    async def connect(self, connection_file: str, name: str) -> KernelConnection:
        """Connect to the kernel of a file, which is as `ExternalKernels.find` takes it.

        `name` is what the kernel will be called, also by others; "" chooses one.

        Raises:
            InvalidRequest: there is no such file, or the name cannot be given.
            Unavailable: the kernel does not answer.
        """
        known = set(self._inventory.external)
        kernel_id = await self._inventory.add(connection_file)
        try:
            self._inventory.agents.ensure_name(name, kernel_id)
            with fail_after(CONNECT_SECONDS):
                return await self._connections.open(kernel_id)
        except (InvalidRequest, TimeoutError, KernelProblem) as error:
            if kernel_id not in known:
                self._leave(kernel_id)
            if isinstance(error, InvalidRequest):
                raise
            raise Unavailable(
                "The kernel of this connection file does not answer.", "Does its program still run?"
            ) from error

    def disconnect(self, kernel: str) -> str:
        """Leave a kernel that was connected; it runs on. Returns its id.

        Raises:
            KernelNotFound: as `Kernels.find`.
            InvalidRequest: it was not connected.
            StillRunning: what becomes of our runs would not be known.
        """
        kernel_id = self._inventory.id_of(kernel)
        if kernel_id not in self._inventory.external:
            raise InvalidRequest(
                f"The kernel {kernel!r} was not connected by connect_kernel.",
                "shutdown_kernel ends a kernel of this server.",
            )
        connection = self._connections.get(kernel_id)
        if connection is not None and connection.is_used:
            raise StillRunning(kernel)
        self._leave(kernel_id)
        return kernel_id

    def _leave(self, kernel_id: str) -> None:
        self._inventory.external.remove(kernel_id)
        if (connection := self._connections.get(kernel_id)) is not None:
            self._connections.drop(connection)

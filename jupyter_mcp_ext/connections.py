"""Our connections to kernels, from the time when a kernel is needed to its end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from logging import Logger
from typing import Any

from anyio import fail_after, sleep

from .channels import Kernel, LocalKernel, new_context
from .connection import KernelConnection
from .errors import KernelEnded, KernelNotFound, KernelSilent, KernelStartFailed, Unavailable
from .gateway import RemoteKernel, is_behind_gateway
from .inventory import KernelInventory
from .kernelspecs import Kernelspecs
from .losses import Loss, Losses
from .starts import Spawn

NUDGES = 60
NUDGE_SECONDS = 1.0

KERNEL_ACTIONS = "https://events.jupyter.org/jupyter_server/kernel_actions/v1"


class Connections:
    """To the kernels that agents have used. `settings` are those of Jupyter's web application."""

    def __init__(
        self,
        settings: dict[str, Any],
        inventory: KernelInventory,
        losses: Losses,
        spawn: Spawn,
        specs: Kernelspecs,
        start_timeout: float,
        log: Logger,
    ) -> None:
        self._settings = settings
        self._inventory = inventory
        self._losses = losses
        self._spawn = spawn
        self._start_timeout = start_timeout
        self._log = log
        self._specs = specs
        self._connections: dict[str, KernelConnection] = {}
        self._context = new_context()
        settings["event_logger"].add_listener(schema_id=KERNEL_ACTIONS, listener=self._on_action)

    def __iter__(self) -> Iterator[KernelConnection]:
        # A kernel may have died for good meanwhile.
        return iter([each for each in self._connections.values() if not each.is_closed])

    def get(self, kernel_id: str) -> KernelConnection | None:
        """The connection to this kernel, None if there is none (any more)."""
        return self._connections.get(kernel_id)

    async def open(self, kernel_id: str, *, is_new: bool = False) -> KernelConnection:
        """The connection to this kernel, once the kernel answers.

        Raises:
            KernelNotFound, KernelStartFailed, KernelSilent, KernelEnded: as `wait_ready`.
        """
        connection = self.to(kernel_id)
        await self.wait_ready(connection, is_new=is_new)
        return connection

    def to(self, kernel_id: str) -> KernelConnection:
        """The connection to this kernel, whether the kernel answers or not."""
        connection = self._connections.get(kernel_id)
        if connection is None:
            manager = self._inventory.manager_of(kernel_id)
            connection = KernelConnection(kernel_id, self._access(manager))
            self._connections[kernel_id] = connection
            if kernel_id not in self._inventory.external:
                self._follow(connection, manager)
        connection.activity.note_use()
        return connection

    async def wait_ready(self, connection: KernelConnection, *, is_new: bool = False) -> None:
        """Wait until the kernel answers.

        Raises:
            KernelNotFound: it was shut down.
            KernelStartFailed: its process ends; or it is new, and does not answer within the time
                that a start may take.
            KernelSilent: it does not answer within that time.
            KernelEnded: the program that owned it has ended.
        """
        try:
            with fail_after(self._start_timeout):
                await connection.ready(is_new=is_new)
        except ConnectionError as error:
            raise KernelEnded(connection.kernel_id) from error
        except (TimeoutError, ProcessLookupError) as error:
            if not is_new and await connection.notice_loss():
                raise KernelSilent(connection.kernel_id, self._start_timeout) from error
            reason = str(error) or f"it did not answer within {self._start_timeout:g} s"
            specs = await self._specs.all()
            raise KernelStartFailed(connection.kernel_id, reason, list(specs)) from error
        if connection.is_closed:
            self.drop(connection)
            raise KernelNotFound(connection.kernel_id)

    async def wait_if_starting(self, connection: KernelConnection) -> None:
        """If the kernel starts now, wait until it answers; a signal would kill it.

        Raises:
            KernelNotFound, KernelStartFailed, KernelSilent, KernelEnded: as `wait_ready`.
        """
        await connection.notice_loss()
        is_starting = self._state_of(connection) == "starting" and not connection.readiness.is_ready
        if is_starting or connection.readiness.is_lost:
            await self.wait_ready(connection)

    @contextmanager
    def losing(self, connection: KernelConnection, reason: str) -> Iterator[None]:
        """Inside, the kernel ends for this reason, unless its gateway is unavailable."""
        kernel_id = connection.kernel_id
        kernels = [kernel_id, self._inventory.given_name(kernel_id)]
        self._losses.note(Loss(reason, connection.variables), *kernels)
        try:
            yield
        except Unavailable:
            self._losses.forget(*kernels)
            raise

    def drop(self, connection: KernelConnection) -> None:
        """End the connection."""
        connection.close()
        if self._connections.get(connection.kernel_id) is connection:
            del self._connections[connection.kernel_id]

    def close(self) -> None:
        """End all connections; the kernels live on."""
        for connection in self:
            self.drop(connection)
        self._context.destroy(linger=0)

    # Inside

    def _access(self, manager: Any) -> Kernel:
        if is_behind_gateway(manager):
            return RemoteKernel(manager, self._spawn, self._log)
        return LocalKernel(manager, self._context, self._log)

    def _follow(self, connection: KernelConnection, manager: Any) -> None:
        """Hear from Jupyter what becomes of the kernel."""
        if not is_behind_gateway(manager):
            self._spawn(partial(self._nudge, connection))
        ended, kernel_id = partial(self._bury, connection), connection.kernel_id
        died = partial(connection.lose, "it died")
        self._manager.add_restart_callback(kernel_id, died, "restart")
        self._manager.add_restart_callback(kernel_id, ended, "dead")

    async def _nudge(self, connection: KernelConnection) -> None:
        """Make a new kernel say something until Jupyter hears it.

        Jupyter's own socket may connect after ours, and would call an idle kernel starting.
        """
        for _ in range(NUDGES):
            await sleep(NUDGE_SECONDS)
            if connection.is_closed or self._state_of(connection) != "starting":
                return
            if connection.readiness.is_ready:
                with suppress(TimeoutError):
                    await connection.request("kernel_info_request", {}, NUDGE_SECONDS)

    async def _on_action(self, logger: Any, schema_id: str, data: dict[str, Any]) -> None:
        connection = self._connections.get(data.get("kernel_id", ""))
        if connection is None or data.get("status") != "success":
            return
        if data["action"] == "interrupt":
            connection.note_interrupt()
        elif data["action"] == "restart":
            await connection.note_restart()
        elif data["action"] == "shutdown":
            self._bury(connection, "it was shut down")

    def _bury(self, connection: KernelConnection, reason: str = "it died") -> None:
        with self.losing(connection, reason):
            self.drop(connection)

    def _state_of(self, connection: KernelConnection) -> str:
        """As Jupyter has heard it last, "" of another program's kernel."""
        if connection.kernel_id not in self._manager:
            return ""
        manager = self._manager.get_kernel(connection.kernel_id)
        return str(getattr(manager, "execution_state", ""))

    @property
    def _manager(self) -> Any:
        return self._settings["kernel_manager"]

"""Notebooks to kernels: the adapter to jupyter_server's managers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from logging import Logger
from typing import Any

from anyio import fail_after
from jupyter_server._tz import utcnow
from jupyter_server.utils import ensure_async

from .agent import AN_AGENT
from .connection import KernelConnection
from .connections import Connections
from .control import INTERRUPT_GRACE_SECONDS, interrupt
from .errors import (
    KernelExists,
    KernelGone,
    KernelNotFound,
    KernelStartFailed,
    Unavailable,
)
from .external import ExternalKernels
from .external_connections import ExternalConnections
from .gateway import is_behind_gateway, reaching
from .inventory import KernelInventory
from .kernel_facts import KernelFacts
from .kernel_models import described
from .kernelspecs import Kernelspecs
from .losses import Loss, Losses
from .records import Records
from .sessions import NotebookSessions
from .starts import Spawn, Starts


class Kernels:
    """The kernels of this server, through its own managers.

    `settings` are those of Jupyter's web application.
    """

    def __init__(
        self,
        settings: dict[str, Any],
        spawn: Spawn,
        start_timeout: float,
        idle_timeout: float,
        external: ExternalKernels,
        records: Records,
        log: Logger,
    ) -> None:
        self.idle_timeout = idle_timeout
        """After how many idle seconds a kernel ends that agents started and left; 0 is never."""

        self.specs = Kernelspecs(settings)
        self._settings = settings
        self._start_timeout = start_timeout
        self._starts = Starts(spawn)
        self._named_starts = Starts(spawn)
        self._restarts = Starts(spawn)
        self._inventory = KernelInventory(settings, external, self._named_starts.keys)
        self._losses = Losses()
        self._records = records
        self._sessions = NotebookSessions(settings)
        self.connections = Connections(
            settings, self._inventory, self._losses, spawn, self.specs, start_timeout, log
        )
        """To the kernels that agents have used."""
        self.external = ExternalConnections(self._inventory, self.connections)

    async def attached_to(
        self, path: str, kernel_name: str = "", starter: str = AN_AGENT
    ) -> KernelConnection:
        """The kernel of the notebook's Jupyter session, started with a session if it has none.

        `kernel_name` is a kernelspec, or "" for the server's default; it only counts for a
        start, as does `starter`, the agent that needs it.

        Raises:
            KernelStartFailed: there is no such kernelspec, its program cannot be run, or the
                kernel does not answer.
        """
        connection = await self.attached(path)
        if connection is not None:
            return connection
        starting = partial(self._start_for, path, kernel_name, starter)
        kernel_id = await self._started(self._starts, path, starting, kernel_name)
        try:
            return await self._adopt(path, kernel_id, is_new=True)
        except KernelStartFailed:
            # Or the next call would wait for it again.
            await self._sessions.remove(path, kernel_id)
            raise

    async def attached(self, path: str) -> KernelConnection | None:
        """As `attached_to`, but None where there is no Jupyter session yet."""
        kernel_id = await self.kernel_id_of(path)
        try:
            return None if kernel_id is None else await self._adopt(path, kernel_id)
        except KernelNotFound:
            # Gateways end kernels without a word.
            if not is_behind_gateway(self._manager):
                raise
            return None

    async def start(
        self, name: str, kernel_name: str, directory: str, starter: str
    ) -> KernelConnection:
        """Start a kernel without a notebook, in a directory below the server's root.

        `name` is what it will be called, also by others; "" chooses one. `starter` is the agent.

        Raises:
            InvalidRequest: the name is no name, or that of a kernel that is starting.
            KernelExists: a running kernel has it.
            KernelStartFailed: as `attached_to`.
        """
        if running := self._inventory.agents.names.get(name):
            facts = await self.facts([running])
            raise KernelExists(name, facts.get(running, KernelFacts()).environment)
        note = self._records.note_loss if name else self._records.forget
        name = self._inventory.agents.choose_name(name)
        starting = partial(self._start_named, name, kernel_name, directory, starter)
        kernel_id = await self._started(self._named_starts, name, starting, kernel_name)
        try:
            connection = await self.connections.open(kernel_id, is_new=True)
        except KernelStartFailed:
            await ensure_async(self._manager.shutdown_kernel(kernel_id, now=True))
            raise
        await note(name)
        return connection

    async def attach(self, path: str, kernel: str) -> KernelConnection:
        """Make a running kernel that of the notebook's Jupyter session; its old one runs on.

        Raises:
            KernelNotFound: as `find`.
            Unavailable: Jupyter does not know the kernel.
        """
        connection = await self.find(kernel)
        if connection.kernel_id in self._inventory.external:
            raise Unavailable(
                f"The kernel {kernel!r} belongs to another program.",
                "Notebooks can have it where Jupyter is started with allow_external_kernels.",
            )
        await self._sessions.attach(path, connection.kernel_id)
        self._losses.follow(path, connection.kernel_id)
        return connection

    async def find(self, kernel: str, *, must_answer: bool = True) -> KernelConnection:
        """The running kernel with this id or name, or with an id that only it starts with.

        Raises:
            KernelNotFound: none, or several.
            KernelGone: it ran once.
            KernelSilent, KernelStartFailed: it does not answer, and has to.
        """
        try:
            kernel_id = self._inventory.id_of(kernel)
        except KernelNotFound:
            await self._raise_gone(kernel)
            raise
        if must_answer or kernel_id in self._inventory.external:
            return await self.connections.open(kernel_id)
        return self.connections.to(kernel_id)

    def name_of(self, connection: KernelConnection) -> str:
        """The name that an agent gave the kernel, or ""."""
        return self._inventory.agents.name_of(connection.kernel_id)

    async def kernel_id_of(self, path: str) -> str | None:
        """The id of the kernel of the notebook's Jupyter session, None without one."""
        return await self._sessions.kernel_id_of(path)

    async def list(self) -> list[dict[str, Any]]:
        """As `describe`, of all running kernels, each with the `notebooks` attached to it."""
        notebooks = await self._sessions.notebooks()
        return [
            self._described(model) | {"notebooks": notebooks.get(model["id"], [])}
            for model in await self._inventory.models()
        ]

    async def describe(self, kernel_id: str) -> dict[str, Any]:
        """Jupyter's model of a running kernel: `id`, `name`, `execution_state` and so on.

        With the name that an agent gave it as `given_name`, the agent that started it as
        `started_by`, both "" if none did. `runs` have been heard since its start, or since it
        became known to us. It `ends_after` so many idle seconds, 0 if never.
        """
        return self._described(await self._inventory.model(kernel_id))

    async def facts(self, kernel_ids: Iterable[str]) -> dict[str, KernelFacts]:
        """What the machine knows of these kernels, as far as they still run."""
        return await self._inventory.facts(kernel_ids)

    @property
    def jupyter_idle_timeout(self) -> float:
        """After how many seconds Jupyter itself ends an idle kernel; 0 is never."""
        return float(max(getattr(self._manager, "cull_idle_timeout", 0), 0))

    def note_activity(self, connection: KernelConnection) -> None:
        """Let Jupyter know that the kernel is in use."""
        # A `notify_connect` would do that too, but Jupyter keeps what a kernel prints for a person
        # who reloads the page only while it counts no connection.
        if connection.kernel_id in self._manager:
            self._manager.get_kernel(connection.kernel_id).last_activity = utcnow()

    async def interrupt(self, connection: KernelConnection) -> bool:
        """Interrupt what runs and see it end; False when nothing was running.

        Raises:
            InterruptFailed: it still runs after INTERRUPT_GRACE_SECONDS.
        """
        await self.connections.wait_if_starting(connection)
        return await interrupt(connection, partial(self._send_interrupt, connection))

    async def restart(self, connection: KernelConnection) -> None:
        """Restart the kernel and wait until it answers. What ran ends as died.

        Raises:
            KernelSilent, KernelStartFailed: it does not come back.
            Unavailable: another program owns the kernel.
        """
        _check_owned(connection)
        await self._restarts.join(
            connection.kernel_id, partial(self._restart, connection.kernel_id)
        )
        await connection.note_restart()
        connection.loss = connection.loss or Loss("it was restarted")
        await self.connections.wait_ready(connection)

    async def shutdown(self, connection: KernelConnection) -> None:
        """Shut the kernel down, on purpose: what it ran is forgotten. What runs ends as died.

        Raises:
            Unavailable: another program owns the kernel.
        """
        name = self.name_of(connection)
        await self.end(connection, "it was shut down")
        if name:
            self._losses.forget(name)
            await self._records.forget(name)

    async def end(self, connection: KernelConnection, reason: str) -> None:
        """Shut the kernel down for this reason. What runs ends as died.

        Raises:
            Unavailable: as `shutdown`.
        """
        _check_owned(connection)
        with self.connections.losing(connection, reason), reaching(self._manager):
            await ensure_async(self._manager.shutdown_kernel(connection.kernel_id))
        self.connections.drop(connection)

    def close(self) -> None:
        """End all connections; the kernels live on."""
        self.connections.close()

    # Inside

    async def _adopt(self, path: str, kernel_id: str, *, is_new: bool = False) -> KernelConnection:
        connection = await self.connections.open(kernel_id, is_new=is_new)
        connection.is_fresh |= is_new
        last = self._losses.follow(path, kernel_id)
        if last in self._inventory.ids():
            connection.loss = None
        elif last is not None:
            loss = self._losses.get(last) or Loss()
            # Somebody may have given the notebook another kernel, which has lost nothing itself.
            connection.loss = loss if is_new else replace(loss, is_elsewhere=True)
        return connection

    async def _started(
        self, starts: Starts, key: str, start: Callable[[], Awaitable[str]], kernel_name: str
    ) -> str:
        """The id of the kernel that starts under this key, which goes on if it takes too long."""
        try:
            with fail_after(self._start_timeout):
                return await starts.join(key, start)
        except OSError as error:
            program = f"the program {error.filename}" if error.filename else "it"
            reason = f"{program} cannot be run ({error.strerror or type(error).__name__})"
            if isinstance(error, TimeoutError):
                reason = f"it did not start within {self._start_timeout:g} s"
            name = kernel_name or self._manager.default_kernel_name
            raise KernelStartFailed(name, reason, list(await self.specs.all())) from error

    async def _start_for(self, path: str, kernel_name: str, starter: str) -> str:
        name, _ = await self.specs.get(kernel_name)
        with reaching(self._manager):
            kernel_id = await self._sessions.start(path, name)
        self._inventory.agents.note_start(kernel_id, starter)
        return kernel_id

    async def _start_named(self, name: str, kernel_name: str, directory: str, starter: str) -> str:
        spec, _ = await self.specs.get(kernel_name)
        started = self._manager.start_kernel(kernel_name=spec, path=directory)
        with reaching(self._manager):
            kernel_id = str(await ensure_async(started))
        self._inventory.agents.give_name(name, kernel_id)
        self._inventory.agents.note_start(kernel_id, starter)
        self._losses.forget(name)
        return kernel_id

    async def _restart(self, kernel_id: str) -> str:
        with reaching(self._manager):
            await ensure_async(self._manager.restart_kernel(kernel_id))
        return kernel_id

    async def _raise_gone(self, kernel: str) -> None:
        loss, record = self._losses.get(kernel), await self._records.get(kernel)
        if loss or record.runs:
            reason = loss.reason if loss else "the server was restarted"
            variables = loss.variables if loss else record.variables or record.lost_variables
            raise KernelGone(kernel, reason, variables, len(record.runs))

    def _described(self, model: dict[str, Any]) -> dict[str, Any]:
        connection = self.connections.get(model["id"])
        model = described(model, connection, self._inventory.agents, self._manager)
        is_left = model["started_by"] and connection and not connection.activity.is_shared
        return model | {"ends_after": self.idle_timeout if is_left else 0}

    async def _send_interrupt(self, connection: KernelConnection) -> None:
        if connection.owns_kernel:
            # What ran has ended with its process, and a new one dies of a signal while it starts.
            if not await connection.wait_started() and connection.kernel_id in self._manager:
                with reaching(self._manager):
                    await ensure_async(self._manager.interrupt_kernel(connection.kernel_id))
        else:
            # Whether it has landed is seen by what runs.
            with suppress(TimeoutError):
                await connection.request("interrupt_request", {}, INTERRUPT_GRACE_SECONDS)

    @property
    def _manager(self) -> Any:
        return self._settings["kernel_manager"]


def _check_owned(connection: KernelConnection) -> None:
    if not connection.owns_kernel:
        raise Unavailable(
            f"The kernel {connection.kernel_id!r} belongs to another program.",
            "Restart it or shut it down there.",
        )

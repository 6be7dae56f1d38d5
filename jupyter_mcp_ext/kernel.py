"""Notebooks to kernels: the adapter to jupyter_server's managers."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from logging import Logger
from typing import Any

from anyio import fail_after, sleep
from jupyter_server._tz import utcnow
from jupyter_server.utils import ensure_async

from .channels import Kernel, LocalKernel, new_context
from .connection import KernelConnection
from .control import INTERRUPT_GRACE_SECONDS, interrupt
from .errors import (
    InvalidRequest,
    KernelEnded,
    KernelExists,
    KernelGone,
    KernelNotFound,
    KernelProblem,
    KernelStartFailed,
    StillRunning,
    Unavailable,
)
from .external import ExternalKernels
from .gateway import RemoteKernel, is_behind_gateway, reaching
from .inventory import KernelInventory
from .kernel_facts import KernelFacts
from .losses import Loss, Losses
from .records import Records
from .sessions import NotebookSessions
from .starts import Spawn, Starts

CONNECT_SECONDS = 10.0
"""How long a kernel of another program may take to answer."""

REMEMBERED_NOTEBOOKS = 1000
"""For how many notebooks it is known which kernel they had last."""

NUDGES = 60
NUDGE_SECONDS = 1.0

KERNEL_ACTIONS = "https://events.jupyter.org/jupyter_server/kernel_actions/v1"

AN_AGENT = "an agent"
"""Who started a kernel that a run needed."""


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

        self._settings = settings
        self._start_timeout = start_timeout
        self._log = log
        self._connections: dict[str, KernelConnection] = {}
        self._last_kernel: OrderedDict[str, str] = OrderedDict()
        self._spawn = spawn
        self._starts = Starts(spawn)
        self._named_starts = Starts(spawn)
        self._inventory = KernelInventory(settings, external)
        self._losses = Losses()
        self._records = records
        self._sessions = NotebookSessions(settings)
        self._context = new_context()
        settings["event_logger"].add_listener(schema_id=KERNEL_ACTIONS, listener=self._on_action)

    async def attached_to(
        self, path: str, kernel_name: str = "", starter: str = AN_AGENT
    ) -> KernelConnection:
        """The kernel of the notebook's Jupyter session, started with a session if it has none.

        `kernel_name` is a kernelspec, or "" for the server's default; it only counts for a
        start, as does `starter`, the agent that needs it.

        Raises:
            KernelStartFailed: there is no such kernelspec, or the kernel does not answer.
        """
        connection = await self.attached(path)
        if connection is not None:
            return connection
        starting = partial(self._start_for, path, kernel_name, starter)
        kernel_id = await self._starts.join(path, starting)
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
            self._connections.pop(kernel_id or "", None)
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
        name = self._inventory.agents.choose_name(name, self._named_starts.keys)
        starting = partial(self._start_named, name, kernel_name, directory, starter)
        kernel_id = await self._named_starts.join(name, starting)
        try:
            connection = await self._connect(kernel_id, is_new=True)
        except KernelStartFailed:
            await ensure_async(self._manager.shutdown_kernel(kernel_id, now=True))
            raise
        await note(name)
        return connection

    async def connect(self, connection_file: str, name: str) -> KernelConnection:
        """Connect to a kernel that another program started.

        `connection_file` is as `ExternalKernels.find` takes it, `name` as in `start`.

        Raises:
            InvalidRequest: there is no such file, or the name cannot be given.
            Unavailable: the kernel does not answer.
        """
        known = set(self._inventory.external)
        kernel_id = await self._inventory.add(connection_file)
        try:
            self._inventory.agents.name(kernel_id, name, self._named_starts.keys)
            with fail_after(CONNECT_SECONDS):
                return await self._connect(kernel_id)
        except (InvalidRequest, TimeoutError, KernelProblem) as error:
            if kernel_id not in known:
                self.disconnect(kernel_id)
            if isinstance(error, InvalidRequest):
                raise
            raise Unavailable(
                "The kernel of this connection file does not answer.", "Does its program still run?"
            ) from error

    def disconnect(self, kernel: str) -> str:
        """Leave a kernel that was connected; it runs on. Returns its id.

        Raises:
            KernelNotFound: as `find`.
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
        self._inventory.external.remove(kernel_id)
        if connection is not None:
            self._drop(connection)
        return kernel_id

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
        self._remember(path, connection.kernel_id)
        return connection

    async def find(self, kernel: str) -> KernelConnection:
        """The running kernel with this id or name, or with an id that only it starts with.

        Raises:
            KernelNotFound: none, or several.
            KernelGone: it ran once.
        """
        try:
            kernel_id = self._inventory.id_of(kernel)
        except KernelNotFound:
            await self._raise_gone(kernel)
            raise
        return await self._connect(kernel_id)

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
    def connections(self) -> tuple[KernelConnection, ...]:
        """To the kernels that agents have used."""
        return tuple(self._connections.values())

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

    async def kernelspecs(self) -> dict[str, dict[str, Any]]:
        """What could be started: names to the contents of their `kernel.json`."""
        with reaching(self._manager):
            specs = await ensure_async(self._settings["kernel_spec_manager"].get_all_specs())
        return {name: specs[name]["spec"] for name in sorted(specs)}

    async def kernelspec(self, name: str) -> tuple[str, dict[str, Any]]:
        """A kernelspec's name and contents; "" is the server's default.

        Raises:
            KernelStartFailed: there is no such kernelspec.
        """
        specs = await self.kernelspecs()
        name = name or self._manager.default_kernel_name
        if name not in specs:
            raise KernelStartFailed(name, "there is no such kernelspec", list(specs))
        return name, specs[name]

    async def interrupt(self, connection: KernelConnection) -> bool:
        """Interrupt what runs and see it end; False when nothing was running.

        Raises:
            InterruptFailed: it still runs after INTERRUPT_GRACE_SECONDS.
        """
        return await interrupt(connection, partial(self._send_interrupt, connection))

    async def restart(self, connection: KernelConnection) -> None:
        """Restart the kernel and wait until it answers. What ran ends as died.

        Raises:
            KernelStartFailed: it does not come back.
            Unavailable: another program owns the kernel.
        """
        _check_owned(connection)
        with reaching(self._manager):
            await ensure_async(self._manager.restart_kernel(connection.kernel_id))
        await connection.note_restart()
        await self.wait_ready(connection)

    async def wait_ready(self, connection: KernelConnection, *, is_new: bool = False) -> None:
        """Wait until the kernel answers.

        Raises:
            KernelNotFound: it was shut down.
            KernelStartFailed: it does not answer within the time that a start may take, or its
                process ends although it is new.
            KernelEnded: the program that owned it has ended.
        """
        if connection.is_closed:
            raise KernelNotFound(connection.kernel_id)
        try:
            with fail_after(self._start_timeout):
                await connection.ready(is_new=is_new)
            if connection.is_closed:
                raise KernelNotFound(connection.kernel_id)
        except ConnectionError as error:
            raise KernelEnded(connection.kernel_id) from error
        except (TimeoutError, ProcessLookupError) as error:
            reason = str(error) or f"it did not answer within {self._start_timeout:g} s"
            specs = await self.kernelspecs()
            raise KernelStartFailed(connection.kernel_id, reason, list(specs)) from error

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
        self._note_loss(connection, reason)
        with reaching(self._manager):
            await ensure_async(self._manager.shutdown_kernel(connection.kernel_id))
        self._drop(connection)

    def close(self) -> None:
        """End all connections; the kernels live on."""
        for connection in list(self._connections.values()):
            self._drop(connection)
        self._context.destroy(linger=0)

    # Inside

    async def _adopt(self, path: str, kernel_id: str, *, is_new: bool = False) -> KernelConnection:
        connection = await self._connect(kernel_id, is_new=is_new)
        connection.is_fresh |= is_new
        last = self._last_kernel.get(path, kernel_id)
        if last != kernel_id:
            loss = self._losses.get(last) or Loss()
            # Somebody may have given the notebook another kernel, which has lost nothing itself.
            connection.loss = loss if is_new else replace(loss, is_elsewhere=True)
            if last in self._inventory.ids():
                connection.loss = None
        self._remember(path, kernel_id)
        return connection

    async def _start_for(self, path: str, kernel_name: str, starter: str) -> str:
        name, _ = await self.kernelspec(kernel_name)
        with reaching(self._manager):
            kernel_id = await self._sessions.start(path, name)
        self._inventory.agents.note_start(kernel_id, starter)
        return kernel_id

    async def _start_named(self, name: str, kernel_name: str, directory: str, starter: str) -> str:
        spec, _ = await self.kernelspec(kernel_name)
        started = self._manager.start_kernel(kernel_name=spec, path=directory)
        with reaching(self._manager):
            kernel_id = str(await ensure_async(started))
        self._inventory.agents.give_name(name, kernel_id)
        self._inventory.agents.note_start(kernel_id, starter)
        self._losses.forget(name)
        return kernel_id

    async def _raise_gone(self, kernel: str) -> None:
        loss, record = self._losses.get(kernel), await self._records.get(kernel)
        if loss or record.runs:
            reason = loss.reason if loss else "the server was restarted"
            variables = loss.variables if loss else record.variables or record.lost_variables
            raise KernelGone(kernel, reason, variables, len(record.runs))

    def _described(self, model: Mapping[str, Any]) -> dict[str, Any]:
        agents, connection = self._inventory.agents, self._connections.get(model["id"])
        state = model.get("execution_state", "unknown")
        is_heard = connection is not None and connection.readiness.is_ready
        # Jupyter does not listen to kernels of other programs, hears a new one later, and asks a
        # gateway only now and then.
        is_unsure = state in ("starting", "unknown") or is_behind_gateway(self._manager)
        if connection is not None and is_heard and connection.activity.running:
            # Jupyter takes the end of what ran in a sub-shell for the end of all.
            state = "busy"
        elif connection is not None and is_heard and (is_unsure or not connection.owns_kernel):
            state = "idle"
        starter = agents.starter_of(model["id"])
        is_left_to_agents = starter and connection is not None and not connection.activity.is_shared
        return {
            **model,
            "execution_state": state,
            "given_name": agents.name_of(model["id"]),
            "started_by": starter,
            "runs": 0 if connection is None else connection.activity.runs_heard,
            "ends_after": self.idle_timeout if is_left_to_agents else 0,
        }

    def _remember(self, path: str, kernel_id: str) -> None:
        self._last_kernel[path] = kernel_id
        self._last_kernel.move_to_end(path)
        if len(self._last_kernel) > REMEMBERED_NOTEBOOKS:
            self._last_kernel.popitem(last=False)

    async def _send_interrupt(self, connection: KernelConnection) -> None:
        if connection.owns_kernel:
            with reaching(self._manager):
                await ensure_async(self._manager.interrupt_kernel(connection.kernel_id))
        else:
            # Whether it has landed is seen by what runs.
            with suppress(TimeoutError):
                await connection.request("interrupt_request", {}, INTERRUPT_GRACE_SECONDS)

    async def _connect(self, kernel_id: str, *, is_new: bool = False) -> KernelConnection:
        connection = self._connections.get(kernel_id)
        if connection is None:
            manager = self._inventory.manager_of(kernel_id)
            connection = KernelConnection(kernel_id, self._access(manager))
            self._connections[kernel_id] = connection
            if kernel_id not in self._inventory.external:
                self._follow(connection, manager)
        connection.activity.note_use()
        await self.wait_ready(connection, is_new=is_new)
        return connection

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
            if connection.is_closed or connection.kernel_id not in self._manager:
                return
            manager = self._manager.get_kernel(connection.kernel_id)
            if getattr(manager, "execution_state", "") != "starting":
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
            self._note_loss(connection, "it was shut down")
            self._drop(connection)

    def _note_loss(self, connection: KernelConnection, reason: str) -> None:
        name = self._inventory.given_name(connection.kernel_id)
        self._losses.note(Loss(reason, connection.variables), connection.kernel_id, name)

    def _bury(self, connection: KernelConnection) -> None:
        self._note_loss(connection, "it died")
        self._drop(connection)

    def _drop(self, connection: KernelConnection) -> None:
        connection.close()
        self._connections.pop(connection.kernel_id, None)

    @property
    def _manager(self) -> Any:
        return self._settings["kernel_manager"]


def _check_owned(connection: KernelConnection) -> None:
    if not connection.owns_kernel:
        raise Unavailable(
            f"The kernel {connection.kernel_id!r} belongs to another program.",
            "Restart it or shut it down there.",
        )

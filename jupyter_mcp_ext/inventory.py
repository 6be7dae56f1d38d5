"""Which kernels run here, those of other programs included that agents connected."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from anyio import to_thread
from jupyter_server.utils import ensure_async

from .agent_kernels import AgentKernels
from .errors import InvalidRequest, KernelNotFound
from .external import ExternalKernels
from .gateway import list_kernels, reaching
from .kernel_facts import KernelFacts, facts_of


class KernelInventory:
    """The running kernels, their names and facts.

    `settings` are those of Jupyter's web application, `starting` the names of kernels that start.
    """

    def __init__(
        self, settings: dict[str, Any], external: ExternalKernels, starting: Collection[str]
    ) -> None:
        self._settings = settings
        self._agents = AgentKernels(starting)
        self.external = external
        """Those that agents connected, which Jupyter does not know."""

    @property
    def agents(self) -> AgentKernels:
        """Which of those that run agents have started or named."""
        self._agents.forget_others(self.ids())
        return self._agents

    def given_name(self, kernel_id: str) -> str:
        """The name that an agent gave the kernel, which may have ended just now, or ""."""
        return self._agents.name_of(kernel_id)

    def ids(self) -> set[str]:
        """Of all that run."""
        return {*self._manager.list_kernel_ids(), *self.external}

    def id_of(self, kernel: str) -> str:
        """Of the running kernel with this id or name, or with an id that only it starts with.

        Raises:
            KernelNotFound: none, or several.
        """
        running = self.ids()
        if kernel in running:
            return kernel
        named = self.agents.names.get(kernel)
        fits = [named] if named else [i for i in running if kernel and i.startswith(kernel)]
        if len(fits) != 1:
            raise KernelNotFound(kernel)
        return fits[0]

    def manager_of(self, kernel_id: str) -> Any:
        """Of one kernel, as jupyter_client has it."""
        return self.external.get(kernel_id) or self._manager.get_kernel(kernel_id)

    async def models(self) -> list[dict[str, Any]]:
        """Jupyter's models of all kernels; of those that it does not know, like them."""
        with reaching(self._manager):
            own = await list_kernels(self._manager)
        return [*own, *map(self.external.model, self.external)]

    async def model(self, kernel_id: str) -> dict[str, Any]:
        """As `models`, of one kernel."""
        if kernel_id in self.external:
            return self.external.model(kernel_id)
        return dict(await ensure_async(self._manager.kernel_model(kernel_id)))

    async def facts(self, kernel_ids: Iterable[str]) -> dict[str, KernelFacts]:
        """What the machine knows of these kernels, as far as they still run."""
        running = self.ids()
        return await facts_of({id_: self.manager_of(id_) for id_ in kernel_ids if id_ in running})

    async def add(self, connection_file: str) -> str:
        """The id of a kernel that another program started, by its connection file.

        Raises:
            InvalidRequest: there is no such file, it may not be used, or it is of a kernel here.
        """
        file = await self.external.find(connection_file)
        managers = {id_: self._manager.get_kernel(id_) for id_ in self._manager.list_kernel_ids()}
        own = await to_thread.run_sync(_by_file, managers)
        if file in own:
            raise InvalidRequest(f"This is kernel {own[file]!r} of this server.", "Use its id.")
        return await self.external.add(file)

    @property
    def _manager(self) -> Any:
        return self._settings["kernel_manager"]


def _by_file(managers: dict[str, Any]) -> dict[Path, str]:
    files = {id_: getattr(manager, "connection_file", "") for id_, manager in managers.items()}
    return {Path(file).resolve(): id_ for id_, file in files.items() if file}

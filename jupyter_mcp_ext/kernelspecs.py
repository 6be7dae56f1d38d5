"""Which kernels could be started."""

from __future__ import annotations

from typing import Any

from jupyter_server.utils import ensure_async

from .errors import KernelStartFailed
from .gateway import reaching


class Kernelspecs:
    """The kernelspecs of this server. `settings` are those of Jupyter's web application."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self._settings = settings

    async def all(self) -> dict[str, dict[str, Any]]:
        """Their names to the contents of their `kernel.json`."""
        with reaching(self._settings["kernel_manager"]):
            specs = await ensure_async(self._settings["kernel_spec_manager"].get_all_specs())
        return {name: specs[name]["spec"] for name in sorted(specs)}

    async def get(self, name: str) -> tuple[str, dict[str, Any]]:
        """A kernelspec's name and contents; "" is the server's default.

        Raises:
            KernelStartFailed: there is no such kernelspec.
        """
        specs = await self.all()
        name = name or self._settings["kernel_manager"].default_kernel_name
        if name not in specs:
            raise KernelStartFailed(name, "there is no such kernelspec", list(specs))
        return name, specs[name]

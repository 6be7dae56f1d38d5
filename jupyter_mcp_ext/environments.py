"""Environments to kernelspecs: an interpreter, a prefix or a name, checked before a start."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from anyio import Lock, fail_after, run_process, to_thread
from jupyter_server.utils import ensure_async

from .errors import EnvironmentNotFound, EnvironmentUnusable, Unavailable
from .gateway import is_behind_gateway, reaching
from .layouts import Environment, environment_at
from .overlay import lay_over

CHECK_SECONDS = 30.0
"""How long an interpreter may take to say whether it has ipykernel."""


class Environments:
    """Finds environments, and makes kernelspecs for them that end with this server.

    `directories` are where environments are looked up by name. With `has_overlay`, one without
    ipykernel gets it laid over. `settings` are those of Jupyter's web application.
    """

    def __init__(
        self, settings: dict[str, Any], directories: Sequence[str], *, has_overlay: bool = False
    ) -> None:
        self._settings = settings
        self._directories = directories
        self._has_overlay = has_overlay
        self._commands: dict[tuple[str, float], list[str]] = {}
        self._checking: defaultdict[str, Lock] = defaultdict(Lock)
        self._specs: TemporaryDirectory[str] | None = None

    def close(self) -> None:
        """Remove the kernelspecs that were made."""
        if self._specs is not None:
            self._specs.cleanup()

    async def kernelspec(self, name: str, directory: str = "") -> str:
        """The name of the kernelspec of an environment.

        `name` is a kernelspec's, the path of an interpreter or of an environment, or the name
        of an environment in one of the directories; ".venv" is that of `directory`, a path on
        disk. "" stays "".

        Raises:
            EnvironmentNotFound: there is nothing of that name.
            EnvironmentUnusable: it has no ipykernel.
            Unavailable: this server only allows certain kernelspecs, or has its kernels elsewhere.
        """
        with reaching(self._manager):
            specs = await ensure_async(self._manager.get_all_specs())
        if not name or name in specs:
            return name
        if is_behind_gateway(self._manager):
            raise Unavailable(
                "Kernels run behind a gateway here, which starts kernelspecs and no environments.",
                "list_kernels shows them.",
            )
        environment = await to_thread.run_sync(self._find, name, directory)
        if environment is None:
            raise EnvironmentNotFound(name, [*sorted(specs), *await self.names()])
        if not self._can_add:
            raise Unavailable(
                "This server starts only the kernelspecs that its administrator allows.",
                "list_kernels shows them.",
            )
        directory_of_spec = self._directory_of(environment)
        command = await self._command(environment, directory_of_spec)
        await to_thread.run_sync(_write, environment, command, directory_of_spec)
        return directory_of_spec.name

    async def names(self) -> list[str]:
        """Of the environments in the directories, none where they cannot be started."""
        if not self._can_add:
            return []
        return await to_thread.run_sync(lambda: sorted(self._names()))

    # Finding

    def _find(self, name: str, directory: str) -> Environment | None:
        path = Path(os.path.expanduser(name))
        is_path = path.is_absolute() or "/" in name or os.sep in name
        places = [path] if is_path else [Path(where) / name for where in self._places(directory)]
        found = (environment_at(Path(directory) / place) for place in places)
        return next(filter(None, found), None)

    def _places(self, directory: str) -> Iterator[str]:
        if directory:
            yield directory
        yield from (os.path.expanduser(where) for where in self._directories)

    def _names(self) -> Iterator[str]:
        for where in filter(os.path.isdir, self._places("")):
            for entry in os.listdir(where):
                if environment_at(Path(where, entry)):
                    yield entry

    # Checking and starting

    async def _command(self, environment: Environment, directory: Path) -> list[str]:
        """What starts a kernel in the environment; looked into again only when it has changed."""
        python = str(environment.python)
        async with self._checking[python]:
            changed = await to_thread.run_sync(environment.changed)
            if (python, changed) not in self._commands:
                command = [python, "-m", "ipykernel_launcher"]
                if not await _has_ipykernel(environment):
                    if not self._has_overlay:
                        raise EnvironmentUnusable(
                            python, "it has no ipykernel", environment.install_hint
                        )
                    command = await lay_over(environment, directory / "overlay")
                self._commands[python, changed] = command
            return self._commands[python, changed]

    def _directory_of(self, environment: Environment) -> Path:
        if self._specs is None:
            self._specs = TemporaryDirectory(prefix="jupyter_mcp_ext-")
            self._manager.kernel_dirs.append(self._specs.name)
        digest = sha256(str(environment.python).encode()).hexdigest()[:6]
        label = "".join(c if c.isalnum() else "-" for c in environment.prefix.name.lower())
        return Path(self._specs.name, f"mcp-env-{label.strip('-') or 'python'}-{digest}")

    @property
    def _can_add(self) -> bool:
        is_local = hasattr(self._manager, "kernel_dirs")
        return is_local and not self._manager.allowed_kernelspecs

    @property
    def _manager(self) -> Any:
        return self._settings["kernel_spec_manager"]


async def _has_ipykernel(environment: Environment) -> bool:
    python = str(environment.python)
    try:
        with fail_after(CHECK_SECONDS):
            command = [python, "-c", "import ipykernel_launcher"]
            result = await run_process(command, check=False, stdin=None)
    except (OSError, TimeoutError) as error:
        raise EnvironmentUnusable(python, str(error) or "it does not end", "") from error
    return result.returncode == 0


def _write(environment: Environment, command: list[str], directory: Path) -> None:
    spec = {
        "argv": [*command, "-f", "{connection_file}"],
        "display_name": f"Python ({environment.prefix.name})",
        "language": "python",
        "interrupt_mode": "signal",
        "env": environment.variables,
    }
    directory.mkdir(exist_ok=True)
    (directory / "kernel.json").write_text(json.dumps(spec), encoding="utf-8")

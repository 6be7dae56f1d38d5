"""Environments to kernelspecs: an interpreter, a prefix or a name, checked before a start."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from anyio import fail_after, run_process, to_thread
from jupyter_server.utils import ensure_async

from .errors import EnvironmentNotFound, EnvironmentUnusable, Unavailable
from .gateway import is_behind_gateway, reaching

CHECK_SECONDS = 30.0
"""How long an interpreter may take to say whether it has ipykernel."""

BIN = "Scripts" if sys.platform == "win32" else "bin"
PYTHON = "python.exe" if sys.platform == "win32" else "python"


@dataclass(frozen=True)
class Environment:
    """A Python environment. `kind` is "uv", "venv", "conda", "pixi", or "" for a bare Python.

    Paths are as they were given: a link to an interpreter is what makes an environment.
    """

    python: Path
    kind: str

    @property
    def prefix(self) -> Path:
        """Where it is installed."""
        return self.python.parent.parent

    @property
    def install_hint(self) -> str:
        """The command that gives it ipykernel."""
        if self.kind == "uv":
            return f"uv pip install --python {self.python} ipykernel"
        if self.kind == "conda":
            return f"conda install --prefix {self.prefix} ipykernel"
        if self.kind == "pixi":
            manifest = self.prefix.parents[2]
            return f"pixi add --manifest-path {manifest} ipykernel"
        return f"{self.python} -m pip install ipykernel"

    @property
    def variables(self) -> dict[str, str]:
        """What makes `!python` and `!pip` mean this environment."""
        path = {"PATH": f"{self.python.parent}{os.pathsep}${{PATH}}"}
        if self.kind in ("conda", "pixi"):
            return path | {"CONDA_PREFIX": str(self.prefix)}
        return path | ({"VIRTUAL_ENV": str(self.prefix)} if self.kind else {})


class Environments:
    """Finds environments, and makes kernelspecs for them that end with this server.

    `directories` are where environments are looked up by name. `settings` are those of
    Jupyter's web application.
    """

    def __init__(self, settings: dict[str, Any], directories: Sequence[str]) -> None:
        self._settings = settings
        self._directories = directories
        self._usable: set[tuple[str, float]] = set()
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
            known = await to_thread.run_sync(lambda: sorted(self._names()))
            raise EnvironmentNotFound(name, [*sorted(specs), *known])
        if self._manager.allowed_kernelspecs or not hasattr(self._manager, "kernel_dirs"):
            raise Unavailable(
                "This server starts only the kernelspecs that its administrator allows.",
                "list_kernels shows them.",
            )
        await self._check(environment)
        return await to_thread.run_sync(self._write, environment)

    # Finding

    def _find(self, name: str, directory: str) -> Environment | None:
        path = Path(name).expanduser()
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

    async def _check(self, environment: Environment) -> None:
        python = str(environment.python)
        changed = environment.python.stat().st_mtime + _site_packages_changed(environment)
        if (python, changed) in self._usable:
            return
        try:
            with fail_after(CHECK_SECONDS):
                command = [python, "-c", "import ipykernel_launcher"]
                result = await run_process(command, check=False, stdin=None)
        except (OSError, TimeoutError) as error:
            raise EnvironmentUnusable(python, str(error) or "it does not end", "") from error
        if result.returncode:
            raise EnvironmentUnusable(python, "it has no ipykernel", environment.install_hint)
        self._usable.add((python, changed))

    def _write(self, environment: Environment) -> str:
        if self._specs is None:
            self._specs = TemporaryDirectory(prefix="jupyter_mcp_ext-")
            self._manager.kernel_dirs.append(self._specs.name)
        digest = sha256(str(environment.python).encode()).hexdigest()[:6]
        label = "".join(c if c.isalnum() else "-" for c in environment.prefix.name.lower())
        name = f"mcp-env-{label.strip('-') or 'python'}-{digest}"
        directory = Path(self._specs.name, name)
        directory.mkdir(exist_ok=True)
        python = str(environment.python)
        spec = {
            "argv": [python, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
            "display_name": f"Python ({environment.prefix.name})",
            "language": "python",
            "interrupt_mode": "signal",
            "env": environment.variables,
        }
        (directory / "kernel.json").write_text(json.dumps(spec), encoding="utf-8")
        return name

    @property
    def _manager(self) -> Any:
        return self._settings["kernel_spec_manager"]


def environment_at(path: Path) -> Environment | None:
    """The environment of an interpreter or of a prefix, as its layout shows; None if it is none."""
    if path.is_dir():
        candidates = (path / BIN / PYTHON, path / "python.exe", path / BIN / "python3")
        path = next(filter(os.path.isfile, candidates), path)
    if not (path.is_file() and os.access(path, os.X_OK) and path.name.startswith("python")):
        return None
    python = Path(os.path.abspath(path))
    return Environment(python, _kind(python.parent.parent))


def _kind(prefix: Path) -> str:
    if (prefix / "conda-meta").is_dir():
        return "pixi" if prefix.parts[-3:-1] == (".pixi", "envs") else "conda"
    try:
        settings = (prefix / "pyvenv.cfg").read_text(encoding="utf-8")
    except OSError:
        return ""
    return "uv" if any(line.startswith("uv =") for line in settings.splitlines()) else "venv"


def _site_packages_changed(environment: Environment) -> float:
    """Changes when something is installed or removed."""
    places = [*environment.prefix.glob("lib/python3*/site-packages")]
    places += [environment.prefix / "Lib" / "site-packages"]
    return sum(place.stat().st_mtime for place in places if place.is_dir())

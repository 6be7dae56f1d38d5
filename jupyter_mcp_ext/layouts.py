"""What a Python environment is, as its layout on disk shows."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

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

    def changed(self) -> float:
        """A number that is another one when it was made anew, or something installed or removed."""
        places = [self.python, *self.prefix.glob("lib/python3*/site-packages")]
        places += [self.prefix / "Lib" / "site-packages"]
        return sum(place.stat().st_mtime for place in places if place.exists())

    def __str__(self) -> str:
        return f"{self.kind} {self.prefix}" if self.kind else str(self.python)


def environment_at(path: Path) -> Environment | None:
    """The environment of an interpreter or of a prefix, as its layout shows; None if it is none."""
    if os.path.isdir(path):
        candidates = (path / BIN / PYTHON, path / "python.exe", path / BIN / "python3")
        path = next(filter(os.path.isfile, candidates), path)
    if not (os.path.isfile(path) and os.access(path, os.X_OK) and path.name.startswith("python")):
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

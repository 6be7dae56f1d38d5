"""ipykernel laid over an environment that has none, which stays as it is."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from anyio import fail_after, run_process

from .errors import EnvironmentUnusable
from .layouts import Environment

INSTALL_SECONDS = 120.0

MAX_REASON_CHARS = 300


async def lay_over(environment: Environment, directory: Path) -> list[str]:
    """Install ipykernel in a directory of ours; the command that starts a kernel with it.

    What the environment has itself comes first, so code sees what it would see without a kernel.

    Raises:
        EnvironmentUnusable: it could not be installed.
    """
    try:
        with fail_after(INSTALL_SECONDS):
            result = await run_process(_install(environment, directory), check=False, stdin=None)
    except (OSError, TimeoutError) as error:
        raise _failure(environment, str(error) or "it took too long") from error
    if result.returncode:
        lines = result.stderr.decode(errors="replace").strip().splitlines()
        raise _failure(environment, " ".join(lines[-3:])[:MAX_REASON_CHARS])
    code = (
        f"import runpy, sys; sys.path.append({str(directory)!r}); "
        "runpy.run_module('ipykernel_launcher', run_name='__main__')"
    )
    return [str(environment.python), "-c", code]


def _install(environment: Environment, directory: Path) -> list[str]:
    python, target = str(environment.python), ["--target", str(directory), "ipykernel"]
    beside = str(Path(sys.executable).parent)
    if uv := shutil.which("uv") or shutil.which("uv", path=beside):
        return [uv, "pip", "install", "--quiet", "--python", python, *target]
    return [python, "-m", "pip", "install", "--quiet", *target]


def _failure(environment: Environment, reason: str) -> EnvironmentUnusable:
    reason = f"it has no ipykernel, and none could be laid over it ({reason})"
    return EnvironmentUnusable(str(environment.python), reason, environment.install_hint)

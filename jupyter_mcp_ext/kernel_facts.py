"""What is known of running kernels without asking them: process, memory, environment, files."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from time import time
from typing import Any

from anyio import to_thread
from jupyter_client.provisioning.local_provisioner import LocalProvisioner

from .layouts import environment_at


@dataclass(frozen=True)
class KernelFacts:
    """Of one kernel; None or "" is what cannot be known here, such as of a kernel elsewhere.

    `environment` is as its interpreter's place shows, or the program of another language.
    `memory_bytes` is what the process has in memory, `uptime_seconds` since its last start.
    """

    pid: int | None = None
    uptime_seconds: float | None = None
    memory_bytes: int | None = None
    environment: str = ""
    connection_file: str = ""


async def facts_of(managers: Mapping[str, Any]) -> dict[str, KernelFacts]:
    """The facts of kernels, by their ids, from their jupyter_client managers."""
    known = {kernel_id: (_pid(each), _file(each)) for kernel_id, each in managers.items()}
    return await to_thread.run_sync(
        lambda: {kernel_id: _look_up(*each) for kernel_id, each in known.items()}
    )


def _look_up(pid: int | None, file: str) -> KernelFacts:
    # Imported here, and in a thread: each start of Jupyter would pay for it.
    import psutil

    file = file if os.path.exists(file) else ""
    if pid is None:
        return KernelFacts(connection_file=file)
    try:
        process = psutil.Process(pid)
        with process.oneshot():
            return KernelFacts(
                pid=pid,
                uptime_seconds=max(time() - process.create_time(), 0),
                memory_bytes=process.memory_info().rss,
                environment=_environment(process.cmdline()),
                connection_file=file,
            )
    except psutil.Error:  # It has just ended, or belongs to somebody else.
        return KernelFacts(connection_file=file)


def _environment(command: list[str]) -> str:
    program = command[0] if command else ""
    environment = environment_at(Path(program)) if os.path.isabs(program) else None
    return str(environment or program)


def _pid(manager: Any) -> int | None:
    # The processes of other provisioners may be on other machines.
    provisioner = getattr(manager, "provisioner", None)
    return provisioner.pid if isinstance(provisioner, LocalProvisioner) else None


def _file(manager: Any) -> str:
    return str(getattr(manager, "connection_file", ""))

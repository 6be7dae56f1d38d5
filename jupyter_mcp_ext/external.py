"""Kernels that other programs started, by their connection files."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

from anyio import to_thread
from jupyter_client.manager import AsyncKernelManager
from jupyter_core.paths import jupyter_runtime_dir
from traitlets import TraitError
from zmq import DEALER, Context, ZMQError

from .errors import InvalidRequest

MAX_FILE_BYTES = 65_536


class ExternalKernels(Mapping[str, Any]):
    """The jupyter_client managers of the kernels that agents connected, by ids of ours.

    These managers own no kernel: they neither restart nor stop one. Files may be in `directories`
    and in Jupyter's runtime directory, also below; `default_file` may be anywhere.
    """

    def __init__(self, directories: Sequence[str], default_file: str) -> None:
        self._directories = [*directories, jupyter_runtime_dir()]
        self._default_file = default_file
        self._managers: dict[str, Any] = {}

    def __getitem__(self, kernel_id: str) -> Any:
        return self._managers[kernel_id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._managers)

    def __len__(self) -> int:
        return len(self._managers)

    async def find(self, connection_file: str) -> Path:
        """The file of this path or, without a directory, of this name; "" is the default file.

        Raises:
            InvalidRequest: there is none, or none that may be used.
        """
        return await to_thread.run_sync(self._find, connection_file)

    async def add(self, file: Path) -> str:
        """The id of the kernel of a file that `find` returned, the same as long as it is kept.

        Raises:
            InvalidRequest: it is no connection file.
        """
        for kernel_id, manager in self._managers.items():
            if manager.connection_file == str(file):
                return kernel_id
        info = await to_thread.run_sync(_read, file)
        manager = AsyncKernelManager(owns_kernel=False, connection_file=str(file))
        try:
            manager.load_connection_info(info)
            _try_addresses(manager)
        except (TraitError, ValueError, ZMQError) as error:
            raise _not_one(file) from error
        kernel_id = str(uuid4())
        self._managers[kernel_id] = manager
        return kernel_id

    def remove(self, kernel_id: str) -> None:
        """Forget the kernel, which lives on."""
        self._managers.pop(kernel_id, None)

    def model(self, kernel_id: str) -> dict[str, Any]:
        """As Jupyter's of its own kernels, with what is known."""
        return {"id": kernel_id, "name": "external", "execution_state": "unknown"}

    def _find(self, connection_file: str) -> Path:
        if not connection_file and not self._default_file:
            raise InvalidRequest("Name a connection file.")
        if not connection_file:
            return _existing(Path(self._default_file).expanduser())
        directories = [Path(each).expanduser().resolve() for each in self._directories]
        path = Path(os.path.expanduser(connection_file))
        places = [each / path for each in directories] if len(path.parts) == 1 else [path]
        # Links are followed first: what they lead to must be in a directory that is allowed.
        found = [_resolved(place) for place in places]
        allowed = [each for each in found if any(map(each.is_relative_to, directories))]
        if not allowed:
            raise InvalidRequest(
                f"{connection_file!r} is in no directory whose kernels may be connected.",
                f"They are: {', '.join(map(str, directories))}.",
            )
        return next(filter(os.path.isfile, allowed), None) or _existing(allowed[0])


def _resolved(path: Path) -> Path:
    try:
        return path.resolve()
    except (OSError, RuntimeError, ValueError) as error:  # Such as links that go round, or a NUL.
        raise InvalidRequest(f"{str(path)!r} is no path of a file.") from error


def _existing(path: Path) -> Path:
    if not os.path.isfile(path):
        raise InvalidRequest(
            f"There is no connection file {str(path)!r}.", "The program that owns the kernel tells."
        )
    return path.resolve()


def _read(file: Path) -> Any:
    try:
        with file.open(encoding="utf-8") as opened:
            info = json.loads(opened.read(MAX_FILE_BYTES))
    except (OSError, ValueError, RecursionError) as error:
        raise _not_one(file) from error
    if not isinstance(info, dict) or not {"shell_port", "iopub_port", "key"} <= info.keys():
        raise _not_one(file)
    if not isinstance(info["key"], str):
        raise _not_one(file)
    return info


def _try_addresses(manager: Any) -> None:
    """Connect to each, which does not wait for anybody there.

    Raises:
        ValueError, ZMQError: it cannot be an address.
    """
    if not all(0 < port < 65_536 for port in manager.ports):
        raise ValueError(manager.ports)  # zmq takes the last 16 bits.
    separator = "-" if manager.transport == "ipc" else ":"
    with Context() as context, context.socket(DEALER) as socket:
        socket.linger = 0
        for port in manager.ports:
            socket.connect(f"{manager.transport}://{manager.ip}{separator}{port}")


def _not_one(file: Path) -> InvalidRequest:
    # Without what is in it, which may be anything.
    return InvalidRequest(f"{str(file)!r} is no connection file of a kernel.")

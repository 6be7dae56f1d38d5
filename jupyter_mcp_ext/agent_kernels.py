"""The kernels that agents started or named."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from itertools import count

from .errors import InvalidRequest

_NAME = re.compile(r"[\w.-]{1,50}")
_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-")


class AgentKernels:
    """Kernel ids by the names that agents gave them, and who started which.

    `starting` are the names of kernels that start now.
    """

    def __init__(self, starting: Collection[str]) -> None:
        self._starting = starting
        self._names: dict[str, str] = {}
        self._starters: dict[str, str] = {}

    @property
    def names(self) -> Mapping[str, str]:
        """Names to ids."""
        return self._names

    def choose_name(self, name: str) -> str:
        """A name that can be given; "" chooses one.

        Raises:
            InvalidRequest: it is no name, or is taken.
        """
        if not name:
            names = (f"scratch-{number}" for number in count(1))
            return next(n for n in names if not self._is_taken(n))
        if not _NAME.fullmatch(name) or _ID.match(name):
            raise InvalidRequest(f"{name!r} is no name for a kernel.", "Use letters, digits, -_.")
        if self._is_taken(name):
            raise InvalidRequest(f"There is a kernel {name!r} already.", "Choose another name.")
        return name

    def name_of(self, kernel_id: str) -> str:
        """The name that an agent gave it, or ""."""
        return next((name for name, id_ in self._names.items() if id_ == kernel_id), "")

    def starter_of(self, kernel_id: str) -> str:
        """Which agent started it, or "" if none did."""
        return self._starters.get(kernel_id, "")

    def give_name(self, name: str, kernel_id: str) -> None:
        """Call the kernel so, from now on and for all agents."""
        self._names[name] = kernel_id

    def ensure_name(self, name: str, kernel_id: str) -> None:
        """Call a running kernel so, by the rules of `choose_name`; for "" it keeps what it has.

        Raises:
            InvalidRequest: as `choose_name`.
        """
        given = self.name_of(kernel_id)
        if not given or name not in ("", given):
            self.give_name(self.choose_name(name), kernel_id)

    def note_start(self, kernel_id: str, starter: str) -> None:
        """This agent has started the kernel."""
        self._starters[kernel_id] = starter

    def forget_others(self, running: Collection[str]) -> None:
        """Forget all that is not among these ids; their names are free again."""
        self._names = {name: id_ for name, id_ in self._names.items() if id_ in running}
        self._starters = {id_: who for id_, who in self._starters.items() if id_ in running}

    def _is_taken(self, name: str) -> bool:
        return name in self._names or name in self._starting

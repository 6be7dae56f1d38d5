"""What became of kernels that are gone, as far as it is known."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

REMEMBERED = 1000
"""Of how many kernels that are gone it is known how they ended."""

UNKNOWN = "it died or was restarted"


@dataclass(frozen=True)
class Loss:
    """The end of a kernel's memory: how it came, and which variables it had, if that is known."""

    reason: str = UNKNOWN
    variables: tuple[str, ...] = ()
    is_elsewhere: bool = False
    """Whether the kernel of now is not the one that had it, and may be older."""


class Losses:
    """Losses by the ids and names of the kernels that had them."""

    def __init__(self) -> None:
        self._losses: OrderedDict[str, Loss] = OrderedDict()

    def note(self, loss: Loss, *kernels: str) -> None:
        """Keep how these ended, unless it is known already."""
        for kernel in filter(None, kernels):
            self._losses.setdefault(kernel, loss)
            self._losses.move_to_end(kernel)
        while len(self._losses) > REMEMBERED:
            self._losses.popitem(last=False)

    def get(self, kernel: str) -> Loss | None:
        """How the last kernel with this id or name ended, None if that is not known."""
        return self._losses.get(kernel)

    def forget(self, name: str) -> None:
        """There is another kernel of that name, or nobody needs to know."""
        self._losses.pop(name, None)

"""What became of kernels that are gone, as far as it is known."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

REMEMBERED = 1000
"""Of how many kernels that are gone it is known how they ended."""

REMEMBERED_NOTEBOOKS = 1000
"""For how many notebooks it is known which kernel they had last."""

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
        self._last_kernel: OrderedDict[str, str] = OrderedDict()

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

    def follow(self, path: str, kernel_id: str) -> str | None:
        """This is the notebook's kernel now; the other one that it had before, if it had one."""
        last = self._last_kernel.get(path, kernel_id)
        self._last_kernel[path] = kernel_id
        self._last_kernel.move_to_end(path)
        if len(self._last_kernel) > REMEMBERED_NOTEBOOKS:
            self._last_kernel.popitem(last=False)
        return last if last != kernel_id else None

    def forget(self, *kernels: str) -> None:
        """They live, or there is another of that name, or nobody needs to know."""
        for kernel in kernels:
            self._losses.pop(kernel, None)

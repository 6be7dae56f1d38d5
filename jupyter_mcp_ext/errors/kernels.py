"""Errors about kernels, their environments, what they run."""

from __future__ import annotations

from collections.abc import Sequence

from .base import Conflict, MCPExtensionError, NotFound, few


class KernelNotFound(NotFound):
    def __init__(self, kernel: str) -> None:
        super().__init__(f"There is no kernel {kernel!r}.", "Call list_kernels.")


class KernelGone(NotFound):
    def __init__(self, kernel: str, reason: str, variables: Sequence[str], runs: int) -> None:
        lost = f" Lost: {few(variables)}." if variables else ""
        shows = f"; list_kernels(recorded={kernel!r}) shows the {runs} runs on it" if runs else ""
        super().__init__(
            f"The kernel {kernel!r} is gone: {reason}.{lost}",
            f"start_kernel starts another{shows}.",
        )


class EnvironmentNotFound(NotFound):
    def __init__(self, name: str, known: Sequence[str]) -> None:
        super().__init__(
            f"There is no environment {name!r}.",
            f"Name a path, or one of: {', '.join(known) or 'none is known'}.",
        )


class ExecutionNotFound(NotFound):
    def __init__(self, execution: str) -> None:
        super().__init__(
            f"There is no execution {execution!r} (any more).",
            "read_cell shows the outputs that its cell has kept.",
        )


class KernelExists(Conflict):
    def __init__(self, name: str, environment: str) -> None:
        where = f" in {environment}" if environment else ""
        super().__init__(
            f"There is a kernel {name!r} already{where}.",
            "Use it, or choose another name. To change its environment, call shutdown_kernel, "
            "which loses its variables, then start_kernel.",
        )


class StillRunning(Conflict):
    def __init__(self, kernel: str) -> None:
        super().__init__(
            f"The kernel {kernel!r} still runs what it was asked for from here.",
            "Wait for that with get_execution, or call interrupt_kernel.",
        )


class KernelProblem(MCPExtensionError):
    """A kernel could not do what was asked."""


class KernelStartFailed(KernelProblem):
    def __init__(self, name: str, reason: str, available: Sequence[str]) -> None:
        super().__init__(
            f"The kernel {name!r} did not start: {reason}.",
            f"Kernels that can be started: {', '.join(available) or 'none'}.",
        )


class KernelSilent(KernelProblem):
    def __init__(self, kernel: str, seconds: float) -> None:
        super().__init__(
            f"The kernel {kernel!r} has not answered for {seconds:g} s.",
            "It may run code that lets it say nothing. Wait, or call interrupt_kernel or "
            "restart_kernel, which loses its variables.",
        )


class EnvironmentUnusable(KernelProblem):
    def __init__(self, python: str, reason: str, command: str) -> None:
        super().__init__(
            f"{python} cannot run a kernel: {reason}.",
            f"If the user agrees, run: {command}" if command else "",
        )


class KernelEnded(KernelProblem):
    def __init__(self, kernel: str) -> None:
        super().__init__(
            f"The kernel {kernel!r} has ended with the program that owned it.",
            "Start it there again, or call list_kernels.",
        )


class InterruptFailed(KernelProblem):
    def __init__(self, kernel: str, seconds: float) -> None:
        super().__init__(
            f"The kernel {kernel!r} is still busy {seconds:g} s after the interrupt.",
            "Interrupt it again, or call restart_kernel, which loses its variables.",
        )


class NoSubshells(KernelProblem):
    def __init__(self, kernel: str) -> None:
        super().__init__(
            f"The kernel {kernel!r} is busy and has no sub-shells.",
            "Wait for what it runs or interrupt it; ipykernel 7 or newer has sub-shells.",
        )


class NotRun(MCPExtensionError):
    def __init__(self, written: str, reason: MCPExtensionError, *, has_begun: bool = False) -> None:
        run = "how its run ended is not known" if has_begun else "the cell could not be run"
        super().__init__(f"{written}. This is done, but {run}: {reason}")


class BrokenOff(MCPExtensionError):
    def __init__(self, execution: str) -> None:
        super().__init__(
            f"The execution {execution} broke off inside the Jupyter server.",
            "Its log has the reason. Read the cell, then run it again.",
        )

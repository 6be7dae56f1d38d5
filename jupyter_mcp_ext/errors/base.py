"""What all errors have in common."""

from __future__ import annotations

from collections.abc import Sequence

MAX_NAMES = 30


def few(names: Sequence[str]) -> str:
    """The first names, and how many more there are."""
    more = f" and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else ""
    return ", ".join(names[:MAX_NAMES]) + more


class MCPExtensionError(Exception):
    """What went wrong, and in `hint` what the caller should do next."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.args[0]} {self.hint}".rstrip()


class NotFound(MCPExtensionError, LookupError):
    """Something that was named does not exist."""


class Conflict(MCPExtensionError):
    """The request does not fit the present state of the notebook."""


class InvalidRequest(MCPExtensionError, ValueError):
    """An argument, or a combination of arguments, that can never work."""

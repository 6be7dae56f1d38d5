"""Which exceptions are failures."""

from __future__ import annotations


def is_panic(error: BaseException) -> bool:
    """Whether this comes from pycrdt where Yjs cannot hold a value; it is no `Exception`."""
    return type(error).__name__ == "PanicException"


def is_failure(error: BaseException) -> bool:
    """Whether this is not a cancellation or the like."""
    return isinstance(error, Exception) or is_panic(error)

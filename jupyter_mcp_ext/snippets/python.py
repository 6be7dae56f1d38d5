"""Describe variables. Runs in Python kernels, in a namespace of its own that nobody sees.

`describe_all` and `describe_one` return what `json.dumps` takes. No method of a user's own class
is called, since it could do anything; those of numpy and pandas objects are, which ask the objects
in them to show themselves.
"""

from __future__ import annotations

import fnmatch
import inspect
import reprlib
import sys
import types
from collections.abc import Iterator
from typing import Any

MAX_VARIABLES = 200
MAX_STATISTICS = 10_000_000
SIZED = (str, bytes, bytearray, list, tuple, dict, set, frozenset, range)
ROUTINES = (
    types.FunctionType,
    types.BuiltinFunctionType,
    types.MethodType,
    types.MethodDescriptorType,
    types.WrapperDescriptorType,
)
SHAPED = ("numpy", "pandas", "polars", "torch", "xarray", "pyarrow", "scipy")


class ShortRepr(reprlib.Repr):
    """Representations of a bounded length, without those of users' classes."""

    def __init__(self, length: int) -> None:
        super().__init__()
        self.maxstring = self.maxother = self.maxlong = length
        self.maxlist = self.maxtuple = self.maxdict = self.maxset = max(length // 12, 4)
        self.length = length

    def repr_instance(self, x: Any, level: int) -> str:
        if type(x) in (bool, float, complex, bytes, range, type(None)) or is_shaped(x):
            return super().repr_instance(x, level)
        return f"<{type_name(x)}>"

    def short(self, value: Any) -> str:
        text = " ".join(self.repr(value).split())
        return text if len(text) <= self.length else text[: self.length - 1] + "…"


def is_shaped(value: Any) -> bool:
    return module_of(value).partition(".")[0] in SHAPED


def module_of(value: Any) -> str:
    """Of its class, without what a metaclass may do."""
    module = type.__getattribute__(type(value), "__module__")
    return module if type(module) is str else ""


def type_name(value: Any) -> str:
    kind = type(value)
    name, module = type.__getattribute__(kind, "__qualname__"), module_of(value)
    return name if module in ("builtins", "__main__") else f"{module}.{name}"


def extent(value: Any) -> str:
    """Such as `1000x12`, or `len 3`."""
    shape = getattr(value, "shape", None) if is_shaped(value) else None
    if isinstance(shape, tuple):
        return "x".join(str(length) for length in shape)
    return f"len {len(value)}" if type(value) in SIZED else ""


def size(value: Any) -> int:
    """In bytes, without what the elements of a container take."""
    if is_shaped(value):
        usage = getattr(value, "memory_usage", None)
        if callable(usage):
            total = usage()
            return int(total.sum() if hasattr(total, "sum") else total)
        return int(getattr(value, "nbytes", 0) or 0)
    return sys.getsizeof(value) if type(value) in SIZED else 0


def summary(name: str, value: Any, length: int = 60) -> dict[str, Any]:
    if issubclass(type(value), (*ROUTINES, type)):
        text = signature(value)
    else:
        text = "" if is_shaped(value) and extent(value) else ShortRepr(length).short(value)
    return {
        "name": name,
        "type": type_name(value),
        "extent": extent(value),
        "size": size(value),
        "text": text,
    }


def signature(value: Any) -> str:
    try:
        return str(inspect.signature(value))
    except (TypeError, ValueError):
        return ""


def hidden() -> set[str]:
    try:
        from IPython import get_ipython

        return set(get_ipython().user_ns_hidden)
    except (ImportError, AttributeError):
        return set()


def is_own(value: Any) -> bool:
    """Whether the user made it, as far as that can be told: not a module, nothing imported."""
    if issubclass(type(value), types.ModuleType):
        return False
    if type(value) in (type, *ROUTINES):
        return getattr(value, "__module__", None) == "__main__"
    return True


def describe_all(user: dict[str, Any], pattern: str) -> dict[str, Any]:
    skipped = hidden()
    names = [
        name
        for name, value in list(user.items())
        if not name.startswith("_")
        and name not in skipped
        and is_own(value)
        and fnmatch.fnmatchcase(name, pattern or "*")
    ]
    shown = [summary(name, user[name]) for name in names[:MAX_VARIABLES]]
    return {"variables": shown, "omitted": len(names) - len(shown)}


def describe_one(user: dict[str, Any], name: str) -> dict[str, Any]:
    value = resolve(user, name)
    return {**summary(name, value, 1500), "details": list(details(value))}


def resolve(user: dict[str, Any], name: str) -> Any:
    first, *rest = name.split(".")
    value = user[first] if first in user else getattr(__import__("builtins"), first)
    for part in rest:
        is_module = isinstance(value, types.ModuleType)
        value = getattr(value, part) if is_module else inspect.getattr_static(value, part)
    return value


def details(value: Any) -> Iterator[str]:
    root = module_of(value).partition(".")[0]
    if callable(value):
        yield inspect.getdoc(value) or ""
    elif root == "pandas":
        yield from of_pandas(value)
    elif root == "numpy" and hasattr(value, "dtype"):
        yield from of_array(value)
    elif is_shaped(value):
        yield repr(value)
    elif not isinstance(value, SIZED):
        names = [name for name in dir(type(value)) if not name.startswith("_")]
        names += [name for name in getattr(value, "__dict__", {}) if not name.startswith("_")]
        yield "attributes: " + ", ".join(names[:60])


def of_pandas(value: Any) -> Iterator[str]:
    if hasattr(value, "dtypes") and hasattr(value, "columns"):
        kinds = [f"{name}: {kind}" for name, kind in list(value.dtypes.items())[:60]]
        yield "dtypes: " + ", ".join(kinds)
    elif hasattr(value, "dtype"):
        yield f"dtype: {value.dtype}"
    if hasattr(value, "head"):
        yield "head:\n" + value.head().to_string()


def of_array(value: Any) -> Iterator[str]:
    yield f"dtype: {value.dtype}"
    if value.size and value.dtype.kind in "biuf" and value.size <= MAX_STATISTICS:
        yield f"min {value.min()}, max {value.max()}, mean {value.mean():.6g}"
    yield repr(value)

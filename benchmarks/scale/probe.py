"""A server extension that tells what a server holds, and how long its loop has computed."""

from __future__ import annotations

import asyncio
import cProfile
import ctypes
import gc
import io
import pstats
import sys
from collections import Counter
from time import thread_time
from typing import Any

import psutil
from jupyter_server.base.handlers import APIHandler
from jupyter_server.extension.application import ExtensionApp
from tornado import web


class ProbeHandler(APIHandler):
    """Facts about this process; nothing here is part of the product."""

    @web.authenticated
    def get(self, what: str) -> None:
        told = {"facts": facts, "types": types, "profile": profile, "trimmed": trimmed}
        self.finish(told[what](self.settings))


_profiles: list[cProfile.Profile] = []


def facts(settings: dict[str, Any]) -> dict[str, Any]:
    """`loop` is in seconds of the loop's thread, `queue` are updates that no store has yet.

    `rss` is in bytes; of these, `malloc` are in use outside of Python's own memory, in which
    `blocks` are: what was freed stays with the process, to be used again.
    """
    seconds = thread_time()
    process = psutil.Process()
    rooms = settings["jupyter_server_ydoc"].ywebsocket_server.rooms
    return {
        "loop": seconds,
        "rss": process.memory_info().rss,
        "malloc": _in_use(),
        "blocks": sys.getallocatedblocks(),
        "descriptors": process.num_fds(),
        "threads": process.num_threads(),
        "tasks": len(asyncio.all_tasks()),
        "rooms": len(rooms),
        "queue": sum(map(_waiting, rooms.values())),
    }


class MallocInfo(ctypes.Structure):
    """The `mallinfo2` of the GNU C library."""

    _fields_ = (
        *((name, ctypes.c_size_t) for name in ("arena", "ordblks", "smblks", "hblks", "hblkhd")),
        *((name, ctypes.c_size_t) for name in ("usmblks", "fsmblks", "uordblks", "fordblks")),
        ("keepcost", ctypes.c_size_t),
    )


def _in_use() -> int:
    """0 where the C library does not tell."""
    if (info := getattr(ctypes.CDLL(None), "mallinfo2", None)) is None:
        return 0
    info.restype = MallocInfo
    told = info()
    return int(told.uordblks + told.hblkhd)


def trimmed(settings: dict[str, Any]) -> dict[str, Any]:
    """The same once the C library has given back what it keeps for later, where it can."""
    gc.collect()
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):
        trim(0)
    return facts(settings)


def types(settings: dict[str, Any]) -> dict[str, int]:
    """How many objects of each type there are that the collector knows, the most first."""
    gc.collect()
    names = (f"{type(each).__module__}.{type(each).__qualname__}" for each in gc.get_objects())
    return dict(Counter(names).most_common())


def profile(settings: dict[str, Any]) -> dict[str, str]:
    """Begin to follow the loop's thread; the next time, tell where it spent its time."""
    if not _profiles:
        _profiles.append(cProfile.Profile())
        _profiles[0].enable()
        return {"profile": ""}
    running = _profiles.pop()
    running.disable()
    text = io.StringIO()
    pstats.Stats(running, stream=text).sort_stats("tottime").print_stats(30)
    return {"profile": text.getvalue()}


def _waiting(room: Any) -> int:
    stream = getattr(room, "_update_receive_stream", None)
    store = getattr(room, "ystore", None)
    buffered = stream.statistics().current_buffer_used if stream is not None else 0
    return buffered + (store.lock.statistics().tasks_waiting if store is not None else 0)


class Probe(ExtensionApp):
    name = "probe"

    def initialize_handlers(self) -> None:
        self.handlers.append((r"/probe/(facts|types|profile|trimmed)", ProbeHandler))


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    return [{"module": __name__, "app": Probe}]

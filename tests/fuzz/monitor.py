"""A Jupyter extension that tells what the server holds, and what kept its event loop busy.

A freeze is judged by the processor time of the loop's own thread: other programs on the machine
take wall time, not this. What Python's garbage collector takes does not count: it depends on all
that the server holds (0.2 s for a fresh JupyterLab), and whose turn it interrupts is chance.
"""

from __future__ import annotations

import gc
import json
import os
import sys
from asyncio import events
from dataclasses import asdict, dataclass, field
from hashlib import blake2b
from pathlib import Path
from threading import Event, Thread, get_ident
from time import monotonic, thread_time
from traceback import walk_stack
from typing import Any

from jupyter_server.base.handlers import APIHandler
from jupyter_server.extension.application import ExtensionApp
from pycrdt import Map
from tornado.web import authenticated

from jupyter_mcp_ext.cell import Cell, at_position, id_of

LAST_CHANGE = "fuzz"
"""Where a peer says in a notebook's state that it has done all it does."""

LOOK_SECONDS = 0.02
"""How often it is looked at what the loop is doing, to name what takes long."""


@dataclass
class Longest:
    """The callback that took most processor time since it was last asked, and where it was."""

    milliseconds: float = 0.0
    where: list[str] = field(default_factory=list)


class Watch:
    """Takes the time of each callback of the event loop."""

    def __init__(self) -> None:
        self.longest = Longest()
        self.is_ours = False
        """Whether the present callback is the monitor's own."""
        self._thread = get_ident()
        self._since = 0.0
        self._stack: list[str] = []
        self._stop = Event()
        self._collecting = 0.0
        self._collected = 0.0

    def install(self) -> None:
        gc.callbacks.append(self._collector)
        run = events.Handle._run

        def timed(handle: Any) -> None:
            self._since, self._stack, self._collected = monotonic(), [], 0.0
            before = thread_time()
            run(handle)
            took = (thread_time() - before - self._collected) * 1000
            self._since = 0.0
            if self.is_ours:
                self.is_ours = False
            elif took > self.longest.milliseconds:
                self.longest = Longest(took, self._stack or [repr(handle)[:200]])

        events.Handle._run = timed  # type: ignore[method-assign]
        Thread(target=self._look, daemon=True).start()

    def take(self) -> Longest:
        longest, self.longest = self.longest, Longest()
        return longest

    def _collector(self, phase: str, _info: dict[str, int]) -> None:
        if get_ident() != self._thread:
            return
        if phase == "start":
            self._collecting = thread_time()
        else:
            self._collected += thread_time() - self._collecting

    def _look(self) -> None:
        while not self._stop.wait(LOOK_SECONDS):
            if self._since and monotonic() - self._since > LOOK_SECONDS:
                self._stack = _stack_of(self._thread)


def _stack_of(thread: int) -> list[str]:
    """Where a thread is, from the outermost call on."""
    # Python 3.11 crashes where a collection lets go of a frame that is just being asked for.
    gc.disable()
    try:
        stack = walk_stack(sys._current_frames()[thread])
        told = [
            f"{frame.f_code.co_filename}:{line} {frame.f_code.co_name}" for frame, line in stack
        ]
    finally:
        gc.enable()
    return told[::-1]


class MonitorHandler(APIHandler):
    """What there is, by digests: equal answers mean that nothing was changed."""

    @authenticated
    async def get(self) -> None:
        watch = self.settings["fuzz_watch"]
        longest, watch.is_ours = watch.take(), True
        rooms = self.settings["jupyter_server_ydoc"].ywebsocket_server.rooms
        documents = {
            room._file.path: document_digest(room._document)
            for room in [*rooms.values()]
            if getattr(room, "_document", None) is not None and hasattr(room._document, "ycells")
        }
        runs = self.settings["fuzz_executions"]()
        self.finish(
            json.dumps(
                {
                    "longest": [longest.milliseconds, longest.where],
                    "documents": documents,
                    "files": _files(Path(self.settings["server_root_dir"]).expanduser(), documents),
                    "kernels": sorted(self.kernel_manager.list_kernel_ids()),
                    "unfinished": len(runs.unfinished) if runs else 0,
                    "stale": self.settings["fuzz_stale"](),
                }
            )
        )


def document_digest(document: Any) -> str:
    """Of the cells of a live notebook, and of what its last writer says."""
    state = document.ydoc.get("state", type=Map).get(LAST_CHANGE)
    cells = json.loads(str(document.ycells))
    return _digest(json.dumps([cells, state], sort_keys=True).encode())


def stale_in(document: Any) -> str:
    """What is known of the cells and is not so."""
    cells = json.loads(str(document._ycells))
    snapshots, known = document._snapshots, document._index._ids
    if known not in (None, ids := [*map(id_of, cells)]):
        return f"ids {known} {ids}"
    if gone := snapshots._kept.keys() - set(ids):
        return f"gone {gone}"
    for position, raw in enumerate(cells):
        new = snapshots._snapshot(raw, position)
        old = at_position(snapshots._kept.get(ids[position], new), position)
        if (known := _as_text(old)) != (text := _as_text(new)):
            return f"{known} {text}"
    return ""


def _as_text(cell: Cell) -> str:
    return json.dumps(asdict(cell), sort_keys=True)


def _files(root: Path, live: dict[str, str]) -> dict[str, str]:
    """Digests of the files below the root; those of live notebooks follow their documents."""
    found = {}
    for directory, directories, names in os.walk(root):
        directories[:] = [name for name in directories if name != ".ipynb_checkpoints"]
        for name in names:
            path = Path(directory, name)
            inside = path.relative_to(root).as_posix()
            if name.startswith(".~"):  # Jupyter is writing it.
                continue
            if inside not in live and path.is_file() and not path.is_symlink():
                found[ascii(inside)] = _digest(path.read_bytes())
    return found


def _digest(content: bytes) -> str:
    return blake2b(content, digest_size=8).hexdigest()


class Monitor(ExtensionApp):
    name = "fuzz_monitor"

    def initialize_handlers(self) -> None:
        watch = Watch()
        watch.install()
        shared = {"fuzz_watch": watch, "fuzz_executions": self._executions}
        shared["fuzz_stale"] = self._stale
        self.serverapp.web_app.settings |= shared
        self.handlers.append((r"/fuzz", MonitorHandler))

    def _executions(self) -> Any:
        return self._backend and self._backend.executions

    def _stale(self) -> list[str]:
        """Of which live notebooks something else is known than is there."""
        leases = self._backend._rooms._leases.values() if self._backend else []
        return [told for lease in leases if (told := stale_in(lease.document))]

    @property
    def _backend(self) -> Any:
        """All that agents work with, None before the first of them comes."""
        [extension] = self.serverapp.extension_manager.extension_apps["jupyter_mcp_ext"]
        return extension._backend


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    return [{"module": __name__, "app": Monitor}]

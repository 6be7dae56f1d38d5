"""The code that was run on named kernels, kept on disk until some days after its last run."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from hashlib import sha256
from logging import Logger
from pathlib import Path

from anyio import Lock, to_thread

from .private import make_private
from .ranges import chosen

MAX_RUNS = 200
MAX_CODE_BYTES = 100_000
"""Of the code of one kernel; what is older is dropped."""

MAX_KERNELS = 50
DAY_SECONDS = 86_400


@dataclass(frozen=True)
class RecordedRun:
    """One run. `is_lost` tells whether what it did to the kernel's memory is lost."""

    number: int
    code: str
    status: str
    at: float
    is_lost: bool = False


TOO_LONG = "# This code was too long to be recorded."


@dataclass(frozen=True)
class Record:
    """What is known of the kernels of one name: runs, oldest first, and their variables.

    `dropped` counts older runs on the kernel of the first one, which are not kept any more.
    """

    name: str
    runs: tuple[RecordedRun, ...] = ()
    variables: tuple[str, ...] = ()
    lost_variables: tuple[str, ...] = ()
    dropped: int = 0

    @property
    def lost(self) -> list[RecordedRun]:
        """The runs whose effects are lost."""
        return [run for run in self.runs if run.is_lost]

    def with_run(self, code: str, status: str, variables: Sequence[str]) -> Record:
        """After one more run."""
        number = self.runs[-1].number + 1 if self.runs else 1
        if len(code.encode(errors="replace")) > MAX_CODE_BYTES:
            code, status = TOO_LONG, "too long to keep"
        runs = (*self.runs, RecordedRun(number, code, status, time.time()))
        kept = runs[-MAX_RUNS:]
        while sum(len(run.code.encode(errors="replace")) for run in kept) > MAX_CODE_BYTES:
            kept = kept[1:]
        gone = [run for run in runs[: -len(kept)] if run.is_lost == kept[0].is_lost]
        dropped = len(gone) + (self.dropped if runs[0].is_lost == kept[0].is_lost else 0)
        return replace(self, runs=kept, dropped=dropped, variables=tuple(variables))

    def after_loss(self) -> Record:
        """After the end of the kernel; what was lost earlier is only kept if nothing was since."""
        live = [run for run in self.runs if not run.is_lost]
        if not live:
            return self
        lost = tuple(replace(run, is_lost=True) for run in live)
        dropped = 0 if self.lost else self.dropped
        return Record(self.name, lost, lost_variables=self.variables, dropped=dropped)

    def chosen(self, numbers: str) -> list[RecordedRun]:
        """The runs with these numbers, a list such as "1-3,5".

        Raises:
            InvalidRequest: it is no such list, or names none of them.
        """
        runs = {run.number: run for run in self.runs}
        return [runs[number] for number in chosen(runs, numbers)]


@dataclass(frozen=True)
class Records:
    """A file for each name, in a directory of this server. With 0 `days`, nothing is kept."""

    directory: Path
    days: float
    log: Logger
    _turn: Lock = field(default_factory=Lock)

    async def add(self, name: str, code: str, status: str, variables: Sequence[str]) -> None:
        """Record a run."""
        await self._change(name, lambda record: record.with_run(code, status, variables))

    async def note_loss(self, name: str) -> Record:
        """The kernel of this name is gone, or began anew. Returns what is known of it."""
        return await self._change(name, Record.after_loss)

    async def get(self, name: str) -> Record:
        """What is recorded under this name, which may be nothing."""
        return await self._change(name, lambda record: record)

    async def forget(self, name: str) -> None:
        """Forget what is recorded under this name."""
        await self._change(name, lambda record: Record(name))

    async def _change(self, name: str, change: Callable[[Record], Record]) -> Record:
        if self.days <= 0:
            return Record(name)
        async with self._turn:
            return await to_thread.run_sync(self._change_file, name, change)

    def _change_file(self, name: str, change: Callable[[Record], Record]) -> Record:
        # Names may differ in case only, and be anything that a file system does not take.
        file = self.directory / f"{sha256(name.encode()).hexdigest()[:24]}.json"
        record = self._read(file, name)
        changed = change(record)
        if changed != record:
            try:
                self._write(file, changed)
            except OSError:
                # No run may fail because the disk is full.
                self.log.warning("The code of kernel %r is not recorded", name, exc_info=True)
        return changed

    def _read(self, file: Path, name: str) -> Record:
        if not _is_newer(file, time.time() - self.days * DAY_SECONDS):
            return Record(name)
        try:
            content = json.loads(file.read_text(encoding="utf-8"))
            runs = tuple(RecordedRun(**run) for run in content["runs"])
            dropped = int(content["dropped"])
            variables, lost = tuple(content["variables"]), tuple(content["lost_variables"])
        except (OSError, ValueError, KeyError, TypeError):
            return Record(name)  # Half a file, or one of another version.
        return Record(name, runs, variables, lost, dropped)

    def _write(self, file: Path, record: Record) -> None:
        make_private(self.directory)
        if not record.runs:
            file.unlink(missing_ok=True)
            return
        new = file.with_suffix(".new")
        new.touch(mode=0o600)
        new.write_text(json.dumps(asdict(record)), encoding="utf-8")
        new.replace(file)
        self._remove_old()

    def _remove_old(self) -> None:
        oldest = time.time() - self.days * DAY_SECONDS
        files = sorted(self.directory.glob("*.json"), key=_changed_at)
        for at, file in enumerate(files):
            if at < len(files) - MAX_KERNELS or not _is_newer(file, oldest):
                file.unlink(missing_ok=True)


def _changed_at(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except OSError:
        return 0.0


def _is_newer(file: Path, seconds: float) -> bool:
    return _changed_at(file) > seconds

"""Checkpoints of notebooks on disk, bounded in number as in size."""

from __future__ import annotations

import gzip
import json
import os
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from secrets import token_hex
from tempfile import NamedTemporaryFile
from time import time
from typing import Any

from .cell import Cell
from .comparison import Digests, digests
from .errors import CheckpointNotFound, CheckpointRefused
from .private import make_private

MAX_PER_NOTEBOOK = 20
"""How many checkpoints of a notebook are kept: the oldest goes, automatic ones first."""

MAX_TOTAL_BYTES = 200_000_000
"""How many bytes all checkpoints of all notebooks have on disk, or `UNCOUNTED_BYTES` more."""

UNCOUNTED_BYTES = MAX_TOTAL_BYTES // 20
"""How many may be added until all are counted again: there may be thousands of files."""

COMPRESSION = 1
"""The fastest level; text of notebooks becomes about a tenth by it."""

SUFFIX = ".json.gz"

FIELDS = (
    *("id", "type", "source", "outputs", "execution_count", "metadata", "attachments"),
    "is_stale",
)
"""What is kept of a cell: not whether it runs."""


@dataclass(frozen=True)
class Checkpoint:
    """What is known of a checkpoint. `made_at` is in seconds since 1970; `by` is a title."""

    id: str
    name: str
    made_at: float
    by: str
    is_automatic: bool
    digests: Digests = field(repr=False)


class CheckpointStore:
    """The checkpoints below a directory, by the ids of the notebooks' files.

    All methods read or write files: call them in a thread. Several servers may share the
    directory.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._uncounted = MAX_TOTAL_BYTES

    def add(
        self, file_id: str, cells: Sequence[Cell], name: str, by: str, *, is_automatic: bool
    ) -> Checkpoint:
        """Keep these cells. An automatic checkpoint that equals the last one is not made.

        Raises:
            CheckpointRefused: there is no room for it.
            OSError: it cannot be written.
        """
        facts = digests(cells)
        _, last = next(self._known(file_id), (None, None))
        if is_automatic and last and last.digests == facts:
            return last
        made = Checkpoint(token_hex(2), name, time(), by, is_automatic, facts)
        path = self._write(file_id, made, cells)
        if path.stat().st_size > MAX_TOTAL_BYTES:
            path.unlink()
            raise CheckpointRefused(f"it has more than {MAX_TOTAL_BYTES // 1_000_000} MB")
        self._make_room(path)
        return made

    def all(self, file_id: str) -> list[Checkpoint]:
        """The checkpoints of a notebook, the newest first."""
        return [checkpoint for _, checkpoint in self._known(file_id)]

    def read(self, file_id: str, reference: str) -> tuple[Checkpoint, list[Cell]]:
        """The newest checkpoint with this id or name, and its cells.

        Raises:
            CheckpointNotFound: there is none.
        """
        known = list(self._known(file_id))
        for path, checkpoint in known:
            if reference and reference in (checkpoint.id, checkpoint.name):
                return checkpoint, _read_cells(path)
        raise CheckpointNotFound(reference, [checkpoint.id for _, checkpoint in known])

    def _known(self, file_id: str) -> Iterator[tuple[Path, Checkpoint]]:
        for path in sorted((self._directory / file_id).glob(f"*{SUFFIX}"), reverse=True):
            # Another server may have removed it just now, or a full disk have cut it.
            with (
                suppress(OSError, EOFError, ValueError, TypeError, zlib.error),
                gzip.open(path, "rt", encoding="utf-8") as file,
            ):
                yield path, Checkpoint(**json.loads(file.readline()))

    def _write(self, file_id: str, checkpoint: Checkpoint, cells: Sequence[Cell]) -> Path:
        directory = self._directory / file_id
        make_private(directory)
        # The name has the time and the kind, so that making room opens no file.
        kind = "a" if checkpoint.is_automatic else "n"
        path = directory / f"{checkpoint.made_at * 1000:015.0f}-{kind}-{checkpoint.id}{SUFFIX}"
        file = NamedTemporaryFile(dir=directory, suffix=".tmp", delete=False)
        try:
            with file, gzip.open(file, "wt", COMPRESSION, encoding="utf-8") as text:
                text.write(json.dumps(asdict(checkpoint)) + "\n[")
                # Each by itself: nobody gets a turn while one JSON text is made.
                for number, cell in enumerate(cells):
                    text.write("," * bool(number) + json.dumps(_saved(cell)))
                text.write("]")
            os.replace(file.name, path)
        finally:
            Path(file.name).unlink(missing_ok=True)
        return path

    def _make_room(self, newest: Path) -> None:
        """Remove what is beyond the bounds, but never the newest."""
        others = [
            path for path in _oldest_first(newest.parent.glob(f"*{SUFFIX}")) if path != newest
        ]
        for path in others[: max(0, len(others) + 1 - MAX_PER_NOTEBOOK)]:
            path.unlink(missing_ok=True)
        self._uncounted += _size(newest)
        if self._uncounted > UNCOUNTED_BYTES:
            self._uncounted = 0
            self._make_room_for_all(newest)

    def _make_room_for_all(self, newest: Path) -> None:
        found = _oldest_first(self._directory.glob(f"*/*{SUFFIX}"))
        sizes = {path: _size(path) for path in found}
        total = sum(sizes.values())
        for path in found:
            if total <= MAX_TOTAL_BYTES:
                break
            if path != newest:
                total -= sizes[path]
                path.unlink(missing_ok=True)


def _oldest_first(paths: Iterable[Path]) -> list[Path]:
    """The automatic ones come before those with a name."""
    return sorted(paths, key=lambda path: ("-n-" in path.name, path.name))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:  # Another server was faster.
        return 0


def _saved(cell: Cell) -> dict[str, Any]:
    return {name: getattr(cell, name) for name in FIELDS}


def _read_cells(path: Path) -> list[Cell]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        file.readline()
        saved = json.load(file)
    return [
        Cell(**each | {"position": position, "outputs": tuple(each["outputs"])})
        for position, each in enumerate(saved)
    ]

"""What happened to the cells of one live notebook, in numbered steps."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal
from uuid import uuid4

Kind = Literal["added", "edited", "moved", "replaced", "started", "ran", "output"]

TOLD: Mapping[Kind, str] = {
    "added": "added",
    "edited": "edited",
    "moved": "moved",
    "replaced": "replaced",
    "ran": "ran",
    "output": "outputs changed",
}
"""What is told of a cell, in this order."""

MAX_REMOVED = 1000
"""How many removed cells are known."""


@dataclass(frozen=True)
class Changes:
    """What happened after a mark: words for each cell that still exists, and ids of the others."""

    cells: Mapping[str, str]
    removed: Sequence[str]


class Journal:
    """Begins when the notebook is loaded, and keeps the last step of each kind for each cell."""

    def __init__(self) -> None:
        self.author = ""
        self.restart()

    def restart(self) -> None:
        """Forget everything, since something happened that is not known."""
        self._epoch = uuid4().hex[:4]
        self._step = 0
        self._cells: dict[str, dict[tuple[Kind, str], int]] = {}
        self._removed: OrderedDict[str, int] = OrderedDict()
        self._complete_from = 0

    @property
    def mark(self) -> str:
        """Names this moment, for `since`."""
        return f"{self._epoch}.{self._step}"

    def begin(self, author: str) -> None:
        """What is noted from here on is one step of this agent, or of others for ""."""
        self._step += 1
        self.author = author

    def note(self, cell_id: str, kind: Kind) -> None:
        """Note what happened to a cell in this step."""
        steps = self._cells.setdefault(cell_id, {})
        if kind == "ran" and self._last(cell_id, "started") <= self._last(cell_id, "ran"):
            steps["started", self.author] = self._step  # A run that was shown at its end only.
        steps[kind, self.author] = self._step
        self._removed.pop(cell_id, None)

    def note_removed(self, cell_id: str) -> None:
        """Note that a cell is gone."""
        self._cells.pop(cell_id, None)
        self._removed[cell_id] = self._step
        if len(self._removed) > MAX_REMOVED:
            _, self._complete_from = self._removed.popitem(last=False)

    def is_stale(self, cell_id: str) -> bool:
        """Whether the source was edited after a run of it began."""
        return self._last(cell_id, "edited") > self._last(cell_id, "started")

    def since(self, mark: str) -> Changes | None:
        """What happened after the mark; None when that is not known (any more)."""
        epoch, _, number = mark.partition(".")
        if epoch != self._epoch or not number.isdecimal() or len(number) > 15:
            return None
        if not self._complete_from <= int(number) <= self._step:
            return None
        told = {cell_id: self._told(cell_id, int(number)) for cell_id in self._cells}
        removed = [cell_id for cell_id, step in self._removed.items() if step > int(number)]
        return Changes({cell_id: words for cell_id, words in told.items() if words}, removed)

    def authors(self, cell_id: str, kinds: Iterable[Kind], mark: str) -> set[str]:
        """Who did one of these to the cell after a mark of this journal."""
        after, steps = int(mark.partition(".")[2]), self._cells.get(cell_id, {})
        return {who for (kind, who), step in steps.items() if kind in kinds and step > after}

    def _told(self, cell_id: str, after: int) -> str:
        words = []
        for kind, word in TOLD.items():
            who = self.authors(cell_id, [kind], f".{after}")
            names = ["an agent"] if any(who) else []
            names += ["others"] if "" in who else []
            if names:
                words.append(f"{word} by {' and '.join(names)}")
        return ", ".join(words)

    def _last(self, cell_id: str, kind: Kind) -> int:
        steps = self._cells.get(cell_id, {})
        return max((step for (known, _), step in steps.items() if known == kind), default=0)

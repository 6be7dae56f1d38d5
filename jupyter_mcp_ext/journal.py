"""What happened to the cells of one live notebook, in numbered steps."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from time import monotonic
from typing import Literal, NamedTuple
from uuid import uuid4

from .agent import AN_AGENT, NOBODY, Author

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


MAX_NOTES = 40
"""How many notes are kept of one cell, the newest."""

TYPING_SECONDS = 2.0
"""How long after a keystroke a person counts as typing."""

WRITTEN: Sequence[Kind] = ("added", "edited", "replaced")
"""What gives a cell a new source."""


SERVER = Author("server", AN_AGENT)
"""Whoever it is for whom the server does something that no call asked for."""

RESERVED = {"you", "others", AN_AGENT}
"""What we call authors; a person with such a name is quoted."""


class Origin(NamedTuple):
    """What our transactions say of themselves: whose they are, and whether they can be undone."""

    kind: Literal["edit", "output"]
    author: Author = SERVER


class _Note(NamedTuple):
    step: int
    seconds: float


@dataclass(frozen=True)
class Changes:
    """What happened after a mark: words for each cell that still exists, and ids of the others."""

    cells: Mapping[str, str]
    removed: Sequence[str]


class Journal:
    """Begins when the notebook is loaded, and keeps the last step of each kind for each cell."""

    def __init__(self) -> None:
        self.author = NOBODY
        self.restart()

    def restart(self) -> None:
        """Forget everything, since something happened that is not known."""
        self._epoch = uuid4().hex[:4]
        self._step = 0
        self._cells: OrderedDict[str, dict[tuple[Kind, Author], _Note]] = OrderedDict()
        """In the order of their last notes: what is told of is at the end."""
        self._removed: OrderedDict[str, int] = OrderedDict()
        self._complete_from = 0
        self._sources: dict[str, int] = {}
        """Hashes of the sources that the last runs had, where that is known."""

    @property
    def mark(self) -> str:
        """Names this moment, for `since`."""
        return f"{self._epoch}.{self._step}"

    def begin(self, author: Author) -> None:
        """What is noted from here on is one step of theirs."""
        self._step += 1
        self.author = author

    def note(self, cell_id: str, kind: Kind) -> None:
        """Note what happened to a cell in this step."""
        notes = self._cells.setdefault(cell_id, {})
        self._cells.move_to_end(cell_id)
        if kind == "started" and self._is_edited(cell_id):
            self._sources.pop(cell_id, None)
        now = _Note(self._step, monotonic())
        if kind == "ran" and self._last(cell_id, "started") <= self._last(cell_id, "ran"):
            notes["started", self.author] = now  # A run that was shown at its end only.
        notes[kind, self.author] = now
        if len(notes) > MAX_NOTES:
            del notes[min(notes, key=lambda key: notes[key].step)]
        self._removed.pop(cell_id, None)

    def note_removed(self, cell_id: str) -> None:
        """Note that a cell is gone."""
        self._cells.pop(cell_id, None)
        self._sources.pop(cell_id, None)
        self._removed[cell_id] = self._step
        self._removed.move_to_end(cell_id)
        if len(self._removed) > MAX_REMOVED:
            _, self._complete_from = self._removed.popitem(last=False)

    def note_run(self, cell_id: str, source: str) -> None:
        """Note that a run of this source begins."""
        self.note(cell_id, "started")
        self._sources[cell_id] = hash(source)

    def is_stale(self, cell_id: str, source: str) -> bool:
        """Whether the source was edited after a run of it began, and is not as it was again."""
        return self._is_edited(cell_id) and self._sources.get(cell_id) != hash(source)

    def typist(self, cell_id: str) -> str:
        """The name of the person who is typing in the cell, "" if nobody is."""
        now, notes = monotonic(), self._cells.get(cell_id, {}).items()
        typed = [
            (note, author.name)
            for (kind, author), note in notes
            if kind in WRITTEN and not author.id and now - note.seconds <= TYPING_SECONDS
        ]
        return max(typed)[1] if typed else ""

    def last_writer(self, cell_id: str) -> tuple[Author, float] | None:
        """Who gave the cell its present source, and how many seconds ago; None if not known."""
        notes = self._cells.get(cell_id, {}).items()
        written = [(note, author) for (kind, author), note in notes if kind in WRITTEN]
        if not written:
            return None
        note, author = max(written)
        return author, monotonic() - note.seconds

    def since(self, mark: str, reader: str = "") -> Changes | None:
        """What happened after the mark; None when that is not known (any more).

        The words for an author with the id `reader` are "you".
        """
        epoch, _, number = mark.partition(".")
        if epoch != self._epoch or not number.isdecimal() or len(number) > 15:
            return None
        if not self._complete_from <= int(number) <= self._step:
            return None
        after, removed = int(number), self._removed
        noted = takewhile(lambda each: self._newest(each) > after, reversed(self._cells))
        told = {cell_id: self._told(cell_id, after, reader) for cell_id in [*noted][::-1]}
        gone = [*takewhile(lambda each: removed[each] > after, reversed(removed))][::-1]
        return Changes({cell_id: words for cell_id, words in told.items() if words}, gone)

    def authors(self, cell_id: str, kinds: Iterable[Kind], mark: str) -> set[Author]:
        """Who did one of these to the cell after a mark of this journal."""
        after, notes = int(mark.partition(".")[2]), self._cells.get(cell_id, {})
        return {who for (kind, who), note in notes.items() if kind in kinds and note.step > after}

    def _told(self, cell_id: str, after: int, reader: str) -> str:
        words: dict[str, list[str]] = {}
        for kind, word in TOLD.items():
            authors = self.authors(cell_id, [kind], f".{after}")
            names = sorted({told_name(author, reader) for author in authors})
            if names:
                words.setdefault(" and ".join(names), []).append(word)
        return ", ".join(f"{', '.join(done)} by {names}" for names, done in words.items())

    def _newest(self, cell_id: str) -> int:
        return max(note.step for note in self._cells[cell_id].values())

    def _is_edited(self, cell_id: str) -> bool:
        return self._last(cell_id, "edited") > self._last(cell_id, "started")

    def _last(self, cell_id: str, kind: Kind) -> int:
        notes = self._cells.get(cell_id, {})
        return max((note.step for (known, _), note in notes.items() if known == kind), default=0)


def told_name(author: Author, reader: str = "") -> str:
    """How an answer to the agent with the id `reader` names an author."""
    if reader and author.id == reader:
        return "you"
    if author.id:
        return author.name if author.name == AN_AGENT else f"{author.name} (agent)"
    return repr(author.name) if author.name in RESERVED else author.name or "others"

"""Takes back the last edits of one agent, not those of others, in a live notebook."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pycrdt import Array, UndoManager

from .cell_index import CellIndex
from .errors import UndoRefused
from .journal import Kind, Origin

MAX_AGENTS = 16
"""How many agents can undo in one notebook; who edited longest ago is forgotten."""

MAX_STEPS = 1000
"""After how many steps of an agent they are forgotten, with all that they have deleted."""

MADE: Sequence[Kind] = ("added", "moved", "replaced")
"""What makes a cell anew, so that undoing it removes what is there now."""


@dataclass(frozen=True)
class _Step:
    mark: str
    changed: Sequence[str]
    made: Sequence[str]
    """The cells that undoing it would remove, with all that others have written in them."""


@dataclass
class _Edits:
    manager: UndoManager
    steps: list[_Step] = field(default_factory=list)


class Undo:
    """The steps of each agent; agents are named by the origin of their transactions."""

    def __init__(self, ycells: Array[Any], index: CellIndex) -> None:
        self._ycells = ycells
        self._index = index
        self._edits: OrderedDict[Origin, _Edits] = OrderedDict()

    def follow(self, agent: Origin) -> None:
        """What the agent does from here on can be undone."""
        if agent not in self._edits:
            manager = UndoManager(scopes=[self._ycells], capture_timeout_millis=0)
            manager.include_origin(agent)
            self._edits[agent] = _Edits(manager)
        self._edits.move_to_end(agent)
        if len(self._edits) > MAX_AGENTS:
            self._edits.popitem(last=False)

    def note(self, agent: Origin, mark: str) -> list[str]:
        """What the agent did since the mark is one step, if it did anything.

        Returns the ids of the cells that it changed or removed, as far as they are known.
        """
        edits, journal = self._edits[agent], self._index.journal
        if journal.mark == mark:
            return []
        changes = journal.since(mark)
        if changes is None or len(edits.steps) == MAX_STEPS:
            # Of what is not known, nothing is taken back.
            edits.manager.clear()
            edits.steps.clear()
            return [*changes.cells, *changes.removed] if changes else []
        made = [i for i in changes.cells if agent.author in journal.authors(i, MADE, mark)]
        changed = [*changes.cells, *changes.removed]
        edits.steps.append(_Step(journal.mark, changed, made))
        return changed

    def concerned(self, agent: Origin, steps: int) -> set[str]:
        """The ids of the cells that the agent's last steps changed or removed."""
        edits = self._edits.get(agent)
        last = [] if edits is None else edits.steps[-steps:]
        return {cell_id for step in last for cell_id in step.changed}

    def take_back(self, agent: Origin) -> bool:
        """Undo the agent's last step; False if there is none.

        Raises:
            UndoRefused: others have written in a cell that would be removed.
        """
        edits = self._edits.get(agent)
        if edits is None or not edits.steps:
            return False
        step = edits.steps[-1]
        for cell_id in step.made:
            self._check(agent, cell_id, step.mark)
        self._index.undoing = agent.author
        try:
            edits.steps.pop()
            return edits.manager.undo()
        finally:
            self._index.undoing = None

    def _check(self, agent: Origin, cell_id: str, mark: str) -> None:
        journal = self._index.journal
        if mark.partition(".")[0] != journal.mark.partition(".")[0]:
            raise UndoRefused(cell_id)
        writers = journal.authors(cell_id, ("edited", *MADE), mark) - {agent.author}
        if writers:
            raise UndoRefused(cell_id)

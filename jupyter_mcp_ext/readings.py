"""Which source of each cell an agent knows, so that it does not act on one that changed."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence

from .agent import Agent
from .cell import CellHead
from .errors import SourceConflict
from .journal import told_name
from .line_diffs import line_diff
from .notebook import NotebookDocument
from .text import duration

MAX_READERS = 200
"""How many pairs of an agent and a notebook are known; who read longest ago is forgotten."""

MAX_CELLS = 5000
"""Of how many cells of a notebook an agent's knowledge is kept."""

MAX_DIFF_LINES = 12


class Readings:
    """Kept by the file and not by the room, which is freed when nobody is there for a while."""

    def __init__(self) -> None:
        self._sources: OrderedDict[tuple[str, str], OrderedDict[str, str]] = OrderedDict()

    def note(
        self,
        agent: Agent,
        document: NotebookDocument,
        cells: Iterable[CellHead],
        *,
        is_whole: bool = True,
    ) -> None:
        """The agent knows these cells as they are.

        What is not the whole source, as a line in an outline, changes nothing about cells that it
        has known before: it would hide what others changed in the rest.
        """
        reader = (agent.id, document.file_id)
        sources = self._sources.setdefault(reader, OrderedDict())
        self._sources.move_to_end(reader)
        if len(self._sources) > MAX_READERS:
            self._sources.popitem(last=False)
        for cell in cells:
            if is_whole or cell.id not in sources:
                sources[cell.id] = cell.source
            sources.move_to_end(cell.id)
        while len(sources) > MAX_CELLS:
            sources.popitem(last=False)

    def known(
        self, agent: Agent, document: NotebookDocument, cells: Iterable[CellHead]
    ) -> set[str]:
        """The ids of those of these cells that are as the agent knows them."""
        sources = self._sources.get((agent.id, document.file_id), OrderedDict())
        return {cell.id for cell in cells if sources.get(cell.id) == cell.source}

    def check(self, agent: Agent, document: NotebookDocument, cells: Sequence[CellHead]) -> None:
        """Go on only if none of these cells has another source than the agent knows.

        A cell that it never read has no other one.

        Raises:
            SourceConflict: one has.
        """
        sources = self._sources.get((agent.id, document.file_id), OrderedDict())
        changed = [
            cell
            for cell in cells
            if sources.get(cell.id, cell.source).rstrip() != cell.source.rstrip()
        ]
        if changed:
            told = [_told(document, cell, sources[cell.id]) for cell in changed[:3]]
            raise SourceConflict(told, [cell.label for cell in changed[3:]])


def _told(document: NotebookDocument, cell: CellHead, known: str) -> tuple[str, str, str]:
    """The cell, who changed it and when, and how."""
    writer = document.journal.last_writer(cell.id)
    diff = line_diff(known, cell.source, MAX_DIFF_LINES)
    if writer is None:
        return cell.label, "", diff
    author, seconds = writer
    return cell.label, f"{told_name(author)}, {duration(seconds)} ago", diff

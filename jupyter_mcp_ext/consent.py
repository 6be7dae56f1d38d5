"""Ask the person at the MCP client before some tools do their work."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from secrets import token_hex
from typing import Any

from anyio import sleep

from .agent import Agent
from .cell import CellHead
from .elicitation import Elicitation, NotAsked
from .errors import AgreementOutdated, Declined, InvalidRequest, NobodyToAsk
from .notebook import NotebookDocument
from .records import Records
from .references import resolve_many
from .room import NotebookRooms
from .text import printable

ANSWER_SECONDS = 600.0
"""How long an answer is waited for."""

MAX_OPEN = 100
"""How many questions that ended their calls are known, with what they are about."""

MAX_VALUE_CHARS = 300
MAX_CELLS = 5
"""How much a question tells of an argument, and of how many cells."""

STATE = "consent:"
"""How the state of our questions begins."""

COVERS = {
    "execute": {"execute_cell", "execute_cells", "execute_code"},
    "shutdown_kernel": {"shutdown_kernel"},
}
"""Arguments that make other tools do what these do."""

Arguments = dict[str, Any]
Sources = dict[str, str]
"""What the person agrees to as it is: sources by the ids of cells, code by the numbers of runs."""


class Consent:
    """The tools that the person is asked about, and the questions that are open."""

    def __init__(self, rooms: NotebookRooms, records: Records, tools: Collection[str]) -> None:
        self._rooms = rooms
        self._records = records
        self._tools = {*tools}
        self._open: OrderedDict[str, tuple[Any, Arguments, str, Sources]] = OrderedDict()

    async def require(
        self, tool: str, title: str, agent: Agent, arguments: Arguments, elicitation: Elicitation
    ) -> tuple[Arguments, Sources | None]:
        """Go on only if the person agrees, where they have to be asked.

        Returns the arguments for the tool: cells are named by their ids, so that it acts on those
        that the question was about, wherever they are by then. And the sources that they have to
        have; None if nobody was asked. An answer counts once.

        Raises:
            Declined: the person does not agree.
            AgreementOutdated: what they were asked about has changed meanwhile.
            NobodyToAsk: the client cannot ask.
            InputRequired: the answer can only come with another call.
        """
        asked_for = self._asked_for(tool, arguments)
        if not asked_for:
            return arguments, None
        if not elicitation.is_possible:
            raise NobodyToAsk(asked_for)
        call, state = (agent.id, tool, arguments), elicitation.state
        asked = self._open.pop(state, None)
        if asked is None or asked[0] != call:
            state, asked = STATE + token_hex(8), (call, *await self._named(arguments))
        self._open[state] = asked
        if len(self._open) > MAX_OPEN:
            self._open.popitem(last=False)
        _, named, facts, sources = asked
        question = f"{agent.title} wants this in Jupyter: {title} ({facts}). Allow it?"
        try:
            agreed = await elicitation.confirm(question, state, partial(sleep, ANSWER_SECONDS))
        except NotAsked:
            raise NobodyToAsk(asked_for) from None
        self._open.pop(state, None)
        if not agreed:
            raise Declined(tool)
        if sources != await self._sources(named):
            raise AgreementOutdated()
        return named, sources

    def _asked_for(self, tool: str, arguments: Arguments) -> str:
        """What the person is asked about, "" if they are not."""
        if tool in self._tools:
            return tool
        covers = [name for name, others in COVERS.items() if self._tools & others]
        return next((f"{tool} with {name}" for name in covers if arguments.get(name)), "")

    async def _named(self, arguments: Arguments) -> tuple[Arguments, str, Sources]:
        """The arguments with the ids of the cells, both in words, and what has to stay the same."""
        named, words = dict(arguments), _in_words(arguments)
        for name in {"cell", "cells", "after"} & arguments.keys():
            if name == "after" and arguments[name] in ("start", "end"):
                continue
            async with self._rooms.open(arguments["notebook"]) as document:
                if name == "cells":
                    ids = document.resolve_many(arguments[name])
                else:
                    ids = [document.resolve(arguments[name])]
                named[name] = ",".join(ids)
                if name == "cells" and resolve_many(document.cell_ids, named[name]) != ids:
                    raise InvalidRequest("These cells have ids that cannot be listed.", "Name one.")
                if name == "after" and ids[0] in ("start", "end"):
                    raise InvalidRequest(f"A cell is called {ids[0]!r}.", "Name another one.")
                words[name] = _cells_in_words(document, ids)
        sources = await self._sources(named)
        if named.get("rerun"):
            codes = "; ".join(f"{number}: {code}" for number, code in sources.items())
            words["rerun"] = _quoted(codes, MAX_VALUE_CHARS)
        return named, printable("; ".join(f"{k}: {v}" for k, v in words.items())), sources

    async def _sources(self, named: Arguments) -> Sources:
        if named.get("rerun"):
            record = await self._records.get(named["kernel"])
            return {str(run.number): run.code for run in record.chosen(named["rerun"])}
        if not {"cell", "cells"} & named.keys():
            return {}
        async with self._rooms.open(named["notebook"]) as document:
            ids = document.resolve_many(str(named.get("cells") or named["cell"]))
            return {cell.id: cell.source for cell in document.heads_among(ids)}


def check_agreed(agreed: Sources | None, cells: Sequence[CellHead]) -> None:
    """Go on only if these cells are as the person was asked about them, if they were.

    Raises:
        AgreementOutdated: one is not.
    """
    sources = agreed or {}
    if others := [cell.label for cell in cells if sources.get(cell.id, cell.source) != cell.source]:
        raise AgreementOutdated(others)


def _cells_in_words(document: NotebookDocument, ids: Sequence[str]) -> str:
    """What they are called, and how their sources begin."""
    shown = [document.head(cell_id) for cell_id in ids[:MAX_CELLS]]
    room = MAX_VALUE_CHARS // max(len(shown), 1)
    told = [f"[{cell.position}] {_name_of(cell)} {_quoted(cell.source, room)}" for cell in shown]
    return ", ".join([*told, *([f"{len(ids) - len(shown)} more"] if len(ids) > len(shown) else [])])


def _name_of(cell: CellHead) -> str:
    return cell.id if re.fullmatch(r"[\w-]+", cell.id) else _quoted(cell.id, MAX_VALUE_CHARS)


def _in_words(arguments: Mapping[str, Any]) -> dict[str, str]:
    """What was said on purpose: no defaults that mean no."""
    told = {name: value for name, value in arguments.items() if value not in (None, "", False)}
    return {name: _quoted(value, MAX_VALUE_CHARS) for name, value in told.items()}


def _quoted(value: Any, limit: int) -> str:
    """On one line, so that no value passes for another one, and what is left out is said."""
    text = " ".join(str(value).split())
    shown = repr(text[:limit]) if isinstance(value, str) else text[:limit]
    more = len(text) - limit
    return f"{shown}… ({more} more characters)" if more > 0 else shown

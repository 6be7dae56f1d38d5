"""Ask the person at the MCP client before some tools do their work."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Mapping
from functools import partial
from secrets import token_hex
from typing import Any

from anyio import sleep

from .agent import Agent
from .elicitation import Elicitation, NotAsked
from .errors import Declined, InvalidRequest, NobodyToAsk, SourceConflict
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

Arguments = dict[str, Any]


class Consent:
    """The tools that the person is asked about, and the questions that are open."""

    def __init__(self, rooms: NotebookRooms, tools: Collection[str]) -> None:
        self._rooms = rooms
        self._tools = tools
        self._open: OrderedDict[str, tuple[Any, Arguments, str, list[str]]] = OrderedDict()

    async def require(
        self, tool: str, title: str, agent: Agent, arguments: Arguments, elicitation: Elicitation
    ) -> Arguments:
        """Go on only if the person agrees, where they have to be asked.

        Returns the arguments for the tool: cells are named by their ids, so that it acts on those
        that the question was about, wherever they are by then. An answer counts once.

        Raises:
            Declined: the person does not agree.
            NobodyToAsk: the client cannot ask.
            InputRequired: the answer can only come with another call.
        """
        if tool not in self._tools:
            return arguments
        if not elicitation.is_possible:
            raise NobodyToAsk(tool)
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
            raise NobodyToAsk(tool) from None
        self._open.pop(state, None)
        if not agreed:
            raise Declined(tool)
        if sources != await self._sources(named):
            raise SourceConflict([], ["the cells that the person was asked about"])
        return named

    async def _named(self, arguments: Arguments) -> tuple[Arguments, str, list[str]]:
        """The arguments with the ids of the cells, both in words, and the cells' sources."""
        named, words = dict(arguments), dict(arguments)
        for name in {"cell", "cells"} & arguments.keys():
            async with self._rooms.open(arguments["notebook"]) as document:
                ids = (
                    document.resolve_many(arguments[name])
                    if name == "cells"
                    else [document.resolve(arguments[name])]
                )
                shown = [document.cell(cell_id) for cell_id in ids[:MAX_CELLS]]
            named[name] = ids[0] if name == "cell" else ",".join(ids)
            if name == "cells" and resolve_many(document.cell_ids, named[name]) != ids:
                raise InvalidRequest("These cells have ids that cannot be listed.", "Name one.")
            more = [f"{len(ids) - len(shown)} more"] if len(ids) > len(shown) else []
            words[name] = ", ".join([*(f"{c.label} {_cut(c.source, 60)!r}" for c in shown), *more])
        return named, _in_words(words), await self._sources(named)

    async def _sources(self, named: Arguments) -> list[str]:
        """The sources of the cells, which the person agrees to as they are."""
        if not {"cell", "cells"} & named.keys():
            return []
        async with self._rooms.open(named["notebook"]) as document:
            ids = document.resolve_many(str(named.get("cells") or named["cell"]))
            return [cell.source for cell in document.cells_among(ids)]


def _in_words(arguments: Mapping[str, Any]) -> str:
    """What was said on purpose: no defaults that mean no."""
    told = {name: value for name, value in arguments.items() if value not in (None, "", False)}
    return printable("; ".join(f"{k}: {_cut(str(v), MAX_VALUE_CHARS)}" for k, v in told.items()))


def _cut(text: str, limit: int) -> str:
    """On one line, and what is left out is said."""
    text = " ".join(text.split())
    more = len(text) - limit
    return f"{text[:limit]}… ({more} more characters)" if more > 0 else text

"""Which agents have called lately."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter
from time import monotonic
from typing import NamedTuple

from .agent import Agent

KEPT_SECONDS = 30 * 60.0
"""After how long without a call an agent is forgotten."""

KEPT_AGENTS = 200
"""How many are remembered: a client may take a new name for each call."""


class Caller(NamedTuple):
    """A client: the agent that it is now, and those that it was before it connected anew."""

    agent: Agent
    idle_seconds: float
    before: Sequence[Agent] = ()


@dataclass
class _Calls:
    agent: Agent
    first: float
    last: float


class Attendance:
    """Remembers agents by their first and their last call."""

    def __init__(self) -> None:
        self._calls: dict[str, _Calls] = {}

    def note(self, agent: Agent) -> None:
        """The agent calls now."""
        now = monotonic()
        calls = self._calls.pop(agent.id, None) or _Calls(agent, now, now)
        calls.last = now
        self._calls[agent.id] = calls
        if len(self._calls) > KEPT_AGENTS:
            del self._calls[next(iter(self._calls))]

    def callers(self) -> list[Caller]:
        """Who has called lately, the last one first."""
        now = monotonic()
        late = [calls for calls in self._calls.values() if now - calls.last < KEPT_SECONDS]
        found = sorted(_clients(late), key=lambda sessions: sessions[-1].last, reverse=True)
        return [
            Caller(last.agent, now - last.last, [each.agent for each in before])
            for *before, last in found
        ]


def _clients(late: Sequence[_Calls]) -> list[list[_Calls]]:
    """The agents that are one client, oldest first.

    A client that connects anew begins where it ended before. Two that call in turns are two, and
    so is one that could be either of two.
    """
    found: list[list[_Calls]] = []
    for calls in sorted(late, key=attrgetter("first")):
        ended = [
            each
            for each in found
            if _client(each[-1]) == _client(calls) and each[-1].last < calls.first
        ]
        if len(ended) == 1:
            ended[0].append(calls)
        else:
            found.append([calls])
    return found


def _client(calls: _Calls) -> str:
    return calls.agent.client or calls.agent.id

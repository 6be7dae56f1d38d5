"""Which agents have called lately."""

from __future__ import annotations

from time import monotonic
from typing import NamedTuple

from .agent import Agent

KEPT_SECONDS = 30 * 60.0
"""After how long without a call an agent is forgotten."""

KEPT_AGENTS = 200
"""How many are remembered: a client may take a new name for each call."""


class Caller(NamedTuple):
    agent: Agent
    idle_seconds: float


class Attendance:
    """Remembers agents by their last call."""

    def __init__(self) -> None:
        self._calls: dict[str, tuple[Agent, float]] = {}

    def note(self, agent: Agent) -> None:
        """The agent calls now."""
        self._calls.pop(agent.id, None)
        self._calls[agent.id] = agent, monotonic()
        if len(self._calls) > KEPT_AGENTS:
            del self._calls[next(iter(self._calls))]

    def callers(self) -> list[Caller]:
        """Who has called lately, the last one first."""
        now = monotonic()
        callers = [Caller(agent, now - called) for agent, called in self._calls.values()]
        return [caller for caller in reversed(callers) if caller.idle_seconds < KEPT_SECONDS]

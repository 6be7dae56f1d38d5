"""Who calls: an agent, as other people and agents know it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Agent:
    """One MCP client of one login.

    `id` tells it from others: its MCP session, or else its login and its client's name. `name` is
    the client's, such as "Claude Code"; `user` that of the person whose login it uses, or "" where
    a token stands for nobody in particular.
    """

    id: str
    name: str = ""
    user: str = ""

    @property
    def title(self) -> str:
        """How people see it."""
        return f"{self.name or 'agent'} ({self.user})" if self.user else self.name or "agent"

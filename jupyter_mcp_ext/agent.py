"""Who calls, or does something to notebooks, as others know them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class Author(NamedTuple):
    """Who does something to a notebook: an agent with its `id`, or somebody without one.

    `name` is how others know them, "" where they are not known.
    """

    id: str
    name: str


NOBODY = Author("", "")

AN_AGENT = "an agent"
"""How one is called whose client tells no name."""

COLORS = 7
"""How many colours JupyterLab has for collaborators."""


@dataclass(frozen=True)
class Agent:
    """One MCP client of one login.

    `id` tells it from others: its MCP session, or else its login and its client's name. `name` is
    the client's, such as "Claude Code"; `user` that of the person whose login it uses, or "" where
    a token stands for nobody in particular. `client` is the same for all sessions of the same
    client with the same login.
    """

    id: str
    name: str = ""
    user: str = ""
    client: str = ""

    @property
    def title(self) -> str:
        """How people see it."""
        name = self.name or AN_AGENT
        return f"{name} ({self.user})" if self.user else name

    @property
    def initials(self) -> str:
        """As JupyterLab shows people."""
        return "".join(word[0] for word in self.title.split() if word[0].isalnum())[:2].upper()

    @property
    def color(self) -> int:
        """The number of its colour in JupyterLab, from 1."""
        return int(self.id, 16) % COLORS + 1

    @property
    def author(self) -> Author:
        """Who did what this agent does."""
        return Author(self.id, self.title)

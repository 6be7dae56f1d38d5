"""The status page: what somebody sees who opens the endpoint in a browser."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

from . import __version__
from .agent import Agent
from .attendance import Attendance, Caller
from .clients import ANY, CLIENTS, Client, Connection, format_bridge_command, format_claude_command
from .execution import Execution
from .executions import Executions
from .handlers import Visit
from .oauth.login import OAuthLogin
from .presence import Presence
from .templating import load_template

TOKEN = "YOUR_TOKEN"
"""What the page shows in the place of a token: it never knows one."""


ON_THEIR_MACHINE = "in a terminal on its machine, where jupyter_mcp_ext is installed too"
"""Where a client is told that only starts programs: this server does not know what is there."""


@dataclass(frozen=True)
class Row:
    """An agent on the page. `mark` tells it from others of the same name, "" if it need not."""

    agent: Agent
    mark: str
    idle_seconds: float
    notebooks: Sequence[str]


@dataclass(frozen=True)
class Recipe:
    """What to paste, and into which file or terminal."""

    name: str
    place: str
    text: str


class StatusPage:
    """Shows the agents that called lately, what runs, and how clients connect."""

    def __init__(
        self,
        attendance: Attendance,
        presence: Presence,
        executions: Executions,
        toolsets: Sequence[str],
        *,
        read_only: bool,
        oauth: OAuthLogin | None,
    ) -> None:
        self._attendance = attendance
        self._presence = presence
        self._executions = executions
        self._oauth = oauth
        self._facts = {"toolsets": toolsets, "read_only": read_only, "version": __version__}
        self._template = load_template("status.html")

    def render(self, visit: Visit) -> str:
        """The page as HTML."""
        needs_token = visit.has_login and not self._oauth
        return self._template.render(
            visit=visit,
            nonce=visit.nonce,
            agents=self._agents() if visit.may_read_notebooks else [],
            executions=self._runs(visit),
            logins=self._oauth.logins() if self._oauth and visit.may_read_notebooks else [],
            needs_token=needs_token,
            recipes=recipes(visit.url, needs_token=needs_token),
            **self._facts,
        )

    def _agents(self) -> list[Row]:
        callers = self._attendance.callers()
        titles = Counter(caller.agent.title for caller in callers)
        return [
            Row(
                caller.agent,
                # Events name agents by this id, too.
                caller.agent.id[:4] if titles[caller.agent.title] > 1 else "",
                caller.idle_seconds,
                self._notebooks(caller),
            )
            for caller in callers
        ]

    def _notebooks(self, caller: Caller) -> list[str]:
        places = [self._presence.whereabouts(each) for each in (caller.agent, *caller.before)]
        return [*dict.fromkeys(chain.from_iterable(places))]

    def _runs(self, visit: Visit) -> list[Execution]:
        """What the visitor could have of get_execution."""
        return [
            execution
            for execution in self._executions.unfinished
            if visit.may_read_kernels and (visit.may_read_notebooks or not execution.path)
        ]


def recipes(url: str, *, needs_token: bool) -> list[Recipe]:
    """How each client connects to the address, or comes to start the bridge."""
    connection = Connection(url, TOKEN if needs_token else "")
    command = format_claude_command(connection)
    found = [Recipe(CLIENTS["claude-code"].title, "in a terminal", command)]
    for client in (*(each for each in CLIENTS.values() if each is not ANY), ANY):
        if client.address:
            text, place = client.format(client.entry(connection)), _place(client)
        else:
            text, place = format_bridge_command(client, connection), ON_THEIR_MACHINE
        found.append(Recipe(client.title, place, text))
    return found


def _place(client: Client) -> str:
    return "as most have it" if client is ANY else client.file or "in its settings"

"""The status page: what somebody sees who opens the endpoint in a browser."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, Template

from . import __version__
from .attendance import Attendance
from .clients import ANY, CLIENTS, Connection, format_claude_command
from .executions import Executions
from .handlers import Visit
from .presence import Presence
from .text import duration

TOKEN = "YOUR_TOKEN"
"""What the page shows in the place of a token: it never knows one."""


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
    ) -> None:
        self._attendance = attendance
        self._presence = presence
        self._executions = executions
        self._facts = {"toolsets": toolsets, "read_only": read_only, "version": __version__}
        self._template = _load_template()

    def render(self, visit: Visit) -> str:
        """The page as HTML."""
        return self._template.render(
            visit=visit,
            agents=[
                (caller, self._presence.whereabouts(caller.agent))
                for caller in self._attendance.callers()
            ],
            executions=self._executions.unfinished,
            recipes=recipes(visit.url, has_login=visit.has_login),
            **self._facts,
        )


def recipes(url: str, *, has_login: bool) -> list[Recipe]:
    """How each client connects to the address, or starts the bridge."""
    connection = Connection(url, TOKEN if has_login else "")
    command = format_claude_command(connection)
    found = [Recipe("claude-code", "in a terminal", command)]
    for client in CLIENTS.values():
        entry = client.entry(connection) if client.address else client.stdio_entry([])
        place = "as most clients have it" if client is ANY else client.file
        found.append(Recipe(client.name, place, client.format(entry)))
    return found


def _load_template() -> Template:
    # Names of clients and notebooks are foreign text, so all of it is escaped.
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["duration"] = duration
    return environment.get_template("status.html")

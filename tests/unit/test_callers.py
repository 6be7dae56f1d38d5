"""Who calls."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from jupyter_server.auth import User

from jupyter_mcp_ext.callers import agent_of


def handler(login: str, authorization: str) -> Any:
    """What a request of this person tells, by whatever they are logged in."""
    return SimpleNamespace(
        request=SimpleNamespace(headers={"Authorization": authorization}),
        current_user=User(login),
        login=login,
    )


def test_nobody_becomes_the_agent_of_somebody_else_by_a_header() -> None:
    # The status page shows it to others; a cookie lets them in whatever the header says.
    header = "Bearer id-of-a-grant"
    ada, bob = (agent_of(handler(login, header), None) for login in ("ada", "bob"))
    assert ada == agent_of(handler("ada", header), None)
    assert ada.id != bob.id and ada.client != bob.client

"""Which agents have called lately."""

from __future__ import annotations

import pytest

from jupyter_mcp_ext import attendance
from jupyter_mcp_ext.agent import Agent
from jupyter_mcp_ext.attendance import Attendance


def names(kept: Attendance) -> list[str]:
    return [caller.agent.name for caller in kept.callers()]


def test_each_agent_is_there_once_and_the_last_caller_comes_first() -> None:
    kept = Attendance()
    for agent_id, name in [("1", "Ada"), ("2", "Bob"), ("1", "Ada")]:
        kept.note(Agent(agent_id, name))
    assert names(kept) == ["Ada", "Bob"]


def test_agents_that_call_no_more_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(attendance, "monotonic", lambda: now)
    kept = Attendance()
    kept.note(Agent("1", "Ada"))
    now = attendance.KEPT_SECONDS - 1
    assert names(kept) == ["Ada"]
    now = attendance.KEPT_SECONDS
    assert names(kept) == []


def test_new_names_for_each_call_fill_no_memory() -> None:
    kept = Attendance()
    for number in range(attendance.KEPT_AGENTS + 2):
        kept.note(Agent(str(number), str(number)))
    assert len(names(kept)) == attendance.KEPT_AGENTS
    assert names(kept)[0] == str(attendance.KEPT_AGENTS + 1)


def sessions(kept: Attendance) -> list[list[str]]:
    """The ids of each client that is listed, the last one first."""
    return [[row.agent.id, *(each.id for each in row.before)] for row in kept.callers()]


def note(kept: Attendance, *ids: str) -> None:
    """Calls of sessions of clients with the same name and login."""
    for session in ids:
        kept.note(Agent(session, "Claude Code", "Ada", client="c"))


def test_a_client_that_connects_anew_is_still_one() -> None:
    kept = Attendance()
    note(kept, "a", "a", "b", "b", "c")
    assert sessions(kept) == [["c", "a", "b"]]


def test_clients_of_one_name_that_are_active_at_once_are_told_apart() -> None:
    kept = Attendance()
    note(kept, "a", "b", "a")
    assert sessions(kept) == [["a"], ["b"]]


def test_a_client_that_could_be_either_of_two_is_neither() -> None:
    kept = Attendance()
    note(kept, "a", "b", "a", "c")
    assert sessions(kept) == [["c"], ["a"], ["b"]]


def test_another_login_or_name_is_another_client() -> None:
    kept = Attendance()
    for session, client in [("a", "claude+ada"), ("b", "claude+bob")]:
        kept.note(Agent(session, "Claude Code", client=client))
    assert sessions(kept) == [["b"], ["a"]]

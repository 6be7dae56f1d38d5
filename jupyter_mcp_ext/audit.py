"""Tell Jupyter's event logger of each call that changes or runs something."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from logging import Logger
from pathlib import Path
from typing import Any

from .agent import Agent

SCHEMA = Path(__file__).parent / "events" / "tool_call.yaml"
SCHEMA_ID = "https://schema.jupyter.org/jupyter_mcp_ext/tool_call/v1"

MAX_CELLS = 100
MAX_CHARS = 1000


@dataclass
class Ending:
    """What became of one call: cancelled, unless something else is said."""

    outcome: str = "cancelled"
    error: str = ""

    def end(self, outcome: str, error: BaseException | None = None) -> None:
        """It has come to an end; of an error only the kind is told, since words may quote."""
        self.outcome = outcome
        self.error = "" if error is None else type(error).__name__


class Audit:
    """Emits to Jupyter's event logger, which does nothing as long as nobody listens."""

    def __init__(self, event_logger: Any, log: Logger) -> None:
        self._event_logger = event_logger
        self._log = log
        event_logger.register_event_schema(SCHEMA)

    @contextmanager
    def recording(
        self, agent: Agent, tool: str, arguments: Mapping[str, Any], cells: Sequence[str]
    ) -> Iterator[Ending]:
        """Emit what becomes of a call inside; `cells` are looked at when it ends."""
        ending = Ending()
        try:
            yield ending
        finally:
            self._emit(agent, tool, arguments, cells, ending)

    def _emit(
        self,
        agent: Agent,
        tool: str,
        arguments: Mapping[str, Any],
        cells: Sequence[str],
        ending: Ending,
    ) -> None:
        data = {
            "user": agent.user,
            "client": agent.name,
            "agent": agent.id,
            "tool": tool,
            "path": str(arguments.get("notebook") or arguments.get("path") or "")[:MAX_CHARS],
            "kernel": str(arguments.get("kernel") or "")[:MAX_CHARS],
            "cells": [*dict.fromkeys(cells)][:MAX_CELLS],
            "outcome": ending.outcome,
            "error": ending.error,
        }
        try:
            self._event_logger.emit(schema_id=SCHEMA_ID, data=data)
        except Exception:
            # Modifiers of events are anybody's code, and the call has done its work.
            self._log.exception("The call of %s could not be told", tool)

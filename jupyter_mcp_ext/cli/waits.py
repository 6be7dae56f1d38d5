"""How long calls of tools wait that do not say so themselves."""

from __future__ import annotations

import os
from typing import Any

from .messages import Message, as_object

VARIABLE = "MCP_TOOL_TIMEOUT"
"""The variable in which clients keep how many milliseconds they wait for an answer."""

SHARE = 0.9
"""Which part of that a call may wait; the rest is for the answer to be made and to arrive."""

LONGEST_SECONDS = 600.0
"""The longest wait that a call may ask for."""

ARGUMENT = "wait_seconds"


class Waits:
    """Fills in `wait_seconds` where it is left out; without `seconds`, nowhere."""

    def __init__(self, seconds: float | None) -> None:
        self._seconds = seconds
        self._tools: set[str] = set()

    @classmethod
    def from_environment(cls) -> Waits:
        text = os.environ.get(VARIABLE, "")
        if not text.isdecimal() or not int(text):
            return cls(None)
        return cls(min(int(text) / 1000 * SHARE, LONGEST_SECONDS))

    def learn(self, tools: Any) -> None:
        """Keep which tools wait as long as the server is set to, from an answer to tools/list."""
        for tool in map(as_object, tools if isinstance(tools, list) else []):
            properties = as_object(as_object(tool.get("inputSchema")).get("properties"))
            if ARGUMENT in properties and "default" not in as_object(properties[ARGUMENT]):
                self._tools.add(str(tool.get("name")))

    def fill(self, message: Message) -> Message:
        """The message, with the argument if it needs it."""
        if self._seconds is None or message.method != "tools/call":
            return message
        # What is odd in a message is for the server to refuse.
        name, arguments = message.params.get("name"), message.params.get("arguments") or {}
        if not isinstance(name, str) or not isinstance(arguments, dict):
            return message
        if name not in self._tools or arguments.get(ARGUMENT) is not None:
            return message
        return message.with_argument(ARGUMENT, self._seconds)

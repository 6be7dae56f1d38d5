"""Shell commands that were run as Python."""

from __future__ import annotations

import ast
import keyword
import re
import shutil
from collections.abc import Sequence
from typing import Any

MAX_LINES = 50
"""Of so many lines it is looked whether they are commands."""

BUILT_IN = frozenset({"alias", "cd", "export", "source", "unset"})

_COMMAND = re.compile(r"([a-z][\w.+-]*)(?:\s+[^\s=(.,:].*)?$")


def command_in(source: str, outputs: Sequence[Any]) -> str:
    """The line on which Python failed and that a shell would take, "" if there is none."""
    errors = {each.get("ename"): str(each.get("evalue", "")) for each in outputs}
    lines = [line.strip() for line in source.splitlines()[:MAX_LINES]]
    if "SyntaxError" in errors:
        return next((each for each in lines if not _is_python(each) and _program_of(each)), "")
    if "NameError" in errors:  # `ls -la` is a subtraction.
        missing = re.findall(r"'(\w+)'", errors["NameError"])
        return next((each for each in lines if (_program_of(each) or None) in missing), "")
    return ""


def _program_of(line: str) -> str:
    match = _COMMAND.match(line)
    if match is None or keyword.iskeyword(match[1]):
        return ""
    return match[1] if match[1] in BUILT_IN or shutil.which(match[1]) else ""


def _is_python(line: str) -> bool:
    try:
        ast.parse(line)
    except (SyntaxError, ValueError):
        return False
    return True

"""The package stays as small in its parts as the rules for it say."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import jupyter_mcp_ext

PACKAGE = Path(jupyter_mcp_ext.__file__).parent
FILES = {str(path.relative_to(PACKAGE)): path.read_text() for path in PACKAGE.rglob("*.py")}

MAX_FILE_LINES = 350
MAX_FUNCTION_LINES = 50
MAX_MEDIAN_LINES = 12
LINES_PER_BROAD_EXCEPT = 1000

BROAD = {"Exception", "BaseException"}
UNOWNED = {"create_task", "ensure_future", "gather", "wait_for"}
OWNED_TASKS = {"room.py", "tasks.py"}
"""Where tasks are made that no task group owns; docs/architecture.md says why."""


def nodes() -> Iterator[tuple[str, ast.AST]]:
    for name, text in FILES.items():
        for node in ast.walk(ast.parse(text)):
            yield name, node


def functions() -> dict[str, int]:
    """The lines of each function, by its place."""
    return {
        f"{name}:{node.lineno} {node.name}": (node.end_lineno or 0) - node.lineno + 1
        for name, node in nodes()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


def broad_excepts() -> list[tuple[str, int]]:
    """The files and lines of those that catch nearly anything, or all."""
    return [
        (name, node.lineno)
        for name, node in nodes()
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or BROAD & {n.id for n in ast.walk(node.type) if hasattr(n, "id")})
    ]


def test_no_file_has_too_many_lines() -> None:
    lengths = {name: len(text.splitlines()) for name, text in FILES.items()}
    assert {name for name, length in lengths.items() if length > MAX_FILE_LINES} == set()


def test_no_function_has_too_many_lines_and_most_have_few() -> None:
    lengths = functions()
    assert {place for place, length in lengths.items() if length > MAX_FUNCTION_LINES} == set()
    assert median(lengths.values()) <= MAX_MEDIAN_LINES


def test_each_module_says_its_one_purpose_first() -> None:
    for name, text in FILES.items():
        purpose = (ast.get_docstring(ast.parse(text)) or "").partition("\n")[0]
        assert purpose.endswith("."), name
        assert " and " not in purpose, name


def test_broad_excepts_are_few_and_each_has_its_reason() -> None:
    found = broad_excepts()
    total = sum(len(text.splitlines()) for text in FILES.values())
    assert len(found) <= total / LINES_PER_BROAD_EXCEPT
    without = [
        f"{name}:{line}"
        for name, line in found
        if not FILES[name].splitlines()[line].lstrip().startswith("#")
    ]
    assert without == []


def test_tasks_have_owners() -> None:
    calls = {
        f"{name}:{node.lineno} {node.func.attr}"
        for name, node in nodes()
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in UNOWNED
        and name not in OWNED_TASKS
    }
    assert calls == set()

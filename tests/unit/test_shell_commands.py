"""Which failures are of shell commands."""

from __future__ import annotations

import pytest

from jupyter_mcp_ext.shell_commands import command_in


def failed(name: str, value: str = "invalid syntax") -> list[dict[str, str]]:
    return [{"output_type": "stream", "text": ""}, {"ename": name, "evalue": value}]


@pytest.mark.parametrize(
    ("source", "command"),
    [
        ("ls -la *.txt", "ls -la *.txt"),
        ("x = 1\n  ls -la *.txt", "ls -la *.txt"),
        ("echo hi && pwd", "echo hi && pwd"),
        ("cd my folder", "cd my folder"),
        ("export A=1", "export A=1"),
        ("x = = 1", ""),
        ("for x in ls", ""),
        ("nosuchprogram -la *.txt", ""),
        ("ls = [1, 2", ""),
        ("ls(1", ""),
        ("", ""),
    ],
)
def test_a_command_is_a_line_that_is_no_python_and_begins_with_a_program(
    source: str, command: str
) -> None:
    assert command_in(source, failed("SyntaxError")) == command


def test_a_command_that_is_python_by_chance_is_known_by_its_missing_name() -> None:
    missing = failed("NameError", "name 'ls' is not defined")
    assert command_in("y = 1\nls -la", missing) == "ls -la"
    assert command_in("print(ls)", missing) == ""
    assert command_in("ls -la", failed("NameError", "name 'la' is not defined")) == ""


def test_other_failures_are_of_python() -> None:
    assert command_in("ls -la *.txt", failed("ValueError")) == ""
    assert command_in("ls -la *.txt", []) == ""

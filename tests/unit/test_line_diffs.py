"""Diffs for a reader, and the line that may have been meant."""

from __future__ import annotations

from difflib import unified_diff

from jupyter_mcp_ext.line_diffs import line_diff, nearest_line


def test_a_diff_names_the_lines_as_unified_diffs_do() -> None:
    old = [f"{row}" for row in range(12)]
    for new in (["x", *old], old[1:], old[:5] + old[7:], [*old[:3], "x", *old[4:10]], [], old):
        wanted = [*unified_diff(old, new, n=1, lineterm="")][2:]
        assert line_diff("\n".join(old), "\n".join(new), 99).splitlines() == wanted


def test_a_diff_of_long_lines_shows_where_they_differ() -> None:
    start = "x = [" + "1, " * 300
    diff = line_diff(f"a\n{start}2]", f"a\n{start}3, 4]", 10).splitlines()
    assert diff[1] == " a" and diff[2].startswith("-...") and diff[2].endswith("1, 2]")
    assert diff[3].startswith("+...") and diff[3].endswith("1, 3, 4]")
    assert all(len(line) < 320 for line in diff)


def test_a_long_diff_says_how_much_is_left_out() -> None:
    old, new = (f"{word}\n" * 50 for word in ("old", "new"))
    assert line_diff(old, new, 5).endswith("... 96 more lines of this diff")
    assert line_diff("", "x" * 1000, 5).endswith("... 701 more characters")


def test_the_nearest_line_is_found_or_none() -> None:
    assert nearest_line("import os\n    chunk = 10\n", "chunk = 100\nx") == "chunk = 10"
    assert nearest_line("import os", "something else entirely") == ""
    long = f"x = {'1' * 200}"
    assert nearest_line(f"y\n{long}2\n{long}3", f"{long}4") == f"{long}2"
    lines = [f"{row}{'aab' * 50}" for row in range(500)]
    assert nearest_line("\n".join(lines), "aac" * 50) in lines

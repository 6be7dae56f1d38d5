"""What a terminal shows is what a stream's text is, and what is read of other texts."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_mcp_ext.stream_text import StreamText
from jupyter_mcp_ext.text import terminal_lines


def terminal(text: str) -> str:
    """What a terminal shows, one character at a time: the slow and plain way."""
    lines, cursor = [""], 0
    for character in text:
        if character == "\n":
            lines.append("")
            cursor = 0
        elif character == "\r":
            cursor = 0
        elif character == "\b":
            cursor = max(0, cursor - 1)
        else:
            lines[-1] = lines[-1][:cursor] + character + lines[-1][cursor + 1 :]
            cursor += 1
    return "\n".join(lines)


@given(st.lists(st.text(alphabet="ab\n\r\b", max_size=6)))
def test_stream_text_is_what_a_terminal_shows(parts: list[str]) -> None:
    text = StreamText()
    for part in parts:
        text.write(part)
    assert text.text == terminal("".join(parts))


def test_a_progress_bar_is_one_line() -> None:
    text = StreamText()
    for percent in (0, 50, 100):
        text.write(f"\r{percent:3}%")
    text.write("\ndone")
    assert text.text == "100%\ndone"


@given(st.text(alphabet="ab\n\r\b", max_size=12))
def test_lines_for_a_model_are_those_too(text: str) -> None:
    assert "\n".join(terminal_lines(text)) == terminal(text.replace("\r\n", "\n").rstrip("\n"))


@pytest.mark.parametrize("printed", ["\u20ac" * 1_000_000 + "\rx", "\n" * 1_000_000])
def test_a_text_takes_little_memory(printed: str) -> None:
    text = StreamText()
    tracemalloc.start()
    try:
        text.write(printed)
        kept, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert text.length == 1_000_000 and kept < 5_000_000 and most < 20_000_000

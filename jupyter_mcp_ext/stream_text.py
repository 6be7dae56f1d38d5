"""The text of a stream output, as a terminal would show it."""

from __future__ import annotations

from .terminal_line import TerminalLine, shown_lines

PART_CHARS = 100_000
"""Longest part of a stream's text that is written as a whole."""


class StreamText:
    """The text of a stream as a terminal prints it on one line after the other.

    Only the last line can still change, so that a long text costs its length once, however many
    messages it came in.
    """

    def __init__(self) -> None:
        self._finished: list[str] = []
        self._finished_length = 0
        self._line = TerminalLine()

    @property
    def length(self) -> int:
        """How many characters the text has."""
        return self._finished_length + self._line.length

    @property
    def mark(self) -> int:
        """How many parts cannot change any more, for `since`."""
        return len(self._finished)

    @property
    def line(self) -> str:
        """The last line, which can still change."""
        return self._line.text

    @property
    def text(self) -> str:
        """All of it."""
        return "".join(self._finished) + self.line

    def since(self, mark: int, max_chars: int) -> tuple[str, int, bool]:
        """The text after the parts that `mark` counted, as many parts of it as there is room for.

        Returns it with the mark at its end, and whether the last line is part of it. There is
        room for one part at least.
        """
        end, length = mark, 0
        while end < len(self._finished) and (end == mark or length < max_chars):
            length += len(self._finished[end])
            end += 1
        is_all = end == len(self._finished) and length < max_chars
        return "".join(self._finished[mark:end]) + (self.line if is_all else ""), end, is_all

    def write(self, text: str) -> None:
        """Append what the kernel sent."""
        rest, line_end, following = text.replace("\r\n", "\n").partition("\n")
        self._line.write(rest)
        if line_end:
            lines, _, last = (line_end + following).rpartition("\n")
            self._finish(shown_lines(lines) + line_end)
            self._line.write(last)

    def _finish(self, text: str) -> None:
        text = self.line + text
        self._finished += [text[i : i + PART_CHARS] for i in range(0, len(text), PART_CHARS)]
        self._finished_length += len(text)
        self._line = TerminalLine()

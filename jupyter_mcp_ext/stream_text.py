"""The text of a stream output, as a terminal would show it."""

from __future__ import annotations

import re

PART_CHARS = 100_000
"""Longest part of a stream's text that is written as a whole."""

_CONTROL = re.compile("[\n\r\b]")


class StreamText:
    """The text of a stream as a terminal prints it on one line after the other.

    A carriage return goes back to the start of the line and a backspace one character, and
    what follows overwrites. Only the last line can still change, so that a long text costs
    its length once, however many messages it came in.
    """

    def __init__(self) -> None:
        self._finished: list[str] = []
        self._line: list[str] = []
        self._length = 0
        self._cursor = 0
        self._finished_length = 0

    @property
    def length(self) -> int:
        """How many characters the text has."""
        return self._finished_length + self._length

    @property
    def mark(self) -> int:
        """How many parts cannot change any more, for `since`."""
        return len(self._finished)

    @property
    def line(self) -> str:
        """The last line, which can still change."""
        if len(self._line) > 1:
            self._line = ["".join(self._line)]
        return self._line[0] if self._line else ""

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
        start = 0
        if "\n" in text and "\r" not in text and "\b" not in text:
            # Whole lines can be taken at once, which most output consists of.
            first, start = text.index("\n"), text.rindex("\n") + 1
            self._put(text[:first])
            self._finish(text[first:start])
        for control in _CONTROL.finditer(text, start):
            self._put(text[start : control.start()])
            self._control(control.group())
            start = control.end()
        self._put(text[start:])

    def _put(self, text: str) -> None:
        end = self._cursor + len(text)
        if self._cursor == self._length:
            self._line.append(text)
        else:
            line = self.line
            self._line = [line[: self._cursor], text, line[end:]]
        self._cursor, self._length = end, max(end, self._length)

    def _control(self, character: str) -> None:
        if character == "\n":
            self._finish("\n")
        else:
            self._cursor = 0 if character == "\r" else max(0, self._cursor - 1)

    def _finish(self, text: str) -> None:
        text = self.line + text
        self._finished += [text[i : i + PART_CHARS] for i in range(0, len(text), PART_CHARS)]
        self._finished_length += len(text)
        self._line, self._length, self._cursor = [], 0, 0

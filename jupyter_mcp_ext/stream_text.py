"""The text of a stream output, as a terminal would show it."""

from __future__ import annotations

from .text import overlaid

PART_CHARS = 100_000
"""Longest part of a stream's text that is written as a whole."""


class StreamText:
    """The text of a stream as a terminal prints it on one line after the other.

    A carriage return goes back to the start of the line and a backspace one character, and
    what follows overwrites. Only the last line can still change, so that a long text costs
    its length once, however many messages it came in.
    """

    def __init__(self) -> None:
        self._finished: list[str] = []
        self._line: list[str] = []
        self._is_split = False
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
        line = "".join(self._line)
        if not self._is_split:
            self._line = [line]
        return line

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
        text, start = text.replace("\r\n", "\n"), 0
        if "\n" in text and "\r" not in text and "\b" not in text:
            # Whole lines can be taken at once, which most output consists of.
            first, start = text.index("\n"), text.rindex("\n") + 1
            self._put(text[:first])
            self._finish(text[first:start])
        for number, line in enumerate(text[start:].split("\n")):
            if number:
                self._finish("\n")
            self._write_in_line(line)

    def _write_in_line(self, text: str) -> None:
        first, *others = text.split("\r")
        self._write_backspaced(first)
        if others and "\b" not in text:
            others = [overlaid(others), others[-1]]  # The last is written a second time.
        for other in others:
            self._cursor = 0
            self._write_backspaced(other)

    def _write_backspaced(self, text: str) -> None:
        first, *others = text.split("\b")
        self._put(first)
        for other in others:
            self._cursor = max(0, self._cursor - 1)
            self._put(other)

    def _put(self, text: str) -> None:
        end = self._cursor + len(text)
        if not self._cursor and end >= self._length:
            self._line, self._is_split = [text], False
        elif self._cursor < self._length:
            self._split()[self._cursor : end] = text
        elif self._is_split:
            self._line += text
        else:
            self._line.append(text)
        self._cursor, self._length = end, max(end, self._length)

    def _split(self) -> list[str]:
        """The characters of the last line: some can be overwritten without copying the others."""
        if not self._is_split:
            self._line, self._is_split = [*self.line], True
        return self._line

    def _finish(self, text: str) -> None:
        text = self.line + text
        self._finished += [text[i : i + PART_CHARS] for i in range(0, len(text), PART_CHARS)]
        self._finished_length += len(text)
        self._line, self._length, self._cursor, self._is_split = [], 0, 0, False

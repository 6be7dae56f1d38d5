"""Lines of a terminal, on which what was printed may be overwritten."""

from __future__ import annotations

import re
from collections.abc import Sequence

_PIECE = re.compile(r"(?:\r[^\r\x08]*)+|\x08+|[^\r\x08]+")
_OVERWRITTEN = re.compile(r"(?m)^[^\n\r\x08]*[\r\x08][^\n]*")
_WIDTH = len("x".encode("utf-32-le"))


class TerminalLine:
    """What a terminal shows of text without line ends.

    A carriage return goes back to the start of the line and a backspace one character, and what
    follows overwrites. Costs the length of the text, however it comes.
    """

    def __init__(self) -> None:
        self.length = 0
        """How many characters it has."""
        self._cursor = 0
        self._parts: list[str] = []
        self._characters: bytearray | None = None
        """The same once it is overwritten in part, where each has its place."""

    @property
    def text(self) -> str:
        """What is seen."""
        if self._characters is not None:
            return self._characters.decode("utf-32-le", "surrogatepass")
        self._parts = ["".join(self._parts)]
        return self._parts[0]

    def write(self, text: str) -> None:
        """Print what has no line end."""
        if "\r" not in text and "\b" not in text:
            return self._put(text)
        for piece in _PIECE.findall(text):
            if piece[0] == "\r":
                self._return(piece[1:].split("\r"))
            elif piece[0] == "\b":
                self._cursor = max(0, self._cursor - len(piece))
            else:
                self._put(piece)

    def erase_rest(self) -> None:
        """Leave nothing at the cursor and after it."""
        if self._cursor < self.length:
            del self._overwritable()[_WIDTH * self._cursor :]
            self.length = self._cursor

    def _return(self, texts: Sequence[str]) -> None:
        """Write each of these from the start of the line on."""
        self._cursor = 0
        self._put(_overlaid(texts))
        self._cursor = len(texts[-1])

    def _put(self, text: str) -> None:
        end = self._cursor + len(text)
        if not self._cursor and end >= self.length:
            self._parts, self._characters = [text], None
        elif self._characters is None and self._cursor == self.length:
            self._parts.append(text)
        elif text:
            encoded = text.encode("utf-32-le", "surrogatepass")
            self._overwritable()[_WIDTH * self._cursor : _WIDTH * end] = encoded
        self._cursor, self.length = end, max(end, self.length)

    def _overwritable(self) -> bytearray:
        if self._characters is None:
            self._characters = bytearray(self.text.encode("utf-32-le", "surrogatepass"))
            self._parts = []
        return self._characters


def shown_lines(text: str) -> str:
    """What a terminal shows of each line of `text`."""
    return _OVERWRITTEN.sub(_shown, text) if "\r" in text or "\b" in text else text


def _shown(found: re.Match[str]) -> str:
    if "\b" not in found[0]:
        return _overlaid(found[0].split("\r"))
    line = TerminalLine()
    line.write(found[0])
    return line.text


def _overlaid(texts: Sequence[str]) -> str:
    """What is seen of these when each is written over the one before."""
    *others, seen = texts
    for text in reversed(others):
        if len(text) > len(seen):
            seen += text[len(seen) :]
    return seen

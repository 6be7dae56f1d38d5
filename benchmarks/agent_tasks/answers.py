"""What our tools answer, read back; and what an answer of a player must say."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

_HEADER = re.compile(r"^ *\[(\d+)\] (\S+) (code\b|md\b|raw\b|In\[\d+\]) ?(.*)$")


@dataclass(frozen=True)
class Section:
    """A cell in an answer: its line, and the lines below it."""

    position: int
    cell_id: str
    facts: str
    body: str


def sections(text: str) -> list[Section]:
    """The cells that an answer of `read_notebook` shows."""
    found: list[Section] = []
    for line in text.split("\n"):
        if header := _HEADER.match(line):
            found.append(Section(int(header[1]), header[2], header[4], ""))
        elif found:
            last = found[-1]
            body = f"{last.body}\n{line}".lstrip("\n")
            found[-1] = Section(last.position, last.cell_id, last.facts, body)
    return found


def quoted(text: str) -> str:
    """What the kernel wrote, of an answer: the lines marked with `| `."""
    lines = [line.removeprefix("| ") for line in text.split("\n") if line.startswith("|")]
    return "\n".join(lines)


def numbers_in(answer: str) -> set[str]:
    """The numbers that an answer tells; `1,234` is 1234."""
    return set(re.findall(r"-?\d+(?:\.\d+)?", re.sub(r"(?<=\d),(?=\d{3})", "", answer)))


def words_in(answer: str) -> set[str]:
    """The words of an answer, with what cell ids are made of."""
    return set(re.findall(r"[\w-]+", answer))


def cells_named(answer: str, cell_ids: Sequence[str]) -> set[str]:
    """The ids of the cells that an answer names, by id or by position."""
    words = words_in(answer)
    return {name for at, name in enumerate(cell_ids) if name in words or str(at) in words}

"""What a cell reference names, among the ids of a notebook's cells in order."""

from __future__ import annotations

from collections.abc import Container, Sequence

from .errors import CellNotFound, InvalidRequest
from .text import printable

MAX_ID_CHARS = 64
"""How long an id may be in nbformat."""

MAX_REFERENCES_CHARS = 20_000
"""How long a list of references that are no ids may be: each is looked for."""

MIN_PREFIX_LENGTH = 4
"""Shortest part of a cell id, in characters, that may stand for the whole."""


def resolve(ids: Sequence[str], reference: str | int, known: Container[str] | None = None) -> str:
    """The id of the cell that `reference` names; `known` are the same ids, found faster.

    In this order: an exact id; an integer or a string that is one, as a position (negative
    from the end); a prefix of an id, if it has 4 characters or more and fits one cell only.

    Raises:
        CellNotFound: nothing fits, or a prefix fits several cells.
    """
    name = str(reference).strip()
    if name in (ids if known is None else known):
        return name
    position = _as_int(name)
    if position is not None and -len(ids) <= position < len(ids):
        return ids[position]
    fits = [i for i in ids if i.startswith(name)] if len(name) >= MIN_PREFIX_LENGTH else []
    if len(fits) == 1:
        return fits[0]
    raise CellNotFound(name, candidates(ids, fits), "several fit" if fits else "")


def resolve_many(ids: Sequence[str], references: str) -> list[str]:
    """The ids that `references` names, in notebook order, each once.

    `references` is "all", or a comma list of references and ranges `3-9` and `3-`, both ends
    included. An exact id wins over a range.

    Raises:
        CellNotFound: as `resolve`.
        InvalidRequest: it names nothing.
    """
    if references.strip() == "all" and "all" not in ids:
        return list(ids)
    known = set(ids)
    parts = dict.fromkeys(part.strip() for part in references.split(",") if part.strip())
    others = [part for part in parts if part not in known]
    if not parts:
        raise InvalidRequest("No cells were named.", 'Pass "all" or a list such as "2,5-7".')
    if sum(map(len, others)) > MAX_REFERENCES_CHARS:
        raise InvalidRequest("These are too many cells.", "Name ranges such as 5-700.")
    wanted = known & parts.keys()
    wanted.update(cell_id for part in others for cell_id in _resolve_part(ids, part))
    return [cell_id for cell_id in ids if cell_id in wanted]


def label(position: int, cell_id: str) -> str:
    """How every answer names a cell: `[position] id`."""
    return f"[{position}] {shown_id(cell_id)}"


def shown_id(cell_id: str) -> str:
    """An id as answers have it: on one line, whatever the file of the notebook says."""
    # JupyterLab's ids are UUIDs, of which the first part is enough.
    short = cell_id[:8] if len(cell_id) == 36 else cell_id[:MAX_ID_CHARS]
    return printable(short)


def candidates(ids: Sequence[str], fits: Sequence[str] = ()) -> list[str]:
    """Labels of the cells that could have been meant: those that fit, or else the first ones."""
    shown = fits or ids
    labels = [label(ids.index(cell_id), cell_id) for cell_id in shown[:8]]
    return labels + ["..."] if len(shown) > len(labels) else labels


def _resolve_part(ids: Sequence[str], part: str) -> Sequence[str]:
    first, dash, last = part.partition("-")
    if not (dash and first.strip().isdigit()):
        return [resolve(ids, part)]
    start = ids.index(resolve(ids, first))
    end = ids.index(resolve(ids, last)) if last.strip() else len(ids) - 1
    if end < start:
        raise InvalidRequest(f"The range {part!r} is empty.", "Name the smaller end first.")
    return ids[start : end + 1]


def _as_int(text: str) -> int | None:
    digits = text[1:] if text[:1] == "-" else text
    return int(text) if digits.isascii() and digits.isdigit() and len(digits) < 10 else None

"""The first line of what is read of a notebook."""

from __future__ import annotations

from collections.abc import Mapping

from .notebook import NotebookDocument
from .people import Participant
from .text import count, printable

MAX_VIEWS = 3
"""Of how many notebooks that a person looks at an answer tells."""


def header_of(
    document: NotebookDocument, views: Mapping[str, set[str]] | None = None, reader: str = ""
) -> str:
    """The first line of what is read of a notebook.

    `views` tells at which notebooks people look. Agents are named to the one with the id `reader`.
    """
    others = [
        each
        for each in document.participants
        if not each.agent_id or (reader and each.agent_id != reader)
    ]
    told = dict.fromkeys(_participant(document, each, views or {}) for each in others)
    with_others = f", open with {', '.join(told)}" if told else ""
    language = f", {document.language}" if document.language else ""
    cells = count(len(document.cell_ids), "cell")
    return printable(f"{document.path}: {cells}{language}{with_others}")


def _participant(
    document: NotebookDocument, participant: Participant, views: Mapping[str, set[str]]
) -> str:
    if participant.agent_id:
        return f"{participant.name} (agent)"
    paths = views.get(participant.username, set())
    if paths and document.path not in paths:
        return f"{participant.name} (looks at {', '.join(sorted(paths)[:MAX_VIEWS])})"
    cell_id = document.cell_with_caret(participant.caret)
    return (
        f"{participant.name} (caret in {document.label(cell_id)})" if cell_id else participant.name
    )

"""Errors about notebooks: their cells, their checkpoints."""

from __future__ import annotations

from collections.abc import Sequence

from .base import Conflict, NotFound


class NotebookNotFound(NotFound):
    def __init__(self, path: str, reason: str = "") -> None:
        super().__init__(
            f"There is no notebook {path!r}{': ' + reason if reason else ''}.",
            "Call list_notebooks, or open_notebook with create=true.",
        )


class CellNotFound(NotFound):
    def __init__(self, reference: str, candidates: Sequence[str], reason: str = "") -> None:
        listed = ", ".join(candidates) or "none, the notebook is empty"
        super().__init__(
            f"There is no cell {reference!r}{reason and ' (' + reason + ')'}.",
            f"Candidates: {listed}. read_notebook lists all cells.",
        )


class ResourceNotFound(NotFound):
    def __init__(self, uri: str) -> None:
        super().__init__(
            f"There is no resource {uri[:200]!r}.",
            "Notebooks are notebook:///<path>, cells notebook:///<path>#<cell id>.",
        )


class CheckpointNotFound(NotFound):
    def __init__(self, checkpoint: str, known: Sequence[str]) -> None:
        super().__init__(
            f"There is no checkpoint {checkpoint!r}.", f"Known: {', '.join(known) or 'none'}."
        )


class SourceConflict(Conflict):
    """`changes` are cell, who and when, and diff; `others` cells that changed as well."""

    def __init__(self, changes: Sequence[tuple[str, str, str]], others: Sequence[str] = ()) -> None:
        told = [
            f"Cell {cell} changed since you read it{who and ' (' + who + ')'}:\n{diff}"
            for cell, who, diff in changes
        ]
        more = [f"So did {', '.join(others)}."] if others else []
        super().__init__(
            "\n".join([*told, *more, "Nothing was done."]),
            "Read again, or insist with overwrite_changes=true.",
        )


class BeingTyped(Conflict):
    def __init__(self, cell: str, who: str) -> None:
        super().__init__(
            f"{who} is typing in cell {cell}, and what they type now would be lost.",
            "Try again when they have paused for a few seconds.",
        )


class WrongCellType(Conflict):
    def __init__(self, cell: str, cell_type: str) -> None:
        super().__init__(
            f"Cell {cell} is a {cell_type} cell, not a code cell.",
            "Choose another cell, or change its type with overwrite_cell.",
        )


class BrokenCell(Conflict):
    def __init__(self, cell: str) -> None:
        super().__init__(
            f"Cell {cell} is not made as cells of notebooks are: some client wrote it so.",
            "It can only be removed, with delete_cells.",
        )


class TextNotFound(Conflict):
    """`nearest` is the line that is most like it, if any is."""

    def __init__(
        self, place: str, old_text: str, tool: str = "read_cell", nearest: str = ""
    ) -> None:
        like = f" Its nearest line is {nearest!r}." if nearest else ""
        super().__init__(
            f"{place} does not contain {old_text!r}.{like}", f"Read it with {tool} and try again."
        )


class AmbiguousMatch(Conflict):
    def __init__(self, place: str, old_text: str, count: int) -> None:
        super().__init__(
            f"{place} contains {old_text!r} {count} times.",
            "Pass more of the text around it, or replace_all=true.",
        )


class NotANotebook(Conflict):
    def __init__(self, path: str, reason: str) -> None:
        super().__init__(
            f"{path!r} cannot be opened as a notebook: {reason}.", "list_notebooks shows them all."
        )


class NotebookExists(Conflict):
    def __init__(self, path: str) -> None:
        super().__init__(f"{path!r} exists already.", "Open it without create, or choose a path.")


class StillOpen(Conflict):
    def __init__(self, path: str) -> None:
        super().__init__(
            f"The file of {path!r} is gone, but somebody still has its content open.",
            "Choose another path, or ask them to save or close it.",
        )


class ReadOnlyNotebook(Conflict):
    def __init__(self, path: str) -> None:
        super().__init__(
            f"{path!r} is read-only: a change could not be saved.",
            "execute_code runs code without changing it.",
        )


class UndoRefused(Conflict):
    def __init__(self, cell: str) -> None:
        super().__init__(
            f"Undoing this would remove what others have written in cell {cell!r} since.",
            "Read the cell, then edit or delete it on purpose.",
        )


class CheckpointRefused(Conflict):
    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"The checkpoint cannot be kept: {reason}.", "Nothing was changed.")


class RemovalNotConfirmed(Conflict):
    def __init__(self, count: int, total: int) -> None:
        super().__init__(
            f"This would delete {count} of {total} cells.",
            "Pass confirm_removal=true if that is what the user wants.",
        )

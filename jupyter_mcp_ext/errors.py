"""The errors that a caller can act on.

MCPExtensionError                  base, never raised itself
├── NotFound (LookupError)
│   ├── NotebookNotFound
│   ├── DirectoryNotFound
│   ├── CellNotFound
│   ├── ResourceNotFound
│   ├── KernelNotFound
│   ├── KernelGone                 it ran once
│   ├── EnvironmentNotFound
│   ├── CheckpointNotFound
│   ├── FileMissing
│   └── ExecutionNotFound
├── Conflict
│   ├── SourceConflict             somebody else changed the cell since it was read
│   ├── BeingTyped                 a person's next keystrokes would be lost
│   ├── WrongCellType
│   ├── TextNotFound
│   ├── AmbiguousMatch
│   ├── NotANotebook
│   ├── NotAFile                   it is a notebook or a directory
│   ├── NotText
│   ├── FileExists
│   ├── FileRefused
│   ├── FileTooLarge
│   ├── NotebookExists
│   ├── KernelExists
│   ├── StillOpen
│   ├── StillRunning
│   ├── ReadOnlyNotebook
│   ├── UndoRefused
│   ├── CheckpointRefused
│   └── RemovalNotConfirmed
├── InvalidRequest (ValueError)    arguments that name nothing that could exist
├── KernelProblem
│   ├── KernelStartFailed
│   ├── KernelEnded                it was another program's
│   ├── EnvironmentUnusable
│   ├── InterruptFailed
│   └── NoSubshells
├── NotPermitted
├── SensitiveFile
├── Declined                       the person said no
├── NobodyToAsk                    the person has to be asked, and cannot be
├── BrokenOff                      a run ended with a bug of ours
├── ServerStopping
├── OtherCollaboration             another package than jupyter-collaboration has the notebooks
└── Unavailable                    something the server needs for this is off

Each class takes facts and writes its own sentence and hint. The text reaches the model as a
tool error, so it names the subject and the next step. Anything that is not in this tree is a
bug: it is logged with its traceback and answered without detail.
"""

from __future__ import annotations

from collections.abc import Sequence

MAX_NAMES = 30


def few(names: Sequence[str]) -> str:
    """The first names, and how many more there are."""
    more = f" and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else ""
    return ", ".join(names[:MAX_NAMES]) + more


class MCPExtensionError(Exception):
    """What went wrong, and in `hint` what the caller should do next."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.args[0]} {self.hint}".rstrip()


class NotFound(MCPExtensionError, LookupError):
    """Something that was named does not exist."""


class NotebookNotFound(NotFound):
    def __init__(self, path: str, reason: str = "") -> None:
        super().__init__(
            f"There is no notebook {path!r}{': ' + reason if reason else ''}.",
            "Call list_notebooks, or open_notebook with create=true.",
        )


class DirectoryNotFound(NotFound):
    def __init__(self, path: str, reason: str = "") -> None:
        super().__init__(
            f"There is no directory {path!r}{': ' + reason if reason else ''}.",
            'Directories are named from the server\'s root, which is "".',
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


class KernelNotFound(NotFound):
    def __init__(self, kernel: str) -> None:
        super().__init__(f"There is no kernel {kernel!r}.", "Call list_kernels.")


class KernelGone(NotFound):
    def __init__(self, kernel: str, reason: str, variables: Sequence[str], runs: int) -> None:
        lost = f" Lost: {few(variables)}." if variables else ""
        shows = f"; list_kernels(recorded={kernel!r}) shows the {runs} runs on it" if runs else ""
        super().__init__(
            f"The kernel {kernel!r} is gone: {reason}.{lost}",
            f"start_kernel starts another{shows}.",
        )


class EnvironmentNotFound(NotFound):
    def __init__(self, name: str, known: Sequence[str]) -> None:
        super().__init__(
            f"There is no environment {name!r}.",
            f"Name a path, or one of: {', '.join(known) or 'none is known'}.",
        )


class FileMissing(NotFound):
    def __init__(self, path: str, reason: str = "") -> None:
        super().__init__(
            f"There is no file {path!r}{': ' + reason if reason else ''}.", "list_files shows them."
        )


class CheckpointNotFound(NotFound):
    def __init__(self, checkpoint: str, known: Sequence[str]) -> None:
        super().__init__(
            f"There is no checkpoint {checkpoint!r}.", f"Known: {', '.join(known) or 'none'}."
        )


class ExecutionNotFound(NotFound):
    def __init__(self, execution: str) -> None:
        super().__init__(
            f"There is no execution {execution!r} (any more).",
            "read_cell shows the outputs that its cell has kept.",
        )


class Conflict(MCPExtensionError):
    """The request does not fit the present state of the notebook."""


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
    def __init__(self, cell: str, cell_type: str, wanted: str) -> None:
        super().__init__(
            f"Cell {cell} is a {cell_type} cell, not a {wanted} cell.",
            "Choose another cell, or change its type with overwrite_cell.",
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


class NotAFile(Conflict):
    def __init__(self, path: str, kind: str, tools: str) -> None:
        super().__init__(f"{path!r} is a {kind}.", f"Use {tools}.")


class NotText(Conflict):
    def __init__(self, path: str, size: int, mime_type: str) -> None:
        kind = f", {mime_type}" if mime_type else ""
        super().__init__(
            f"{path!r} is no text in UTF-8 ({size:,} bytes{kind}).",
            "download_file gets it in base64.",
        )


class FileExists(Conflict):
    def __init__(self, path: str) -> None:
        super().__init__(
            f"{path!r} exists already.", "Change it with edit_file, or pass overwrite=true."
        )


class FileRefused(Conflict):
    """Jupyter, or its present state, does not let a file be read or written."""

    def __init__(self, path: str, reason: str, hint: str = "") -> None:
        super().__init__(f"{path!r} cannot be had or changed here: {reason}.", hint)


class FileTooLarge(Conflict):
    def __init__(self, path: str, size: int, limit: int) -> None:
        super().__init__(
            f"{path!r} has {size:,} bytes, and at most {limit:,} can be had here.",
            "Use Jupyter's own files/<path> or api/contents/<path> with the same login, or code "
            "in a kernel.",
        )


class NotebookExists(Conflict):
    def __init__(self, path: str) -> None:
        super().__init__(f"{path!r} exists already.", "Open it without create, or choose a path.")


class KernelExists(Conflict):
    def __init__(self, name: str, environment: str) -> None:
        where = f" in {environment}" if environment else ""
        super().__init__(
            f"There is a kernel {name!r} already{where}.",
            "Use it, or choose another name. To change its environment, call shutdown_kernel, "
            "which loses its variables, then start_kernel.",
        )


class StillOpen(Conflict):
    def __init__(self, path: str) -> None:
        super().__init__(
            f"The file of {path!r} is gone, but somebody still has its content open.",
            "Choose another path, or ask them to save or close it.",
        )


class StillRunning(Conflict):
    def __init__(self, kernel: str) -> None:
        super().__init__(
            f"The kernel {kernel!r} still runs what it was asked for from here.",
            "Wait for that with get_execution, or call interrupt_kernel.",
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


class InvalidRequest(MCPExtensionError, ValueError):
    """An argument, or a combination of arguments, that can never work."""


class KernelProblem(MCPExtensionError):
    """A kernel could not do what was asked."""


class KernelStartFailed(KernelProblem):
    def __init__(self, name: str, reason: str, available: Sequence[str]) -> None:
        super().__init__(
            f"The kernel {name!r} did not start: {reason}.",
            f"Kernels that can be started: {', '.join(available) or 'none'}.",
        )


class EnvironmentUnusable(KernelProblem):
    def __init__(self, python: str, reason: str, command: str) -> None:
        super().__init__(
            f"{python} cannot run a kernel: {reason}.",
            f"If the user agrees, run: {command}" if command else "",
        )


class KernelEnded(KernelProblem):
    def __init__(self, kernel: str) -> None:
        super().__init__(
            f"The kernel {kernel!r} has ended with the program that owned it.",
            "Start it there again, or call list_kernels.",
        )


class InterruptFailed(KernelProblem):
    def __init__(self, kernel: str, seconds: float) -> None:
        super().__init__(
            f"The kernel {kernel!r} is still busy {seconds:g} s after the interrupt.",
            "Interrupt it again, or call restart_kernel, which loses its variables.",
        )


class NoSubshells(KernelProblem):
    def __init__(self, kernel: str) -> None:
        super().__init__(
            f"The kernel {kernel!r} is busy and has no sub-shells.",
            "Wait for what it runs or interrupt it; ipykernel 7 or newer has sub-shells.",
        )


class NotPermitted(MCPExtensionError):
    def __init__(self, tool: str, action: str, resource: str) -> None:
        super().__init__(
            f"This login may not {action} {resource}, which {tool} needs.",
            "Ask the administrator of this Jupyter server for that permission.",
        )


class SensitiveFile(MCPExtensionError):
    def __init__(self, path: str, pattern: str) -> None:
        super().__init__(
            f"{path!r} is kept from agents, as a file named like {pattern!r}.",
            "Only the user can allow it, by MCPExtension.sensitive_files of this Jupyter server.",
        )


class Declined(MCPExtensionError):
    def __init__(self, tool: str) -> None:
        super().__init__(
            f"The person was asked and did not agree to {tool}. Nothing was changed.",
            "Do not try it again in another way; ask what they want instead.",
        )


class NobodyToAsk(MCPExtensionError):
    def __init__(self, tool: str) -> None:
        super().__init__(
            f"This server asks the person before {tool}, and this MCP client cannot ask "
            "(it has no elicitation). Nothing was changed.",
            "Tell the user, who can do it in JupyterLab.",
        )


class BrokenOff(MCPExtensionError):
    def __init__(self, execution: str) -> None:
        super().__init__(
            f"The execution {execution} broke off inside the Jupyter server.",
            "Its log has the reason. Read the cell, then run it again.",
        )


class ServerStopping(MCPExtensionError):
    def __init__(self) -> None:
        super().__init__(
            "This Jupyter server is stopping, and its kernels with it.",
            "What was printed so far is in the notebook.",
        )


class OtherCollaboration(MCPExtensionError):
    def __init__(self, package: str) -> None:
        super().__init__(
            f"Notebooks are shared by {package} in this Jupyter server, not by "
            "jupyter-collaboration.",
            "Uninstall it, run `pip install jupyter-collaboration` and restart the server.",
        )


class Unavailable(MCPExtensionError):
    """Something that the server needs for this is off or gone."""

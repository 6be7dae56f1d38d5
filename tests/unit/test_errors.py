"""Every error names its subject and the next step."""

from __future__ import annotations

import pytest

from jupyter_mcp_ext import errors
from jupyter_mcp_ext.errors import MCPExtensionError

EXAMPLES: list[tuple[MCPExtensionError, str]] = [
    (
        errors.DirectoryNotFound("nope", "it does not exist"),
        "There is no directory 'nope': it does not exist. Directories are named from the server's "
        'root, which is "".',
    ),
    (
        errors.BeingTyped("[0] ab12", "ada"),
        "ada is typing in cell [0] ab12, and what they type now would be lost. Try again when they "
        "have paused for a few seconds.",
    ),
    (
        errors.SourceConflict([("[0] ab12", "ada, 12 s ago", "-a\n+b")], ["[1] cd34"]),
        "Cell [0] ab12 changed since you read it (ada, 12 s ago):\n-a\n+b\nSo did [1] cd34.\n"
        "Nothing was done. Read again, or insist with overwrite_changes=true.",
    ),
    (
        errors.NotebookNotFound("a.ipynb", "it does not exist"),
        "There is no notebook 'a.ipynb': it does not exist. Call list_notebooks, or open_notebook "
        "with create=true.",
    ),
    (
        errors.CellNotFound("x1", ["[0] ab12", "[1] cd34"]),
        "There is no cell 'x1'. Candidates: [0] ab12, [1] cd34. read_notebook lists all cells.",
    ),
    (
        errors.CellNotFound("0", []),
        "There is no cell '0'. Candidates: none, the notebook is empty. read_notebook lists all "
        "cells.",
    ),
    (
        errors.ResourceNotFound("file:///a"),
        "There is no resource 'file:///a'. Notebooks are notebook:///<path>, cells "
        "notebook:///<path>#<cell id>.",
    ),
    (errors.KernelNotFound("k"), "There is no kernel 'k'. Call list_kernels."),
    (
        errors.EnvironmentNotFound("x", ["python3"]),
        "There is no environment 'x'. Name a path, or one of: python3.",
    ),
    (
        errors.EnvironmentUnusable(
            "e/bin/python", "it has no ipykernel", "uv pip install ipykernel"
        ),
        "e/bin/python cannot run a kernel: it has no ipykernel. If the user agrees, run: uv pip "
        "install ipykernel",
    ),
    (
        errors.KernelEnded("k"),
        "The kernel 'k' has ended with the program that owned it. Start it there again, or call "
        "list_kernels.",
    ),
    (
        errors.ExecutionNotFound("r7"),
        "There is no execution 'r7' (any more). read_cell shows the outputs that its "
        "cell has kept.",
    ),
    (
        errors.KernelGone("etl", "it was not used for 5 s", ["x", "df"], 3),
        "The kernel 'etl' is gone: it was not used for 5 s. Lost: x, df. start_kernel starts "
        "another; list_kernels(recorded='etl') shows the 3 runs on it.",
    ),
    (
        errors.WrongCellType("[0] ab12", "markdown"),
        "Cell [0] ab12 is a markdown cell, not a code cell. Choose another cell, or change "
        "its type with overwrite_cell.",
    ),
    (
        errors.BrokenCell("[0] ab12"),
        "Cell [0] ab12 is not made as cells of notebooks are: some client wrote it so. It can "
        "only be removed, with delete_cells.",
    ),
    (errors.CheckpointNotFound("x", ["ab12"]), "There is no checkpoint 'x'. Known: ab12."),
    (
        errors.CheckpointRefused("no space left on device"),
        "The checkpoint cannot be kept: no space left on device. Nothing was changed.",
    ),
    (
        errors.TextNotFound("Cell [0] ab12", "x = 1"),
        "Cell [0] ab12 does not contain 'x = 1'. Read it with read_cell and try again.",
    ),
    (
        errors.AmbiguousMatch("Cell [0] ab12", "x", 3),
        "Cell [0] ab12 contains 'x' 3 times. Pass more of the text around it, or replace_all=true.",
    ),
    (
        errors.NotANotebook("a.txt", "it is a file"),
        "'a.txt' cannot be opened as a notebook: it is a file. list_notebooks shows them all.",
    ),
    (errors.FileMissing("a.txt"), "There is no file 'a.txt'. list_files shows them."),
    (
        errors.NotAFile("a.ipynb", "notebook", "read_notebook"),
        "'a.ipynb' is a notebook. Use read_notebook.",
    ),
    (
        errors.NotText("a.png", 1234, "image/png"),
        "'a.png' is no text in UTF-8 (1,234 bytes, image/png). download_file gets it in base64.",
    ),
    (
        errors.FileExists("a.txt"),
        "'a.txt' exists already. Change it with edit_file, or pass overwrite=true.",
    ),
    (
        errors.FileRefused("a.txt", "it is read-only"),
        "'a.txt' cannot be had or changed here: it is read-only.",
    ),
    (
        errors.FileTooLarge("a.bin", 5_000_000, 700_000),
        "'a.bin' has 5,000,000 bytes, and at most 700,000 can be had here. Use Jupyter's own "
        "files/<path> or api/contents/<path> with the same login, or code in a kernel.",
    ),
    (
        errors.SensitiveFile(".env", ".env"),
        "'.env' is kept from agents, as a file named like '.env'. Only the user can allow it, by "
        "MCPExtension.sensitive_files of this Jupyter server.",
    ),
    (
        errors.NotebookExists("a.ipynb"),
        "'a.ipynb' exists already. Open it without create, or choose a path.",
    ),
    (
        errors.KernelExists("etl", "venv /envs/a"),
        "There is a kernel 'etl' already in venv /envs/a. Use it, or choose another name. To "
        "change its environment, call shutdown_kernel, which loses its variables, then "
        "start_kernel.",
    ),
    (
        errors.ReadOnlyNotebook("a.ipynb"),
        "'a.ipynb' is read-only: a change could not be saved. execute_code runs code without "
        "changing it.",
    ),
    (
        errors.UndoRefused("ab12"),
        "Undoing this would remove what others have written in cell 'ab12' since. Read the cell, "
        "then edit or delete it on purpose.",
    ),
    (
        errors.RemovalNotConfirmed(9, 10),
        "This would delete 9 of 10 cells. Pass confirm_removal=true if that is what the user "
        "wants.",
    ),
    (errors.InvalidRequest("Name one.", "Try again."), "Name one. Try again."),
    (
        errors.KernelStartFailed("julia", "there is no such kernelspec", ["python3"]),
        "The kernel 'julia' did not start: there is no such kernelspec. Kernels that can be "
        "started: python3.",
    ),
    (
        errors.KernelSilent("k", 60),
        "The kernel 'k' has not answered for 60 s. It may run code that lets it say nothing. Wait, "
        "or call interrupt_kernel or restart_kernel, which loses its variables.",
    ),
    (
        errors.InterruptFailed("k", 5),
        "The kernel 'k' is still busy 5 s after the interrupt. Interrupt it again, or call "
        "restart_kernel, which loses its variables.",
    ),
    (
        errors.StillOpen("a.ipynb"),
        "The file of 'a.ipynb' is gone, but somebody still has its content open. Choose another "
        "path, or ask them to save or close it.",
    ),
    (
        errors.StillRunning("k"),
        "The kernel 'k' still runs what it was asked for from here. Wait for that with "
        "get_execution, or call interrupt_kernel.",
    ),
    (
        errors.NoSubshells("k"),
        "The kernel 'k' is busy and has no sub-shells. Wait for what it runs or interrupt it; "
        "ipykernel 7 or newer has sub-shells.",
    ),
    (
        errors.NotPermitted("insert_cell", "write", "contents"),
        "This login may not write contents, which insert_cell needs. Ask the administrator of this "
        "Jupyter server for that permission.",
    ),
    (
        errors.Declined("delete_cells"),
        "The person was asked and did not agree to delete_cells. Nothing was changed. Do not try "
        "it again in another way; ask what they want instead.",
    ),
    (
        errors.AgreementOutdated(["[3] ab12"]),
        "What the person agreed to has changed meanwhile in [3] ab12, so it was left alone. Read "
        "it again; the person will be asked anew.",
    ),
    (
        errors.NobodyToAsk("delete_cells"),
        "This server asks the person before delete_cells, and this MCP client cannot ask (it has "
        "no elicitation). Nothing was changed. Tell the user, who can do it in JupyterLab.",
    ),
    (
        errors.NotRun("[3] cell inserted", errors.ServerStopping()),
        "[3] cell inserted. This is done, but the cell could not be run: This Jupyter server is "
        "stopping, and its kernels with it. What was printed so far is in the notebook.",
    ),
    (
        errors.NotRun("[3] cell inserted", errors.ServerStopping(), has_begun=True),
        "[3] cell inserted. This is done, but how its run ended is not known: This Jupyter server "
        "is stopping, and its kernels with it. What was printed so far is in the notebook.",
    ),
    (
        errors.BrokenOff("r7"),
        "The execution r7 broke off inside the Jupyter server. Its log has the reason. Read the "
        "cell, then run it again.",
    ),
    (
        errors.ServerStopping(),
        "This Jupyter server is stopping, and its kernels with it. What was printed so far is in "
        "the notebook.",
    ),
    (
        errors.OtherCollaboration("other"),
        "Notebooks are shared by other in this Jupyter server, not by jupyter-collaboration. "
        "Uninstall it, run `pip install jupyter-collaboration` and restart the server.",
    ),
    (errors.Unavailable("It is off.", "Switch it on."), "It is off. Switch it on."),
]


@pytest.mark.parametrize(("error", "text"), EXAMPLES, ids=lambda value: type(value).__name__)
def test_errors_say_what_and_what_next(error: MCPExtensionError, text: str) -> None:
    assert str(error) == text


def leaves(parent: type[MCPExtensionError]) -> set[type[MCPExtensionError]]:
    children = parent.__subclasses__()
    return set().union(*map(leaves, children)) if children else {parent}


def test_each_error_has_an_example_and_stands_in_the_tree() -> None:
    assert {type(error) for error, _ in EXAMPLES} == leaves(MCPExtensionError)
    assert all(each.__name__ in str(errors.__doc__) for each in leaves(MCPExtensionError))

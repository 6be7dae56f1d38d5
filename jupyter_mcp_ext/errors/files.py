"""Errors about files or directories."""

from __future__ import annotations

from .base import Conflict, MCPExtensionError, NotFound


class DirectoryNotFound(NotFound):
    def __init__(self, path: str, reason: str = "") -> None:
        super().__init__(
            f"There is no directory {path!r}{': ' + reason if reason else ''}.",
            'Directories are named from the server\'s root, which is "".',
        )


class FileMissing(NotFound):
    def __init__(self, path: str, reason: str = "") -> None:
        super().__init__(
            f"There is no file {path!r}{': ' + reason if reason else ''}.", "list_files shows them."
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


class SensitiveFile(MCPExtensionError):
    def __init__(self, path: str, pattern: str) -> None:
        super().__init__(
            f"{path!r} is kept from agents, as a file named like {pattern!r}.",
            "Only the user can allow it, by MCPExtension.sensitive_files of this Jupyter server.",
        )

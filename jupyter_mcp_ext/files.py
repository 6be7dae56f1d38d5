"""Files as agents have them: live where somebody has them open, without the sensitive ones."""

from __future__ import annotations

import json
import os
import re
from base64 import b64decode
from binascii import Error as NoBase64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any
from weakref import WeakValueDictionary

from anyio import Lock

from .contents import Contents, clean_path
from .errors import (
    AmbiguousMatch,
    FileExists,
    FileRefused,
    FileTooLarge,
    InvalidRequest,
    NotAFile,
    NotText,
    SensitiveFile,
    TextNotFound,
)
from .text_edits import Span, changed_spans, patched, replacement_spans
from .text_rooms import TextRooms

MAX_TEXT_BYTES = 20_000_000
"""A text file with more is not read, since it is read whole."""

MAX_DOWNLOAD_BYTES = 700_000
"""What fits into one answer in base64, see `answer_size`."""

COPY = re.compile(r"-checkpoint(?=(\.[^./]*)?$)|(~|\.old|\.bak|\.orig|\.backup)+$")
"""What the names of copies have more, which Jupyter, editors and people make."""


@dataclass(frozen=True)
class Changed:
    """A file before and after; `before` is None for one that is new."""

    path: str
    before: str | None
    now: str
    is_live: bool = False
    is_saved: bool = True


class Files:
    """The files below the server's root that agents may have.

    `sensitive` are patterns of names that are refused. Notebooks have tools of their own.
    """

    def __init__(
        self, contents: Contents, rooms: TextRooms, sensitive: Sequence[str], max_bytes: int
    ) -> None:
        self._contents = contents
        self._rooms = rooms
        self._sensitive = [pattern.lower() for pattern in sensitive]
        self._max_bytes = max_bytes
        self._locks: WeakValueDictionary[str, Lock] = WeakValueDictionary()

    async def read(self, path: str) -> tuple[str, bool]:
        """The text of a file, and whether it is open live.

        Raises:
            SensitiveFile, FileMissing, NotAFile, NotText, FileTooLarge, FileRefused
        """
        path = self._allowed(path)
        text = await self._text_on_disk(path)
        live = await self._rooms.find(path)
        return (text, False) if live is None else (await live.read(), True)

    async def edit(self, path: str, old_text: str, new_text: str, replace_all: bool) -> Changed:
        """Replace a text in a file.

        Raises:
            TextNotFound, AmbiguousMatch: see `NotebookDocument.replace_text`.
            SensitiveFile, FileMissing, NotAFile, NotText, FileTooLarge, FileRefused
        """
        if not old_text:
            raise InvalidRequest("old_text is empty.", "Use write_file to replace a whole file.")

        def find(text: str) -> Sequence[Span]:
            spans, places = replacement_spans(text, old_text, new_text, replace_all)
            if not places:
                raise TextNotFound(repr(path), old_text, "read_file")
            if not spans:
                raise AmbiguousMatch(repr(path), old_text, places)
            return spans

        path = self._allowed(path)
        async with self._lock(path):
            return await self._change(path, find)

    async def write(self, path: str, text: str, overwrite: bool) -> Changed:
        """Give a file this text; only its lines that differ change where it is open live.

        Raises:
            FileExists: it is there, and not to be overwritten.
            SensitiveFile, NotAFile, NotText, FileTooLarge, FileRefused
        """
        path = self._allowed(path)
        if path.endswith(".ipynb"):
            raise NotAFile(path, "notebook", "open_notebook with create=true, or upload_file")
        async with self._lock(path):
            if await self._is_new(path, overwrite):
                self._check_not_live(path)
                await self._contents.write_file(path, text, "text")
                return Changed(path, None, text)
            return await self._change(path, lambda before: changed_spans(before, text), text)

    async def make_directory(self, path: str) -> str:
        """Make a directory, and those above it; return its path.

        Raises:
            SensitiveFile, FileRefused
        """
        path = self._allowed(path)
        await self._contents.make_directories(path)
        return path

    async def upload(self, path: str, base64: str, overwrite: bool) -> int:
        """Write a file of any kind; return its size in bytes.

        Raises:
            FileExists: it is there, and not to be overwritten.
            FileRefused: somebody has it open.
            SensitiveFile, FileTooLarge, InvalidRequest
        """
        path = self._allowed(path)
        try:
            data = b64decode("".join(base64.split()), validate=True)
        except (NoBase64, ValueError) as error:
            raise InvalidRequest("This is no base64.") from error
        _check_size(path, len(data), self._max_bytes)
        if path.endswith(".ipynb"):
            _check_notebook(path, data)
        async with self._lock(path):
            if not await self._is_new(path, overwrite):
                await self._check_file(path, None, of_any_kind=True)
            self._check_not_live(path)
            await self._contents.write_file(path, base64, "base64")
        return len(data)

    async def download(self, path: str) -> tuple[str, str]:
        """The whole content of a file, and whether it is "text" or "base64".

        Raises:
            SensitiveFile, FileMissing, NotAFile, FileTooLarge, FileRefused
        """
        path = self._allowed(path)
        max_bytes = min(self._max_bytes, MAX_DOWNLOAD_BYTES)
        model = await self._check_file(path, max_bytes, of_any_kind=True)
        if model["type"] == "notebook" and self._rooms.is_live(path):
            raise NotAFile(path, "notebook that is open live", "read_notebook with view=full")
        live = await self._rooms.find(path)
        return await self._contents.read_file(path) if live is None else (await live.read(), "text")

    # Inside

    async def _is_new(self, path: str, overwrite: bool) -> bool:
        exists = await self._contents.exists(path)
        if exists and not overwrite:
            raise FileExists(path)
        return not exists

    async def _change(
        self, path: str, edit: Callable[[str], Sequence[Span]], whole: str | None = None
    ) -> Changed:
        """Edit a file; `whole` is what becomes of it, where that is known."""
        text = await self._text_on_disk(path, to_write=True)
        live = await self._rooms.find(path)
        if live is not None:
            before, now, is_saved = await live.change(edit)
            return Changed(path, before, now, True, is_saved)
        # Agents write line ends as they see them.
        before = text.replace("\r\n", "\n") if _has_crlf(text) else text
        now = patched(before, edit(before)) if whole is None else whole
        written = _with_crlf(now) if _has_crlf(text) else now
        await self._contents.write_file(path, written, "text")
        return Changed(path, before, now)

    async def _text_on_disk(self, path: str, to_write: bool = False) -> str:
        model = await self._check_file(path, MAX_TEXT_BYTES)
        if to_write and not model["writable"]:
            raise FileRefused(path, "it is read-only")
        content, format = await self._contents.read_file(path)
        if format != "text":
            raise NotText(path, model.get("size") or 0, model.get("mimetype") or "")
        return content

    async def _check_file(
        self, path: str, max_bytes: int | None, *, of_any_kind: bool = False
    ) -> dict[str, Any]:
        """The contents model of what is there, if it is a file of at most this size."""
        model = await self._contents.file(path)
        if model["type"] == "directory":
            raise NotAFile(path, "directory", "list_files")
        if model["type"] == "notebook" and not of_any_kind:
            raise NotAFile(path, "notebook", "read_notebook, edit_cell or insert_cell")
        if max_bytes is not None:
            _check_size(path, model.get("size") or 0, max_bytes)
        return model

    def _check_not_live(self, path: str) -> None:
        if self._rooms.is_live(path):
            hint = "the tools for cells" if path.endswith(".ipynb") else "write_file"
            reason = "somebody has its content open"
            raise FileRefused(path, reason, f"Use {hint}, or choose another path.")

    def _allowed(self, path: str) -> str:
        """The path in its one spelling.

        Raises:
            SensitiveFile: it, or what a link in it leads to, is sensitive.
            InvalidRequest: it leads out of the root, or is the root.
        """
        clean = clean_path(path)
        if not clean:
            raise InvalidRequest("A path is needed.", "Paths start at the server's root.")
        for name in _names(clean, self._contents.on_disk(clean), self._contents.on_disk("")):
            copied = COPY.sub("", name)
            for pattern in self._sensitive:
                if fnmatchcase(name, pattern) or fnmatchcase(copied, pattern):
                    raise SensitiveFile(path, pattern)
        return clean

    def _lock(self, path: str) -> Lock:
        return self._locks.setdefault(path, Lock())


def _names(path: str, on_disk: str, root: str) -> set[str]:
    """All runs of parts of a path, also of where it leads on the disk, in lower case."""
    paths = [path]
    if on_disk:
        target, root = os.path.realpath(on_disk), os.path.realpath(root)
        paths.append(target.removeprefix(root).replace(os.sep, "/"))
    parts = [each.lower().strip("/").split("/") for each in paths]
    return {
        "/".join(each[i:j])
        for each in parts
        for i in range(len(each))
        for j in range(i + 1, len(each) + 1)
    }


def _check_size(path: str, size: int, max_bytes: int) -> None:
    if size > max_bytes:
        raise FileTooLarge(path, size, max_bytes)


def _check_notebook(path: str, data: bytes) -> None:
    """A file that nothing can open must not be a notebook by its name."""
    try:
        is_notebook = isinstance(json.loads(data)["nbformat"], int)
    except (ValueError, TypeError, KeyError, RecursionError):
        is_notebook = False
    if not is_notebook:
        raise InvalidRequest(f"What {path!r} would have is no notebook.", "Choose another ending.")


def _with_crlf(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\n", "\r\n")


def _has_crlf(text: str) -> bool:
    """Whether all lines end as on Windows."""
    return 0 < text.count("\r\n") == text.count("\n")

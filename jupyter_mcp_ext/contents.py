"""Paths to files, through Jupyter's contents manager."""

from __future__ import annotations

import posixpath
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import Any

import nbformat
from anyio import Path
from jupyter_server.services.contents.filemanager import FileContentsManager
from jupyter_server.utils import ApiPath, ensure_async, to_os_path
from tornado.web import HTTPError

from .errors import (
    DirectoryNotFound,
    FileMissing,
    FileRefused,
    InvalidRequest,
    NotANotebook,
    NotebookExists,
    NotebookNotFound,
)
from .failures import is_panic

MAX_PATH_CHARS = 4096
MAX_PATH_PARTS = 100

MAX_DIRECTORIES = 1000
"""How many directories a search for notebooks looks into."""

REFUSALS = (HTTPError, OSError)
"""How contents managers say no. The second is for links that lead in a circle, among others."""


class Contents:
    """The files of this server. `settings` are those of Jupyter's web application."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self._settings = settings

    async def notebook(self, path: str) -> dict[str, Any]:
        """The contents model of a notebook, without its content; `path` in its one spelling.

        Raises:
            NotebookNotFound: nothing is there.
            NotANotebook: something else is there.
        """
        model = await self._model(path, NotebookNotFound)
        if model["type"] != "notebook":
            raise NotANotebook(path, f"it is a {model['type']}")
        return model

    async def file(self, path: str) -> dict[str, Any]:
        """The contents model of whatever is at `path`, without its content.

        Raises:
            FileMissing: nothing is there.
        """
        return await self._model(path, FileMissing)

    async def read_file(self, path: str) -> tuple[str, str]:
        """The content of a file, and whether that is "text" or "base64".

        Raises:
            FileMissing: nothing is there any more, or it cannot be read.
        """
        try:
            model = await ensure_async(self._manager.get(path, type="file"))
        except REFUSALS as error:
            raise FileMissing(path, reason_of(error)) from error
        return str(model["content"]), str(model["format"])

    async def write_file(self, path: str, content: str, format: str) -> None:
        """Write a file, "text" or "base64", and make the directories that it needs.

        Raises:
            FileRefused: the contents manager refuses that.
        """
        self._check_visible(path)
        await self.make_directories(posixpath.dirname(path))
        await self._save_file(path, {"type": "file", "format": format, "content": content})

    async def make_directories(self, path: str) -> None:
        """Make a directory and those above it, as far as they are missing.

        Raises:
            FileRefused: the contents manager refuses one.
        """
        for end in (i for i, c in enumerate(f"{path}/") if c == "/" and i):
            if not await ensure_async(self._manager.dir_exists(path[:end])):
                await self._save_file(path[:end], {"type": "directory"})

    async def _save_file(self, path: str, model: dict[str, Any]) -> None:
        self._check_visible(path)
        try:
            if await self.exists(path):
                await ensure_async(self._manager.save(model, path))
            else:
                await self._save_new(model, path)
        except REFUSALS as error:
            raise FileRefused(path, reason_of(error)) from error

    def _check_visible(self, path: str) -> None:
        # Not every contents manager of Jupyter checks this when it saves.
        if self._is_hidden(path):
            raise FileRefused(path, "it is hidden", "Choose a name without a leading dot.")

    def _is_hidden(self, path: str) -> bool:
        has_dot = any(part.startswith(".") for part in path.split("/"))
        return has_dot and not self._manager.allow_hidden

    async def exists(self, path: str) -> bool:
        """Whether there is something at this path, as far as it may be known."""
        clean = clean_path(path)
        return not self._is_hidden(clean) and bool(await ensure_async(self._manager.exists(clean)))

    async def directory(self, path: str) -> str:
        """The path of a directory in its one spelling.

        Raises:
            InvalidRequest: as `clean_path`.
            DirectoryNotFound: there is none.
        """
        clean = clean_path(path)
        if self._is_hidden(clean) or not await ensure_async(self._manager.dir_exists(clean)):
            raise DirectoryNotFound(path)
        return clean

    def on_disk(self, path: str) -> str:
        """Where a file or directory is on this machine's disk, "" if it is elsewhere."""
        if not isinstance(self._manager, FileContentsManager):
            return ""
        return to_os_path(ApiPath(path), self._manager.root_dir)

    async def create_notebook(self, path: str, metadata: dict[str, Any]) -> str:
        """Make an empty notebook file; return its path.

        Raises:
            NotebookExists: something is there already.
            InvalidRequest: the contents manager refuses the path.
        """
        clean = clean_path(path)
        if not clean.endswith(".ipynb"):
            raise InvalidRequest(f"{path!r} does not end in .ipynb.", "Add the ending.")
        if self._is_hidden(clean):
            raise InvalidRequest(f"{path!r} is hidden.", "Choose a name without a leading dot.")
        content = nbformat.v4.new_notebook(metadata=metadata)
        model = {"type": "notebook", "format": "json", "content": content}
        try:
            if await ensure_async(self._manager.exists(clean)):
                raise NotebookExists(clean)
            if not await ensure_async(self._manager.dir_exists(posixpath.dirname(clean))):
                raise InvalidRequest(f"The directory of {path!r} does not exist.")
            await self._save_new(model, clean)
        except REFUSALS as error:
            raise InvalidRequest(f"{path!r} cannot be created: {reason_of(error)}.") from error
        return clean

    async def create_checkpoint(self, path: str) -> None:
        """Let Jupyter keep the file as its checkpoint, which replaces the one that it had.

        One that is as new as the file stays: somebody made it after the last change.
        """
        file = await ensure_async(self._manager.get(path, content=False))
        known = await ensure_async(self._manager.list_checkpoints(path))
        if not any(each["last_modified"] >= file["last_modified"] for each in known):
            await ensure_async(self._manager.create_checkpoint(path))

    async def files(self, directory: str, recursive: bool) -> AsyncGenerator[dict[str, Any], None]:
        """The contents model of each file and directory below a directory, nearest first.

        Looks into at most MAX_DIRECTORIES directories.

        Raises:
            DirectoryNotFound: there is none.
        """
        waiting = [clean_path(directory)]
        for _ in range(MAX_DIRECTORIES):
            if not waiting:
                return
            for entry in await self._list(waiting.pop(0)):
                yield entry
                if entry["type"] == "directory" and recursive:
                    waiting.append(entry["path"])

    async def _model(
        self, path: str, missing: type[NotebookNotFound | FileMissing]
    ) -> dict[str, Any]:
        clean = clean_path(path)
        try:
            model = await ensure_async(self._manager.get(clean, content=False))
        except REFUSALS as error:
            raise missing(path, reason_of(error)) from error
        return dict(model) | {"path": clean}

    async def _save_new(self, model: dict[str, Any], path: str) -> None:
        try:
            await ensure_async(self._manager.save(model, path))
        except REFUSALS:
            # Jupyter leaves an empty file where the disk is full. It must not go to the trash,
            # which needs room too.
            if isinstance(self._manager, FileContentsManager):
                file = Path(to_os_path(ApiPath(path), self._manager.root_dir))
                with suppress(OSError):  # The reason of the first error counts.
                    if not (await file.stat()).st_size:
                        await file.unlink()
            raise

    async def _list(self, directory: str) -> list[dict[str, Any]]:
        try:
            model = await ensure_async(self._manager.get(directory, type="directory"))
        except REFUSALS as error:
            raise DirectoryNotFound(directory, reason_of(error)) from error
        return sorted(model["content"], key=lambda entry: str(entry["name"]))

    @property
    def _manager(self) -> Any:
        return self._settings["contents_manager"]


def clean_path(path: str) -> str:
    """A path from the server's root in its one spelling, without slashes at the ends.

    Raises:
        InvalidRequest: it leads out of the root, or is longer than any path.
    """
    if len(path) > MAX_PATH_CHARS or path.count("/") > MAX_PATH_PARTS:
        raise InvalidRequest(f"The path {path[:80]!r}... is too long.", "No file has such a path.")
    clean = posixpath.normpath(path.strip().strip("/"))
    if clean.split("/")[0] == ".." or "\0" in clean:
        raise InvalidRequest(
            f"The path {path!r} leads out of the server's root.", "Paths start at the root."
        )
    return "" if clean == "." else clean


def reason_of(error: BaseException) -> str:
    """What a manager of Jupyter says went wrong, without the paths of this machine."""
    if isinstance(error, HTTPError) and error.reason:
        return str(error.reason)
    if isinstance(error, HTTPError) and error.status_code == 404:
        return "it does not exist"
    origin: BaseException = error.__cause__ or error
    while isinstance(origin.__context__, OSError):  # Cleaning up may have failed in its turn.
        origin = origin.__context__
    if isinstance(origin, OSError) and origin.strerror:
        return origin.strerror
    if isinstance(error, UnicodeError) or is_panic(error):
        return "it has a number or a text that no live document can hold"
    return "it is refused" if isinstance(error, HTTPError) else type(error).__name__

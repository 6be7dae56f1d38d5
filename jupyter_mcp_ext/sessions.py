"""Jupyter's sessions: which notebook has which kernel."""

from __future__ import annotations

from typing import Any

from tornado.web import HTTPError


class NotebookSessions:
    """The sessions of notebooks. `settings` are those of Jupyter's web application."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self._settings = settings

    async def kernel_id_of(self, path: str) -> str | None:
        """The id of the kernel of the notebook's session, None without one."""
        session = await self._find(path)
        return None if session is None else str(session["kernel"]["id"])

    async def start(self, path: str, kernel_name: str) -> str:
        """Make a session with a new kernel; return the kernel's id, which may not answer yet."""
        session = await self._create(path, kernel_name=kernel_name)
        return str(session["kernel"]["id"])

    async def attach(self, path: str, kernel_id: str) -> None:
        """Make a running kernel that of the notebook's session."""
        session = await self._find(path)
        if session is None:
            await self._create(path, kernel_id=kernel_id)
        else:
            await self._manager.update_session(session["id"], kernel_id=kernel_id)

    async def remove(self, path: str, kernel_id: str) -> None:
        """Remove the session and shut its kernel down, if it still is this one."""
        session = await self._find(path)
        if session is not None and session["kernel"]["id"] == kernel_id:
            await self._manager.delete_session(session["id"])

    async def notebooks(self) -> dict[str, list[str]]:
        """The paths of the notebooks of each kernel that has any."""
        found: dict[str, list[str]] = {}
        for session in await self._manager.list_sessions():
            found.setdefault(session["kernel"]["id"], []).append(session["path"])
        return found

    async def _find(self, path: str) -> dict[str, Any] | None:
        try:
            return dict(await self._manager.get_session(path=path, type="notebook"))
        except (HTTPError, KeyError):
            # KeyError: the session's kernel is gone; asking has removed the session.
            return None

    async def _create(self, path: str, **kernel: str) -> dict[str, Any]:
        name = path.rpartition("/")[2]
        created = self._manager.create_session(path=path, name=name, type="notebook", **kernel)
        return dict(await created)

    @property
    def _manager(self) -> Any:
        return self._settings["session_manager"]

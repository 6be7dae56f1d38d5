"""What jupyter-collaboration tells of the files of notebooks, for the next answer to an agent."""

from __future__ import annotations

from typing import Any

from jupyter_server_ydoc.utils import JUPYTER_COLLABORATION_EVENTS_URI

FILE_FAILED = (
    "Note: the notebook could not be read from or saved to its file. What you see is not on disk; "
    "the server's log has the reason."
)
FILE_CHANGED = (
    "Note: the file was changed on disk by another program, and its content has replaced the live "
    "notebook. Edits of the last moments may be lost: read it again."
)


class FileNotices:
    """Of each room that agents were in. `settings` are those of Jupyter's web application."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self._settings = settings
        self._notices: dict[str, list[str]] = {}
        self._listens = False

    @property
    def any(self) -> bool:
        """Whether there are any that nobody took."""
        return any(self._notices.values())

    def listen(self) -> None:
        """Hear of what happens from here on."""
        # jupyter-collaboration registers its events after us.
        if not self._listens:
            self._listens = True
            self._settings["event_logger"].add_listener(
                schema_id=JUPYTER_COLLABORATION_EVENTS_URI, listener=self._on_event
            )

    def follow(self, room_id: str) -> None:
        """Agents want to know of this room."""
        self._notices.setdefault(room_id, [])

    def take(self, room_id: str) -> list[str]:
        """Those of a room since it was last asked, once each."""
        notices = self._notices.get(room_id, [])
        if notices:
            self._notices[room_id] = []
        return notices

    async def _on_event(self, logger: Any, schema_id: str, data: dict[str, Any]) -> None:
        notices = self._notices.get(data["room"])
        if notices is None:
            return  # No agent was ever there.
        if data["level"] == "ERROR":
            notice = FILE_FAILED
        elif data.get("action") == "overwrite":
            notice = FILE_CHANGED
        else:
            return
        if notice not in notices:
            notices.append(notice)

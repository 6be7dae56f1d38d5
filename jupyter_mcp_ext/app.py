"""The server extension: the door it opens at the start of Jupyter, before anybody has come."""

from __future__ import annotations

import asyncio
import os
from contextvars import Context
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anyio import to_thread
from jupyter_server._tz import utcnow
from jupyter_server.extension.application import ExtensionApp
from jupyter_server.serverapp import ServerApp

from . import memory, worker_threads
from .audit import Audit
from .entrance import announcement
from .handlers import MAX_BODY_BYTES, MCPHandler, Visit
from .settings import Settings
from .stopping import forget_failed_starts, stop_in_order
from .tasks import Tasks
from .transport import Transport

if TYPE_CHECKING:
    from .backend import Backend
    from .oauth.login import OAuthLogin


class MCPExtension(Settings, ExtensionApp):
    """Serves MCP at `<base_url>/mcp` of a Jupyter server."""

    name = "jupyter_mcp_ext"
    app_name = "Jupyter MCP"
    description = "Gives AI agents a seat at the live notebooks of this Jupyter server."

    _is_set_up = False
    _opening: asyncio.Task[Backend] | None = None
    _backend: Backend | None = None

    def initialize_handlers(self) -> None:
        assert self.serverapp is not None
        if not self._linked:
            # Jupyter goes on without any of our settings then, `read_only` among them.
            raise RuntimeError(
                "c.MCPExtension has a setting that cannot be used (see the warning above), so "
                "jupyter_mcp_ext does not start: it would ignore all other settings too."
            )
        self._is_set_up = True
        self._tasks = Tasks(self.log)
        self._transport = Transport(self._build_server, self._tasks.spawn, MAX_BODY_BYTES)
        # Jupyter's other extensions may want to listen.
        self._audit = Audit(self.serverapp.event_logger, self.log)
        self._oauth = self._add_oauth_login() if self.oauth_login else None
        options = {
            "transport": self._transport,
            "show_page": self._show_page,
            "touch": self._touch,
            "unauthenticated_status": 401 if self.oauth_login else self.unauthenticated_status,
            "oauth": self._oauth,
        }
        self.handlers.append((r"/mcp/?", MCPHandler, options))

    def _add_oauth_login(self) -> OAuthLogin:
        from .oauth.consent_page import ConsentPage
        from .oauth.handlers import root_routes, routes
        from .oauth.login import OAuthLogin

        assert self.serverapp is not None
        login = OAuthLogin(self.serverapp.web_app.settings["cookie_secret"])
        self.handlers += routes(login, ConsentPage(read_only=self.read_only))
        self.serverapp.web_app.add_handlers(".*$", root_routes(self.serverapp.base_url))
        return login

    async def _start_jupyter_server_extension(self, serverapp: ServerApp) -> None:
        if not self._is_set_up:
            return
        memory.set_aside()
        stop_in_order(serverapp)
        self.log.info("%s", announcement(serverapp, os.environ, oauth_login=self.oauth_login))

    async def stop_extension(self) -> None:
        if not self._is_set_up or self.serverapp is None:
            return
        try:
            if self._backend is not None:
                self._backend.end_runs()
            await self._transport.stop()
            if self._opening is not None:
                await asyncio.wait([self._opening])
            if self._backend is not None:
                await self._backend.stop()
            await self._close_rooms()
        finally:
            # The server would wait for what is left of these, whoever has used them.
            forget_failed_starts(self.serverapp.kernel_manager)
            if self._backend is not None:
                await self._backend.close()
            worker_threads.end()
            memory.take_back()

    async def _close_rooms(self) -> None:
        from .collaboration import Collaboration

        assert self.serverapp is not None
        await Collaboration(self.serverapp.web_app.settings).close()

    def current_activity(self) -> int | None:
        """The number of unfinished runs, which keeps an idle server from stopping itself."""
        return (len(self._backend.executions.unfinished) if self._backend else 0) or None

    def _touch(self) -> None:
        assert self.serverapp is not None
        # Jupyter counts every setting whose name ends like this as activity.
        self.serverapp.web_app.settings["mcp_last_activity"] = utcnow()

    async def _show_page(self, visit: Visit) -> str:
        return (await self._opened()).page.render(visit)

    async def _build_server(self) -> Any:
        return await (await self._opened()).create_server()

    async def _opened(self) -> Backend:
        """What agents work with, made for the first who comes: no start should pay for it."""
        if self._opening is None or (self._opening.done() and self._opening.exception()):
            # It outlives the request, of which its tasks should know nothing.
            self._opening = Context().run(asyncio.create_task, self._open())
        return await asyncio.shield(self._opening)

    async def _open(self) -> Backend:
        backend = await to_thread.run_sync(self._build_backend)
        await backend.start()
        self._backend = backend
        return backend

    def _build_backend(self) -> Backend:
        from .backend import Backend

        assert self.serverapp is not None
        data = Path(self.serverapp.data_dir) / self.name
        return Backend(
            self,
            self.serverapp,
            data,
            self._audit,
            self._tasks,
            self._oauth,
            self._touch,
            self.log,
        )

"""The server extension: the objects it is made of, their start, their stop."""

from __future__ import annotations

import os
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

from anyio import sleep
from jupyter_server._tz import utcnow
from jupyter_server.extension.application import ExtensionApp
from jupyter_server.serverapp import ServerApp

from . import memory, worker_threads
from .attendance import Attendance
from .audit import Audit
from .checkpoint_store import CheckpointStore
from .checkpoints import Checkpoints
from .collaboration import Collaboration
from .contents import Contents
from .entrance import announcement
from .environments import Environments
from .executions import Executions
from .executor import Executor
from .external import ExternalKernels
from .file_notices import FileNotices
from .files import Files
from .handlers import MAX_BODY_BYTES, MCPHandler
from .keeper import Keeper
from .kernel import Kernels
from .loss_notes import LossNotes
from .oauth.consent_page import ConsentPage
from .oauth.handlers import root_routes, routes
from .oauth.login import OAuthLogin
from .page import StatusPage
from .presence import Presence
from .readings import Readings
from .records import Records
from .room import NotebookRooms
from .settings import Settings
from .stopping import forget_failed_starts, stop_in_order
from .tasks import Tasks
from .text_rooms import TextRooms
from .transport import Transport
from .variables import Variables

ACTIVITY_SECONDS = 20.0
"""How often a run is reported to those who stop servers that look idle."""


class MCPExtension(Settings, ExtensionApp):
    """Serves MCP at `<base_url>/mcp` of a Jupyter server."""

    name = "jupyter_mcp_ext"
    app_name = "Jupyter MCP"
    description = "Gives AI agents a seat at the live notebooks of this Jupyter server."

    _is_set_up = False

    def initialize_handlers(self) -> None:
        assert self.serverapp is not None
        if not self._linked:
            # Jupyter goes on without any of our settings then, `read_only` among them.
            raise RuntimeError(
                "c.MCPExtension has a setting that cannot be used (see the warning above), so "
                "jupyter_mcp_ext does not start: it would ignore all other settings too."
            )
        self._is_set_up = True
        self._settings = self.serverapp.web_app.settings
        self._root, self._tasks = Tasks(self.log), Tasks(self.log)
        self._build_kernels(self._settings)
        self._build_notebooks(self._settings, Path(self.serverapp.data_dir) / self.name)
        self._executions = Executions(self.max_document_output_bytes)
        self._executor = Executor(
            self._rooms,
            self._kernels,
            self._presence,
            self._readings,
            LossNotes(self._rooms, self._kernels, self._records),
            self._executions,
            self._tasks.spawn,
            self.log,
        )
        self._transport = Transport(self._build_server, self._tasks.spawn, MAX_BODY_BYTES)
        self._attendance = Attendance()
        oauth = self._add_oauth_login() if self.oauth_login else None
        page = StatusPage(
            self._attendance,
            self._presence,
            self._executions,
            self.toolsets,
            read_only=self.read_only,
            oauth=oauth,
        )
        options = {
            "transport": self._transport,
            "show_page": page.render,
            "touch": self._touch,
            "unauthenticated_status": 401 if self.oauth_login else self.unauthenticated_status,
            "oauth": oauth,
        }
        self.handlers.append((r"/mcp/?", MCPHandler, options))

    def _add_oauth_login(self) -> OAuthLogin:
        assert self.serverapp is not None
        login = OAuthLogin(self._settings["cookie_secret"])
        self.handlers += routes(login, ConsentPage(read_only=self.read_only))
        self.serverapp.web_app.add_handlers(".*$", root_routes(self.serverapp.base_url))
        return login

    def _build_kernels(self, settings: dict[str, Any]) -> None:
        self._records = Records(self._recorded_directory(), self.recorded_days, self.log)
        self._kernels = Kernels(
            settings,
            self._tasks.spawn,
            self.kernel_start_timeout,
            self.agent_kernel_idle_timeout,
            ExternalKernels(
                self.connection_directories, os.environ.get("JUPYTER_MCP_CONNECTION_FILE", "")
            ),
            self._records,
            self.log,
        )
        self._environments = Environments(
            settings, self.environment_directories, has_overlay=self.environment_overlay
        )

    def _build_notebooks(self, settings: dict[str, Any], data: Path) -> None:
        self._contents = Contents(settings)
        self._collaboration = Collaboration(settings)
        self._rooms = NotebookRooms(
            self._collaboration, self._contents, FileNotices(settings), self._tasks.spawn
        )
        self._readings = Readings()
        self._presence = Presence(self._rooms.is_live, lambda: self._rooms.everywhere)
        self._files = Files(
            self._contents,
            TextRooms(self._collaboration),
            self.sensitive_files,
            self.max_upload_bytes,
        )
        self._audit = Audit(settings["event_logger"], self.log)
        self._checkpoints = Checkpoints(
            self._contents,
            CheckpointStore(data / "checkpoints"),
            self._tasks.spawn,
            self.log,
            is_automatic=self.automatic_checkpoints,
        )

    def _recorded_directory(self) -> Path:
        """Where code is kept, for each root of a server: names are known in one server only."""
        assert self.serverapp is not None
        root = sha256(str(self.serverapp.root_dir).encode()).hexdigest()[:12]
        return Path(self.serverapp.data_dir) / self.name / root

    async def _start_jupyter_server_extension(self, serverapp: ServerApp) -> None:
        if not self._is_set_up:
            return
        await self._root.start()
        self._root.spawn(worker_threads.own, "root")
        await self._tasks.start()
        self._tasks.spawn(self._report_activity, "activity")
        self._tasks.spawn(self._presence.keep_shown, "presence")
        self._tasks.spawn(Keeper(self._kernels, self.log).run, "keeper")
        self._tasks.spawn(self._rooms.free_left, "rooms")
        self._tasks.spawn(partial(memory.give_back, self._collaboration.has_freed), "memory")
        stop_in_order(serverapp)
        self.log.info("%s", announcement(serverapp, os.environ, oauth_login=self.oauth_login))

    async def stop_extension(self) -> None:
        if not self._is_set_up:
            return
        try:
            self._presence.stop()
            self._executor.stop()
            await self._transport.stop()
            await self._rooms.close()
            await self._tasks.stop()
            await self._collaboration.close()
        finally:
            # The server would wait for what is left of these.
            forget_failed_starts(self._settings["kernel_manager"])
            self._kernels.close()
            self._environments.close()
            await self._root.stop()
            worker_threads.end()

    def current_activity(self) -> int | None:
        """The number of unfinished runs, which keeps an idle server from stopping itself."""
        return (len(self._executions.unfinished) if self._is_set_up else 0) or None

    async def _report_activity(self) -> None:
        while True:
            await sleep(ACTIVITY_SECONDS)
            if self._executions.unfinished:
                self._touch()

    def _touch(self) -> None:
        # Jupyter counts every setting whose name ends like this as activity.
        self._settings["mcp_last_activity"] = utcnow()

    def _build_server(self) -> Any:
        # Imported here, and in a thread: the SDK would cost each start of Jupyter half a second.
        from .consent import Consent
        from .output_blocks import Limits
        from .server import create_server
        from .tools.toolset import Services

        limits = Limits(
            max_output_chars=self.max_output_chars,
            allow_images=self.allow_images,
            max_image_bytes=self.max_image_bytes,
        )
        services = Services(
            audit=self._audit,
            contents=self._contents,
            files=self._files,
            rooms=self._rooms,
            checkpoints=self._checkpoints,
            consent=Consent(self._rooms, self._records, self.ask_before),
            kernels=self._kernels,
            environments=self._environments,
            executions=self._executions,
            executor=self._executor,
            records=self._records,
            readings=self._readings,
            presence=self._presence,
            variables=Variables(),
            limits=limits,
            wait_seconds=self.wait_seconds,
            provenance=self.provenance,
        )
        return create_server(
            services,
            self.toolsets,
            self._tasks.spawn,
            self.log,
            self._attendance,
            read_only=self.read_only,
        )

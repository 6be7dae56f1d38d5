"""All that agents work with, made when the first of them comes: most starts of Jupyter see none."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from hashlib import sha256
from logging import Logger
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anyio import sleep, to_thread
from jupyter_server.serverapp import ServerApp

from . import memory, worker_threads
from .attendance import Attendance
from .audit import Audit
from .checkpoint_store import CheckpointStore
from .checkpoints import Checkpoints
from .collaboration import Collaboration
from .contents import Contents
from .environments import Environments
from .executions import Executions
from .executor import Executor
from .external import ExternalKernels
from .file_notices import FileNotices
from .files import Files
from .keeper import Keeper
from .kernel import Kernels
from .loss_notes import LossNotes
from .page import StatusPage
from .presence import Presence
from .readings import Readings
from .records import Records
from .room import NotebookRooms
from .settings import Settings
from .tasks import Tasks
from .text_rooms import TextRooms
from .variables import Variables

if TYPE_CHECKING:
    from .oauth.login import OAuthLogin

ACTIVITY_SECONDS = 20.0
"""How often a run is reported to those who stop servers that look idle."""


class Backend:
    """The objects that tools and the status page work with, their start, their stop.

    `data` is the directory for what is kept between servers. `touch` tells Jupyter of activity.
    It may be made in a thread; the event loop starts it before anything of it is used.
    """

    def __init__(
        self,
        settings: Settings,
        serverapp: ServerApp,
        data: Path,
        audit: Audit,
        tasks: Tasks,
        oauth: OAuthLogin | None,
        touch: Callable[[], None],
        log: Logger,
    ) -> None:
        self._settings = settings
        self._serverapp = serverapp
        self._log = log
        self._audit = audit
        self._root, self._tasks = Tasks(log), tasks
        self._touch = touch
        self._build_kernels(serverapp.web_app.settings, data)
        self._build_notebooks(serverapp.web_app.settings, data)
        self._build_runs()
        self._attendance = Attendance()
        self.page = StatusPage(
            self._attendance,
            self._presence,
            self.executions,
            settings.toolsets,
            read_only=settings.read_only,
            oauth=oauth,
        )

    def _build_kernels(self, jupyter: dict[str, Any], data: Path) -> None:
        settings = self._settings
        # For each root of a server: names of kernels are known in one server only.
        root = sha256(str(self._serverapp.root_dir).encode()).hexdigest()[:12]
        self._records = Records(data / root, settings.recorded_days, self._log)
        default_file = os.environ.get("JUPYTER_MCP_CONNECTION_FILE", "")
        self._kernels = Kernels(
            jupyter,
            self._tasks.spawn,
            settings.kernel_start_timeout,
            settings.agent_kernel_idle_timeout,
            ExternalKernels(settings.connection_directories, default_file),
            self._records,
            self._log,
        )
        self._environments = Environments(
            jupyter, settings.environment_directories, has_overlay=settings.environment_overlay
        )

    def _build_notebooks(self, jupyter: dict[str, Any], data: Path) -> None:
        settings = self._settings
        self._contents = Contents(jupyter)
        self._collaboration = Collaboration(jupyter)
        self._rooms = NotebookRooms(
            self._collaboration, self._contents, FileNotices(jupyter), self._tasks.spawn
        )
        self._readings = Readings()
        self._presence = Presence(self._rooms.is_live, lambda: self._rooms.everywhere)
        self._files = Files(
            self._contents,
            TextRooms(self._collaboration),
            settings.sensitive_files,
            settings.max_upload_bytes,
        )
        self._checkpoints = Checkpoints(
            self._contents,
            CheckpointStore(data / "checkpoints"),
            self._tasks.spawn,
            self._log,
            is_automatic=settings.automatic_checkpoints,
        )

    def _build_runs(self) -> None:
        self.executions = Executions(self._settings.max_document_output_bytes)
        self._executor = Executor(
            self._rooms,
            self._kernels,
            self._presence,
            self._readings,
            LossNotes(self._rooms, self._kernels, self._records),
            self.executions,
            self._tasks.spawn,
            self._log,
        )

    async def start(self) -> None:
        """Begin to look after what agents will leave behind."""
        await self._root.start()
        self._root.spawn(worker_threads.own, "root")
        await self._tasks.start()
        self._tasks.spawn(self._report_activity, "activity")
        self._tasks.spawn(self._presence.keep_shown, "presence")
        self._tasks.spawn(Keeper(self._kernels, self._log).run, "keeper")
        self._tasks.spawn(self._rooms.free_left, "rooms")

    def end_runs(self) -> None:
        """The server stops: calls that wait for runs are told."""
        self._presence.stop()
        self._executor.stop()

    async def stop(self) -> None:
        """Leave the rooms, and end what goes on there."""
        self.end_runs()  # It may have been made while the server began to stop.
        await self._rooms.close()
        await self._tasks.stop()

    async def close(self) -> None:
        """Leave nothing behind."""
        self._kernels.close()
        self._environments.close()
        await self._root.stop()

    async def create_server(self) -> Any:
        """The MCP server, loaded in a thread: that takes half a second. To be called once.

        From then on the memory that notebooks leave behind is given back.
        """
        server = await to_thread.run_sync(self._create_server)
        self._tasks.spawn(partial(memory.give_back, self._collaboration.has_freed), "memory")
        return server

    def _create_server(self) -> Any:
        from .consent import Consent
        from .output_blocks import Limits
        from .server import create_server
        from .tools.toolset import Services

        settings = self._settings
        limits = Limits(
            max_output_chars=settings.max_output_chars,
            allow_images=settings.allow_images,
            max_image_bytes=settings.max_image_bytes,
        )
        services = Services(
            audit=self._audit,
            contents=self._contents,
            files=self._files,
            rooms=self._rooms,
            checkpoints=self._checkpoints,
            consent=Consent(self._rooms, self._records, settings.ask_before),
            kernels=self._kernels,
            environments=self._environments,
            executions=self.executions,
            executor=self._executor,
            records=self._records,
            readings=self._readings,
            presence=self._presence,
            variables=Variables(),
            limits=limits,
            wait_seconds=settings.wait_seconds,
            provenance=settings.provenance,
        )
        return create_server(
            services,
            settings.toolsets,
            self._tasks.spawn,
            self._log,
            self._attendance,
            read_only=settings.read_only,
        )

    async def _report_activity(self) -> None:
        while True:
            await sleep(ACTIVITY_SECONDS)
            if self.executions.unfinished:
                self._touch()

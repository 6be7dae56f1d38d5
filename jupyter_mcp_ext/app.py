"""The server extension: its configuration, and the objects it is made of."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

from anyio import Event, create_task_group, sleep
from jupyter_server._tz import utcnow
from jupyter_server.extension.application import ExtensionApp
from jupyter_server.serverapp import ServerApp
from jupyter_server.utils import url_path_join
from traitlets import Bool, Enum, Float, Int, List, Unicode

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
from .files import SENSITIVE, Files
from .handlers import MAX_BODY_BYTES, MCPHandler
from .keeper import Keeper
from .kernel import Kernels
from .loss_notes import LossNotes
from .page import StatusPage
from .presence import Presence
from .readings import Readings
from .records import Records
from .room import NotebookRooms
from .stopping import stop_in_order
from .text_rooms import TextRooms
from .transport import Transport
from .variables import Variables

TOOLSETS = (
    *("notebooks", "cells", "execution", "kernels", "files", "history", "external"),
    "checkpoints",
)
"""The names of all toolsets; the tools themselves are loaded with the SDK."""

OFF_BY_DEFAULT = ("files", "external", "checkpoints")
"""Toolsets that agents have only where somebody chose them."""

CHANGING_TOOLS = (
    *("open_notebook", "close_notebook", "insert_cell", "edit_cell", "overwrite_cell"),
    *("delete_cells", "move_cell", "clear_outputs", "execute_cell", "execute_cells"),
    *("execute_code", "interrupt_kernel", "start_kernel", "restart_kernel", "shutdown_kernel"),
    *("write_file", "edit_file", "upload_file", "undo", "connect_kernel", "disconnect_kernel"),
    *("create_checkpoint", "restore_checkpoint"),
)
"""The names of the tools that change or run anything."""

ACTIVITY_SECONDS = 20.0
"""How often a run is reported to those who stop servers that look idle."""

STOP_SECONDS = 1.0
"""How long stopping waits for our own tasks to end."""


class MCPExtension(ExtensionApp):
    """Serves MCP at `<base_url>/mcp` of a Jupyter server."""

    name = "jupyter_mcp_ext"
    app_name = "Jupyter MCP"
    description = "Gives AI agents a seat at the live notebooks of this Jupyter server."

    toolsets = List(
        Enum(TOOLSETS),
        [name for name in TOOLSETS if name not in OFF_BY_DEFAULT],
        config=True,
        help="The groups of tools that agents are offered.",
    )
    read_only = Bool(
        False,
        config=True,
        help="Whether agents are offered only the tools that change nothing: they can read "
        "notebooks, outputs and variables, but neither edit nor run.",
    )
    ask_before = List(
        Enum(CHANGING_TOOLS),
        [],
        config=True,
        help="Tools that do their work only after the person at the MCP client has agreed, such as "
        "delete_cells, restart_kernel, shutdown_kernel or restore_checkpoint. Clients that cannot "
        "ask (MCP's elicitation) are refused.",
    )
    automatic_checkpoints = Bool(
        True,
        config=True,
        help="Whether a notebook is kept as it is before an agent's first edit of it, and before "
        "the first one after an hour: as Jupyter's checkpoint of the file, and among the last 20 "
        "checkpoints of the notebook in Jupyter's data directory.",
    )
    provenance = Bool(
        False,
        config=True,
        help="Whether a cell that an agent writes says so in its metadata, under jupyter_mcp_ext: "
        "which agent wrote it last, and when. What people type later does not change that.",
    )
    environment_directories = List(
        Unicode(),
        ["~/envs", "~/.virtualenvs", "~/miniconda3/envs", "~/miniforge3/envs", "~/anaconda3/envs"],
        config=True,
        help="Where the environments are looked up that start_kernel and open_notebook are given "
        "by name.",
    )
    environment_overlay = Bool(
        False,
        config=True,
        help="Whether start_kernel also starts environments without ipykernel: it is installed in "
        "a directory of this server, by uv or by the environment's pip, and laid over the "
        "environment, which itself stays as it is.",
    )
    connection_directories = List(
        Unicode(),
        [],
        config=True,
        help="Where the connection files may be that connect_kernel takes, besides Jupyter's "
        "runtime directory. The toolset `external` must be on. JUPYTER_MCP_CONNECTION_FILE in the "
        "server's environment names the file for a call that names none.",
    )
    wait_seconds = Float(
        45.0,
        min=0,
        config=True,
        help="How many seconds a call waits for the end of a run, unless it says so itself. The "
        "run goes on afterwards. Keep it below the time-out of your MCP clients.",
    )
    kernel_start_timeout = Float(
        60.0,
        min=0,
        config=True,
        help="How many seconds a kernel may take until it answers.",
    )
    agent_kernel_idle_timeout = Float(
        86_400.0,
        min=0,
        config=True,
        help="After how many idle seconds a kernel is shut down that an agent started, if no "
        "person has run anything on it and no browser has it open. 0 is never. "
        "MappingKernelManager.cull_idle_timeout is for all kernels.",
    )
    recorded_days = Float(
        7.0,
        config=True,
        help="How many days code that agents ran on a kernel with a name is kept in Jupyter's data "
        "directory after its last run, to offer it when the kernel is lost. 0 keeps none.",
    )
    unauthenticated_status = Enum(
        [403, 401],
        403,
        config=True,
        help="The HTTP status of an answer to a request without a login. Many clients take 401 as "
        "an invitation to an OAuth login, which this server does not offer.",
    )
    max_output_chars = Int(
        3600,
        config=True,
        help="How many characters of output an answer has at most, unless the call's max_chars "
        "says otherwise.",
    )
    max_document_output_bytes = Int(
        32_000_000,
        config=True,
        help="About how many bytes of output of one run the notebook keeps; what comes after that "
        "is dropped, with a note in the notebook.",
    )
    sensitive_files = List(
        Unicode(),
        SENSITIVE,
        config=True,
        help="Names of files and directories, with wildcards, that the tools for files keep from "
        "agents, and their copies (`~`, `.old`, `.bak`, `-checkpoint`); a name with a slash is "
        "looked for anywhere in a path. [] allows all.",
    )
    max_upload_bytes = Int(
        3_000_000,
        config=True,
        help="How many bytes a file may have that an agent uploads or downloads at once. A request "
        "has at most 4 MiB, and an answer less than 1 MB, both in base64.",
    )
    allow_images = Bool(True, config=True, help="Whether agents are sent images.")
    max_image_bytes = Int(
        60_000,
        config=True,
        help="How many bytes an image may have as it is sent to an agent, base64-encoded. Larger "
        "ones are scaled.",
    )

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
        self._stopping = Event()
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
            self.spawn,
            self.log,
        )
        self._transport = Transport(self._build_server, self.spawn, MAX_BODY_BYTES)
        self._attendance = Attendance()
        page = StatusPage(
            self._attendance,
            self._presence,
            self._executions,
            self.toolsets,
            read_only=self.read_only,
        )
        options = {
            "transport": self._transport,
            "show_page": page.render,
            "touch": self._touch,
            "unauthenticated_status": self.unauthenticated_status,
        }
        self.handlers.append((r"/mcp/?", MCPHandler, options))

    def _build_kernels(self, settings: dict[str, Any]) -> None:
        self._records = Records(self._recorded_directory(), self.recorded_days, self.log)
        self._kernels = Kernels(
            settings,
            self.spawn,
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
        collaboration = Collaboration(settings)
        self._rooms = NotebookRooms(collaboration, self._contents, FileNotices(settings))
        self._readings = Readings()
        self._presence = Presence(self._rooms.is_live, lambda: self._rooms.everywhere)
        self._files = Files(
            self._contents, TextRooms(collaboration), self.sensitive_files, self.max_upload_bytes
        )
        self._audit = Audit(settings["event_logger"], self.log)
        self._checkpoints = Checkpoints(
            self._contents,
            CheckpointStore(data / "checkpoints"),
            self.spawn,
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
        started = Event()
        self._owner = asyncio.create_task(self._own_tasks(started))
        await started.wait()
        stop_in_order(serverapp)
        self.log.info(
            "Agents connect at %s: open it in a browser, or run `jupyter mcp config`",
            url_path_join(serverapp.connection_url, "mcp"),
        )

    async def stop_extension(self) -> None:
        if not self._is_set_up:
            return
        self._presence.stop()
        self._executor.stop()
        await self._transport.stop()
        await self._rooms.close()
        self._stopping.set()
        await asyncio.wait([self._owner], timeout=STOP_SECONDS)
        self._kernels.close()
        self._environments.close()

    def current_activity(self) -> int | None:
        """The number of unfinished runs, which keeps an idle server from stopping itself."""
        return (len(self._executions.unfinished) if self._is_set_up else 0) or None

    def spawn(self, function: Callable[[], Awaitable[None]]) -> None:
        """Start a task that belongs to the extension; its failure is logged and stays its own."""
        self._tasks.start_soon(self._logged, function)

    async def _own_tasks(self, started: Event) -> None:
        async with create_task_group() as self._tasks:
            started.set()
            self._tasks.start_soon(self._report_activity)
            self._tasks.start_soon(self._logged, self._presence.keep_shown, name="presence")
            self._tasks.start_soon(self._logged, Keeper(self._kernels, self.log).run, name="keeper")
            await self._stopping.wait()
            self._tasks.cancel_scope.cancel()

    async def _logged(self, function: Callable[[], Awaitable[None]]) -> None:
        try:
            await function()
        except Exception:
            # One broken task must not take the others along.
            self.log.exception("A task of jupyter_mcp_ext failed")

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
            consent=Consent(self._rooms, self.ask_before),
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
            self.spawn,
            self.log,
            self._attendance,
            read_only=self.read_only,
        )

"""A real Jupyter server in a subprocess, with directories of its own."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import anyio
import httpx2
from anyio.abc import Process

START_SECONDS = 60
STOP_SECONDS = 20
NOTEBOOKS = Path(__file__).parent / "notebooks"


@dataclass(frozen=True)
class Server:
    """A running server. `root` is what it serves, `log` is where its output goes."""

    url: str
    token: str
    root: Path
    log: Path
    process: Process = field(repr=False)
    http: httpx2.AsyncClient = field(repr=False)
    """A client with the token and the base URL: `await server.http.get("api/sessions")`."""

    @property
    def mcp_url(self) -> str:
        return self.url + "mcp"

    async def get(self, path: str) -> Any:
        return (await self.http.get(path)).raise_for_status().json()

    async def sessions_of(self, notebook: str) -> list[dict[str, Any]]:
        return [each for each in await self.get("api/sessions") if each["path"] == notebook]

    def log_text(self) -> str:
        return self.log.read_text(errors="replace")

    def copy_notebook(self, name: str, directory: str = "") -> str:
        """Put `tests/notebooks/<name>` under a new name in the root; returns its path there."""
        path = Path(directory) / f"{Path(name).stem}-{uuid4().hex[:8]}.ipynb"
        (self.root / directory).mkdir(parents=True, exist_ok=True)
        shutil.copyfile(NOTEBOOKS / name, self.root / path)
        return path.as_posix()

    def write_notebook(self, content: Mapping[str, Any]) -> str:
        path = f"written-{uuid4().hex[:8]}.ipynb"
        (self.root / path).write_text(json.dumps(content), encoding="utf-8")
        return path

    def saved_notebook(self, path: str) -> dict[str, Any]:
        """What is on disk, which may be a second behind the live document."""
        content: dict[str, Any] = json.loads((self.root / path).read_text(encoding="utf-8"))
        return content


def environment_in(base: Path) -> dict[str, str]:
    """This process's variables without its Jupyter settings, with `base` in place of a home."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("JUPYTER")}
    places = {
        "HOME": "home",
        "JUPYTER_CONFIG_DIR": "config",
        "JUPYTER_DATA_DIR": "data",
        "JUPYTER_RUNTIME_DIR": "runtime",
        "IPYTHONDIR": "ipython",
    }
    for directory in places.values():
        (base / directory).mkdir(parents=True, exist_ok=True)
    return kept | {name: str(base / directory) for name, directory in places.items()}


def _silence_news(base: Path) -> None:
    """Answer JupyterLab's question about news, which would cover a corner of each page."""
    settings = base / "config/lab/user-settings/@jupyterlab/apputils-extension"
    settings.mkdir(parents=True, exist_ok=True)
    (settings / "notification.jupyterlab-settings").write_text('{"fetchNews": "false"}')


def _command(
    python: str, module: str, port: int, token: str, root: Path, options: tuple[str, ...]
) -> list[str]:
    lab = ["--LabApp.expose_app_in_browser=True"] if module == "jupyterlab" else []
    return [
        *(python, "-m", module),
        "--ServerApp.ip=127.0.0.1",
        f"--ServerApp.port={port}",
        "--ServerApp.port_retries=0",
        f"--ServerApp.root_dir={root}",
        "--ServerApp.open_browser=False",
        "--ServerApp.allow_root=True",
        f"--IdentityProvider.token={token}",
        *lab,
        *options,
    ]


async def _wait_until_ready(process: Process, http: httpx2.AsyncClient, log: Path) -> None:
    with anyio.move_on_after(START_SECONDS):
        while process.returncode is None:
            try:
                if (await http.get("api")).is_success:
                    return
            except httpx2.TransportError:
                pass  # Not listening yet.
            await anyio.sleep(0.05)  # The port opens without an event that another process can see.
    raise RuntimeError(f"The server did not start:\n{log.read_text(errors='replace')[-4000:]}")


async def stop_process(process: Process) -> None:
    """End a server by SIGTERM, as a service manager does; SIGKILL only after `STOP_SECONDS`."""
    if process.returncode is not None:
        return
    with anyio.CancelScope(shield=True):
        process.terminate()
        with anyio.move_on_after(STOP_SECONDS) as patience:
            await process.wait()
        if patience.cancelled_caught:
            process.kill()
            await process.wait()


def with_modules(directory: Path) -> dict[str, str]:
    """The environment of a server that can import what is in `directory`."""
    kept = os.environ.get("PYTHONPATH")
    return {"PYTHONPATH": os.pathsep.join([str(directory), *([kept] if kept else [])])}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@asynccontextmanager
async def run_server(
    base: Path,
    *options: str,
    module: str = "jupyterlab",
    environment: Mapping[str, str] | None = None,
    base_url: str = "/",
    python: str = sys.executable,
) -> AsyncIterator[Server]:
    """Serve `base / "root"` until the block ends. `options` are Jupyter command line options.

    Another server may use the same `base` afterwards, as after a restart.
    """
    port, token, root = free_port(), secrets.token_hex(16), base / "root"
    options = (f"--ServerApp.base_url={base_url}", *options)
    command = _command(python, module, port, token, root, options)
    async with _run(base, command, f"http://127.0.0.1:{port}{base_url}", token, environment) as it:
        yield it


@asynccontextmanager
async def run_kernel_gateway(base: Path, port: int = 0, token: str = "") -> AsyncIterator[Server]:
    """A Jupyter Kernel Gateway, which takes its token only in the form "token ..."."""
    port, token = port or free_port(), token or secrets.token_hex(16)
    command = [
        *(sys.executable, "-m", "kernel_gateway"),
        "--KernelGatewayApp.ip=127.0.0.1",
        f"--KernelGatewayApp.port={port}",
        "--KernelGatewayApp.port_retries=0",
        f"--KernelGatewayApp.auth_token={token}",
    ]
    async with _run(base, command, f"http://127.0.0.1:{port}/", token, None) as gateway:
        yield gateway


@asynccontextmanager
async def _run(
    base: Path, command: list[str], url: str, token: str, environment: Mapping[str, str] | None
) -> AsyncIterator[Server]:
    root, log = base / "root", base / "server.log"
    environment = environment_in(base) | dict(environment or {})
    _silence_news(base)
    (base / "work").mkdir(exist_ok=True)  # .jupyter_ystore.db lands in the current directory.
    root.mkdir(exist_ok=True)
    headers = {"Authorization": f"token {token}"}
    with log.open("wb") as output:
        process = await anyio.open_process(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=base / "work",
            env=environment,
        )
    async with process, httpx2.AsyncClient(base_url=url, headers=headers, timeout=30) as http:
        try:
            await _wait_until_ready(process, http, log)
            yield Server(url, token, root, log, process, http)
        finally:
            await stop_process(process)

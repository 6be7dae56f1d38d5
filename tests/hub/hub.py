"""A real JupyterHub with its proxy in subprocesses, and what its operator does."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import anyio
import httpx2
from anyio.abc import Process

from ..conformance.node import NodePrograms
from ..server import environment_in, free_port, stop_process

START_SECONDS = 60
CONFIG = Path(__file__).parent / "jupyterhub_config.py"


@dataclass
class Hub:
    """`url` is where the proxy listens; `environment` is that of the Hub's process."""

    url: str
    directory: Path
    environment: dict[str, str]
    http: httpx2.AsyncClient
    """A client of the Hub's API with the operator's rights."""
    process: Process | None = None

    def server_url(self, user: str) -> str:
        return f"{self.url}user/{user}/"

    def mcp_url(self, user: str) -> str:
        return self.server_url(user) + "mcp"

    def root(self, user: str) -> Path:
        return self.directory / "home" / user

    def log_text(self) -> str:
        return (self.directory / "hub.log").read_text(errors="replace")

    async def start(self) -> None:
        """Start the Hub, which starts its proxy; also again after `stop`."""
        with (self.directory / "hub.log").open("ab") as log:
            self.process = await anyio.open_process(
                [sys.executable, "-m", "jupyterhub", "-f", str(CONFIG)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.directory,
                env=self.environment,
            )
        with anyio.move_on_after(START_SECONDS):
            while self.process.returncode is None:
                with suppress(httpx2.TransportError):
                    if (await self.http.get("users")).is_success:
                        return
                await anyio.sleep(0.1)  # Another process tells of no event that it listens.
        raise RuntimeError(f"The Hub did not start:\n{self.log_text()[-4000:]}")

    async def stop(self) -> None:
        """Stop the Hub; its proxy and the servers go on."""
        assert self.process
        await stop_process(self.process)

    def kill_proxy(self) -> None:
        """The Hub sees that after some seconds, and starts another."""
        os.kill(int((self.directory / "proxy.pid").read_text()), signal.SIGKILL)

    async def is_reached(self) -> bool:
        """Whether the proxy is there, and knows the way to the Hub."""
        try:
            return (await self.http.get("users")).is_success
        except httpx2.TransportError:
            return False

    async def start_server(self, user: str) -> None:
        """Start the server of a user, if it is not running."""
        await self.http.post(f"users/{user}")
        await self.http.post(f"users/{user}/server")
        with anyio.fail_after(START_SECONDS):
            async with self.http.stream("GET", f"users/{user}/server/progress") as response:
                async for event in httpx2.EventSource(response):
                    if event.data and (progress := json.loads(event.data)).get("ready"):
                        return
        raise AssertionError(f"{progress}\n{self.log_text()[-4000:]}")

    async def stop_server(self, user: str) -> None:
        await self.http.delete(f"users/{user}/server")
        with anyio.fail_after(START_SECONDS):
            while await self.has_server(user):
                await anyio.sleep(0.1)  # The Hub tells of no end.

    async def has_server(self, user: str) -> bool:
        return bool((await self.http.get(f"users/{user}")).json()["servers"])

    async def last_activity(self, user: str) -> datetime:
        [server] = (await self.http.get(f"users/{user}")).json()["servers"].values()
        return datetime.fromisoformat(server["last_activity"].replace("Z", "+00:00"))

    async def new_token(self, user: str, *scopes: str) -> dict[str, Any]:
        """Its `token` and its `id`."""
        wish = {"note": "an agent's", "scopes": list(scopes), "expires_in": 3600}
        response = await self.http.post(f"users/{user}/tokens", json=wish)
        made: dict[str, Any] = response.raise_for_status().json()
        return made

    async def token(self, user: str, *scopes: str) -> str:
        return str((await self.new_token(user, *scopes))["token"])


@asynccontextmanager
async def run_hub(directory: Path, programs: NodePrograms) -> AsyncIterator[Hub]:
    ports = {name: free_port() for name in ("public", "hub", "proxy")}
    operator = secrets.token_hex(16)
    proxy = [str(programs.node), str(programs.scripts["configurable-http-proxy"])]
    environment = environment_in(directory) | {
        "TEST_HUB_DIRECTORY": str(directory),
        "TEST_HUB_PORTS": json.dumps(ports),
        "TEST_HUB_OPERATOR": operator,
        "TEST_HUB_PROXY": json.dumps(proxy),
        "CONFIGPROXY_AUTH_TOKEN": secrets.token_hex(16),
    }
    url = f"http://127.0.0.1:{ports['public']}/"
    headers = {"Authorization": f"token {operator}"}
    async with httpx2.AsyncClient(
        base_url=f"{url}hub/api/", headers=headers, timeout=START_SECONDS
    ) as http:
        hub = Hub(url, directory, environment, http)
        try:
            await hub.start()
            yield hub
        finally:
            with anyio.CancelScope(shield=True):
                await _stop_all(hub)


async def _stop_all(hub: Hub) -> None:
    with suppress(httpx2.TransportError):
        for user in (await hub.http.get("users")).json():
            if user["servers"]:
                await hub.stop_server(user["name"])
    await hub.stop()
    with suppress(OSError):
        os.kill(int((hub.directory / "proxy.pid").read_text()), signal.SIGTERM)

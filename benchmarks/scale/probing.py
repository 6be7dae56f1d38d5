"""A server with the probe, and what it tells."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio

from jupyter_mcp_ext.memory import LOOK_SECONDS
from jupyter_mcp_ext.presence import RENEW_SECONDS
from tests.server import Server, run_server

PROBED = "--ServerApp.jpserver_extensions=benchmarks.scale.probe=True"
OURS = "--ServerApp.jpserver_extensions=jupyter_mcp_ext=True"
"""Named too, since settings of the command line replace those of files."""

QUIET_SECONDS = 120


@asynccontextmanager
async def probed_server(base: Path, *options: str) -> AsyncIterator[Server]:
    """A Jupyter server without a lab; its rooms go a second after their last client."""
    short = "--YDocExtension.document_cleanup_delay=1"
    async with run_server(base, PROBED, OURS, short, *options, module="jupyter_server") as server:
        yield server


async def facts(server: Server) -> dict[str, Any]:
    """See `probe.facts`."""
    told: dict[str, Any] = await server.get("probe/facts")
    return told


async def until_given_back(server: Server) -> dict[str, Any]:
    """What the server holds once nothing waits for its store, no room is left, nobody is shown."""
    with anyio.move_on_after(QUIET_SECONDS):
        while (now := await facts(server))["queue"] or now["rooms"]:  # noqa: ASYNC110
            await anyio.sleep(0.2)  # Another process tells of no event.
    # What was set aside is collected at the second look, which is twice as far from the first.
    await anyio.sleep(max(RENEW_SECONDS, 3 * LOOK_SECONDS) + 1)
    return await facts(server)

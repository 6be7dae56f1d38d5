"""A kernel as the scene uses it: past the server, by its connection file."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from jupyter_client.asynchronous.client import AsyncKernelClient
from nbformat.v4 import output_from_msg

from tests.server import Server

RUN_SECONDS = 60
OUTPUTS = {"stream", "display_data", "execute_result", "error"}


class Kernel:
    """A kernel of the server, with a client of its own for each run."""

    def __init__(self, kernel_id: str, connection_file: Path, server: Server) -> None:
        self.id = kernel_id
        self._connection_file = connection_file
        self._server = server

    async def run(self, code: str) -> tuple[list[Any], int]:
        """Run code as a person does; returns its outputs and its execution count."""
        outputs: list[Any] = []

        def keep(message: dict[str, Any]) -> None:
            if message["msg_type"] in OUTPUTS:
                outputs.append(output_from_msg(message))

        async with self._client() as client:
            reply = await client.execute_interactive(
                code, output_hook=keep, timeout=RUN_SECONDS, allow_stdin=False
            )
        return outputs, reply["content"]["execution_count"]

    async def value(self, expression: str) -> str:
        """The text of an expression's value; the notebook's history does not see it."""
        async with self._client() as client:
            reply = await client.execute_interactive(
                "", silent=True, user_expressions={"value": expression}, timeout=RUN_SECONDS
            )
        result = reply["content"]["user_expressions"]["value"]
        return str(result["data"]["text/plain"] if result["status"] == "ok" else result["ename"])

    async def start(self, code: str) -> None:
        """Have code running, and leave it."""
        async with self._client() as client:
            client.execute(code)
            while (await client.get_iopub_msg(timeout=RUN_SECONDS))["msg_type"] != "stream":
                pass

    async def state(self) -> str:
        model = await self._server.get(f"api/kernels/{self.id}")
        return str(model["execution_state"])

    @asynccontextmanager
    async def _client(self) -> AsyncIterator[AsyncKernelClient]:
        client = AsyncKernelClient(connection_file=str(self._connection_file))
        client.load_connection_file()
        client.start_channels()
        try:
            await client.wait_for_ready(timeout=RUN_SECONDS)
            yield client
        finally:
            client.stop_channels()

"""Fixtures of tests with a real Jupyter server."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from ..server import Server


@pytest.fixture(scope="module", autouse=True)
async def ended_kernels(server: Server) -> AsyncIterator[None]:
    """End the kernels that a module's tests left on the shared server: they would be hundreds."""
    yield
    for kernel in await server.get("api/kernels"):
        (await server.http.delete(f"api/kernels/{kernel['id']}")).raise_for_status()

"""Our extension with the suite's server in the place of ours: same handler, same transport."""

from __future__ import annotations

from typing import Any

from jupyter_mcp_ext.app import MCPExtension


class ConformanceExtension(MCPExtension):
    name = "conformance_fixture"

    async def _build_server(self) -> Any:
        from .fixture_server import create_fixture_server

        await self._opened()
        return create_fixture_server()


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    return [{"module": __name__, "app": ConformanceExtension}]

"""Give AI agents a seat at a live notebook, over MCP, inside Jupyter Server."""

from __future__ import annotations

from typing import Any

__version__ = "0.1.0"


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    from .app import MCPExtension

    return [{"module": "jupyter_mcp_ext", "app": MCPExtension}]

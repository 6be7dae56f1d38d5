"""Tools that see files."""

from __future__ import annotations

from fnmatch import fnmatch
from typing import Annotated, Any

from pydantic import Field, WithJsonSchema

from ..output_parts import format_size
from .toolset import READ, Pattern, ToolContext, Toolset

TOOLSET = Toolset("files")


@TOOLSET.tool("List files", read_only=True, destructive=False, idempotent=True, needs=[READ])
async def list_files(
    context: ToolContext,
    directory: str = "",
    recursive: bool = False,
    pattern: Pattern = "",
    limit: Annotated[int, Field(ge=1, le=1000), WithJsonSchema({"type": "integer"})] = 100,
) -> str:
    """List files and directories with size and time of the last change."""
    lines, total = [], 0
    async for model in context.services.contents.files(directory, recursive):
        if fnmatch(model["name"], pattern or "*"):
            total += 1
            if total <= limit:
                lines.append(_listed(model))
    if total > limit:
        lines.append(f"{total - limit} more; name a directory or a pattern, or raise limit.")
    return "\n".join(lines) or "There is nothing here."


def _listed(model: dict[str, Any]) -> str:
    changed = f"{model['last_modified']:%Y-%m-%d %H:%M}"
    if model["type"] == "directory":
        return f"{model['path']}/  {changed}"
    size = model.get("size")
    return "  ".join([model["path"], *([format_size(size)] if size is not None else []), changed])

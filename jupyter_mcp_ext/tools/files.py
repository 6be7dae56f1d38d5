"""Tools that read or write files other than notebooks."""

from __future__ import annotations

from typing import Annotated

from anyio import to_thread
from pydantic import Field

from .. import render
from ..files import Changed
from ..line_diffs import line_diff
from ..text import printable
from .toolset import READ, WRITE, Lines, MaxChars, Offset, ToolContext, Toolset

TOOLSET = Toolset("files", "Other files are live too where people have them open.")

MAX_DIFF_LINES = 100

MAX_DIFF_CHARS = 400_000
"""Longer texts are not compared: it would take too long."""

NOT_SAVED = "Note: this is in the live text, but not in its file yet."


@TOOLSET.tool("Read file", read_only=True, destructive=False, idempotent=True, needs=[READ])
async def read_file(
    context: ToolContext,
    path: str,
    offset: Offset = 0,
    limit: Lines = None,
    max_chars: MaxChars = None,
) -> str:
    """Read lines of a text file."""
    text, is_live = await context.services.files.read(path)
    fact = "open live" if is_live else ""
    return render.file(path, text, context.limits(max_chars), offset, limit, fact)


@TOOLSET.tool("Write file", read_only=False, destructive=True, idempotent=True, needs=[READ, WRITE])
async def write_file(context: ToolContext, path: str, content: str, overwrite: bool = False) -> str:
    """Write a text file, and the directories it needs. A path that ends in / is a directory."""
    if path.endswith("/"):
        made = await context.services.files.make_directory(path)
        return printable(f"The directory {made} is there.")
    return await _told(await context.services.files.write(path, content, overwrite))


@TOOLSET.tool("Edit file", read_only=False, destructive=True, idempotent=False, needs=[READ, WRITE])
async def edit_file(
    context: ToolContext, path: str, old_text: str, new_text: str, replace_all: bool = False
) -> str:
    """Replace a text that occurs once in a text file."""
    return await _told(await context.services.files.edit(path, old_text, new_text, replace_all))


@TOOLSET.tool("Upload file", read_only=False, destructive=True, idempotent=True, needs=[WRITE])
async def upload_file(
    context: ToolContext,
    path: str,
    data: Annotated[str, Field(description="Base64.")],
    overwrite: bool = False,
) -> str:
    """Write a file of any kind, and the directories it needs."""
    size = await context.services.files.upload(path, data, overwrite)
    return printable(f"{path}: {size:,} bytes written")


@TOOLSET.tool("Download file", read_only=True, destructive=False, idempotent=True, needs=[READ])
async def download_file(context: ToolContext, path: str) -> str:
    """Get a whole file: its text, or its bytes in base64, below a line that says which."""
    content, format = await context.services.files.download(path)
    return f"{printable(path)}, {format}\n{content}"


async def _told(changed: Changed) -> str:
    if changed.before is None:
        return printable(f"{changed.path} written, {len(changed.now):,} characters")
    where = "changed live" if changed.is_live else "changed"
    diff = await to_thread.run_sync(_diff, changed.before, changed.now)
    notes = [] if changed.is_saved else [NOT_SAVED]
    return "\n".join([printable(f"{changed.path} {where}"), diff, *notes])


def _diff(before: str, now: str) -> str:
    if len(before) + len(now) > MAX_DIFF_CHARS:
        return f"{len(before):,} characters before, {len(now):,} now."
    return line_diff(before, now, MAX_DIFF_LINES) or "No line differs."

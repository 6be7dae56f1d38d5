"""Tools that find, open or read notebooks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatch
from functools import partial
from itertools import chain
from typing import Annotated, Any, Literal

from anyio import to_thread
from mcp_types import TextContent
from pydantic import Field, WithJsonSchema

from .. import render
from ..cell import Cell
from ..journal import Changes
from ..kernel import Kernels
from ..links import cell_link
from ..notebook import NotebookDocument
from ..notebook_header import header_of
from ..output_blocks import Block, Limits
from ..output_parts import format_size
from ..people import Participant
from ..references import shown_id
from ..search import Within, search
from ..text import printable
from .toolset import (
    CONTROL_KERNELS,
    CONTROL_SESSIONS,
    EXECUTE,
    READ,
    SEE_KERNELS,
    WRITE,
    CellReference,
    CellReferences,
    Lines,
    MaxChars,
    Notebook,
    Offset,
    Pattern,
    Services,
    ToolContext,
    Toolset,
    rendered,
)

OTHER_KERNEL = (
    "\nIt runs already, so kernel_name was not used. shutdown_kernel loses its variables; then "
    "open_notebook starts the other one."
)

NONE_STALE = (
    "No cell was edited since it ran. Whether cells ran in order is told by In[n] in the outline."
)

TOOLSET = Toolset("notebooks", "Start with open_notebook or read_notebook.")


@TOOLSET.tool("List notebooks", read_only=True, destructive=False, idempotent=True, needs=[READ])
async def list_notebooks(
    context: ToolContext,
    directory: str = "",
    recursive: bool = True,
    limit: Annotated[int, Field(ge=1, le=1000), WithJsonSchema({"type": "integer"})] = 100,
) -> str:
    """List notebooks: path, whether live (in memory), kernel, last modified."""
    services = context.services
    models = await services.kernels.list() if await context.may(SEE_KERNELS) else []
    kernels = {path: model for model in models for path in model["notebooks"]}
    lines, total = [], 0
    async for model in services.contents.files(directory, recursive):
        if model["type"] != "notebook":
            continue
        total += 1
        if total <= limit:
            present = services.rooms.participants_in(model["path"])
            lines.append(_listed(model, present, services.rooms.views, kernels))
    if total > limit:
        lines.append(f"{total - limit} more; name a directory or raise limit.")
    return "\n".join(lines) or "There are no notebooks here. open_notebook(create=true) makes one."


@TOOLSET.tool("List files", read_only=True, destructive=False, idempotent=True, needs=[READ])
async def list_files(
    context: ToolContext,
    directory: str = "",
    recursive: bool = False,
    pattern: Pattern = "",
    offset: Offset = 0,
    limit: Annotated[int, Field(ge=1, le=1000), WithJsonSchema({"type": "integer"})] = 100,
) -> str:
    """List files and directories: size, last change."""
    lines, total = [], 0
    async for model in context.services.contents.files(directory, recursive):
        if fnmatch(model["name"], pattern or "*"):
            total += 1
            if offset < total <= offset + limit:
                lines.append(_listed_file(model))
    if total > offset + limit:
        more = total - offset - limit
        lines.append(f"{more} more: offset={offset + limit}, or name a directory or a pattern.")
    return "\n".join(lines) or "There is nothing here."


@TOOLSET.tool("Open notebook", read_only=False, destructive=False, idempotent=True, needs=[READ])
async def open_notebook(
    context: ToolContext,
    notebook: Notebook,
    create: bool = False,
    kernel_name: Annotated[str, Field(description="Kernelspec or environment to start.")] = "",
    kernel: Annotated[str, Field(description="Running kernel to use instead of its own.")] = "",
) -> str:
    """See a notebook's outline, kernel and people; starts its kernel if it has none."""
    services, spec = context.services, ""
    if kernel_name:
        await context.require(EXECUTE)
        spec = await _kernelspec_for(services, notebook, kernel_name)
    if create:
        await context.require(WRITE)
        # The kernelspecs of environments end with the server, and the notebook does not.
        name = spec if spec == kernel_name else ""
        metadata = await _kernelspec_metadata(services.kernels, name)
        notebook = await services.rooms.create(notebook, metadata)
    if kernel:
        await context.require(CONTROL_SESSIONS)
    async with context.open(notebook) as document:
        running = await _kernel_for(context, document, spec, kernel)
        cells = document.cells()
        header = header_of(document, services.rooms.views, context.agent.id)
        outline = render.outline(cells)
        context.knows(document, render.whole_in(outline, cells))
        context.glances_at(document, cells)
        return f"{header}\nkernel: {running}\n{outline}\n{_mark(document)}"


async def _kernelspec_for(services: Services, notebook: str, kernel_name: str) -> str:
    """The kernelspec of this name, or for the environment of this name beside the notebook."""
    directory = await services.contents.directory(notebook.rpartition("/")[0])
    return await services.environments.kernelspec(kernel_name, services.contents.on_disk(directory))


async def _kernel_for(
    context: ToolContext, document: NotebookDocument, kernel_name: str, kernel: str
) -> str:
    """Attach the kernel that was named, or the notebook's own where the login may run it."""
    kernels = context.services.kernels
    if kernel:
        connection = await kernels.attach(document.path, kernel)
    elif await context.may(EXECUTE):
        name = kernel_name or document.kernelspec_name
        connection = await kernels.attached_to(document.path, name, context.agent.title)
    else:
        return "none for this login, which may not execute kernels"
    model = await kernels.describe(connection.kernel_id)
    is_other = kernel_name not in ("", model["name"])
    return f"{render.kernel(model)}{OTHER_KERNEL if is_other else ''}"


@TOOLSET.tool("Read notebook", read_only=True, destructive=False, idempotent=True, needs=[READ])
async def read_notebook(
    context: ToolContext,
    notebook: Notebook,
    view: Literal["outline", "source", "full"] = "outline",
    cells: CellReferences = "all",
    since: Annotated[str, Field(description="A mark: read only what changed after it.")] = "",
    max_chars: MaxChars = None,
) -> str | list[Block]:
    """Read an outline (a line per cell), the sources, or all with outputs (full)."""
    async with context.open(notebook) as document:
        kernel = await _kernel_state(context, document)
        await document.settled()
        # Nothing is awaited from here on: what people did meanwhile would be lost for `since`.
        chosen = document.cells_among(document.resolve_many(cells))
        header = header_of(document, context.services.rooms.views, context.agent.id)
        changes = document.journal.since(since, context.agent.id) if since else None
        if changes is not None:
            chosen = [cell for cell in chosen if cell.id in changes.cells]
        limits, told = context.limits(max_chars), changes.cells if changes else None
        outline = render.outline(chosen, told) if view == "outline" else ""
        whole = render.whole_in(outline, chosen) if outline else render.whole(chosen, limits)
        context.knows(document, whole)
        context.glances_at(document, chosen)
        mark = _mark(document)
    header = f"{header}, {kernel}"
    if since:
        header += f"\n{_changed(since, changes, len(chosen))}"
    if view == "full":
        return [_text(header), *await _full(chosen, limits), _text(mark)]
    shown = outline or render.sources(chosen, limits)
    return "\n".join(filter(None, [header, shown, mark]))


async def _full(cells: Sequence[Cell], limits: Limits) -> list[Block]:
    outputs = chain.from_iterable(cell.outputs for cell in cells)
    return await rendered(outputs, partial(render.full, cells, limits))


def _changed(since: str, changes: Changes | None, number: int) -> str:
    since = printable(since[:40])
    if changes is None:
        return f"What changed since {since} is not known (any more). All there is now:"
    removed = f"Removed: {', '.join(map(shown_id, changes.removed))}. " if changes.removed else ""
    told = f"Changed since {since}:" if number else "None of these cells changed."
    return f"{removed}{told}"


@TOOLSET.tool("Search notebook", read_only=True, destructive=False, idempotent=True, needs=[READ])
async def search_notebook(
    context: ToolContext,
    notebook: Notebook,
    query: str = "",
    regex: bool = False,
    within: Within = "all",
) -> str:
    """Find lines in sources and outputs. Without a query, within="errors" or "stale" finds all."""
    async with context.open(notebook) as document:
        cells = document.cells()
    found = await to_thread.run_sync(
        partial(search, cells, query, is_regex=regex, within=within), abandon_on_cancel=True
    )
    if not found and within == "stale":
        return NONE_STALE
    return render.matches(found)


@TOOLSET.tool("Read cell", read_only=True, destructive=False, idempotent=True, needs=[READ])
async def read_cell(
    context: ToolContext,
    notebook: Notebook,
    cell: CellReference,
    outputs: bool = True,
    offset: Offset = 0,
    limit: Lines = None,
    max_chars: MaxChars = None,
) -> list[Block]:
    """Read one cell whole: source, outputs, images."""
    async with context.open(notebook) as document:
        found = document.cell(cell)
        limits = context.limits(max_chars)
        context.glances_at(document, [found])
        if not offset and limit is None and render.whole([found], limits):
            context.knows(document, [found])
        context.services.presence.show(context.agent, document, found.id)
        link = cell_link(document.path, found.id)
    show = partial(render.cell, outputs=outputs, offset=offset, limit=limit, link=link)
    return await rendered(found.outputs, partial(show, found, limits))


@TOOLSET.tool("Close notebook", read_only=False, destructive=False, idempotent=True, needs=[READ])
async def close_notebook(
    context: ToolContext, notebook: Notebook, shutdown_kernel: bool = False
) -> str:
    """Save a notebook and leave it; people who have it open keep it."""
    services = context.services
    if shutdown_kernel:
        await context.require(CONTROL_KERNELS)
    await context.leave(notebook)
    kernel_id = await services.kernels.kernel_id_of(await services.rooms.find(notebook))
    if kernel_id is None or not shutdown_kernel:
        return "Closed. Its kernel runs on." if kernel_id else "Closed. It has no kernel."
    connection = await services.kernels.find(kernel_id, must_answer=False)
    await services.kernels.shutdown(connection)
    return "Closed, and its kernel shut down."


def _mark(document: NotebookDocument) -> str:
    return f"mark: {document.journal.mark}"


async def _kernel_state(context: ToolContext, document: NotebookDocument) -> str:
    """Of the notebook's own kernel, as far as the login may see it."""
    if not await context.may(SEE_KERNELS):
        return "kernel unknown"
    kernels = context.services.kernels
    kernel_id = await kernels.kernel_id_of(document.path)
    if kernel_id is None:
        return "no kernel"
    model = await kernels.describe(kernel_id)
    return printable(f"kernel {model['name']} {model.get('execution_state', 'unknown')}")


def _text(text: str) -> TextContent:
    return TextContent(type="text", text=text)


def _listed(
    model: dict[str, Any],
    present: list[Participant] | None,
    views: Mapping[str, set[str]],
    kernels: dict[str, dict[str, Any]],
) -> str:
    kernel = kernels.get(model["path"])
    parts = [model["path"]]
    if present is not None:
        people = [each for each in present if not each.agent_id]
        looks = {each.name: model["path"] in views.get(each.username, ()) for each in people}
        names = [name + (" (looks at it)" if here else "") for name, here in looks.items()]
        parts.append(f"live, open with {', '.join(names)}" if names else "live")
    if kernel is not None:
        parts.append(f"kernel {kernel['name']} {kernel['execution_state']}")
    return printable("  ".join([*parts, f"{model['last_modified']:%Y-%m-%d %H:%M}"]))


def _listed_file(model: dict[str, Any]) -> str:
    changed = f"{model['last_modified']:%Y-%m-%d %H:%M}"
    if model["type"] == "directory":
        return printable(f"{model['path']}/  {changed}")
    size = model.get("size")
    facts = [model["path"], *([format_size(size)] if size is not None else []), changed]
    return printable("  ".join(facts))


async def _kernelspec_metadata(kernels: Kernels, name: str) -> dict[str, Any]:
    """What a new notebook says about its kernel.

    Raises:
        KernelStartFailed: there is no such kernelspec.
    """
    name, spec = await kernels.specs.get(name)
    return {
        "kernelspec": {
            "name": name,
            "display_name": spec["display_name"],
            "language": spec["language"],
        }
    }

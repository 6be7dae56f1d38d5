"""Notebooks as MCP resources, cell by cell too: list, read, complete them."""

from __future__ import annotations

from contextlib import aclosing, suppress
from dataclasses import replace
from functools import partial
from pathlib import PurePosixPath
from typing import Any

from mcp_types import (
    Annotations,
    BlobResourceContents,
    CompleteRequestParams,
    CompleteResult,
    Completion,
    ImageContent,
    ListResourcesResult,
    ListResourceTemplatesResult,
    ReadResourceResult,
    Resource,
    ResourceTemplate,
    TextContent,
    TextResourceContents,
)

from . import render
from .answer_size import MAX_ANSWER_BYTES, sendable
from .cell import Cell
from .errors import InvalidRequest, NotANotebook, NotFound
from .links import CELL_TEMPLATE, NOTEBOOK_TEMPLATE, TEXT_TYPE, parse_uri, uri_of
from .notebook_header import header_of
from .output_blocks import Block
from .text import encodable, printable
from .tools.toolset import Services, rendered

PAGE = 100
"""How many notebooks one answer lists."""

MAX_COMPLETIONS = 100
"""As MCP has it."""

TEMPLATES = ListResourceTemplatesResult(
    resource_templates=[
        ResourceTemplate(
            uri_template=NOTEBOOK_TEMPLATE,
            name="notebook",
            title="Notebook",
            description="The sources of a live notebook, by its path from the server's root.",
            mime_type=TEXT_TYPE,
        ),
        ResourceTemplate(
            uri_template=CELL_TEMPLATE,
            name="cell",
            title="Cell",
            description="A cell of a live notebook, by its id: source and all outputs, uncut.",
        ),
    ]
)


class Resources:
    """What clients can read without a tool. Everything comes from the live notebooks.

    Every method raises MCPExtensionError for what a client can act on.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        # Nothing is cut but by `sendable`.
        self._limits = replace(
            services.limits,
            max_output_chars=MAX_ANSWER_BYTES,
            max_source_chars=MAX_ANSWER_BYTES,
            max_outputs=MAX_ANSWER_BYTES,
        )

    async def page(self, cursor: str | None) -> ListResourcesResult:
        """One page of the server's notebooks, nearest first.

        Raises:
            InvalidRequest: the cursor is none of ours.
        """
        if cursor and not (cursor.isascii() and cursor.isdigit() and len(cursor) < 10):
            raise InvalidRequest("There is no such page.", "List without a cursor.")
        start = int(cursor or 0)
        found = await self._notebooks("", "", start + PAGE + 1)
        resources = [_resource(model) for model in found[start : start + PAGE]]
        after = str(start + PAGE) if len(found) > start + PAGE else None
        return ListResourcesResult(resources=resources, next_cursor=after)

    async def read(self, uri: str) -> ReadResourceResult:
        """The sources of a notebook, or a cell with its outputs; images follow the text.

        Raises:
            NotFound, NotANotebook: nothing can be read there.
        """
        path, cell_id = parse_uri(uri)
        async with self._services.rooms.open(path) as document:
            header, cells = header_of(document), [] if cell_id else document.cells()
            cell = document.exact_cell(cell_id) if cell_id else None
        blocks = await self._cell(cell) if cell else self._sources(header, cells)
        texts = [block.text for block in blocks if isinstance(block, TextContent)]
        images = [block for block in blocks if isinstance(block, ImageContent)]
        text = TextResourceContents(uri=uri, mime_type=TEXT_TYPE, text="\n".join(texts))
        blobs = [
            BlobResourceContents(uri=uri, mime_type=image.mime_type, blob=image.data)
            for image in images
        ]
        return ReadResourceResult(contents=[text, *blobs])

    async def complete(self, params: CompleteRequestParams) -> CompleteResult:
        """Paths of notebooks, or the ids of the cells in the notebook of the path given before.

        Raises:
            InvalidRequest: what is to be completed is no template of ours.
        """
        templates = (NOTEBOOK_TEMPLATE, CELL_TEMPLATE)
        if params.ref.type != "ref/resource" or params.ref.uri not in templates:
            raise InvalidRequest("There is no such template.", "List the resource templates.")
        known = (params.context and params.context.arguments) or {}
        values: list[str] = []
        # Of what is not there, nothing can be completed.
        with suppress(NotFound, NotANotebook, InvalidRequest):
            if params.argument.name == "path":
                values = await self._paths(params.argument.value)
            elif params.argument.name == "cell" and "path" in known:
                values = await self._cell_ids(known["path"], params.argument.value)
        shown = [encodable(value) for value in values[:MAX_COMPLETIONS]]
        has_more = len(values) > MAX_COMPLETIONS
        return CompleteResult(completion=Completion(values=shown, has_more=has_more))

    async def _cell(self, cell: Cell) -> list[Block]:
        return sendable(await rendered(cell.outputs, partial(render.cell, cell, self._limits)))

    def _sources(self, header: str, cells: list[Cell]) -> list[Block]:
        text = f"{header}\n{render.sources(cells, self._limits)}"
        return sendable([TextContent(type="text", text=text)])

    async def _paths(self, prefix: str) -> list[str]:
        directory = prefix.rpartition("/")[0]
        models = await self._notebooks(directory, prefix, MAX_COMPLETIONS + 1)
        return [model["path"] for model in models]

    async def _cell_ids(self, path: str, prefix: str) -> list[str]:
        async with self._services.rooms.open(path) as document:
            return [cell_id for cell_id in document.cell_ids if cell_id.startswith(prefix)]

    async def _notebooks(self, directory: str, prefix: str, limit: int) -> list[dict[str, Any]]:
        """The models of at most `limit` notebooks below a directory."""
        found: list[dict[str, Any]] = []
        async with aclosing(self._services.contents.files(directory, True)) as files:
            async for model in files:
                if model["type"] == "notebook" and model["path"].startswith(prefix):
                    found.append(model)
                if len(found) == limit:
                    break
        return found


def _resource(model: dict[str, Any]) -> Resource:
    path = model["path"]
    return Resource(
        uri=uri_of(path),
        name=encodable(printable(path)),
        title=encodable(printable(PurePosixPath(path).stem)),
        mime_type=TEXT_TYPE,
        annotations=Annotations(last_modified=model["last_modified"].isoformat()),
    )

"""The URIs that name notebooks or their cells as MCP resources."""

from __future__ import annotations

import posixpath
from urllib.parse import quote, unquote

from mcp_types import ResourceLink

from .errors import ResourceNotFound
from .text import printable

ROOT = "notebook:///"
NOTEBOOK_TEMPLATE = "notebook:///{+path}"
CELL_TEMPLATE = "notebook:///{+path}#{cell}"
TEXT_TYPE = "text/plain"

# File names that are not valid UTF-8 are strings with lone surrogates.
_ERRORS = "surrogateescape"


def uri_of(path: str, cell_id: str = "") -> str:
    """The percent-encoded URI of a notebook, or of one of its cells."""
    fragment = f"#{quote(cell_id, '', errors=_ERRORS)}" if cell_id else ""
    return f"{ROOT}{quote(path, errors=_ERRORS)}{fragment}"


def parse_uri(uri: str) -> tuple[str, str]:
    """The path and the cell id, "" where the URI names a whole notebook.

    Raises:
        ResourceNotFound: it is the URI of something else.
    """
    if not uri.startswith(ROOT):
        raise ResourceNotFound(uri)
    path, _, cell_id = uri.removeprefix(ROOT).partition("#")
    return unquote(path, errors=_ERRORS), unquote(cell_id, errors=_ERRORS)


def cell_link(path: str, cell_id: str) -> ResourceLink:
    """What a client can read to get a cell whole."""
    return ResourceLink(
        uri=uri_of(path, cell_id),
        name=printable(f"{posixpath.basename(path)}#{cell_id}"),
        description="The whole cell: source and all outputs.",
        mime_type=TEXT_TYPE,
    )

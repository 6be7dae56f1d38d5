"""Environment variables of other MCP servers for Jupyter: what they mean to the bridge."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

DOCUMENTS = ("DOCUMENT_URL", "JUPYTER_URL", "JUPYTER_BASE_URL")
KERNELS = ("RUNTIME_URL", "CODE_SANDBOX_URL")
TOKENS = ("DOCUMENT_TOKEN", "JUPYTER_TOKEN", "RUNTIME_TOKEN", "CODE_SANDBOX_TOKEN")
DIRECTORY = "NOTEBOOKS_FOLDER"

OWN_KERNEL = "each notebook has its own kernel, and open_notebook(kernel=...) changes it"
UNUSED = {
    "DOCUMENT_ID": "each call of a tool names its notebook",
    "RUNTIME_ID": OWN_KERNEL,
    "CODE_SANDBOX_ID": OWN_KERNEL,
    "ALLOW_IMG_OUTPUT": "the server's setting MCPExtension.allow_images decides",
    "IPYTHON_MCP_CONNECTION": "set JUPYTER_MCP_CONNECTION_FILE where the server is started",
}
"""Why those are not used that mean something to the server only."""


@dataclass(frozen=True)
class Inherited:
    """The address of a server with its token, or a directory, and what to tell the person."""

    url: str = ""
    directory: Path | None = None
    notes: tuple[str, ...] = ()


def inherited(variables: Mapping[str, str]) -> Inherited:
    """What these variables say of the server that is meant."""
    notes = [f"{name} is not used: {why}" for name, why in UNUSED.items() if variables.get(name)]
    name, url = _first(variables, (*DOCUMENTS, *KERNELS))
    tokens = [each for each in TOKENS if _is_meant_for(each, url, variables)]
    folder = variables.get(DIRECTORY, "")
    if url:
        token_name, token = _first(variables, tuple(tokens))
        notes.append(f"the server is that of {' and '.join(filter(None, [name, token_name]))}")
        notes += _other_kernels(variables, url)
        sign = "&" if "?" in url else "?"
        return Inherited(f"{url}{sign}token={quote(token)}" if token else url, None, tuple(notes))
    if folder:
        notes.append(f"the server is that of the directory in {DIRECTORY}")
    return Inherited("", Path(folder).expanduser() if folder else None, tuple(notes))


def _first(variables: Mapping[str, str], names: tuple[str, ...]) -> tuple[str, str]:
    found = ((name, variables.get(name, "")) for name in names)
    # "local" is the word for a server in the same process.
    return next(((name, value) for name, value in found if value not in ("", "local")), ("", ""))


def _is_meant_for(token: str, url: str, variables: Mapping[str, str]) -> bool:
    """Whether the variables name no other server for which this token is."""
    family = token.removesuffix("_TOKEN")
    urls = [f"{family}_URL", *([f"{family}_BASE_URL"] if family == "JUPYTER" else [])]
    named = [value for each in urls if (value := variables.get(each))]
    return not named or url in named


def _other_kernels(variables: Mapping[str, str], url: str) -> list[str]:
    name, kernels = _first(variables, KERNELS)
    if not kernels or kernels.rstrip("/") == url.rstrip("/"):
        return []
    return [f"{name} is not used: for kernels elsewhere, start the server with --gateway-url"]

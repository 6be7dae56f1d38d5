"""Imports point down the layers, and each foreign API has its home."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import jupyter_mcp_ext

PACKAGE = Path(jupyter_mcp_ext.__file__).parent

LAYERS = [
    {"app", "cli"},
    {"backend"},
    {"page"},
    {"handlers", "server", "clients"},
    {"oauth"},
    {"transport", "resources", "subscriptions", "hub", "entrance", "stopping", "worker_threads"},
    {"boundary"},
    {"tools"},
    {"consent"},
    {"render", "elicitation", "answer_size"},
    {"search", "callers"},
    {"output_blocks"},
    {"output_parts"},
    {"scaling", "links", "shell_commands"},
    {"executor", "variables", "keeper", "notebook_header"},
    {"output_writer", "loss_notes", "executions", "inputs"},
    {"execution"},
    {"files"},
    {"text_rooms"},
    {"outputs", "room", "kernel", "environments", "presence", "readings", "checkpoints"},
    {"external_connections"},
    {"connections"},
    {"sessions", "inventory", "overlay", "control", "records", "file_notices", "collaboration"},
    {"kernel_models", "saving", "room_store"},
    {"kernelspecs", "agent_kernels", "kernel_facts", "external"},
    {"notebook", "connection", "contents"},
    {"runs", "activity", "readiness", "requests"},
    {"gateway", "live_notebook"},
    {"channels", "snippets", "starts", "stream_text", "tasks"},
    {"undo", "snapshots", "carets", "restoring", "checkpoint_store"},
    {"comparison"},
    {"cell_index"},
    {"cell"},
    {"text_edits", "cell_json"},
    {"references", "line_diffs", "journal", "people", "soundness", "storable"},
    {"layouts", "losses", "ranges", "images", "templating"},
    {"audit", "attendance", "memory"},
    {"errors", "agent", "text", "private", "origin", "bodies", "failures", "settings"},
    {"sizes", "terminal_line"},
]
"""From top to bottom; a module may import any layer below its own."""

HOMES = {
    "mcp": {"boundary", "transport", "server", "subscriptions", "elicitation", "oauth"},
    "mcp_types": {
        *(
            "boundary",
            "server",
            "resources",
            "subscriptions",
            "tools",
            "render",
            "output_blocks",
            "links",
        ),
        *("elicitation", "answer_size"),
    },
    "PIL": {"scaling"},
    "jinja2": {"templating"},
    "psutil": {"kernel_facts"},
    "traitlets": {"cli", "external", "settings"},
    "tornado": {"handlers", "bodies", "oauth", "contents", "sessions", "channels", "gateway"},
    "jupyter_server_ydoc": {"collaboration", "file_notices", "room", "room_store", "saving"},
    "pycrdt": {
        *(
            "carets",
            "cell_index",
            "cell_json",
            "live_notebook",
            "notebook",
            "outputs",
            "people",
            "presence",
        ),
        *("restoring", "room", "room_store", "snapshots", "soundness", "text_rooms", "undo"),
    },
    "jupyter_ydoc": {"live_notebook", "notebook", "restoring"},
    "zmq": {"channels", "external"},
    "jupyter_client": {"channels", "external", "gateway", "kernel_facts"},
}
"""Which modules may import a package; packages that are not here may be imported anywhere."""


def modules() -> dict[str, list[tuple[str, str]]]:
    """Each module's or sub-package's imports as (package, own module or "")."""
    found: dict[str, list[tuple[str, str]]] = {}
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        if parts != ("__init__",):
            found.setdefault(parts[0], []).extend(imports(path, len(parts)))
    return found


def imports(path: Path, depth: int) -> list[tuple[str, str]]:
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [(alias.name.split(".")[0], "") for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.append((str(node.module).split(".")[0], ""))
        elif isinstance(node, ast.ImportFrom) and node.level == depth:
            names = [node.module] if node.module else [alias.name for alias in node.names]
            found += [("", name.split(".")[0]) for name in names]
    return found


def layer_of(module: str) -> int:
    return next(i for i, layer in enumerate(LAYERS) if module in layer)


def test_imports_point_down() -> None:
    known = set().union(*LAYERS)
    wrong = [
        f"{module} imports {own}"
        for module, found in modules().items()
        for _, own in found
        if own in known and own != module and layer_of(own) <= layer_of(module)
    ]
    assert wrong == []


def test_each_module_has_a_layer() -> None:
    assert set(modules()) - set().union(*LAYERS) == set()


def test_foreign_apis_stay_in_their_homes() -> None:
    wrong = [
        f"{module} imports {package}"
        for module, found in modules().items()
        for package, _ in found
        if module not in HOMES.get(package, {module})
    ]
    assert wrong == []


def test_a_start_loads_little() -> None:
    late = {"mcp", "pydantic", "PIL", "psutil", "pycrdt", "anyio._backends._asyncio"}
    late |= {f"jupyter_mcp_ext.{name}" for name in ("backend", "page", "executor", "tools", "cli")}
    code = f"import sys, jupyter_mcp_ext.app; print({late} & {{*sys.modules}})"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"

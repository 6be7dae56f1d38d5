"""The kinds of attacks: what is drawn for each, and how it is carried out."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import anyio
from hypothesis import strategies as st
from pycrdt import Array, Map

from ..peer import Peer, join_room
from .calls import Message, resource_calls, rpc_messages, tool_calls
from .messages import plans
from .monitor import LAST_CHANGE, document_digest
from .notebooks import CELL, PLAIN, notebook_files, outputs, peer_changes
from .target import Target, tools

READS: list[tuple[str, dict[str, Any]]] = [
    ("read_notebook", {}),
    ("read_notebook", {"view": "source"}),
    ("read_notebook", {"view": "full"}),
    ("read_cell", {"cell": 0}),
    ("read_cell", {"cell": -1, "max_chars": 200_000}),
    ("search_notebook", {"query": "x"}),
    ("search_notebook", {"query": r"(\w+\s?)+$", "regex": True}),
    ("search_notebook", {"within": "errors"}),
    ("search_notebook", {"within": "stale"}),
    ("list_checkpoints", {}),
    ("list_notebooks", {}),
]
EDITS: list[tuple[str, dict[str, Any]]] = [
    ("insert_cell", {"source": "1"}),
    ("insert_cell", {"source": "1", "after": 0}),
    ("edit_cell", {"cell": 0, "old_text": "1", "new_text": "2"}),
    ("overwrite_cell", {"cell": 0, "source": "new"}),
    ("overwrite_cell", {"cell": 0, "source": "new", "cell_type": "markdown"}),
    ("overwrite_cell", {"cell": -1, "source": "new", "cell_type": "code"}),
    ("move_cell", {"cell": 0, "after": "end"}),
    ("delete_cells", {"cells": "0", "confirm_removal": True}),
    ("delete_cells", {"cells": "all", "confirm_removal": True}),
    ("clear_outputs", {"cells": "all"}),
    ("undo", {"steps": 3}),
    ("create_checkpoint", {"name": "c"}),
    ("restore_checkpoint", {"checkpoint": "c"}),
    ("open_notebook", {}),
]
SEARCHES = READS + EDITS
some_calls = st.lists(st.sampled_from(SEARCHES), min_size=1, max_size=4)


HEARD_SECONDS = 10.0
"""Within which time a peer's changes have arrived."""


@dataclass(frozen=True)
class Kind:
    """`share` of all inputs are of this kind."""

    strategy: st.SearchStrategy[Any]
    attack: Callable[[Target, Any], Awaitable[None]]
    share: float


async def send(target: Target, message: Message) -> None:
    await target.fire(message)


async def open_file(target: Target, given: tuple[bytes, list[tuple[str, dict[str, Any]]]]) -> None:
    """Read and edit a notebook whose file is wrong."""
    content, calls = given
    path = target.new_name()
    file = target.server.root / path
    file.write_bytes(content)
    target.forget_state()
    for tool, arguments in calls:
        if tool == "list_notebooks":
            await target.call(tool)
        elif tool != "open_notebook":  # It would start a kernel for each.
            await target.call(tool, notebook=path, **arguments)
    await target.call("close_notebook", notebook=path)
    file.unlink(missing_ok=True)
    target.forget_state()


async def read_outputs(target: Target, given: tuple[list[Any], list[tuple[str, Any]]]) -> None:
    """Read a notebook that is right but for its outputs."""
    found, calls = given
    cells = [{**CELL, "id": "first", "outputs": found}, {**CELL, "id": "second"}]
    content = json.dumps({**PLAIN, "cells": cells}).encode()
    await open_file(target, (content, calls))


async def join(target: Target, given: tuple[list[Any], list[tuple[str, dict[str, Any]]]]) -> None:
    """A peer spoils a live notebook, then it is worked with."""
    changes, calls = given
    path = target.new_name()
    cells = [{**CELL, "id": "first"}, {**CELL, "id": "second"}]
    (target.server.root / path).write_text(json.dumps({**PLAIN, "cells": cells}))
    target.forget_state()
    await target.call("read_notebook", notebook=path, view="source")
    async with join_room(target.server, path) as peer:
        for change in changes:
            _spoil(peer, *change)
        # Changes may take each other back.
        peer.notebook.ydoc.get("state", type=Map)[LAST_CHANGE] = path
        await peer_is_heard(target, path, peer)
        for tool, arguments in calls:
            if tool not in ("list_notebooks", "open_notebook"):
                await target.call(tool, notebook=path, **arguments)
    await target.call("close_notebook", notebook=path)
    (target.server.root / path).unlink(missing_ok=True)
    target.forget_state()


async def peer_is_heard(target: Target, path: str, peer: Peer) -> None:
    with anyio.move_on_after(HEARD_SECONDS) as patience:
        while (await target.state())["documents"].get(path) != document_digest(peer.notebook):
            await anyio.sleep(0.005)
    if patience.cancelled_caught:
        target.note("a peer was not heard", path)
    target.forget_state()


def _spoil(peer: Peer, kind: str, part: str, value: Any) -> None:
    ycells = peer.notebook.ycells
    if kind == "insert":
        ycells.insert(0, value)
    elif kind == "insert_map":
        ycells.insert(0, Map(value))
    elif kind == "meta":
        peer.notebook.ydoc.get("meta", type=Map)[part] = value
    elif kind == "state":
        peer.notebook.ydoc.get("state", type=Map)[part] = value
    elif kind == "awareness":
        peer.awareness.set_local_state({"user": {"name": "eve"}, part: value})
    else:
        cell = next((each for each in ycells if isinstance(each, Map)), None)
        if cell is not None:
            _spoil_cell(peer, cell, kind, part, value)


def _spoil_cell(peer: Peer, cell: Any, kind: str, part: str, value: Any) -> None:
    if kind == "set":
        cell[part] = value
    elif kind == "delete" and part in cell:
        del cell[part]
    elif kind == "duplicate":
        peer.notebook.ycells.append(peer.notebook.create_ycell({**CELL, "id": "first"}))
    elif kind in ("output", "output_map") and isinstance(cell.get("outputs"), Array):
        is_map = kind == "output_map" and isinstance(value, dict)
        cell["outputs"].append(Map(value) if is_map else value)
    elif kind == "text" and hasattr(cell.get("source"), "insert"):
        cell["source"].insert(0, value)


async def run_hostile(target: Target, given: tuple[dict[str, Any], bool]) -> None:
    """Run what makes the kernel misbehave, then see whether all goes on."""
    plan, in_cell = given
    target.compares = False
    code, path = json.dumps(plan), "kernel.ipynb"
    if in_cell:
        result = await target.call(
            "overwrite_cell",
            notebook=path,
            cell="first",
            source=code,
            execute=True,
            overwrite_changes=True,
            wait_seconds=8,
        )
    else:
        result = await target.call("execute_code", notebook=path, code=code, wait_seconds=8)
    text = "\n".join(each.get("text", "") for each in result.get("content", []))
    if "status: kernel_died" in text and '"execution_state"' not in code:
        target.note("kernel died", "hostile_kernel", code)
    await target.call("read_notebook", notebook=path, view="full")
    await target.call("list_variables", notebook=path)
    for _ in range(2):
        result = await target.call("execute_cell", notebook=path, cell="second", wait_seconds=8)
        text = "\n".join(each.get("text", "") for each in result.get("content", []))
        if "status: ok" in text:
            break
    else:
        target.note("no sound run afterwards", text[:200])
    target.compares = True


KINDS: dict[str, Kind] = {
    "arguments": Kind(tool_calls(tools()), send, 0.45),
    "rpc": Kind(rpc_messages(), send, 0.25),
    "resources": Kind(resource_calls(), send, 0.05),
    "files": Kind(st.tuples(notebook_files(), some_calls), open_file, 0.09),
    "outputs": Kind(
        st.tuples(st.lists(outputs, min_size=1, max_size=4), some_calls), read_outputs, 0.06
    ),
    "peers": Kind(st.tuples(peer_changes, some_calls), join, 0.05),
    "kernels": Kind(st.tuples(plans, st.booleans()), run_hostile, 0.05),
}

"""The tool surface: what models see, pinned. `UPDATE_SNAPSHOTS=1` writes the snapshots anew."""

from __future__ import annotations

import json
import os
from logging import getLogger
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from mcp_types import Tool as ToolDescription

from jupyter_mcp_ext import settings
from jupyter_mcp_ext.attendance import Attendance
from jupyter_mcp_ext.output_blocks import Limits
from jupyter_mcp_ext.server import INSTRUCTIONS, create_server
from jupyter_mcp_ext.tools import TOOLSETS
from jupyter_mcp_ext.tools.toolset import EXECUTE, Tool

SNAPSHOTS = Path(__file__).parent / "snapshots" / "tools"
TOOLS: list[Tool] = [tool for toolset in TOOLSETS for tool in toolset.tools]

MAX_TOOL_BYTES = 900
MAX_LIST_BYTES = 12_000
MAX_INSTRUCTIONS_BYTES = 1_000


def as_sent(description: ToolDescription) -> dict[str, Any]:
    return description.model_dump(by_alias=True, exclude_none=True, mode="json")


def sent_bytes(tool: Tool) -> int:
    return len(json.dumps(as_sent(tool.description), separators=(",", ":")).encode())


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
def test_what_models_see_of_a_tool_changes_only_on_purpose(tool: Tool) -> None:
    snapshot = SNAPSHOTS / f"{tool.name}.json"
    seen = json.dumps(as_sent(tool.description), indent=2, ensure_ascii=False) + "\n"
    if os.environ.get("UPDATE_SNAPSHOTS"):
        snapshot.write_text(seen, encoding="utf-8")
    assert snapshot.read_text(encoding="utf-8") == seen


def test_no_snapshot_is_left_of_a_tool_that_is_gone() -> None:
    assert {path.stem for path in SNAPSHOTS.iterdir()} == {tool.name for tool in TOOLS}


def test_the_surface_stays_within_its_budget() -> None:
    sizes = {tool.name: sent_bytes(tool) for tool in TOOLS}
    assert max(sizes.values()) <= MAX_TOOL_BYTES, sizes
    default = [toolset for toolset in TOOLSETS if toolset.name not in settings.OFF_BY_DEFAULT]
    assert sum(sizes[tool.name] for each in default for tool in each.tools) <= MAX_LIST_BYTES
    instructions = [INSTRUCTIONS, *(toolset.instructions for toolset in TOOLSETS)]
    assert len(" ".join(instructions).encode()) <= MAX_INSTRUCTIONS_BYTES


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
def test_each_tool_says_what_it_does_to_the_world(tool: Tool) -> None:
    annotations = tool.description.annotations
    assert annotations is not None and tool.description.title and tool.description.description
    hints = ("read_only_hint", "destructive_hint", "idempotent_hint", "open_world_hint")
    assert all(getattr(annotations, hint) is not None for hint in hints)
    assert not (annotations.read_only_hint and annotations.destructive_hint)
    # What a kernel has in memory is only for those who may run code there, but asking changes
    # nothing.
    asks = tool.name in ("list_variables", "inspect_variable")
    executes = "execute" in tool.arguments.model_fields or (EXECUTE in tool.needs and not asks)
    assert annotations.open_world_hint == executes
    changes = {"write", "execute"} & {right[0] for right in tool.needs} and not asks
    assert not (changes and annotations.read_only_hint)


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
def test_schemas_are_portable(tool: Tool) -> None:
    schema = tool.description.input_schema
    assert schema["type"] == "object"
    assert {"anyOf", "oneOf", "allOf", "$ref", "$defs"}.isdisjoint(schema)
    for argument in schema["properties"].values():
        kinds = argument.get("anyOf", [argument])
        assert {kind["type"] for kind in kinds} <= {"string", "integer", "number", "boolean"}


def test_the_same_argument_has_the_same_words_everywhere() -> None:
    seen: dict[str, Any] = {}
    for tool in TOOLS:
        for name, argument in tool.description.input_schema["properties"].items():
            words = {key: argument.get(key) for key in ("type", "anyOf", "description")}
            if name not in ("limit", "kernel", "cells", "cell_type"):
                assert seen.setdefault(name, words) == words, (tool.name, name)


def test_the_toolsets_that_can_be_chosen_are_those_that_exist() -> None:
    assert [toolset.name for toolset in TOOLSETS] == list(settings.TOOLSETS)


def test_the_person_can_be_asked_before_each_tool_that_changes_anything() -> None:
    assert [tool.name for tool in TOOLS if not tool.is_read_only] == list(settings.CHANGING_TOOLS)


def test_building_the_server_leaves_the_root_logger_alone() -> None:
    root = getLogger()
    before = (list(root.handlers), root.level)
    services: Any = SimpleNamespace(rooms=None, limits=Limits())
    spawn: Any = None
    create_server(services, ["notebooks"], spawn, getLogger("jupyter_mcp_ext.test"), Attendance())
    assert (list(root.handlers), root.level) == before

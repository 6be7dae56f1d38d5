"""Some tools wait for the person's yes, where the server's configuration says so."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any, Literal
from uuid import uuid4

import pytest
from mcp_types import ElicitResult

from ..agent import Era, connect_agent, execution_in, text
from ..server import Server, run_server
from ..wire import connect_wire
from .test_executions import with_cells

pytestmark = pytest.mark.anyio

ASKED = (
    *("delete_cells", "restart_kernel", "insert_cell"),
    *("execute_cell", "execute_code", "shutdown_kernel"),
)


@pytest.fixture(scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    options = [f"--MCPExtension.ask_before={tool}" for tool in ASKED]
    base = tmp_path_factory.mktemp("asking")
    async with run_server(base, *options, module="jupyter_server") as server:
        yield server


Action = Literal["accept", "decline", "cancel"]


def person(action: Action, questions: list[str]) -> Callable[..., Any]:
    async def answer(context: Any, params: Any) -> ElicitResult:
        questions.append(params.message)
        return ElicitResult(action=action, content={} if action == "accept" else None)

    return answer


async def test_what_the_person_agrees_to_is_done(server: Server, era: Era) -> None:
    path, questions = with_cells(server, "a = 1", "b = 2"), []
    call = {"notebook": path, "cells": "0"}
    on_elicit = person("accept", questions)
    async with connect_agent(
        server.mcp_url, server.token, era, name="claude-code", on_elicit=on_elicit
    ) as agent:
        assert "1 cells are left" in await agent.tell("delete_cells", **call)
        # Each call is asked for anew.
        assert "0 cells are left" in await agent.tell("delete_cells", **call)
    assert questions == [
        f"Claude Code wants this in Jupyter: Delete cells (notebook: {path!r}; cells: [0] {cell}). "
        "Allow it?"
        for cell in ("c0000000 'a = 1'", "c0000001 'b = 2'")
    ]


@pytest.mark.parametrize("action", ["decline", "cancel"])
async def test_what_the_person_does_not_agree_to_is_not_done(
    server: Server, era: Era, action: Action
) -> None:
    path, questions = with_cells(server, "a = 1"), []
    on_elicit = person(action, questions)
    async with connect_agent(server.mcp_url, server.token, era, on_elicit=on_elicit) as agent:
        answer = await agent.call("delete_cells", notebook=path, cells="0")
        assert answer.is_error and "did not agree to delete_cells" in text(answer)
        assert "a = 1" in await agent.tell("read_notebook", notebook=path)
    assert len(questions) == 1


async def test_a_client_that_cannot_ask_is_refused(server: Server, era: Era) -> None:
    path = with_cells(server, "a = 1")
    async with connect_agent(server.mcp_url, server.token, era) as agent:
        answer = await agent.call("delete_cells", notebook=path, cells="0")
        assert answer.is_error and "before delete_cells, and this MCP client cannot" in text(answer)
        call = {"notebook": path, "cell": 0, "old_text": "1", "new_text": "2", "execute": True}
        answer = await agent.call("edit_cell", **call)
        assert answer.is_error and "before edit_cell with execute, and" in text(answer)
        # All else works as ever.
        await agent.tell("edit_cell", notebook=path, cell=0, old_text="1", new_text="2")
        assert "a = 2" in await agent.tell("read_notebook", notebook=path)


async def test_nobody_is_asked_for_what_cannot_be_done(server: Server, era: Era) -> None:
    path, questions = with_cells(server, "a = 1"), []
    on_elicit = person("accept", questions)
    async with connect_agent(server.mcp_url, server.token, era, on_elicit=on_elicit) as agent:
        assert (await agent.call("delete_cells", notebook=path)).is_error
        assert (await agent.call("delete_cells", notebook=path, cells="7")).is_error
    assert questions == []


async def test_the_cell_that_was_asked_about_is_meant_wherever_it_is_then(
    server: Server, era: Era
) -> None:
    path = with_cells(server, "a = 1", "b = 2")

    async def move_it(context: Any, params: Any) -> ElicitResult:
        async with connect_agent(server.mcp_url, server.token) as other:
            await other.tell("move_cell", notebook=path, cell=0, after="end")
        return ElicitResult(action="accept", content={})

    async with connect_agent(server.mcp_url, server.token, era, on_elicit=move_it) as agent:
        answer = await agent.tell("delete_cells", notebook=path, cells="0")
        assert answer.startswith("[1] c0000000 deleted: a = 1")
        path = with_cells(server, "a = 1", "b = 2")
        answer = await agent.tell("insert_cell", notebook=path, source="c", after=1)
        assert "after [0] c0000001" in answer


async def test_consent_and_what_the_run_asks_for_come_in_turn(server: Server, era: Era) -> None:
    path = with_cells(server, "a = 1")

    async def answer(context: Any, params: Any) -> ElicitResult:
        is_input = "asks for input" in params.message
        return ElicitResult(action="accept", content={"text": "Ada"} if is_input else {})

    async with connect_agent(server.mcp_url, server.token, era, on_elicit=answer) as agent:
        told = await agent.run(path, "input('Name: ')")
        assert "status: ok" in told and "| 'Ada'" in told
        outline = await agent.tell("read_notebook", notebook=path)
    assert outline.count("input('Name: ')") == 1


async def test_an_answer_counts_once_and_for_its_own_call(server: Server) -> None:
    path = with_cells(server, "a = 1", "b = 2", "c = 3")
    async with connect_wire(server, "2026-07-28") as wire:

        async def call(cells: str, **more: Any) -> dict[str, Any]:
            arguments = {"notebook": path, "cells": cells}
            params = {"name": "delete_cells", "arguments": arguments, **more}
            body, headers = wire.request("tools/call", params)
            able = b'"io.modelcontextprotocol/clientCapabilities": {"elicitation": {"form": {}}}'
            body = body.replace(b'"io.modelcontextprotocol/clientCapabilities": {}', able)
            answer: dict[str, Any] = (await wire.send(body, headers)).json()
            return answer["result"]

        asked = await call("0")
        yes = {
            "requestState": asked["requestState"],
            "inputResponses": {"text": {"action": "accept", "content": {}}},
        }
        # Not for other cells, which asks anew and takes the question back.
        assert (await call("1,2", **yes))["resultType"] == "input_required"
        assert (await call("0", **yes))["resultType"] == "input_required"
        yes["requestState"] = (await call("0"))["requestState"]
        assert "2 cells are left" in (await call("0", **yes))["content"][0]["text"]
        assert (await call("0", **yes))["resultType"] == "input_required"


async def test_a_cell_that_changes_while_the_person_is_asked_is_left_alone(
    server: Server, era: Era
) -> None:
    path = with_cells(server, "a = 1", "b = 2")

    async def change_it(context: Any, params: Any) -> ElicitResult:
        async with connect_agent(server.mcp_url, server.token) as other:
            await other.tell("edit_cell", notebook=path, cell=0, old_text="1", new_text="evil()")
        return ElicitResult(action="accept", content={})

    async with connect_agent(server.mcp_url, server.token, era, on_elicit=change_it) as agent:
        answer = await agent.call("delete_cells", notebook=path, cells="0")
        assert answer.is_error and "the person agreed to has changed" in text(answer)
        assert "2 cells" in await agent.tell("read_notebook", notebook=path)


async def test_a_cell_called_all_is_one_cell(server: Server) -> None:
    cell = {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None}
    cells = [cell | {"id": name, "source": name} for name in ("one", "all", "two")]
    path = server.write_notebook(
        {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    )
    questions: list[str] = []
    asked = person("accept", questions)
    async with connect_agent(server.mcp_url, server.token, on_elicit=asked) as agent:
        answer = await agent.tell("delete_cells", notebook=path, cells="1")
    assert answer.startswith("[1] all deleted") and "2 cells are left." in answer


async def test_what_a_question_leaves_out_is_said(server: Server) -> None:
    path = with_cells(server, "x = 1" + " " * 300 + "; " + "y" * 400)
    questions: list[str] = []
    asked = person("decline", questions)
    async with connect_agent(server.mcp_url, server.token, on_elicit=asked) as agent:
        await agent.call("delete_cells", notebook=path, cells="0")
    assert "x = 1 ; yyy" in questions[0] and "more characters)" in questions[0]


async def test_no_value_in_a_question_passes_for_another(server: Server) -> None:
    questions: list[str] = []
    asked = person("decline", questions)
    call = {"notebook": "a.ipynb", "source": "1; cell_type: markdown)", "cell_type": "code"}
    async with connect_agent(server.mcp_url, server.token, on_elicit=asked) as agent:
        await agent.call("insert_cell", **call)
    assert "source: '1; cell_type: markdown)'; cell_type: 'code'" in questions[0]


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("edit_cell", {"cell": 0, "old_text": "1", "new_text": "evil()", "execute": True}),
        ("overwrite_cell", {"cell": 0, "source": "evil()", "execute": True}),
        ("close_notebook", {"shutdown_kernel": True}),
    ],
)
async def test_what_the_person_is_asked_about_is_not_done_by_another_tool_unasked(
    server: Server, era: Era, tool: str, arguments: dict[str, Any]
) -> None:
    path, questions = with_cells(server, "a = 1"), []
    asked = person("decline", questions)
    async with connect_agent(server.mcp_url, server.token, era, on_elicit=asked) as agent:
        await agent.tell("open_notebook", notebook=path)
        answer = await agent.call(tool, notebook=path, **arguments)
        assert answer.is_error and "did not agree" in text(answer)
        assert "a = 1" in await agent.tell("read_notebook", notebook=path)
    assert len(questions) == 1 and len(await server.sessions_of(path)) == 1


async def test_what_a_rerun_would_run_is_shown_and_is_what_runs(server: Server) -> None:
    questions: list[str] = []
    asked = person("accept", questions)
    async with connect_agent(server.mcp_url, server.token, on_elicit=asked) as agent:
        await agent.tell("start_kernel", name="shown")
        await agent.tell("execute_code", kernel="shown", code="print('first')")
        told = await agent.tell("execute_code", kernel="shown", rerun="1")
    assert "| first" in told and """rerun: "1: print('first')\"""" in questions[-1]


async def test_a_cell_that_waits_for_its_turn_runs_only_as_the_person_has_seen_it(
    server: Server,
) -> None:
    go = server.root / f"go-{uuid4().hex}"
    waits = f"import time, pathlib\nwhile not pathlib.Path({str(go)!r}).exists(): time.sleep(0.01)"
    path, questions = with_cells(server, waits, "print('har' + 'mless')"), []
    asked = person("accept", questions)
    async with connect_agent(server.mcp_url, server.token, on_elicit=asked) as agent:
        call = {"notebook": path, "wait_seconds": 0}
        await agent.tell("execute_cells", **call, cells="0")
        queued = await agent.tell("execute_cell", **call, cell=1, overwrite_changes=True)
        await agent.tell("overwrite_cell", notebook=path, cell=1, source="print('ev' + 'il')")
        go.touch()
        answer = await agent.call("get_execution", execution=execution_in(queued), wait_seconds=30)
        assert answer.is_error and "was left alone" in text(answer)
        assert "evil" not in await agent.tell("read_notebook", notebook=path, view="full")
    assert len(questions) == 1 and "har" in questions[0]

"""What an agent has read and somebody else has changed since is not overwritten unawares."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from ..agent import HANDSHAKE, Agent, Era, connect_agent, execution_in, text
from ..peer import Peer, join_room
from ..server import Server
from .test_executions import with_cells
from .test_reading import read_until

pytestmark = pytest.mark.anyio

CELL = "c0000000"

HOLD = "import os, time\nwhile not os.path.exists({gate!r}): time.sleep(0.05)"

ACTIONS: list[tuple[str, dict[str, Any]]] = [
    ("edit_cell", {"cell": CELL, "old_text": "print(a)", "new_text": "print(b)"}),
    ("edit_cell", {"cell": CELL, "old_text": "print(a)", "new_text": "print(b)", "execute": True}),
    ("overwrite_cell", {"cell": CELL, "source": "b"}),
    ("delete_cells", {"cells": CELL}),
    ("execute_cell", {"cell": CELL}),
    ("execute_cells", {"cells": "all"}),
]


async def type_and_tell(peer: Peer, watcher: Agent, path: str, text: str, after: str) -> None:
    """The person types, and the server has it all, which another agent sees."""
    await peer.type_text(CELL, text, after=after)
    await read_until(watcher, path, after + text, view="source")


async def insist(agent: Agent, tool: str, **arguments: Any) -> None:
    """Call again as long as the person counts as typing."""
    with anyio.fail_after(15):
        while (result := await agent.call(tool, **arguments)).is_error:
            assert "is typing in cell" in text(result)


@pytest.mark.parametrize(("tool", "arguments"), ACTIONS)
async def test_a_changed_cell_is_refused_until_it_is_read_again_or_insisted_on(
    server: Server, agent: Agent, tool: str, arguments: dict[str, Any]
) -> None:
    path = with_cells(server, "a = 1\nprint(a)", "c = 3")
    call = {"notebook": path} | arguments
    async with (
        connect_agent(server.mcp_url, server.token, name="watcher") as watcher,
        join_room(server, path, "ada") as peer,
    ):
        await agent.tell("read_notebook", notebook=path)
        await type_and_tell(peer, watcher, path, "23", "a = 1")
        refused = await agent.call(tool, **call)
        first, *diff, last = text(refused).splitlines()
        assert refused.is_error
        assert first.startswith(f"Cell [0] {CELL} changed since you read it (ada, ")
        assert first.endswith(" s ago):")
        assert diff == ["@@ -1,2 +1,2 @@", "-a = 1", "+a = 123", " print(a)"]
        assert last == "Nothing was done. Read again, or insist with overwrite_changes=true."
        assert peer.sources() == ["a = 123\nprint(a)", "c = 3"]
        assert "execution_count" not in peer.cells()[0] or not peer.cells()[0]["execution_count"]
        await insist(agent, tool, overwrite_changes=True, **call)


async def test_after_reading_again_the_agent_may_act(server: Server, agent: Agent) -> None:
    path = with_cells(server, "a = 1")
    async with (
        connect_agent(server.mcp_url, server.token, name="watcher") as watcher,
        join_room(server, path) as peer,
    ):
        await agent.tell("read_cell", notebook=path, cell=0)
        await type_and_tell(peer, watcher, path, "0", "a = 1")
        assert (await agent.call("execute_cell", notebook=path, cell=0)).is_error
        await agent.tell("read_notebook", notebook=path, view="source")
        assert "status: ok" in await agent.tell("execute_cell", notebook=path, cell=0)


async def test_an_agent_is_not_held_up_by_its_own_edits(server: Server, era: Era) -> None:
    path = with_cells(server, "a = 1")
    call = {"notebook": path, "cell": 0}
    async with connect_agent(server.mcp_url, server.token, era) as agent:
        await agent.tell("read_notebook", notebook=path)
        await agent.tell("edit_cell", old_text="1", new_text="2", **call)
        await agent.tell("overwrite_cell", source="a = 3", **call)
        await agent.tell("undo", notebook=path)
        assert "status: ok" in await agent.tell("execute_cell", **call)


async def test_what_was_never_read_is_shown_as_it_is_replaced(server: Server, agent: Agent) -> None:
    path = with_cells(server, "a = 1")
    answer = await agent.tell("overwrite_cell", notebook=path, cell=0, source="b = 2")
    assert answer.endswith("-a = 1\n+b = 2")


async def test_agents_are_told_of_each_other(server: Server, agent: Agent) -> None:
    path = with_cells(server, "a = 1")
    async with connect_agent(server.mcp_url, server.token, HANDSHAKE, name="other-one") as other:
        mark = (await agent.tell("read_notebook", notebook=path)).split("mark: ")[1]
        await other.tell("edit_cell", notebook=path, cell=0, old_text="1", new_text="2")
        refused = await agent.call("delete_cells", notebook=path, cells="0")
        assert f"Cell [0] {CELL} changed since you read it (Other One (agent), " in text(refused)
        changes = await agent.tell("read_notebook", notebook=path, since=mark)
        assert "edited by Other One" in changes
        assert "edited by you" in await other.tell("read_notebook", notebook=path, since=mark)


async def test_the_change_feed_names_the_person(server: Server, agent: Agent) -> None:
    path = with_cells(server, "a = 1", "b = 2")
    async with join_room(server, path, "ada") as peer, join_room(server, path, "bob") as other:
        mark = (await agent.tell("read_notebook", notebook=path)).split("mark: ")[1]
        await peer.type_text(CELL, "0", after="a = 1")
        await other.wait_until(lambda: other.sources()[0] == "a = 10")
        await other.type_text("c0000001", "5", after="b = 2")
        answer = await read_until(agent, path, "edited by bob", since=mark)
        assert "edited by ada" in answer
        del peer.source_of("c0000001")[:1]
        await read_until(agent, path, "edited by ada and bob", since=mark)


async def test_many_changed_cells_are_named_and_few_are_shown(server: Server, agent: Agent) -> None:
    path = with_cells(server, *(f"x{i} = {i}" for i in range(6)))
    async with connect_agent(server.mcp_url, server.token, name="other") as other:
        await agent.tell("read_notebook", notebook=path)
        for i in range(5):
            await other.tell("overwrite_cell", notebook=path, cell=i, source="y = 0\n" * 100)
        refused = text(await agent.call("execute_cells", notebook=path))
    assert refused.count("changed since you read it") == 3
    assert "So did [3] c0000003, [4] c0000004." in refused and len(refused) < 1500


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("delete_cells", {"cells": CELL}),
        ("move_cell", {"cell": CELL, "after": "end"}),
        ("overwrite_cell", {"cell": CELL, "source": "# text", "cell_type": "markdown"}),
    ],
)
async def test_a_cell_is_not_made_anew_while_a_person_types_in_it(
    server: Server, agent: Agent, tool: str, arguments: dict[str, Any]
) -> None:
    path = with_cells(server, "a = 1", "b = 2")
    call = {"notebook": path} | arguments
    async with (
        connect_agent(server.mcp_url, server.token, name="watcher") as watcher,
        join_room(server, path, "ada") as peer,
    ):
        await watcher.tell("read_notebook", notebook=path)  # The first may take seconds.
        await type_and_tell(peer, watcher, path, "0", "a = 1")
        refused = await agent.call(tool, **call)
        assert refused.is_error and f"ada is typing in cell [0] {CELL}" in text(refused)
        await type_and_tell(peer, watcher, path, "5", "a = 10")
        await insist(agent, tool, **call)
        await peer.wait_until(lambda: peer.sources()[0] != "a = 105")


async def test_an_outline_does_not_hide_what_others_changed_below_the_first_line(
    server: Server, agent: Agent
) -> None:
    path = with_cells(server, "a = 1\n" + "# more\n" * 20 + "b = 2", "c = 3")
    call = {"notebook": path, "cell": 0}
    async with connect_agent(server.mcp_url, server.token, name="other") as other:
        await agent.tell("read_cell", **call)
        await other.tell("edit_cell", old_text="b = 2", new_text="b = 20", **call)
        await agent.tell("read_notebook", notebook=path)
        await agent.tell("open_notebook", notebook=path)
        await agent.tell("read_notebook", notebook=path, view="source", max_chars=80)
        await agent.tell("read_cell", limit=1, **call)
        assert (await agent.call("overwrite_cell", source="a = 5", **call)).is_error
        await agent.tell("read_notebook", notebook=path, view="source")
        await agent.tell("overwrite_cell", source="a = 5\nb = 20", **call)


async def test_what_is_changed_while_a_run_waits_for_its_turn_is_not_run(
    server: Server, agent: Agent
) -> None:
    path = with_cells(server, HOLD.format(gate=str(server.root / "gate")), "print('mine')")
    call = {"notebook": path, "wait_seconds": 0}
    async with connect_agent(server.mcp_url, server.token, name="other") as other:
        await agent.tell("read_notebook", notebook=path, view="source")
        await agent.tell("execute_cell", cell=0, **call)
        queued = execution_in(await agent.tell("execute_cell", cell=1, **call))
        insisted = await agent.tell("execute_cell", cell=1, overwrite_changes=True, **call)
        edit = {"old_text": "mine", "new_text": "other"}
        await other.tell("edit_cell", notebook=path, cell=1, **edit)
        (server.root / "gate").touch()
        wait: dict[str, Any] = {"wait_seconds": 20}
        refused = await agent.call("get_execution", execution=queued, **wait)
        assert refused.is_error and "changed since you read it (Other (agent), " in text(refused)
        done = await agent.tell("get_execution", execution=execution_in(insisted), **wait)
        assert "status: ok" in done and "| other" in done


async def test_a_run_of_a_cell_that_is_deleted_meanwhile_runs_no_other(
    server: Server, agent: Agent
) -> None:
    cell = {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None}
    hold = HOLD.format(gate=str(server.root / "gate2"))
    sources = {"hold": hold, "load": "print('load')", "load-2": "print('load-2')"}
    cells = [cell | {"id": id_, "source": source} for id_, source in sources.items()]
    path = server.write_notebook(
        {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    )
    call = {"notebook": path, "wait_seconds": 0}
    await agent.tell("execute_cell", cell="hold", **call)
    queued = execution_in(await agent.tell("execute_cell", cell="load", **call))
    await agent.tell("delete_cells", notebook=path, cells="load")
    (server.root / "gate2").touch()
    answer = await agent.call("get_execution", execution=queued, wait_seconds=20)
    assert answer.is_error and "There is no cell 'load'" in text(answer)


async def test_nobody_becomes_known_by_an_attempt_and_others_edits_hide_no_typist(
    server: Server, agent: Agent
) -> None:
    path = with_cells(server, "a = 1", "b = 2")
    async with (
        connect_agent(server.mcp_url, server.token, name="watcher") as watcher,
        join_room(server, path, "") as nameless,
    ):
        await agent.tell("read_notebook", notebook=path)
        await type_and_tell(nameless, watcher, path, "0", "a = 1")
        edit = {"cell": 0, "old_text": "a = 10", "new_text": "a = 11", "notebook": path}
        await watcher.tell("edit_cell", overwrite_changes=True, **edit)
        call = {"notebook": path, "cells": CELL}
        refused = await agent.call("delete_cells", overwrite_changes=True, **call)
        assert "somebody is typing in cell" in text(refused)
        assert "changed since you read it" in text(await agent.call("delete_cells", **call))


async def test_an_agent_and_a_person_are_told_apart(server: Server, agent: Agent) -> None:
    path = with_cells(server, "a = 1")
    mark = (await agent.tell("read_notebook", notebook=path)).split("mark: ")[1]
    async with (
        connect_agent(server.mcp_url, server.token, name="Ada Lovelace") as other,
        join_room(server, path, "you") as person,
    ):
        await other.tell("edit_cell", notebook=path, cell=0, old_text="1", new_text="2")
        await person.wait_until(lambda: person.sources() == ["a = 2"])
        await person.type_text(CELL, "0", after="a = 2")
        answer = await read_until(agent, path, "'you'", since=mark)
        assert "edited by 'you' and Ada Lovelace (agent)" in answer

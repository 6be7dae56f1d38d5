"""What an agent's changes are to a program that follows the document, and to the saved file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import nbformat
import pytest
from jupyter_ydoc import YNotebook
from pycrdt import Doc

from ..agent import Agent
from ..peer import Peer
from ..server import Server
from .test_live_document import saved, until
from .test_running import stream

pytestmark = pytest.mark.anyio


class Recording:
    """A notebook and the updates that came after it, to look at one after the other."""

    def __init__(self, peer: Peer) -> None:
        self.before = peer.notebook.ydoc.get_update()
        self.updates: list[bytes] = []

    def start(self) -> YNotebook:
        doc: Doc[Any] = Doc()
        notebook = YNotebook(doc)
        doc.apply_update(self.before)
        return notebook

    def replay(self, notebook: YNotebook) -> Iterator[list[dict[str, Any]]]:
        """The cells with their execution state, before the updates and after each of them."""
        yield self._cells(notebook)
        for update in self.updates:
            notebook.ydoc.apply_update(update)
            yield self._cells(notebook)

    @staticmethod
    def _cells(notebook: YNotebook) -> list[dict[str, Any]]:
        states = [cell.get("execution_state") for cell in notebook.ycells]
        cells = notebook.get()["cells"]
        return [cell | {"state": state} for cell, state in zip(cells, states, strict=True)]


@contextmanager
def recorded(peer: Peer) -> Iterator[Recording]:
    recording = Recording(peer)
    subscription = peer.notebook.ydoc.observe(lambda event: recording.updates.append(event.update))
    try:
        yield recording
    finally:
        peer.notebook.ydoc.unobserve(subscription)


def cells_by_id(cells: list[Any]) -> dict[str, Any]:
    return {cell["id"]: cell for cell in cells}


def what_no_edit_may_touch(cell: Any) -> Any:
    """Metadata, without the mark of trust that is never saved, and attachments."""
    metadata = {name: value for name, value in cell["metadata"].items() if name != "trusted"}
    return metadata, cell.get("attachments")


CODE = {"parameters", "hidden", "html", "empty"}


@pytest.mark.parametrize("notebook", ["mixed.ipynb"], indirect=True)
@pytest.mark.parametrize(
    ("tool", "arguments", "touched"),
    [
        ("edit_cell", {"cell": "raw", "old_text": "new", "new_text": "clear"}, {"raw"}),
        ("edit_cell", {"cell": "picture", "old_text": "A ", "new_text": "The "}, {"picture"}),
        ("overwrite_cell", {"cell": "parameters", "source": "beta = 2"}, {"parameters"}),
        (
            "overwrite_cell",
            {"cell": "picture", "source": "![](attachment:square.png)"},
            {"picture"},
        ),
        ("overwrite_cell", {"cell": "title", "source": "x", "cell_type": "code"}, {"title"}),
        ("overwrite_cell", {"cell": "hidden", "source": "x", "cell_type": "raw"}, {"hidden"}),
        ("overwrite_cell", {"cell": "picture", "source": "x", "cell_type": "raw"}, {"picture"}),
        ("move_cell", {"cell": "picture", "after": "end"}, set()),
        ("move_cell", {"cell": "raw", "after": "start"}, set()),
        ("move_cell", {"cell": "html", "after": "title"}, set()),
        ("clear_outputs", {"cells": "all"}, CODE),
        ("delete_cells", {"cells": "empty"}, {"empty"}),
        ("delete_cells", {"cells": "hidden,title"}, {"hidden", "title"}),
        ("execute_cell", {"cell": "parameters"}, {"parameters"}),
        ("execute_cell", {"cell": "html"}, {"html"}),
    ],
)
async def test_what_an_edit_is_not_about_stays_as_it_was(
    server: Server,
    agent: Agent,
    peer: Peer,
    notebook: str,
    tool: str,
    arguments: dict[str, Any],
    touched: set[str],
) -> None:
    live, disk = peer.cells(), saved(server, notebook)
    with recorded(peer) as recording:
        await agent.tell(tool, notebook=notebook, **arguments)
        await peer.wait_until(lambda: bool(recording.updates))
        marker = await agent.tell("insert_cell", notebook=notebook, source="# marker")
        await peer.wait_until(lambda: peer.sources()[-1] == "# marker")
    await until(lambda: saved(server, notebook).cells[-1].source == "# marker")
    deleted = touched if tool == "delete_cells" else set()
    saved_now = saved(server, notebook)
    nbformat.validate(saved_now)
    assert saved_now.metadata == disk.metadata
    for before, after in ((live, peer.cells()), (disk.cells, saved_now.cells)):
        old, new = cells_by_id(before), cells_by_id(after)
        assert set(new) == (set(old) - deleted) | {marker.split()[1]}
        for cell_id in set(old) - touched:
            assert new[cell_id] == old[cell_id]
        for cell_id in touched - deleted:
            assert what_no_edit_may_touch(new[cell_id]) == what_no_edit_may_touch(old[cell_id])


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("insert_cell", {"source": "x", "after": "title"}),
        ("edit_cell", {"cell": "numbers", "old_text": "= 2", "new_text": "= 3"}),
        ("overwrite_cell", {"cell": "numbers", "source": "a\nsecond = 2\nb"}),
        ("overwrite_cell", {"cell": "numbers", "source": "# x", "cell_type": "markdown"}),
        ("move_cell", {"cell": "title", "after": "end"}),
        ("delete_cells", {"cells": "title,letters"}),
    ],
)
async def test_people_see_an_edit_as_one_change(
    agent: Agent, peer: Peer, notebook: str, tool: str, arguments: dict[str, Any]
) -> None:
    with recorded(peer) as recording:
        await agent.tell(tool, notebook=notebook, **arguments)
        await agent.tell("insert_cell", notebook=notebook, source="# marker")
        await peer.wait_until(lambda: peer.sources()[-1] == "# marker")
    cells = list(recording.replay(recording.start()))
    changes = [before != after for before, after in zip(cells, cells[1:], strict=False)]
    assert changes.count(True) == 2


async def test_a_moved_cell_is_never_missing_and_never_there_twice(
    agent: Agent, peer: Peer, notebook: str
) -> None:
    with recorded(peer) as recording:
        await agent.tell("move_cell", notebook=notebook, cell="title", after="end")
        await peer.wait_until(lambda: peer.position_of("title") == 2)
    for cells in recording.replay(recording.start()):
        assert sorted(cell["id"] for cell in cells) == ["letters", "numbers", "title"]


async def test_a_cell_of_another_type_is_a_new_object_and_valid_in_the_file(
    server: Server, agent: Agent, peer: Peer, notebook: str
) -> None:
    was = peer.notebook.ycells[1]
    call = {"notebook": notebook, "cell": "numbers"}
    await agent.tell("overwrite_cell", source="# x", cell_type="markdown", **call)
    await peer.wait_until(lambda: peer.cells()[1]["cell_type"] == "markdown")
    assert was.get("id") is None and "outputs" not in peer.cells()[1]
    await until(lambda: saved(server, notebook).cells[1].cell_type == "markdown")
    nbformat.validate(saved(server, notebook))
    await agent.tell("overwrite_cell", source="1 + 1", cell_type="code", **call)
    assert "2" in await agent.tell("execute_cell", **call)


async def test_overwriting_keeps_the_text_that_people_edit(
    agent: Agent, peer: Peer, notebook: str
) -> None:
    text = peer.source_of("numbers")
    await agent.tell("overwrite_cell", notebook=notebook, cell="numbers", source="brand new")
    await peer.wait_until(lambda: str(text) == "brand new")
    text.insert(0, "# ")
    while "# brand new" not in await agent.tell("read_cell", notebook=notebook, cell="numbers"):
        pass


async def test_a_run_shows_count_and_idle_together_at_its_end_and_not_before(
    agent: Agent, peer: Peer, notebook: str
) -> None:
    code = "import time\nfor n in range(4):\n    print(n, flush=True)\n    time.sleep(0.15)"
    await agent.run(notebook, code)
    await peer.wait_until(lambda: peer.cells()[-1]["execution_count"] == 1)
    cell = peer.cells()[-1]["id"]
    with recorded(peer) as recording:
        await agent.tell("execute_cell", notebook=notebook, cell=cell)
        await peer.wait_until(lambda: peer.cells()[-1]["execution_count"] == 2)
    states = [
        (cells[-1]["execution_count"], cells[-1]["state"])
        for cells in recording.replay(recording.start())
    ]
    seen = [now for before, now in zip([None, *states], states, strict=False) if now != before]
    assert seen == [(1, "idle"), (None, "running"), (2, "idle")]


async def test_the_text_of_a_stream_only_grows(agent: Agent, peer: Peer, notebook: str) -> None:
    code = "import time\nfor n in range(4):\n    print('é', n, flush=True)\n    time.sleep(0.15)"
    with recorded(peer) as recording:
        await agent.run(notebook, code)
        await peer.wait_until(lambda: peer.cells()[-1].get("execution_count") == 1)
    replayed = recording.start()
    text, versions = None, []
    for cells in recording.replay(replayed):
        outputs = cells[-1].get("outputs")
        if outputs and text is None:
            text = replayed.ycells[len(cells) - 1]["outputs"][0]["text"]
        assert not outputs or len(outputs) == 1
        versions.append(str(text or ""))
    assert versions[-1] == "".join(f"é {n}\n" for n in range(4))
    assert len(set(versions)) > 3
    for before, after in zip(versions, versions[1:], strict=False):
        assert after.startswith(before)


async def test_an_update_in_the_middle_of_the_outputs_is_a_change_at_their_end(
    server: Server, agent: Agent, peer: Peer, notebook: str
) -> None:
    code = (
        "import time\nprint('first', flush=True)\nh = display('one', display_id=True)\n"
        "print('second', flush=True)\ndisplay('last')\ntime.sleep(0.4)\nh.update('two')"
    )
    with recorded(peer) as recording:
        await agent.run(notebook, code)
        await peer.wait_until(lambda: peer.cells()[-1].get("execution_count") == 1)
    changes: list[bool] = []
    replayed, followed = recording.start(), None
    for cells in recording.replay(replayed):
        if followed is None and cells[-1].get("outputs"):
            followed = replayed.ycells[len(cells) - 1]["outputs"]
            followed.observe(lambda event: changes.append(_is_at_the_end(event)))
    outputs = peer.cells()[-1]["outputs"]
    assert outputs[0] == stream("first\n") and outputs[2] == stream("second\n")
    assert [outputs[n]["data"]["text/plain"] for n in (1, 3)] == ["'two'", "'last'"]
    assert changes and all(changes)
    await until(lambda: saved(server, notebook).cells[-1].get("execution_count") == 1)
    nbformat.validate(saved(server, notebook))
    assert all("transient" not in output for output in saved(server, notebook).cells[-1].outputs)


def _is_at_the_end(event: Any) -> bool:
    """Whether nothing stays behind what was changed."""
    kept = sum(int(step.get("retain", 0)) for step in event.delta)
    inserted = sum(len(step.get("insert", [])) for step in event.delta)
    return kept + inserted == len(event.target)


async def test_clearing_and_running_again_keep_the_list_of_outputs_that_people_follow(
    agent: Agent, peer: Peer, notebook: str
) -> None:
    await agent.run(notebook, "print('x')")
    await peer.wait_until(lambda: peer.cells()[-1].get("execution_count") == 1)
    cell, followed = peer.cells()[-1]["id"], peer.notebook.ycells[-1]["outputs"]
    assert len(followed) == 1
    await agent.tell("clear_outputs", notebook=notebook, cells=cell)
    await peer.wait_until(lambda: peer.cells()[-1]["outputs"] == [])
    assert len(followed) == 0
    await agent.tell("execute_cell", notebook=notebook, cell=cell)
    await peer.wait_until(lambda: peer.cells()[-1]["execution_count"] == 2)
    assert followed.to_py() == [stream("x\n")]


async def test_only_a_cell_that_the_agent_ran_is_trusted(
    agent: Agent, peer: Peer, notebook: str
) -> None:
    before = [cell["metadata"] for cell in peer.cells()]
    await agent.tell("insert_cell", notebook=notebook, source="1")
    await agent.run(notebook, "2")
    await peer.wait_until(lambda: peer.cells()[-1].get("execution_count") == 1)
    await agent.tell("execute_cell", notebook=notebook, cell="letters")
    await peer.wait_until(lambda: peer.cells()[2]["execution_count"] == 2)
    now = [cell["metadata"] for cell in peer.cells()]
    assert now == [*before[:2], {"trusted": True}, {}, {"trusted": True}]


async def test_counts_that_a_browser_wrote_are_whole_numbers_for_the_agent_and_in_the_file(
    server: Server, agent: Agent, peer: Peer, notebook: str
) -> None:
    peer.notebook.ycells[1]["execution_count"] = 7.0
    while "7" not in (answer := await agent.tell("read_notebook", notebook=notebook, view="full")):
        pass
    assert "7.0" not in answer.rpartition("mark: ")[0]
    await agent.run(notebook, "1")
    await until(lambda: saved(server, notebook).cells[-1].get("execution_count") == 1)
    counts = [cell["execution_count"] for cell in server.saved_notebook(notebook)["cells"][1:]]
    assert counts == [7, None, 1] and all(type(count) is not float for count in counts)


async def test_a_cell_that_a_person_moves_is_edited_where_it_is_now(
    agent: Agent, peer: Peer, notebook: str
) -> None:
    moved = peer.notebook.get_cell(1)
    with peer.notebook.ydoc.transaction():
        peer.notebook.ycells.pop(1)
        peer.notebook.ycells.append(peer.notebook.create_ycell(moved))
    while not (await agent.tell("read_cell", notebook=notebook, cell="numbers")).startswith("[2]"):
        pass
    change = {"old_text": "second = 2", "new_text": "second = 22"}
    answer = await agent.tell("edit_cell", notebook=notebook, cell="numbers", **change)
    assert answer.startswith("[2] numbers edited")
    await peer.wait_until(lambda: "second = 22" in peer.sources()[2])


async def test_a_cell_that_a_person_deleted_is_an_error_and_nothing_else_changes(
    agent: Agent, peer: Peer, notebook: str
) -> None:
    await agent.tell("read_cell", notebook=notebook, cell="numbers")
    peer.notebook.ycells.pop(1)
    while "2 cells" not in await agent.tell("read_notebook", notebook=notebook):
        pass
    before = peer.cells()
    for tool, more in EDITS_OF_NUMBERS:
        answer = await agent.call(tool, notebook=notebook, **more)
        assert answer.is_error
    await agent.tell("insert_cell", notebook=notebook, source="after")
    await peer.wait_until(lambda: peer.sources()[-1] == "after")
    assert peer.cells()[:-1] == before


EDITS_OF_NUMBERS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("edit_cell", {"cell": "numbers", "old_text": "1", "new_text": "2"}),
    ("overwrite_cell", {"cell": "numbers", "source": "x"}),
    ("move_cell", {"cell": "numbers", "after": "start"}),
    ("delete_cells", {"cells": "letters,numbers"}),
    ("clear_outputs", {"cells": "numbers"}),
    ("execute_cell", {"cell": "numbers"}),
)


async def test_an_edit_for_a_text_that_a_person_changed_meanwhile_is_refused(
    agent: Agent, peer: Peer, notebook: str
) -> None:
    await agent.tell("read_cell", notebook=notebook, cell="numbers")
    await peer.type_text("numbers", "0", after="first = 1")
    while "first = 10" not in await agent.tell("read_cell", notebook=notebook, cell="numbers"):
        pass
    change = {"old_text": "first = 1\n", "new_text": "first = 5\n"}
    answer = await agent.call("edit_cell", notebook=notebook, cell="numbers", **change)
    assert answer.is_error
    assert peer.sources()[1].startswith("first = 10\n")

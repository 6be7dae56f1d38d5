"""Two agents and a person in one notebook: random work, and what must be true after it.

Each code cell has a tag of its own, which its source prints, so that an output tells which cell it
belongs to. The person types numbered keystrokes into the comment at the end of cells, so that each
can be looked for. Agents keep the tags and comments that they know of, as an agent would that was
asked to change something else.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from itertools import count
from random import Random

import anyio

from .agent import HANDSHAKE, STATELESS, Agent, connect_agent, text
from .peer import Peer, join_room
from .server import Server

SOURCE = 'tag = "{tag}"\nn = 0\nprint("out", tag, n)\n# '
REFUSALS = (
    "changed since you read it",
    "is typing in cell",
    "There is no cell",
    "others have written in cell",
    "does not contain",
)
"""What may stop an agent that works beside others."""

OPENING_SECONDS = 3.0
MAX_PAUSE_SECONDS = 0.02


@dataclass
class Work:
    """What was done so far, and by chance of which seed."""

    path: str
    random: Random
    typed: set[str] = field(default_factory=set)
    done: dict[str, int] = field(default_factory=dict)
    _numbers: count[int] = field(default_factory=lambda: count(1))

    def note(self, what: str) -> None:
        self.done[what] = self.done.get(what, 0) + 1

    def keystroke(self) -> str:
        return f"k{next(self._numbers)};"

    def new_source(self) -> str:
        return SOURCE.format(tag=f"{self.random.getrandbits(48):012x}")

    async def pause(self) -> None:
        await anyio.sleep(self.random.random() * MAX_PAUSE_SECONDS)


async def work(server: Server, seed: int, agent_steps: int, bursts: int) -> Work:
    """Let all three work; check everything at the end."""
    random = Random(seed)
    sources = [SOURCE.format(tag=f"{random.getrandbits(48):012x}") for _ in range(6)]
    done = Work(_write(server, sources), random)
    async with (
        connect_agent(server.mcp_url, server.token, STATELESS, "first") as first,
        connect_agent(server.mcp_url, server.token, HANDSHAKE, "second") as second,
        join_room(server, done.path, "ada") as ada,
        join_room(server, done.path, "bob") as watcher,
    ):
        async with anyio.create_task_group() as tasks:
            for agent in (first, second):
                tasks.start_soon(_let_agent_work, agent, done, agent_steps)
            tasks.start_soon(_let_person_type, ada, watcher, done, bursts)
        await _check(server, first, [ada, watcher], done)
    return done


def _write(server: Server, sources: list[str]) -> str:
    code = {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None}
    cells = [code | {"id": f"seed{i:04}", "source": source} for i, source in enumerate(sources)]
    return server.write_notebook(
        {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    )


# The person


async def _let_person_type(peer: Peer, watcher: Peer, work: Work, bursts: int) -> None:
    for _ in range(bursts):
        await work.pause()
        cell = work.random.choice([str(cell["id"]) for cell in peer.notebook.ycells])
        if not await _begin(peer, watcher, cell, work):
            work.note("typing began in a cell that was just made anew")
            continue
        for _ in range(work.random.randint(1, 8)):
            stroke = work.keystroke()
            _type(peer, cell, stroke)
            work.typed.add(stroke)
            await work.pause()
        work.note("bursts of typing")


async def _begin(peer: Peer, watcher: Peer, cell: str, work: Work) -> bool:
    """Type a first key, which may cross with a move or deletion of the cell."""
    first = work.keystroke()
    _type(peer, cell, first)
    try:
        await watcher.wait_until(
            lambda: any(first in source for source in watcher.sources()), OPENING_SECONDS
        )
    except TimeoutError:
        return False
    work.typed.add(first)
    return True


def _type(peer: Peer, cell: str, stroke: str) -> None:
    source = peer.source_of(cell)
    source.insert(len(str(source).encode()), stroke)


# The agents


async def _let_agent_work(agent: Agent, work: Work, steps: int) -> None:
    for _ in range(steps):
        await work.pause()
        known = await _read(agent, work.path)
        act = work.random.choice(ACTIONS)
        cell = work.random.choice([*known])
        result = await act(agent, work, cell, known[cell])
        if result is not None:
            refused = "refused" if _is_refused(result) else "done"
            work.note(f"{act.__name__.strip('_')} {refused}")


def _is_refused(answer: str) -> bool:
    return any(words in answer for words in REFUSALS)


async def _read(agent: Agent, path: str) -> dict[str, str]:
    """The sources that the agent knows, by cell id."""
    answer = await agent.tell("read_notebook", notebook=path, view="source", max_chars=200_000)
    known: dict[str, str] = {}
    for part in re.split(r"^(?=\[\d+\] )", answer, flags=re.MULTILINE)[1:]:
        head, _, source = part.partition("\n")
        known[head.split()[1]] = source.split("\nmark: ")[0].rstrip("\n")
    return known


async def _call(agent: Agent, tool: str, **arguments: object) -> str:
    result = await agent.call(tool, **arguments)
    answer = text(result)
    assert not result.is_error or _is_refused(answer), answer
    return answer


async def _insert(agent: Agent, work: Work, cell: str, source: str) -> str:
    new, execute = work.new_source(), work.random.random() < 0.5
    call = {"notebook": work.path, "after": cell, "execute": execute, "source": new}
    answer = await _call(agent, "insert_cell", **call)
    if execute and not _is_refused(answer):
        _check_output(answer, new)
    return answer


async def _edit(agent: Agent, work: Work, cell: str, source: str) -> str:
    before = _counter(source)
    texts = {"old_text": f"n = {before}\n", "new_text": f"n = {before + 1}\n"}
    return await _call(agent, "edit_cell", notebook=work.path, cell=cell, **texts)


async def _overwrite(agent: Agent, work: Work, cell: str, source: str) -> str:
    new = source.replace(f"n = {_counter(source)}\n", f"n = {_counter(source) + 1}\n")
    return await _call(agent, "overwrite_cell", notebook=work.path, cell=cell, source=new)


async def _delete(agent: Agent, work: Work, cell: str, source: str) -> str | None:
    if ";" in source:  # A person has written there.
        return None
    return await _call(agent, "delete_cells", notebook=work.path, cells=cell, confirm_removal=True)


async def _move(agent: Agent, work: Work, cell: str, source: str) -> str:
    after = work.random.choice(["start", "end"])
    return await _call(agent, "move_cell", notebook=work.path, cell=cell, after=after)


async def _run(agent: Agent, work: Work, cell: str, source: str) -> str:
    answer = await _call(agent, "execute_cell", notebook=work.path, cell=cell)
    if not _is_refused(answer):
        _check_output(answer, source)
    return answer


async def _undo(agent: Agent, work: Work, cell: str, source: str) -> str:
    return await _call(agent, "undo", notebook=work.path)


ACTIONS = (_insert, _edit, _edit, _overwrite, _delete, _move, _run, _run, _undo)


def _counter(source: str) -> int:
    found = re.search(r"^n = (\d+)$", source, re.MULTILINE)
    assert found, source
    return int(found[1])


def _tag(source: str) -> str:
    return source.split('"')[1]


def _check_output(answer: str, source: str) -> None:
    assert "status: ok" in answer and f"out {_tag(source)} " in answer, (answer, source)


# The end


async def _check(server: Server, agent: Agent, peers: list[Peer], work: Work) -> None:
    sources = [*(await _read(agent, work.path)).values()]
    for peer in peers:
        await peer.wait_until(lambda peer=peer: _stripped(peer.sources()) == sources)
        await peer.wait_until(lambda peer=peer: peer.cells() == peers[0].cells())
    cells = peers[0].cells()
    found = re.findall(r"k\d+;", "".join(sources))
    assert len(found) == len(set(found)), "a keystroke is there twice"
    assert not work.typed - set(found), f"lost: {sorted(work.typed - set(found))}"
    for cell in cells:
        for output in cell["outputs"]:
            assert str(output["text"]).startswith(f"out {_tag(str(cell['source']))} "), cell
    assert len({cell["id"] for cell in cells}) == len(cells)
    await _check_file(server, work.path, cells)


async def _check_file(server: Server, path: str, cells: list[dict[str, object]]) -> None:
    def saved() -> list[tuple[object, str]]:
        content = json.loads((server.root / path).read_text())
        return [(cell["id"], "".join(cell["source"])) for cell in content["cells"]]

    with anyio.fail_after(30):
        while saved() != [(cell["id"], str(cell["source"])) for cell in cells]:
            await anyio.sleep(0.1)


def _stripped(sources: list[str]) -> list[str]:
    return [source.rstrip("\n") for source in sources]

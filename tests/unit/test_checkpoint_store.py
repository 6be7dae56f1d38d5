"""Checkpoints on disk: what comes back, and what is kept of many."""

from __future__ import annotations

import stat
from collections.abc import Sequence
from pathlib import Path

import pytest

from jupyter_mcp_ext import checkpoint_store
from jupyter_mcp_ext.cell import Cell
from jupyter_mcp_ext.checkpoint_store import CheckpointStore
from jupyter_mcp_ext.errors import CheckpointNotFound, CheckpointRefused

CELLS = [
    Cell(
        id="a",
        position=0,
        type="code",
        source="print('é')",
        outputs=({"output_type": "stream", "name": "stdout", "text": "é\n"},),
        execution_count=3,
        metadata={"tags": ["x"]},
        is_stale=True,
    ),
    Cell(id="b", position=1, type="markdown", source="# b", attachments={"i.png": {}}),
]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CheckpointStore:
    """Its clock goes on by a second with each look at it."""
    seconds = iter(range(1_000, 10_000))
    monkeypatch.setattr(checkpoint_store, "time", lambda: float(next(seconds)))
    return CheckpointStore(tmp_path / "store")


def keep(store: CheckpointStore, name: str, file_id: str = "f", source: str = "") -> str:
    """A named checkpoint, or an automatic one for ""; its id."""
    cells = [Cell(id="a", position=0, type="code", source=source or name)]
    return store.add(file_id, cells, name, "ada", is_automatic=not name).id


def names(store: CheckpointStore, file_id: str = "f") -> Sequence[str]:
    return [each.name for each in store.all(file_id)]


def test_cells_come_back_as_they_were(store: CheckpointStore) -> None:
    made = store.add("f", CELLS, "mine", "ada", is_automatic=False)
    assert store.read("f", "mine") == store.read("f", made.id) == (made, CELLS)


def test_the_newest_is_first_and_has_its_name(store: CheckpointStore) -> None:
    keep(store, "one")
    second = keep(store, "two")
    third = keep(store, "two")
    assert [each.id for each in store.all("f")][:2] == [third, second]
    assert store.read("f", "two")[0].id == third


def test_what_is_not_there_is_named_with_what_is(store: CheckpointStore) -> None:
    made = keep(store, "one")
    with pytest.raises(CheckpointNotFound, match=made):
        store.read("f", "two")
    assert store.all("g") == []


def test_an_automatic_checkpoint_that_equals_the_last_one_is_not_made(
    store: CheckpointStore,
) -> None:
    first = keep(store, "one", source="1")
    assert keep(store, "", source="1") == first
    assert keep(store, "", source="2") != first
    assert keep(store, "two", source="2") != first
    assert names(store) == ["two", "", "one"]


def test_the_oldest_go_first_and_automatic_ones_before_named_ones(
    store: CheckpointStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint_store, "MAX_PER_NOTEBOOK", 3)
    for name in ("one", "two", "three", "", "four"):
        keep(store, name, source=name + "x")
    assert names(store) == ["four", "three", "two"]
    keep(store, "", source="y")
    assert names(store) == ["", "four", "three"]
    keep(store, "", source="z")
    assert names(store) == ["", "four", "three"]


def test_all_notebooks_together_have_a_bound(
    store: CheckpointStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    keep(store, "old", "f")
    [size] = [path.stat().st_size for path in tmp_path.rglob("*.json.gz")]
    monkeypatch.setattr(checkpoint_store, "MAX_TOTAL_BYTES", 2 * size + size // 2)
    monkeypatch.setattr(checkpoint_store, "UNCOUNTED_BYTES", 0)
    keep(store, "mid", "g")
    keep(store, "new", "h")
    assert [*names(store, "f"), *names(store, "g"), *names(store, "h")] == ["mid", "new"]


def test_what_is_too_large_alone_replaces_nothing(
    store: CheckpointStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(store, "old")
    monkeypatch.setattr(checkpoint_store, "MAX_TOTAL_BYTES", 10)
    monkeypatch.setattr(checkpoint_store, "UNCOUNTED_BYTES", 0)
    with pytest.raises(CheckpointRefused):
        keep(store, "new")
    assert names(store) == ["old"]


def test_a_broken_file_hides_no_other(store: CheckpointStore, tmp_path: Path) -> None:
    keep(store, "one")
    keep(store, "two")
    newest = max(tmp_path.rglob("*.json.gz"))
    newest.write_bytes(newest.read_bytes()[:20])
    assert names(store) == ["one"]


def test_only_the_server_s_user_may_read_them(store: CheckpointStore, tmp_path: Path) -> None:
    keep(store, "one")
    [path] = tmp_path.rglob("*.json.gz")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700

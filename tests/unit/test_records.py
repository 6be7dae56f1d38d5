"""The code of named kernels on disk: its bounds."""

from __future__ import annotations

import os
import time
from logging import getLogger
from pathlib import Path

import pytest

from jupyter_mcp_ext import records, render
from jupyter_mcp_ext.errors import InvalidRequest
from jupyter_mcp_ext.loss_notes import offer
from jupyter_mcp_ext.output_blocks import Limits
from jupyter_mcp_ext.ranges import chosen, ranges
from jupyter_mcp_ext.records import Record, Records

pytestmark = pytest.mark.anyio


async def test_runs_are_bounded_in_number_and_bytes(tmp_path: Path) -> None:
    kept = Records(tmp_path, 1, getLogger())
    for number in range(records.MAX_RUNS + 5):
        await kept.add("a", str(number), "ok", [])
    runs = (await kept.get("a")).runs
    assert len(runs) == records.MAX_RUNS and runs[0].number == 6
    await kept.add("a", "é" * (records.MAX_CODE_BYTES // 2 - 3), "ok", [])
    assert len((await kept.get("a")).runs) == 3


async def test_kernels_are_bounded(tmp_path: Path) -> None:
    kept = Records(tmp_path, 1, getLogger())
    for number in range(records.MAX_KERNELS + 2):
        await kept.add(f"kernel-{number}", "1", "ok", [])
    assert len(list(tmp_path.glob("*.json"))) == records.MAX_KERNELS


async def test_code_expires(tmp_path: Path) -> None:
    kept = Records(tmp_path, 1, getLogger())
    await kept.add("a", "1", "ok", [])
    [file] = tmp_path.iterdir()
    old = time.time() - records.DAY_SECONDS - 1
    os.utime(file, (old, old))
    assert await kept.get("a") == Record("a")
    await kept.add("b", "1", "ok", [])
    assert not file.exists()


async def test_a_broken_file_holds_nothing(tmp_path: Path) -> None:
    kept = Records(tmp_path, 1, getLogger())
    await kept.add("a", "1", "ok", [])
    [file] = tmp_path.iterdir()
    file.write_text("{")
    assert await kept.get("a") == Record("a")


async def test_where_nothing_can_be_written_nothing_fails(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    kept = Records(tmp_path / "file", 1, getLogger())
    await kept.add("a", "1", "ok", [])
    assert await kept.get("a") == Record("a")


async def test_a_second_loss_keeps_what_was_lost_if_nothing_was_run_since(tmp_path: Path) -> None:
    kept = Records(tmp_path, 1, getLogger())
    await kept.add("a", "x = 1", "ok", ["x"])
    for _ in range(2):
        record = await kept.note_loss("a")
        assert [run.code for run in record.lost] == ["x = 1"] and record.lost_variables == ("x",)
    await kept.add("a", "y = 1", "ok", ["y"])
    record = await kept.note_loss("a")
    assert [(run.number, run.code) for run in record.lost] == [(2, "y = 1")]


async def test_it_is_told_how_many_older_runs_are_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "MAX_RUNS", 3)
    kept = Records(tmp_path, 1, getLogger())
    for number in range(5):
        await kept.add("a", str(number), "ok", [])
    limits = Limits(max_output_chars=1000, allow_images=True, max_image_bytes=0)
    listed = render.recorded(await kept.get("a"), limits)
    assert listed.startswith("3 runs recorded on 'a'; 2 older ones are not kept\n3  ")
    lost = await kept.note_loss("a")
    assert "the 3 runs on the one before (2 older ones are not kept)" in offer(lost)
    # Runs of the next kernel are no older ones of the lost, nor the other way round.
    for dropped in (3, 4, 0, 1):
        await kept.add("a", "x", "ok", [])
        assert (await kept.get("a")).dropped == dropped
    await kept.note_loss("a")
    await kept.add("a", "y", "ok", [])
    assert "not kept" in offer(await kept.get("a"))
    after = await kept.note_loss("a")
    assert [run.code for run in after.lost] == ["y"] and "not kept" not in offer(after)


def test_numbers_are_read_as_they_are_written() -> None:
    assert chosen([1, 2, 3, 5, 8], "1-3, 8") == [1, 2, 3, 8]
    assert ranges([1, 2, 3, 8]) == "1-3,8"
    for wrong in ("", "x", "1-x", "9"):
        with pytest.raises(InvalidRequest):
            chosen([1], wrong)

"""Two people in one notebook and no agent: what the other tests stand on."""

from __future__ import annotations

import pytest

from ..peer import Peer
from .browser import LabPage

pytestmark = [pytest.mark.anyio, pytest.mark.e2e]


async def test_a_peer_sees_what_a_person_types_in_the_page(lab: LabPage, peer: Peer) -> None:
    await lab.put_caret_after(1, "second = 2")
    await lab.type_text("  # é 日本語 🎉")
    await peer.wait_until(lambda: "second = 2  # é 日本語 🎉\n" in peer.sources()[1])
    assert await lab.caret() == {"line": 1, "column": len("second = 2  # é 日本語 🎉") + 1}


async def test_the_page_shows_what_a_peer_types_without_a_reload(lab: LabPage, peer: Peer) -> None:
    await peer.type_text("numbers", "0 + é🎉 ", after="total = ")
    await lab.expect_source(
        1, "first = 1\nsecond = 2\nthird = 3\ntotal = 0 + é🎉 first + second + third\ntotal"
    )

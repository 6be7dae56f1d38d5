"""Fixtures without a server."""

from __future__ import annotations

import pytest
from hypothesis import settings
from jupyter_ydoc import YNotebook

from jupyter_mcp_ext.notebook import NotebookDocument

# How long an example takes is no claim of these tests, and machines have other things to do.
settings.register_profile("unit", deadline=None)
settings.load_profile("unit")


async def settled() -> None:
    return


@pytest.fixture
def ynotebook() -> YNotebook:
    """Three code cells; the second has run."""
    ynotebook = YNotebook()
    cells = [
        {"cell_type": "code", "id": f"{name * 4}", "source": name, "metadata": {}, "outputs": []}
        | {"execution_count": 1 if name == "b" else None}
        for name in "abc"
    ]
    ynotebook.set({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
    return ynotebook


@pytest.fixture
def document(ynotebook: YNotebook) -> NotebookDocument:
    document = NotebookDocument(ynotebook, "a.ipynb", settled)
    assert document.cell_ids == ["aaaa", "bbbb", "cccc"]
    return document

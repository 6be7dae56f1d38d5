"""The tools, in the order shown to models."""

from __future__ import annotations

from . import cells, execution, external, files, history, kernels, notebooks

TOOLSETS = (
    notebooks.TOOLSET,
    cells.TOOLSET,
    execution.TOOLSET,
    kernels.TOOLSET,
    files.TOOLSET,
    history.TOOLSET,
    external.TOOLSET,
    history.CHECKPOINTS,
)

"""The configuration that is refused."""

from __future__ import annotations

import pytest
from traitlets import TraitError
from traitlets.config import Config

from jupyter_mcp_ext.app import MCPExtension


@pytest.mark.parametrize(
    "name", ["wait_seconds", "kernel_start_timeout", "agent_kernel_idle_timeout"]
)
def test_a_time_below_zero_is_refused(name: str) -> None:
    with pytest.raises(TraitError, match=name):
        MCPExtension(config=Config(MCPExtension={name: -1}))
    assert getattr(MCPExtension(config=Config(MCPExtension={name: 0})), name) == 0

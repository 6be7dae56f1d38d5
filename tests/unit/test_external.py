"""Which files are taken for connection files of kernels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from jupyter_mcp_ext.errors import InvalidRequest
from jupyter_mcp_ext.external import ExternalKernels

pytestmark = pytest.mark.anyio

PORTS = {f"{channel}_port": 1 for channel in ("shell", "iopub", "stdin", "control", "hb")}
INFO = {**PORTS, "key": "secret", "transport": "tcp", "ip": "127.0.0.1"}
WRONG: list[dict[str, Any]] = [
    {"shell_port": "x"},
    {"iopub_port": [1]},
    {"ip": 5},
    {"key": 5},
    {"transport": "pigeon"},
    {"signature_scheme": "hmac-x"},
    {"shell_port": 70_000},
    {"stdin_port": -1},
    {"ip": "a b"},
    {"ip": "é"},
    {"transport": "ipc", "ip": "x" * 300},
]


@pytest.mark.parametrize("wrong", WRONG)
async def test_a_file_with_a_value_of_a_wrong_type_is_no_connection_file(
    tmp_path: Path, wrong: dict[str, Any]
) -> None:
    kernels = ExternalKernels([str(tmp_path)], "")
    file = tmp_path / "kernel-1.json"
    file.write_text(json.dumps(INFO | wrong))
    with pytest.raises(InvalidRequest, match="is no connection file") as refused:
        await kernels.add(await kernels.find(file.name))
    assert "secret" not in str(refused.value) and not len(kernels)
    file.write_text(json.dumps(INFO))
    assert await kernels.add(file) in kernels

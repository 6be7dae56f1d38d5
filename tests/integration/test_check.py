"""`jupyter mcp check` against real servers that lack one thing each."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio import to_thread

from jupyter_mcp_ext.cli.check import Finding, examine

from ..server import Server, environment_in, with_modules

pytestmark = pytest.mark.anyio

COMMAND = [sys.executable, "-m", "jupyter_mcp_ext.cli", "check"]


async def check(base: Path, **variables: str) -> tuple[int, dict[str, str], str]:
    """The status, what is said of each thing, and all that is printed."""
    with anyio.fail_after(60):
        done = await anyio.run_process(
            COMMAND, check=False, cwd=base, env=environment_in(base) | variables
        )
    printed = done.stdout.decode()
    lines = [line for line in printed.splitlines() if line[:1] != " "]
    found = {line[7:].split(": ")[0]: line.split()[0] for line in lines}
    return done.returncode, found, printed


NO_CONTENTS = """
from jupyter_server.auth import AllowAllAuthorizer

class NoContents(AllowAllAuthorizer):
    def is_authorized(self, handler, user, action, resource):
        return resource != "contents"
"""

GOOD = ("server", "login", "versions", "notebooks", "collaboration", "JupyterLab", "kernels")


async def test_a_good_server_is_found_good_in_plain_words(server: Server) -> None:
    status, found, printed = await check(server.root.parent)
    assert (status, found) == (0, dict.fromkeys(GOOD, "ok"))
    assert str(server.root) in printed and "python3" in printed
    assert server.token not in printed and "\x1b" not in printed


@pytest.mark.parametrize(
    ("options", "failed", "fix"),
    [
        (["--YDocExtension.disable_rtc=True"], "JupyterLab", "remove YDocExtension.disable_rtc"),
        (
            ["--KernelSpecManager.allowed_kernelspecs=none"],
            "kernels",
            "`pip install ipykernel`",
        ),
        (
            ["--LabApp.core_mode=True"],  # Without extensions.
            "JupyterLab",
            "`pip install jupyter-collaboration`",
        ),
        (
            ["--ServerApp.jpserver_extensions=jupyter_mcp_ext=False"],
            "connection",
            "install jupyter_mcp_ext",
        ),
        (
            ["--ServerApp.jpserver_extensions=jupyter_server_ydoc=False"],
            "collaboration",
            "`pip install jupyter-collaboration`",
        ),
    ],
)
async def test_what_is_missing_is_said_with_its_fix(
    start_server: Callable[..., Any], options: list[str], failed: str, fix: str
) -> None:
    server = await start_server(*options)
    status, found, printed = await check(server.root.parent)
    assert status == 1 and found[failed] == "FAILED", printed
    after = printed.split(f"FAILED {failed}: ")[1].splitlines()[1]
    assert after.strip().startswith(f"Fix: {fix}"), printed


async def found_at(url: str) -> dict[str, Finding]:
    return {each.name: each for each in await to_thread.run_sync(lambda: [*examine(url, None)])}


async def test_a_token_that_is_refused_is_said_with_what_to_do(server: Server) -> None:
    finding = (await found_at(f"{server.url}?token=wrong"))["connection"]
    assert finding.text == f"{server.mcp_url} refuses the token"
    assert finding.fix.startswith("set JUPYTER_TOKEN to one that opens it")


async def test_another_version_in_the_server_is_said(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jupyter_mcp_ext.cli.check.__version__", "99")
    found = await found_at(f"{server.url}?token={server.token}")
    assert [name for name, each in found.items() if not each.is_good] == ["versions"]
    assert "this command has 99" in found["versions"].fix


async def test_a_missing_right_is_said(start_server: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "rights.py").write_text(NO_CONTENTS)
    option = "--ServerApp.authorizer_class=rights.NoContents"
    server = await start_server(option, environment=with_modules(tmp_path))
    found = await found_at(f"{server.url}?token={server.token}")
    finding = found.get("notebooks") or found["connection"]
    assert "may not read contents" in finding.fix and "administrator" in finding.fix


async def test_without_a_server_the_fix_is_to_start_one(tmp_path: Path) -> None:
    status, found, printed = await check(tmp_path)
    assert (status, found) == (1, {"connection": "FAILED"})
    assert "jupyter mcp lab" in printed


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals")
async def test_a_terminal_gets_colours(server: Server) -> None:
    ours, theirs = os.openpty()
    base = server.root.parent
    environment = environment_in(base) | {"TERM": "xterm-256color"}
    with anyio.fail_after(60):
        await anyio.run_process(COMMAND, stdout=theirs, check=False, cwd=base, env=environment)
    os.close(theirs)
    shown = os.read(ours, 10_000).decode()
    os.close(ours)
    assert "\x1b[32m" in shown and "JupyterLab: shows live documents" in shown

"""Shell commands, magics and kernels of other languages than Python."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ..agent import Agent, connect_agent, text
from .test_executions import add_kernelspec

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("code", "printed"),
    [
        ("!echo one && echo two", "| one\n| two"),
        ("%%bash\nfor n in 1 2; do\n  echo $n\ndone", "| 1\n| 2"),
        ("files = !echo a b\nfiles", "| ['a b']"),
        ("%env MAGIC=5\n!echo $MAGIC", "| 5"),
        ("%timeit -n 1 -r 1 sum(range(10))", "1 loop each"),
        ("%cd -q /\n%pwd", "| '/'"),
    ],
)
async def test_what_a_cell_takes_is_taken_without_one(
    agent: Agent, notebook: str, code: str, printed: str
) -> None:
    answer = await agent.execute(notebook, code)
    assert "status: ok" in answer and printed in answer


@pytest.mark.parametrize("code", ["x = 1\nls -la", "x = 1\nls -la *.txt", "echo hi && pwd"])
async def test_a_shell_command_that_python_cannot_take_is_told_how(
    agent: Agent, notebook: str, code: str
) -> None:
    hint = f"write !{code.splitlines()[-1]}; for several lines, begin with %%bash."
    for answer in (await agent.execute(notebook, code), await agent.run(notebook, code)):
        assert "status: error" in answer and hint in answer
    answer = await agent.execute(notebook, "x = = 1")
    assert "status: error" in answer and "%%bash" not in answer


async def test_a_kernel_of_another_language_works_through_the_protocol(
    start_server: Callable[..., Any], tmp_path: Path
) -> None:
    pytest.importorskip("bash_kernel")
    server = await start_server(module="jupyter_server")
    argv = (sys.executable, "-m", "bash_kernel", "-f", "{connection_file}")
    add_kernelspec(tmp_path / "server1", "bash", *argv, language="bash", env={"PS1": "$"})
    async with connect_agent(server.mcp_url, server.token) as agent:
        assert "bash: bash (bash)" in await agent.tell("list_kernels")
        assert "Started sh: bash " in await agent.tell(
            "start_kernel", name="sh", environment="bash"
        )

        async def run(code: str, **more: Any) -> str:
            return await agent.tell("execute_code", kernel="sh", code=code, **more)

        assert "status: ok" in await run("x=5; cd /")
        assert "| 5 /" in await run("echo $x $PWD")
        assert "status: error" in await run("false")
        more = {"wait_seconds": 1, "on_timeout": "interrupt"}
        assert "status: running" not in await run("echo begun; sleep 300", **more)
        assert "| 5" in await run("echo $x")
        refused = await agent.call("list_variables", kernel="sh")
        assert refused.is_error and "bash" in text(refused)
        await agent.tell("open_notebook", notebook="a.ipynb", create=True, kernel_name="bash")
        assert "| cell" in await agent.run("a.ipynb", "echo cell")

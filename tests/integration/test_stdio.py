"""`jupyter mcp stdio`, started by the SDK's own client as clients of its kind do."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import warnings
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from time import monotonic
from typing import Any

import anyio
import psutil
import pytest
from anyio.lowlevel import checkpoint
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.shared.exceptions import MCPError
from mcp_types import ElicitResult

from ..agent import HANDSHAKE, STATELESS, Agent, Era, connect_over, execution_in
from ..server import Server, environment_in, run_server

pytestmark = pytest.mark.anyio

COMMAND = ("-m", "jupyter_mcp_ext.cli", "stdio")
LOOP = "import time\nprint('started', flush=True)\nwhile True:\n    time.sleep(0.1)"


@asynccontextmanager
async def connect_bridge(
    base: Path, *options: str, cwd: Path | None = None, era: Era = STATELESS, **more: Any
) -> AsyncIterator[Agent]:
    """An agent behind a bridge with the directories of the server in `base`."""
    variables = more.pop("variables", {})
    bridge = StdioServerParameters(
        command=sys.executable,
        args=[*COMMAND, *options],
        env=environment_in(base) | variables,
        cwd=cwd or base,
    )
    with (base / "bridge.log").open("a") as log:
        async with connect_over(stdio_client(bridge, errlog=log), era, **more) as agent:
            yield agent


def base_of(server: Server) -> Path:
    return server.root.parent


async def run_bridge(base: Path, *options: str, text: str = "") -> subprocess.CompletedProcess[str]:
    """Run a bridge until it ends by itself, with `text` for its input."""
    with anyio.fail_after(30):
        done = await anyio.run_process(
            [sys.executable, *COMMAND, *options],
            input=text.encode(),
            check=False,
            cwd=base,
            env=environment_in(base),
        )
    output, errors = done.stdout.decode(), done.stderr.decode()
    return subprocess.CompletedProcess(done.args, done.returncode, output, errors)


# What passes


async def test_a_client_with_stdio_only_works_in_both_eras(
    server: Server, notebook: str, era: Era
) -> None:
    async with connect_bridge(base_of(server), cwd=server.root, era=era) as agent:
        assert agent.client.protocol_version == era
        tools = (await agent.client.list_tools()).tools
        assert "execute_cell" in [tool.name for tool in tools]
        assert "| 'Zoë 🌍'" in await agent.run(notebook, "'Zoë 🌍'")


async def test_progress_passes(server: Server, notebook: str, era: Era) -> None:
    async with connect_bridge(base_of(server), era=era) as agent:
        await agent.tell("open_notebook", notebook=notebook)
        _, messages = await agent.call_with_progress(
            "execute_code", notebook=notebook, code="import time; time.sleep(2.5)"
        )
    assert len(messages) >= 1 and "running for 2 s" in messages[0]


async def test_a_question_to_the_person_passes_and_so_does_the_answer(
    server: Server, notebook: str, era: Era
) -> None:
    async def reply(context: Any, params: Any) -> ElicitResult:
        return ElicitResult(action="accept", content={"text": "Ada"})

    async with connect_bridge(base_of(server), era=era, on_elicit=reply) as agent:
        assert "| 'Ada'" in await agent.run(notebook, "input('Name: ')")


async def test_a_cancelled_call_interrupts_its_run_under_the_handshake(
    server: Server, notebook: str
) -> None:
    async with connect_bridge(base_of(server), era=HANDSHAKE) as agent:
        await agent.tell("open_notebook", notebook=notebook)
        with anyio.move_on_after(1.5):
            await agent.call("execute_code", notebook=notebook, code=LOOP)
        answer = await agent.tell("execute_code", notebook=notebook, code="1", wait_seconds=20)
    assert "status: ok" in answer


async def test_a_cancelled_stateless_call_ends_its_request_and_not_its_run(
    server: Server, notebook: str
) -> None:
    async with connect_bridge(base_of(server), era=STATELESS) as agent:
        await agent.tell("open_notebook", notebook=notebook)
        with anyio.move_on_after(0.5):
            code = "import time\ntime.sleep(1.5)\nfinished = True"
            await agent.call("execute_code", notebook=notebook, code=code)
        answer = await agent.tell("execute_code", notebook=notebook, code="finished")
    assert "status: ok" in answer and "True" in answer


async def test_the_variables_of_another_mcp_server_name_the_server(
    server: Server, tmp_path: Path
) -> None:
    variables = {"DOCUMENT_URL": server.url, "DOCUMENT_TOKEN": server.token, "DOCUMENT_ID": "a"}
    async with connect_bridge(tmp_path, variables=variables) as agent:
        assert "running:" in await agent.tell("list_kernels")
    log = (tmp_path / "bridge.log").read_text()
    assert "the server is that of DOCUMENT_URL and DOCUMENT_TOKEN" in log
    assert "DOCUMENT_ID is not used: each call of a tool names its notebook" in log
    assert server.token not in log


async def test_calls_pass_each_other(server: Server, notebook: str, era: Era) -> None:
    async with connect_bridge(base_of(server), era=era) as agent:
        await agent.tell("open_notebook", notebook=notebook)
        slow = await agent.run(notebook, LOOP, wait_seconds=1)
        async with anyio.create_task_group() as tasks:

            async def wait() -> None:
                await agent.tell("get_execution", execution=execution_in(slow), wait_seconds=60)

            tasks.start_soon(wait)
            assert "python3" in await agent.tell("list_kernels")
            await agent.tell("interrupt_kernel", notebook=notebook)


async def subscribe(agent: Agent, notebook: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # The SDK calls the older era's way deprecated.
        await agent.client.subscribe_resource(f"notebook:///{notebook}")


async def test_changes_of_a_notebook_are_heard(server: Server, notebook: str) -> None:
    send, receive = anyio.create_memory_object_stream[Any](10)

    async def on_message(message: Any) -> None:
        send.send_nowait(message)

    more = {"era": HANDSHAKE, "on_message": on_message}
    async with send, receive, connect_bridge(base_of(server), **more) as agent:
        await subscribe(agent, notebook)
        await agent.tell("insert_cell", notebook=notebook, source="x")
        with anyio.fail_after(10):
            assert "updated" in repr(await receive.receive())


# How long calls wait


async def test_calls_wait_as_long_as_the_client_does(
    server: Server, notebook: str, era: Era
) -> None:
    variables = {"MCP_TOOL_TIMEOUT": "2000"}
    async with connect_bridge(base_of(server), era=era, variables=variables) as agent:
        await agent.client.list_tools()
        await agent.tell("open_notebook", notebook=notebook)
        started = monotonic()
        answer = await agent.execute(notebook, LOOP)
        assert "status: running" in answer and monotonic() - started < 10
        answer = await agent.tell("get_execution", execution=execution_in(answer))
        await agent.tell("interrupt_kernel", notebook=notebook)


# Restarts


async def test_a_restart_ends_pending_calls_with_an_error_and_the_next_call_works(
    tmp_path: Path, era: Era
) -> None:
    problems: list[str] = []

    async def poll(agent: Agent, execution: str) -> None:
        with pytest.raises(MCPError) as error:
            await agent.tell("get_execution", execution=execution, wait_seconds=60)
        problems.append(str(error.value))

    async with AsyncExitStack() as life:
        server = await life.enter_async_context(run_server(tmp_path))
        notebook = server.copy_notebook("plain.ipynb")
        async with connect_bridge(tmp_path, cwd=server.root, era=era) as agent:
            running = execution_in(await agent.run(notebook, LOOP, wait_seconds=0))
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(poll, agent, running)
                await agent.tell("list_kernels")
                server.process.kill()
                await server.process.wait()
            assert ["lost before it answered" in problem for problem in problems] == [True]
            with pytest.raises(MCPError, match="no running Jupyter server"):
                await agent.call("list_kernels")
            await life.aclose()
            async with run_server(tmp_path) as again:
                assert again.token != server.token
                assert "| 42" in await agent.run(notebook, "6 * 7")


async def test_subscriptions_survive_a_restart(tmp_path: Path) -> None:
    send, receive = anyio.create_memory_object_stream[Any](10)

    async def on_message(message: Any) -> None:
        send.send_nowait(message)

    async with send, receive, AsyncExitStack() as life:
        server = await life.enter_async_context(run_server(tmp_path))
        notebook = server.copy_notebook("plain.ipynb")
        more = {"era": HANDSHAKE, "on_message": on_message}
        async with connect_bridge(tmp_path, cwd=server.root, **more) as agent:
            await subscribe(agent, notebook)
            await life.aclose()
            async with run_server(tmp_path):
                await agent.tell("insert_cell", notebook=notebook, source="x")
                with anyio.fail_after(10):
                    assert "updated" in repr(await receive.receive())


# Its input and its output


async def test_it_prints_only_the_protocol_and_ends_with_its_input(server: Server) -> None:
    info = {"name": "test", "version": "1"}
    client = {"protocolVersion": HANDSHAKE, "capabilities": {}, "clientInfo": info}
    hello = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": client})
    lines = f"{hello}\n\nno JSON\n[]\n"
    done = await run_bridge(base_of(server), f"--url={server.url}", text=lines)
    assert done.returncode == 0 and done.stderr == ""
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [answer["id"] for answer in answers] == [None, None, 1]
    assert [answer["error"]["code"] for answer in answers[:2]] == [-32700, -32600]
    assert answers[2]["result"]["serverInfo"]["name"] == "jupyter-mcp-ext"


async def test_it_ends_though_a_call_is_open(server: Server, notebook: str) -> None:
    meta = {
        "io.modelcontextprotocol/protocolVersion": STATELESS,
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    params = {
        "name": "execute_code",
        "arguments": {"notebook": notebook, "code": LOOP},
        "_meta": meta,
    }
    call = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params})
    done = await run_bridge(base_of(server), text=f"{call}\n")
    assert done.returncode == 0


@pytest.mark.skipif(sys.platform == "win32", reason="processes are not asked to end there")
async def test_it_ends_in_order_when_it_is_asked_to(server: Server) -> None:
    bridge = await anyio.open_process(
        [sys.executable, *COMMAND], cwd=base_of(server), env=environment_in(base_of(server))
    )
    async with bridge:
        assert bridge.stdin and bridge.stdout
        await bridge.stdin.send(b"no JSON\n")
        assert b"-32700" in await bridge.stdout.receive()  # It is at work.
        bridge.terminate()
        with anyio.fail_after(5):
            assert await bridge.wait() == 0


@pytest.mark.parametrize("options", [(), ("--url=http://127.0.0.1:1/",)])
async def test_without_a_server_one_line_says_so(tmp_path: Path, options: tuple[str, ...]) -> None:
    done = await run_bridge(tmp_path, *options)
    assert (done.returncode, done.stdout) == (1, "")
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("jupyter mcp stdio: ")


async def test_a_server_without_the_extension_is_told_to_install_it(
    start_server: Callable[..., Any],
) -> None:
    without = "--ServerApp.jpserver_extensions=jupyter_mcp_ext=False"
    server = await start_server(without, module="jupyter_server")
    done = await run_bridge(base_of(server))
    assert (done.returncode, done.stdout) == (1, "")
    assert "install jupyter_mcp_ext" in done.stderr and len(done.stderr.splitlines()) == 1


# A server of its own


async def servers_in(base: Path) -> list[dict[str, Any]]:
    files = sorted((base / "runtime").glob("jpserver-*.json"))
    return [json.loads(file.read_text()) for file in files]


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_no_process_that_is_started_shows_a_token_in_its_arguments(tmp_path: Path) -> None:
    root = tmp_path / "project"
    root.mkdir()
    async with connect_bridge(tmp_path, "--start", str(root), "--", "--allow-root") as agent:
        await agent.tell("start_kernel")
        [server] = await servers_in(tmp_path)
        jupyter = psutil.Process(server["pid"])
        started = [*jupyter.parents(), jupyter, *jupyter.children(recursive=True)]
        shown = [" ".join(process.cmdline()) for process in started if is_running(process.pid)]
    assert sum("ipykernel" in each for each in shown) == 1 and len(shown) >= 3
    assert server["token"] and not any(server["token"] in each for each in shown)


async def test_it_can_start_a_jupyterlab_which_ends_with_it(tmp_path: Path) -> None:
    root = tmp_path / "project"
    root.mkdir()
    options = ("--start", str(root), "--", "--allow-root")
    async with connect_bridge(tmp_path, *options) as agent:
        await agent.tell("open_notebook", notebook="a.ipynb", create=True)
        [server] = await servers_in(tmp_path)
        assert Path(server["root_dir"]).resolve() == root.resolve()
        # Another one joins it.
        async with connect_bridge(tmp_path, *options) as other:
            assert "a.ipynb" in await other.tell("list_notebooks")
        assert len(await servers_in(tmp_path)) == 1
        assert "a.ipynb" in await agent.tell("list_notebooks")
    with anyio.fail_after(20):
        while is_running(server["pid"]):
            await anyio.sleep(0.05)  # It is no child of ours.


async def test_the_started_jupyterlab_ends_with_a_bridge_that_is_killed(tmp_path: Path) -> None:
    command = [sys.executable, *COMMAND, "--start", "--", "--allow-root"]
    environment = environment_in(tmp_path)
    bridge = await anyio.open_process(command, cwd=tmp_path, env=environment, stderr=None)
    async with bridge:
        assert bridge.stdin and bridge.stdout
        await bridge.stdin.send(b"no JSON\n")
        assert b"-32700" in await bridge.stdout.receive()  # It is at work.
        assert await servers_in(tmp_path)
        bridge.kill()
    with anyio.fail_after(20):
        while await servers_in(tmp_path):
            await anyio.sleep(0.05)  # It is no child of ours.


async def test_a_bridge_that_is_stopped_while_it_starts_one_ends_after_it(tmp_path: Path) -> None:
    command = [sys.executable, *COMMAND, "--start", "--", "--allow-root"]
    environment = environment_in(tmp_path)
    bridge = await anyio.open_process(command, cwd=tmp_path, env=environment, stderr=None)
    async with bridge:
        with anyio.fail_after(20):
            while not (started := psutil.Process(bridge.pid).children()):
                await checkpoint()
            bridge.send_signal(signal.SIGINT)
            await bridge.wait()
        assert not any(each.is_running() for each in started)


async def test_a_jupyterlab_that_does_not_start_is_an_error(tmp_path: Path) -> None:
    done = await run_bridge(tmp_path, "--start", "--", "--ServerApp.ip=192.0.2.1", "--allow-root")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[-1] == "jupyter mcp stdio: JupyterLab did not start, see above"


async def test_the_started_jupyterlab_can_use_a_remote_jupyter(
    tmp_path: Path, start_server: Callable[..., Any]
) -> None:
    remote = await start_server(module="jupyter_server")
    kernel = base_of(remote) / "data/kernels/far_away"
    kernel.mkdir(parents=True)
    spec = {"argv": ["python", "{connection_file}"], "display_name": "Far", "language": "python"}
    (kernel / "kernel.json").write_text(json.dumps(spec))
    options = (f"--gateway-url={remote.url}", "--", "--allow-root")
    variables = {"JUPYTER_GATEWAY_AUTH_TOKEN": remote.token}
    async with connect_bridge(tmp_path, *options, variables=variables) as agent:
        assert "far_away" in await agent.tell("list_kernels")

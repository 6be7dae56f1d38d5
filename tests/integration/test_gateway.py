"""Kernels behind a gateway: a Kernel Gateway, or a Jupyter server that knows nothing of us."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import psutil
import pytest
from mcp_types import ElicitResult

from ..agent import Agent, connect_agent, execution_in, text
from ..forwarder import forwarding
from ..peer import join_room
from ..server import Server, run_kernel_gateway, run_server, with_modules
from .test_live_document import until

pytestmark = pytest.mark.anyio

PLAIN = "--ServerApp.jpserver_extensions=jupyter_mcp_ext=False"
OLD = "--ZMQChannelsWebsocketConnection.kernel_ws_protocol="
RUNS_ON = "import time\nprint('begun', flush=True)\nwhile True: time.sleep(0.1)"


def options_for(gateway: Server, url: str = "") -> list[str]:
    return [f"--gateway-url={url or gateway.url}", f"--GatewayClient.auth_token={gateway.token}"]


@pytest.fixture(scope="module", params=["kernel gateway", "jupyter server", "old protocol"])
async def gateway(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Server]:
    base = tmp_path_factory.mktemp("far")
    if request.param == "kernel gateway":
        running = run_kernel_gateway(base)  # It does not list its kernels, by default.
    else:
        old = [OLD] if request.param == "old protocol" else []
        running = run_server(base, PLAIN, *old, module="jupyter_server", base_url="/far/")
    async with running as gateway:
        yield gateway


@pytest.fixture(scope="module")
async def near(gateway: Server, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """Our server, which has its kernels there."""
    base = tmp_path_factory.mktemp("near")
    async with run_server(base, *options_for(gateway), module="jupyter_server") as server:
        yield server


@pytest.fixture
async def remote(near: Server) -> AsyncIterator[Agent]:
    async with connect_agent(near.mcp_url, near.token) as agent:
        yield agent


@pytest.fixture
def path(near: Server) -> str:
    return near.copy_notebook("plain.ipynb")


async def test_cells_run_there_and_show_here(
    near: Server, gateway: Server, remote: Agent, path: str
) -> None:
    code = "import os, time\nfor i in range(3): print(i, flush=True); time.sleep(0.2)\nos.getpid()"
    async with join_room(near, path) as person, anyio.create_task_group() as tasks:
        tasks.start_soon(remote.run, path, code)
        await person.wait_until(
            lambda: any(out.get("text") for out in person.cells()[-1].get("outputs", []))
        )
        state = partial(person.notebook.ycells[-1].get, "execution_state")
        assert state() == "running"
        await person.wait_until(lambda: state() == "idle")
        stream, result = person.cells()[-1]["outputs"]
    assert stream["text"] == "0\n1\n2\n"
    kernel = psutil.Process(int(result["data"]["text/plain"]))
    assert gateway.process.pid in [process.pid for process in kernel.parents()]


async def test_all_else_about_runs_is_as_always(remote: Agent, path: str) -> None:
    opened = await remote.tell("open_notebook", notebook=path)
    assert " idle\n" in opened
    await remote.execute(path, "table = {'a': 1}")
    assert "table" in await remote.tell("list_variables", notebook=path)
    assert "dict" in await remote.tell("inspect_variable", notebook=path, name="table")
    assert "ZeroDivisionError" in await remote.execute(path, "1 / 0")
    busy = await remote.execute(path, RUNS_ON, wait_seconds=0.5)
    assert "status: running" in busy and "| begun" in busy
    assert "| 2" in await remote.execute(path, "1 + 1", while_busy=True)
    assert "table" in await remote.tell("list_variables", notebook=path)
    assert " busy" in await remote.tell("list_kernels")
    assert "Interrupted" in await remote.tell("interrupt_kernel", notebook=path)
    ended = await remote.tell("get_execution", execution=execution_in(busy), wait_seconds=10)
    assert "status: interrupted" in ended
    batch = await remote.tell("execute_cells", notebook=path)
    assert batch.count("status: ok") == 2


async def test_input_is_asked_of_the_person(near: Server, path: str) -> None:
    async def answer(context: Any, params: Any) -> ElicitResult:
        return ElicitResult(action="accept", content={"text": "Ada"})

    async with connect_agent(near.mcp_url, near.token, on_elicit=answer) as agent:
        answered = await agent.execute(path, "print('I am', input('Who? '))")
    assert "I am Ada" in answered


async def test_a_restart_by_an_agent_or_a_person_is_a_loss(
    near: Server, remote: Agent, path: str
) -> None:
    await remote.execute(path, "kept = 1")
    await remote.tell("restart_kernel", notebook=path)
    assert "all variables are lost" in await remote.execute(path, "kept = 2")
    [session] = await near.sessions_of(path)
    answer = await near.http.post(f"api/kernels/{session['kernel']['id']}/restart")
    answer.raise_for_status()
    answered = await remote.execute(path, "'kept' in globals()")
    assert "all variables are lost" in answered and "| False" in answered
    again = await remote.execute(path, "1")
    assert "lost" not in again


async def test_a_run_whose_kernel_dies_ends_so(remote: Agent, path: str) -> None:
    died = await remote.run(
        path,
        "import os\nprint('last words', flush=True)\nimport time; time.sleep(0.5)\nos._exit(1)",
    )
    assert "status: kernel_died" in died and "last words" in died
    assert "| 4" in await remote.execute(path, "2 + 2")


async def test_a_run_after_an_unnoticed_death_runs_once_on_the_new_kernel(
    remote: Agent, path: str, tmp_path: Path
) -> None:
    ran = tmp_path / "ran"
    pid = await remote.execute(path, "import os; os.getpid()")
    psutil.Process(int(pid.split("| ")[1])).kill()
    answer = await remote.run(path, f"open({str(ran)!r}, 'a').write('x')")
    assert "status: ok" in answer and "variables are lost" in answer
    assert ran.read_text() == "x"


async def test_a_kernel_that_the_gateway_ended_is_replaced(
    near: Server, gateway: Server, remote: Agent, path: str
) -> None:
    await remote.execute(path, "kept = 1")
    [session] = await near.sessions_of(path)
    kernel = session["kernel"]["id"]
    (await gateway.http.delete(f"api/kernels/{kernel}")).raise_for_status()
    answered = await remote.execute(path, "'kept' in globals()")
    assert "| False" in answered and "lost" in answered
    [session] = await near.sessions_of(path)
    assert session["kernel"]["id"] != kernel


async def test_large_and_binary_messages_pass(remote: Agent, path: str) -> None:
    large = (
        "from IPython.display import display\ndisplay({'text/x-large': 'x' * 20_000_000}, raw=True)"
    )
    assert "status: ok" in await remote.execute(path, large)
    overwriting = "print('old\\rnew\\n' * 50_000 + 'end', flush=True)"
    answered = await remote.execute(path, overwriting)
    assert "| new\n… repeated 49,999 more times\n| end" in answered
    binary = (
        "from comm import create_comm\n"
        "create_comm(target_name='ours', data={}, buffers=[b'binary', b''])\nprint('sent')"
    )
    assert "| sent" in await remote.execute(path, binary)
    assert "| 2" in await remote.execute(path, "1 + 1")


async def test_waiting_takes_no_processor_time(near: Server, remote: Agent, path: str) -> None:
    await remote.tell("open_notebook", notebook=path)
    process = psutil.Process(near.process.pid)
    before = process.cpu_times()
    await remote.execute(path, "import time; time.sleep(3)")
    after = process.cpu_times()
    assert (after.user + after.system) - (before.user + before.system) < 1


async def test_scratch_kernels_run_side_by_side(remote: Agent) -> None:
    await remote.tell("start_kernel", name="one")
    await remote.tell("start_kernel", name="two")
    busy = await remote.tell("execute_code", kernel="one", code=RUNS_ON, wait_seconds=0.5)
    assert "status: running" in busy
    assert "| 2" in await remote.tell("execute_code", kernel="two", code="1 + 1")
    listed = await remote.tell("list_kernels")
    assert "one: " in listed and "two: " in listed and "python3: " in listed
    for name in ("one", "two"):
        await remote.tell("shutdown_kernel", kernel=name)


async def test_environments_of_this_machine_are_not_for_kernels_elsewhere(remote: Agent) -> None:
    answer = await remote.call("start_kernel", environment="/usr/bin/python3")
    assert answer.is_error and "behind a gateway" in text(answer)


# The network between


@pytest.mark.parametrize("is_closed_meanwhile", [True, False])
async def test_a_run_during_which_the_connection_breaks_ends_as_it_is_known(
    gateway: Server, tmp_path: Path, is_closed_meanwhile: bool
) -> None:
    go, gone = tmp_path / "go", tmp_path / "gone"
    code = (
        "import pathlib, time\nprint('before', flush=True)\n"
        f"while not pathlib.Path({str(go)!r}).exists(): time.sleep(0.05)\n"
        f"for i in range(100): print('line', i)\npathlib.Path({str(gone)!r}).touch()\n'result'"
    )
    async with forwarding(gateway) as (url, forwarder), AsyncExitStack() as stack:
        near = run_server(tmp_path / "near", *options_for(gateway, url), module="jupyter_server")
        server = await stack.enter_async_context(near)
        agent = await stack.enter_async_context(connect_agent(server.mcp_url, server.token))
        path = server.copy_notebook("plain.ipynb")
        begun = await agent.run(path, code, wait_seconds=3)
        with anyio.fail_after(30):
            while not ("status: running" in begun and "| before" in begun):
                begun = await agent.tell("get_execution", execution=execution_in(begun))
        await forwarder.close()
        go.touch()
        if is_closed_meanwhile:
            await until(gone.exists)
        forwarder.open()
        ended = await agent.tell("get_execution", execution=execution_in(begun), wait_seconds=30)
        assert "output may be missing" in ended
        is_whole = "status: ok" in ended and "| line 99" in ended and "| 'result'" in ended
        # Gateways drop some of what kernels send just while somebody connects again.
        is_known = "status: ok" in ended or "ConnectionLost" in ended
        assert is_whole or (is_known and not is_closed_meanwhile)
        assert "lost" not in await agent.execute(path, "1")


async def test_a_gateway_that_is_gone_is_told_and_may_come_back(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        async with run_kernel_gateway(tmp_path / "first") as gateway:
            near = run_server(tmp_path / "near", *options_for(gateway), module="jupyter_server")
            server = await stack.enter_async_context(near)
            agent = await stack.enter_async_context(connect_agent(server.mcp_url, server.token))
            path = server.copy_notebook("plain.ipynb")
            await agent.execute(path, "kept = 1")
        for tool, arguments in (
            ("execute_code", {"notebook": path, "code": "1"}),
            ("list_kernels", {}),
            ("start_kernel", {}),
            ("restart_kernel", {"notebook": path}),
        ):
            answer = await agent.call(tool, **arguments)
            assert answer.is_error and "gateway" in text(answer) and "Try again" in text(answer)
        assert "[0]" in await agent.tell("read_notebook", notebook=path)
        port = int(gateway.url.rpartition(":")[2].strip("/"))
        await stack.enter_async_context(run_kernel_gateway(tmp_path / "next", port, gateway.token))
        # Stopping the server asks the gateway to end this one.
        answer = await agent.execute(path, "'kept' in globals()")
        assert "| False" in answer and "lost" in answer
        await agent.tell("shutdown_kernel", notebook=path)


REFUSING = """
from pathlib import Path
from jupyter_server.auth import AllowAllAuthorizer

class Refusing(AllowAllAuthorizer):
    def is_authorized(self, handler, user, action, resource):
        return handler.request.method != "DELETE" or not Path(__file__).exists()
"""


async def test_a_kernel_that_the_gateway_does_not_shut_down_is_not_lost(tmp_path: Path) -> None:
    refusing = tmp_path / "refusing.py"
    refusing.write_text(REFUSING)
    options = (PLAIN, "--ServerApp.authorizer_class=refusing.Refusing")
    far = {"module": "jupyter_server", "environment": with_modules(tmp_path)}
    async with (
        run_server(tmp_path / "far", *options, **far) as gateway,
        run_server(tmp_path / "near", *options_for(gateway), module="jupyter_server") as near,
        connect_agent(near.mcp_url, near.token) as agent,
    ):
        path = near.copy_notebook("plain.ipynb")
        await agent.execute(path, "kept = 1")
        answer = await agent.call("shutdown_kernel", notebook=path)
        assert answer.is_error and "refuses this (HTTP 403)" in text(answer)
        again = await agent.execute(path, "kept")
        assert "| 1" in again and "lost" not in again
        refusing.unlink()  # Jupyter does not end while its gateway refuses this.

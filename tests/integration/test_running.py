"""Running cells and code on real kernels."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from ..agent import HANDSHAKE, STATELESS, Agent, connect_agent, execution_in, images, text
from ..peer import Peer, join_room
from ..server import Server

pytestmark = pytest.mark.anyio


async def outputs_after(server: Server, agent: Agent, notebook: str, source: str) -> Any:
    """What a person sees below a cell once it has run."""
    async with join_room(server, notebook) as peer:
        await agent.run(notebook, source)
        await peer.wait_until(lambda: peer.cells()[-1]["execution_count"] is not None)
        return peer.cells()[-1]["outputs"]


def stream(text: str, name: str = "stdout") -> dict[str, Any]:
    return {"output_type": "stream", "name": name, "text": text}


async def test_a_run_answers_with_status_and_output_and_people_see_both(
    agent: Agent, peer: Peer, notebook: str
) -> None:
    answer = await agent.run(notebook, "print('hé')\n1 + 1")
    cell = peer.cells()[-1]
    assert answer.startswith(f"[{len(peer.cells()) - 1}] {cell['id']}  status: ok  execution: r")
    assert "hé" in answer and "2" in answer
    await peer.wait_until(lambda: peer.cells()[-1]["execution_count"] == 1)
    result = {"output_type": "execute_result", "data": {"text/plain": "2"}, "metadata": {}}
    assert peer.cells()[-1]["outputs"] == [stream("hé\n"), result | {"execution_count": 1}]
    assert peer.notebook.ycells[-1]["execution_state"] == "idle"


@pytest.mark.parametrize(
    ("source", "outputs"),
    [
        ("pass", []),
        ("print(1, end='')\nprint(2)", [stream("12\n")]),
        (
            "import sys\nprint('a')\nsys.stdout.flush()\nprint('b', file=sys.stderr)\n"
            "sys.stderr.flush()\nprint('c')",
            [stream("a\n"), stream("b\n", "stderr"), stream("c\n")],
        ),
        ("for n in range(3):\n    print(f'\\r{n}', end='')", [stream("2")]),
        ("print('日本語 😀 שלום e\\u0301')", [stream("日本語 😀 שלום e\u0301\n")]),
        (
            "from IPython.display import clear_output\n"
            "for n in range(3):\n    clear_output(wait=True)\n    print(n)",
            [stream("2\n")],
        ),
        (
            "from IPython.display import clear_output\nprint(1)\nclear_output()",
            [],
        ),
        (
            "from IPython.display import clear_output\nprint(1)\nclear_output(wait=True)",
            [stream("1\n")],
        ),
    ],
)
async def test_outputs_land_as_jupyterlab_puts_them(
    server: Server, agent: Agent, notebook: str, source: str, outputs: list[Any]
) -> None:
    assert await outputs_after(server, agent, notebook, source) == outputs


async def test_display_updates_reach_this_cell_and_earlier_ones(
    agent: Agent, peer: Peer, notebook: str
) -> None:
    await agent.run(notebook, "h = display('one', display_id='x')\nh.update('two')")
    await peer.wait_until(lambda: peer.cells()[-1]["execution_count"] == 1)
    shown = peer.cells()[-1]
    assert shown["outputs"][0]["data"]["text/plain"] == "'two'"
    await agent.run(notebook, "h.update('three')")

    def data() -> str:
        cell = peer.cells()[peer.position_of(shown["id"])]
        return str(cell["outputs"][0]["data"]["text/plain"])

    await peer.wait_until(lambda: data() == "'three'")


async def test_an_exception_is_a_result_with_its_traceback(
    agent: Agent, peer: Peer, notebook: str
) -> None:
    answer = await agent.run(notebook, "def f():\n    return 1 / 0\nf()")
    assert "status: error" in answer
    assert "ZeroDivisionError: division by zero" in answer and "line 2" in answer
    assert "\x1b[" not in answer
    await peer.wait_until(lambda: len(peer.cells()[-1]["outputs"]) == 1)
    assert peer.cells()[-1]["outputs"][0]["ename"] == "ZeroDivisionError"


async def test_a_plot_comes_as_an_image_for_both(agent: Agent, peer: Peer, notebook: str) -> None:
    answer = await agent.call(
        "insert_cell",
        notebook=notebook,
        source="%matplotlib inline\nimport matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()",
        execute=True,
    )
    assert [image.mime_type for image in images(answer)] == ["image/png"]
    await peer.wait_until(lambda: peer.cells()[-1]["execution_count"] == 1)
    assert "image/png" in peer.cells()[-1]["outputs"][-1]["data"]


async def test_the_end_of_waiting_is_not_the_end_of_the_run(
    agent: Agent, peer: Peer, notebook: str
) -> None:
    await agent.tell("open_notebook", notebook=notebook)
    code = "import time\nprint('first', flush=True)\ntime.sleep(1.5)\nprint('last')"
    answer = await agent.run(notebook, code, wait_seconds=0.8)
    assert "status: running" in answer and "first" in answer and "last" not in answer
    execution = execution_in(answer)
    answer = await agent.tell("get_execution", execution=execution, wait_seconds=20)
    assert "status: ok" in answer and "last" in answer
    assert await agent.tell("get_execution", execution=execution) == answer
    await peer.wait_until(lambda: peer.cells()[-1]["outputs"] == [stream("first\nlast\n")])


async def test_a_run_can_be_interrupted_when_the_wait_ends(agent: Agent, notebook: str) -> None:
    await agent.tell("open_notebook", notebook=notebook)
    code = "print('so far', flush=True)\nwhile True:\n    pass"
    answer = await agent.tell(
        "execute_code", notebook=notebook, code=code, wait_seconds=1, on_timeout="interrupt"
    )
    assert "status: interrupted" in answer and "so far" in answer
    assert "status: ok" in await agent.tell("execute_code", notebook=notebook, code="1")


async def test_a_run_that_waits_for_another_can_be_withdrawn(agent: Agent, notebook: str) -> None:
    await agent.tell("open_notebook", notebook=notebook)
    first = await agent.run(notebook, "import time\ntime.sleep(2)", wait_seconds=0.2)
    assert "status: running" in first
    answer = await agent.tell(
        "execute_code",
        notebook=notebook,
        code="x = 'ran'",
        wait_seconds=0.2,
        on_timeout="interrupt",
    )
    assert "status: cancelled" in answer
    execution = execution_in(first)
    assert "status: ok" in await agent.tell("get_execution", execution=execution, wait_seconds=10)
    answer = await agent.tell("execute_code", notebook=notebook, code="'x' in globals()")
    assert "False" in answer


async def test_interrupting_says_whether_something_ran(agent: Agent, notebook: str) -> None:
    await agent.tell("open_notebook", notebook=notebook)
    answer = await agent.run(notebook, "while True:\n    pass", wait_seconds=0.5)
    assert "status: running" in answer
    execution = execution_in(answer)
    assert "Interrupted" in await agent.tell("interrupt_kernel", notebook=notebook)
    answer = await agent.tell("get_execution", execution=execution, wait_seconds=5)
    assert "status: interrupted" in answer
    assert "Nothing was running" in await agent.tell("interrupt_kernel", notebook=notebook)
    assert "status: ok" in await agent.run(notebook, "1")


async def test_code_leaves_no_trace_in_notebook_and_history(
    agent: Agent, peer: Peer, notebook: str
) -> None:
    before = peer.cells()
    assert "42" in await agent.tell("execute_code", notebook=notebook, code="x = 42\nx")
    assert "42" in await agent.run(notebook, "x")
    await peer.wait_until(lambda: peer.cells()[-1]["execution_count"] == 1)
    assert peer.cells()[:-1] == before


async def test_a_death_is_told_and_the_next_call_works(
    server: Server, agent: Agent, notebook: str
) -> None:
    await agent.tell("execute_code", notebook=notebook, code="x = 1")
    answer = await agent.run(notebook, "print('alive', flush=True)\nimport os\nos._exit(1)")
    assert "status: kernel_died" in answer
    answer = await agent.tell("execute_code", notebook=notebook, code="'x' in globals()")
    assert "status: ok" in answer and "False" in answer and "variables are lost" in answer
    answer = await agent.tell("execute_code", notebook=notebook, code="1")
    assert "variables are lost" not in answer
    assert len(await server.sessions_of(notebook)) == 1


async def test_a_persons_restart_ends_the_run_as_died(
    server: Server, agent: Agent, notebook: str
) -> None:
    await agent.tell("open_notebook", notebook=notebook)
    answer = await agent.run(notebook, "import time\ntime.sleep(60)", wait_seconds=0.5)
    execution = execution_in(answer)
    [session] = await server.sessions_of(notebook)
    await server.http.post(f"api/kernels/{session['kernel']['id']}/restart")
    answer = await agent.tell("get_execution", execution=execution, wait_seconds=20)
    assert "status: kernel_died" in answer
    assert "status: ok" in await agent.run(notebook, "1")


async def test_our_restart_forgets_variables_and_recovers_a_busy_kernel(
    agent: Agent, notebook: str
) -> None:
    await agent.tell("open_notebook", notebook=notebook)
    await agent.run(notebook, "x = 1\nwhile True:\n    pass", wait_seconds=0.5)
    await agent.tell("restart_kernel", notebook=notebook)
    answer = await agent.tell("execute_code", notebook=notebook, code="'x' in globals()")
    assert "status: ok" in answer and "False" in answer


async def test_input_is_a_clear_error_and_the_kernel_stays_usable(
    agent: Agent, notebook: str
) -> None:
    answer = await agent.run(notebook, "input('name?')")
    assert "status: error" in answer and "StdinNotImplementedError" in answer
    assert "status: ok" in await agent.run(notebook, "1")


async def test_two_agents_keep_their_outputs_apart(server: Server, notebook: str) -> None:
    async def work(name: str, era: Any) -> None:
        async with connect_agent(server.mcp_url, server.token, era) as agent:
            for number in range(10):
                word = f"{name}{number}"
                answer = await agent.run(notebook, f"print('{word}')")
                assert "status: ok" in answer and word in answer.split("inserted")[0]

    async with join_room(server, notebook) as peer:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(work, "a", HANDSHAKE)
            tasks.start_soon(work, "b", STATELESS)
        await peer.wait_until(lambda: all(cell["outputs"] for cell in peer.cells()[-20:]))
        for cell in peer.cells()[-20:]:
            assert cell["outputs"] == [stream(cell["source"][7:-2] + "\n")]


async def test_one_kernel_serves_the_notebook_of_agent_and_person(
    server: Server, agent: Agent, notebook: str
) -> None:
    session = {"path": notebook, "name": notebook, "type": "notebook"}
    answer = await server.http.post("api/sessions", json=session | {"kernel": {"name": "python3"}})
    kernel = answer.json()["kernel"]["id"]
    assert kernel in await agent.tell("open_notebook", notebook=notebook)
    await agent.run(notebook, "1")
    [session] = await server.sessions_of(notebook)
    assert session["kernel"]["id"] == kernel


async def test_a_failing_cell_does_not_cancel_what_others_have_queued(
    agent: Agent, notebook: str
) -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(agent.run, notebook, "import time\ntime.sleep(0.5)\n1 / 0")
        tasks.start_soon(agent.run, notebook, "print('later')")
    answer = await agent.tell("read_notebook", notebook=notebook, view="full")
    assert "ZeroDivisionError" in answer and answer.count("later") == 2


async def test_a_cell_deleted_while_it_runs_still_answers(
    agent: Agent, peer: Peer, notebook: str
) -> None:
    code = "import time\nfor n in range(10):\n    print(n, flush=True)\n    time.sleep(0.1)"
    answers: list[str] = []

    async def insert() -> None:
        answers.append(await agent.run(notebook, code))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(insert)
        await peer.wait_until(lambda: bool(peer.cells()[-1].get("outputs")))
        count = len(peer.cells())
        peer.notebook.ycells.pop(count - 1)
    assert "status: ok" in answers[0] and "9" in answers[0]
    assert len(peer.cells()) == count - 1


async def test_what_is_not_code_is_not_run_and_not_changed(server: Server, agent: Agent) -> None:
    path = server.copy_notebook("mixed.ipynb")
    before = await agent.tell("read_notebook", notebook=path, view="source")
    listed = await agent.tell("read_notebook", notebook=path)
    markdown = next(line for line in listed.splitlines() if "markdown" in line or "#" in line)
    cell = markdown.split("[")[1].split("]")[0]
    for tool, more in (
        ("execute_cell", {}),
        ("overwrite_cell", {"source": "x", "execute": True}),
    ):
        answer = await agent.call(tool, notebook=path, cell=cell, **more)
        assert answer.is_error and "markdown" in text(answer)
    answer = await agent.call(
        "insert_cell", notebook=path, source="x", cell_type="markdown", execute=True
    )
    assert answer.is_error
    assert await agent.tell("read_notebook", notebook=path, view="source") == before


async def test_an_unknown_kernelspec_is_refused_with_the_known_ones(agent: Agent) -> None:
    answer = await agent.call(
        "open_notebook", notebook="new-kernel.ipynb", create=True, kernel_name="nope"
    )
    assert answer.is_error and "python3" in text(answer)
    answer = await agent.call("read_notebook", notebook="new-kernel.ipynb")
    assert answer.is_error


async def test_an_interrupt_that_does_not_land_is_told_with_what_was_printed(
    agent: Agent, notebook: str
) -> None:
    await agent.tell("open_notebook", notebook=notebook)
    code = (
        "import time\nprint('deaf', flush=True)\nend = time.time() + 9\n"
        "while time.time() < end:\n    try:\n        time.sleep(0.1)\n"
        "    except KeyboardInterrupt:\n        pass"
    )
    call = {"notebook": notebook, "code": code, "wait_seconds": 0.5, "on_timeout": "interrupt"}
    answer = await agent.tell("execute_code", **call)
    assert "status: running" in answer and "deaf" in answer and "still busy" in answer
    execution = execution_in(answer)
    answer = await agent.tell("get_execution", execution=execution, wait_seconds=20)
    assert "status: ok" in answer


async def test_a_kernel_that_is_shut_down_ends_what_runs_and_what_waits(
    server: Server, agent: Agent, notebook: str
) -> None:
    other = server.copy_notebook("plain.ipynb")
    opened = await agent.tell("open_notebook", notebook=notebook)
    kernel = (await server.sessions_of(notebook))[0]["kernel"]["id"]
    assert kernel in opened
    await agent.tell("open_notebook", notebook=other, kernel=kernel)
    first = await agent.run(notebook, "import time\ntime.sleep(60)", wait_seconds=0.5)
    waiting = await agent.run(other, "1", wait_seconds=0)
    assert "status: running" in first and "status: queued" in waiting
    await server.http.delete(f"api/kernels/{kernel}")
    execution = execution_in(first)
    answer = await agent.tell("get_execution", execution=execution, wait_seconds=20)
    assert "status: kernel_died" in answer
    execution = execution_in(waiting)
    ended = await agent.call("get_execution", execution=execution, wait_seconds=20)
    assert ended.is_error and kernel in text(ended)
    assert "status: ok" in await agent.run(notebook, "1")
    assert "status: ok" in await agent.run(other, "1")

"""Kernels in other environments than the server's."""

from __future__ import annotations

import os
import sys
import sysconfig
import venv
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from anyio import run_process, to_thread

from ..agent import Agent, connect_agent, text

pytestmark = pytest.mark.anyio


def make(prefix: Path, *, with_ipykernel: bool = True) -> Path:
    """A virtual environment, which finds ipykernel where these tests do."""
    venv.create(prefix, symlinks=True)
    if with_ipykernel:
        link_packages(prefix)
    return prefix


def link_packages(prefix: Path) -> None:
    [packages] = prefix.glob("lib/python3*/site-packages")
    (packages / "tests.pth").write_text(sysconfig.get_path("purelib"))


@pytest.fixture
async def envs(
    start_server: Callable[..., Any], tmp_path: Path
) -> AsyncIterator[tuple[Agent, Path]]:
    """An agent, and the directory in which its server looks for environments."""
    directory = tmp_path / "envs"
    directory.mkdir()
    trait = f"--MCPExtension.environment_directories={directory}"
    server = await start_server(trait, module="jupyter_server")
    async with connect_agent(server.mcp_url, server.token) as agent:
        yield agent, directory


async def run(agent: Agent, kernel: str, code: str) -> str:
    return await agent.tell("execute_code", kernel=kernel, code=code)


async def test_a_kernel_runs_in_the_environment_that_is_named(envs: tuple[Agent, Path]) -> None:
    agent, directory = envs
    prefix = make(directory / "work")
    for name in ("work", str(prefix), str(prefix / "bin/python")):
        answer = await agent.tell("start_kernel", name="k", environment=name)
        assert answer.startswith("Started k: mcp-env-work-")
        assert f"| {str(prefix)!r}" in await run(agent, "k", "import sys; sys.prefix")
        answer = await run(agent, "k", "!python -c 'import sys; print(sys.prefix)'")
        assert f"| {prefix}" in answer
        answer = await run(agent, "k", "import os; os.environ['VIRTUAL_ENV']")
        assert f"| {str(prefix)!r}" in answer
        await agent.tell("shutdown_kernel", kernel="k")


async def test_an_environment_of_the_directory_is_found_there(envs: tuple[Agent, Path]) -> None:
    agent, directory = envs
    root = directory.parent / "server1/root"
    prefix = make(root / "project/.venv")
    call = {"environment": ".venv", "directory": "project"}
    await agent.tell("start_kernel", name="k", **call)
    assert f"| {str(prefix)!r}" in await run(agent, "k", "import sys; sys.prefix")
    refused = await agent.call("start_kernel", environment=".venv")
    assert refused.is_error and "There is no environment '.venv'" in text(refused)


async def test_a_notebooks_own_kernel_runs_in_the_environment_of_its_directory(
    envs: tuple[Agent, Path],
) -> None:
    agent, directory = envs
    root = directory.parent / "server1/root"
    prefix = make(root / "project/.venv")
    path = "project/a.ipynb"
    opened = await agent.tell("open_notebook", notebook=path, create=True, kernel_name=".venv")
    assert "kernel: mcp-env-venv-" in opened
    assert f"| {str(prefix)!r}" in await agent.run(path, "import sys; sys.prefix")
    assert "mcp-env" not in (root / path).read_text()
    again = await agent.tell("open_notebook", notebook=path, kernel_name=".venv")
    assert "kernel_name was not used" not in again
    refused = await agent.call("open_notebook", notebook=path, kernel_name="nothing")
    assert refused.is_error and "There is no environment 'nothing'" in text(refused)


async def test_an_environment_without_ipykernel_is_refused_with_the_command(
    envs: tuple[Agent, Path],
) -> None:
    agent, directory = envs
    prefix = make(directory / "bare", with_ipykernel=False)
    refused = await agent.call("start_kernel", environment="bare")
    python = prefix / "bin/python"
    assert refused.is_error
    assert f"{python} cannot run a kernel: it has no ipykernel." in text(refused)
    assert f"{python} -m pip install ipykernel" in text(refused)
    make(prefix)
    assert "Started scratch-1: " in await agent.tell("start_kernel", environment="bare")


@pytest.mark.parametrize("name", ["nothing", "/nowhere/python", "..", "/bin", "~/nothing", "a\0b"])
async def test_what_is_no_environment_is_refused_with_what_is_known(
    envs: tuple[Agent, Path], name: str
) -> None:
    agent, directory = envs
    make(directory / "known")
    refused = await agent.call("start_kernel", environment=name)
    assert refused.is_error and "There is no environment" in text(refused)
    assert "known, python3" in text(refused).replace("python3, known", "known, python3")


async def test_an_environment_is_checked_once_until_it_changes(envs: tuple[Agent, Path]) -> None:
    agent, directory = envs
    log, [packages] = directory / "log", make(directory / "work").glob("lib/python3*/site-packages")
    # Each start of this Python writes down its first option.
    line = f"import sys; open({str(log)!r}, 'a').write(sys.orig_argv[1] + chr(10))"
    (packages / "log.pth").write_text(line)

    async def start() -> set[str]:
        await agent.tell("start_kernel", environment="work")
        started = set(log.read_text().split())
        log.unlink()
        return started

    assert await start() == {"-c", "-m"}
    assert await start() == {"-m"}
    (packages / "new.py").write_text("")
    assert await start() == {"-c", "-m"}


async def test_another_environment_of_a_running_kernel_is_refused_with_the_way_to_it(
    envs: tuple[Agent, Path],
) -> None:
    agent, directory = envs
    first, second = make(directory / "first"), make(directory / "second")
    await agent.tell("start_kernel", name="k", environment="first")
    refused = await agent.call("start_kernel", name="k", environment="second")
    assert refused.is_error
    assert f"There is a kernel 'k' already in venv {first}. " in text(refused)
    assert "call shutdown_kernel" in text(refused)
    assert f"| {str(first)!r}" in await run(agent, "k", "import sys; sys.prefix")
    await agent.tell("shutdown_kernel", kernel="k")
    await agent.tell("start_kernel", name="k", environment="second")
    assert f"| {str(second)!r}" in await run(agent, "k", "import sys; sys.prefix")


async def test_another_kernelspec_of_a_running_notebook_is_warned_of(
    envs: tuple[Agent, Path],
) -> None:
    agent, directory = envs
    make(directory / "other")
    notebook = "running.ipynb"
    await agent.tell("open_notebook", notebook=notebook, create=True)
    answer = await agent.tell("open_notebook", notebook=notebook, kernel_name="other")
    assert "It runs already, so kernel_name was not used. shutdown_kernel" in answer
    assert "kernel_name" not in await agent.tell(
        "open_notebook", notebook=notebook, kernel_name="python3"
    )


def make_wheel(directory: Path, name: str, module: str, source: str) -> None:
    """A package of one module, to be installed without a network."""
    directory.mkdir(exist_ok=True)
    info = f"{name}-1.0.dist-info"
    files = {
        f"{module}.py": source,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{file},,\n" for file in [*files, f"{info}/RECORD"])
    with ZipFile(directory / f"{name}-1.0-py3-none-any.whl", "w") as wheel:
        for file, content in (files | {f"{info}/RECORD": record}).items():
            wheel.writestr(file, content)


# Stands in for the package, with the real one behind it.
LAUNCHER = f"""
import sys
if __name__ == "__main__":
    sys.path.append({sysconfig.get_path("purelib")!r})
    from ipykernel import kernelapp
    kernelapp.launch_new_instance()
"""


def installing(wheels: Path) -> dict[str, str]:
    """The environment of a server whose installers know these wheels and no index."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    values = {"NO_INDEX": "1", "FIND_LINKS": str(wheels)}
    settings = {f"{tool}_{name}": value for tool in ("UV", "PIP") for name, value in values.items()}
    return settings | {"PATH": path}


def files_below(directory: Path) -> set[str]:
    return {str(path) for path in directory.rglob("*") if "__pycache__" not in path.parts}


async def test_an_overlay_starts_an_environment_without_ipykernel_and_leaves_it_as_it_is(
    start_server: Callable[..., Any], tmp_path: Path
) -> None:
    wheels, prefix = tmp_path / "wheels", make(tmp_path / "bare", with_ipykernel=False)
    server = await start_server(
        "--MCPExtension.environment_overlay=True",
        module="jupyter_server",
        environment=installing(wheels),
    )
    before = files_below(prefix)
    async with connect_agent(server.mcp_url, server.token) as agent:
        call = {"name": "k", "environment": str(prefix)}
        refused = await agent.call("start_kernel", **call)
        assert refused.is_error and "none could be laid over it" in text(refused)
        assert f"{prefix}/bin/python -m pip install ipykernel" in text(refused)
        make_wheel(wheels, "ipykernel", "ipykernel_launcher", LAUNCHER)
        await agent.tell("start_kernel", **call)
        assert f"| {str(prefix)!r}" in await run(agent, "k", "import sys; sys.prefix")
        assert f"venv {prefix}" in await agent.tell("list_kernels")
        answer = await run(agent, "k", "!python -c 'import ipykernel_launcher'")
        assert "No module named 'ipykernel_launcher'" in answer
    assert files_below(prefix) == before


@pytest.mark.parametrize(
    ("kind", "install"), [("venv", "%pip install tiny"), ("uv", "!uv pip install tiny")]
)
async def test_packages_are_installed_into_the_kernels_own_environment(
    start_server: Callable[..., Any], tmp_path: Path, kind: str, install: str
) -> None:
    wheels, prefix = tmp_path / "wheels", tmp_path / "own"
    make_wheel(wheels, "tiny", "tiny", "x = 5")
    server = await start_server(module="jupyter_server", environment=installing(wheels))
    if kind == "uv":
        command = ["uv", "venv", "--quiet", "--python", sys.executable, str(prefix)]
        await run_process(command, env={**os.environ, **installing(wheels)})
    else:
        await to_thread.run_sync(partial(venv.create, prefix, symlinks=True, with_pip=True))
    link_packages(prefix)
    async with connect_agent(server.mcp_url, server.token) as agent:
        await agent.tell("start_kernel", name="k", environment=str(prefix))
        assert f"{kind} {prefix}" in await agent.tell("list_kernels")
        assert "status: ok" in await run(agent, "k", install)
        answer = await run(agent, "k", "import tiny; print(tiny.x, tiny.__file__)")
        assert f"| 5 {prefix}/lib/" in answer


async def test_a_server_that_allows_certain_kernelspecs_starts_no_other(
    start_server: Callable[..., Any], tmp_path: Path
) -> None:
    trait = "--KernelSpecManager.allowed_kernelspecs={'python3'}"
    server = await start_server(trait, module="jupyter_server")
    async with connect_agent(server.mcp_url, server.token) as agent:
        refused = await agent.call("start_kernel", environment=sys.executable)
        assert refused.is_error and "only the kernelspecs that its administrator" in text(refused)
        assert "Started scratch-1" in await agent.tell("start_kernel", environment="python3")

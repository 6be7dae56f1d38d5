"""The Dockerfile's steps in an empty environment, and the values for Zero to JupyterHub."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import anyio
import httpx2
import pytest
import yaml

from ..agent import connect_agent
from ..server import environment_in, free_port, stop_process

pytestmark = pytest.mark.timeout(300)

PROJECT = Path(__file__).parents[2]
DEPLOYMENTS = PROJECT / "deployments"


def steps(instruction: str) -> list[str]:
    text = (DEPLOYMENTS / "Dockerfile").read_text(encoding="utf-8")
    return re.findall(rf"^{instruction} (.*)$", text, re.MULTILINE)


def make_environment(directory: Path) -> dict[str, str]:
    """Variables of a new environment whose `pip` is uv's."""
    programs = directory / "bin"
    uv = [sys.executable, "-m", "uv"]
    venv = [*uv, "venv", "--quiet", "--python", sys.executable, directory]
    subprocess.run(venv, check=True, capture_output=True)
    pip = programs / "pip"
    pip.write_text(f'#!/bin/sh\nexec {" ".join(uv)} pip "$@" --quiet --python {directory}\n')
    pip.chmod(0o755)
    kept = {name: text for name, text in os.environ.items() if name != "PYTHONPATH"}
    return kept | {"PATH": f"{programs}{os.pathsep}{kept['PATH']}"}


@pytest.mark.anyio
@pytest.mark.skipif(sys.platform == "win32", reason="the steps are a shell's")
async def test_the_steps_of_the_dockerfile_make_a_server_that_agents_reach(tmp_path: Path) -> None:
    """Without its base image, its user and its directories."""
    environment = make_environment(tmp_path / "environment")
    assert steps("COPY") == [". /src"]
    [user, install] = steps("RUN")
    assert user.startswith("useradd")
    here = install.replace("/src", str(PROJECT))
    with anyio.fail_after(240):
        await anyio.run_process(["sh", "-c", here], env=environment, cwd=tmp_path)
    [command] = map(json.loads, steps("CMD"))
    port = free_port()
    options = [option.replace("8888", str(port)) for option in command]
    assert steps("EXPOSE") == ["8888"] and "--port=8888" in command
    variables = environment_in(tmp_path) | environment | {"HOME": str(tmp_path / "home")}
    (tmp_path / "work").mkdir()
    process = await anyio.open_process(
        [*options, "--allow-root"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=tmp_path / "work",
        env=variables | {"JUPYTER_TOKEN": "s3cret"},
    )
    async with process:
        try:
            await wait_for(f"http://127.0.0.1:{port}/api")
            async with connect_agent(f"http://127.0.0.1:{port}/mcp", "s3cret") as agent:
                await agent.tell("open_notebook", notebook="a.ipynb", create=True)
                assert "| 42" in await agent.run("a.ipynb", "6 * 7")
        finally:
            await stop_process(process)


async def wait_for(url: str) -> None:
    async with httpx2.AsyncClient() as http:
        with anyio.fail_after(60):
            while not await answers(http, url):
                await anyio.sleep(0.1)  # Another process tells of no event.


async def answers(http: httpx2.AsyncClient, url: str) -> bool:
    try:
        return (await http.get(url)).is_success
    except httpx2.TransportError:
        return False


def test_the_values_for_kubernetes_are_yaml_with_the_tested_authorizer() -> None:
    values = yaml.safe_load((DEPLOYMENTS / "z2jh-values.yaml").read_text(encoding="utf-8"))
    assert set(values) == {"hub", "singleuser", "cull", "ingress"}
    files = values["singleuser"]["extraFiles"]
    module = files["read-only-tokens"]["stringData"]
    tested = (PROJECT / "tests/hub/read_only_tokens.py").read_text(encoding="utf-8")
    body = ast.parse(tested).body[1:]  # Without its docstring.
    assert ast.dump(ast.parse(module)) == ast.dump(ast.Module(body, []))
    scopes = values["hub"]["config"]["JupyterHub"]["custom_scopes"]
    assert set(scopes) < set(values["hub"]["loadRoles"]["user"]["scopes"])
    assert values["cull"]["timeout"] > 300

"""The built wheel, in an environment of its own, with the oldest and the newest versions."""

from __future__ import annotations

import subprocess
import sys
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from ..agent import HANDSHAKE, STATELESS, connect_agent
from ..server import run_server

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(300)]

PROJECT = Path(__file__).parents[2]


def uv(*arguments: str | Path) -> None:
    command = [sys.executable, "-m", "uv", *map(str, arguments)]
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=240)


def small_png() -> bytes:
    file = BytesIO()
    Image.new("RGB", (9, 9)).save(file, "PNG")
    return file.getvalue()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("wheel")
    uv("build", "--quiet", "--wheel", "--out-dir", directory, PROJECT)
    [wheel] = directory.glob("*.whl")
    return wheel


@pytest.fixture(params=["lowest-direct", "highest"])
def python(request: pytest.FixtureRequest, wheel: Path, tmp_path: Path) -> str:
    """The interpreter of a new environment with the wheel, what it needs, and a kernel."""
    environment = tmp_path / "environment"
    uv("venv", "--quiet", "--python", sys.executable, environment)
    install = ("pip", "install", "--quiet", "--python", environment)
    needed = ("-r", PROJECT / "pyproject.toml", "ipykernel>=6.29,<8")
    uv(*install, "--resolution", request.param, *needed)
    uv(*install, "--no-deps", wheel)
    return str(environment / "bin" / "python")


async def test_an_installed_wheel_is_enabled_and_serves_both_eras(
    python: str, tmp_path: Path
) -> None:
    async with run_server(tmp_path / "server", module="jupyter_server", python=python) as server:
        path = server.copy_notebook("plain.ipynb")
        for era in (HANDSHAKE, STATELESS):
            async with connect_agent(server.mcp_url, server.token, era) as agent:
                call = {"notebook": path, "source": "print('é')\n1 + 1", "execute": True}
                answer = await agent.tell("insert_cell", **call)
                assert "status: ok" in answer and "| é" in answer and "| 2" in answer
                # Pillow comes with the extra only.
                plot = f"from IPython.display import Image\nImage(data={small_png()!r})"
                shown = await agent.call("insert_cell", notebook=path, source=plot, execute=True)
                assert "image" in [block.type for block in shown.content]
        page = await server.http.get("mcp", headers={"Accept": "text/html"})
        assert page.status_code == 200 and "Ready for agents" in page.text
        assert "Traceback" not in server.log_text()

"""What is an environment, and of which kind."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from jupyter_mcp_ext.layouts import environment_at

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX layouts")


def make(prefix: Path, *files: str, config: str | None = None) -> Path:
    (prefix / "bin").mkdir(parents=True)
    (prefix / "bin/python").symlink_to(sys.executable)
    for file in files:
        (prefix / file).mkdir(parents=True)
    if config is not None:
        (prefix / "pyvenv.cfg").write_text(config)
    return prefix


@pytest.mark.parametrize(
    ("place", "files", "config", "kind", "hint"),
    [
        ("envs/a", [], "home = /usr/bin\n", "venv", "{prefix}/bin/python -m pip install ipykernel"),
        (
            "envs/a",
            [],
            "home = /usr/bin\nuv = 0.9\n",
            "uv",
            "uv pip install --python {prefix}/bin/python ipykernel",
        ),
        ("c", ["conda-meta"], None, "conda", "conda install --prefix {prefix} ipykernel"),
        (
            "p/.pixi/envs/default",
            ["conda-meta"],
            None,
            "pixi",
            "pixi add --manifest-path {base}/p ipykernel",
        ),
        ("plain", [], None, "", "{prefix}/bin/python -m pip install ipykernel"),
    ],
)
def test_an_environment_is_recognised_by_its_layout(
    tmp_path: Path, place: str, files: list[str], config: str | None, kind: str, hint: str
) -> None:
    prefix = make(tmp_path / place, *files, config=config)
    for path in (prefix, prefix / "bin/python"):
        found = environment_at(path)
        assert found is not None and found.kind == kind
        # The link is kept: it is what makes the environment.
        assert found.python == prefix / "bin/python" and found.prefix == prefix
        assert found.install_hint == hint.format(prefix=prefix, base=tmp_path)


def test_variables_make_programs_of_the_environment_come_first(tmp_path: Path) -> None:
    found = environment_at(make(tmp_path / "e", config=""))
    assert found is not None
    path = f"{tmp_path}/e/bin{os.pathsep}${{PATH}}"
    assert found.variables == {"PATH": path, "VIRTUAL_ENV": f"{tmp_path}/e"}
    conda = environment_at(make(tmp_path / "c", "conda-meta"))
    assert conda is not None and conda.variables["CONDA_PREFIX"] == f"{tmp_path}/c"


def test_what_is_no_interpreter_is_no_environment(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    script = tmp_path / "python"
    script.write_text("not executable")
    other = tmp_path / "rm"
    other.symlink_to("/bin/sh")
    for path in (tmp_path / "empty", tmp_path / "nothing", script, other):
        assert environment_at(path) is None

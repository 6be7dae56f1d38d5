"""The documentation as a site: all its pages, and no warnings."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"


def build(source: Path, directory: Path) -> subprocess.CompletedProcess[str]:
    places = ["-d", str(directory / "doctrees"), str(source), str(directory / "site")]
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", *places]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)


def test_the_site_has_all_pages_and_its_build_warns_of_nothing(tmp_path: Path) -> None:
    if any(find_spec(name) is None for name in ("sphinx", "myst_parser", "pydata_sphinx_theme")):
        message = "Sphinx is missing: install the extra 'docs'"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(message)
    run = build(DOCS, tmp_path)
    assert run.returncode == 0, run.stderr
    front = (tmp_path / "site/index.html").read_text(encoding="utf-8")
    linked = set(re.findall(r'href="([\w-]+)\.html', front))
    assert {page.stem for page in DOCS.glob("*.md")} - linked == {"index"}

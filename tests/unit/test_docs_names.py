"""What the pages in `docs` name exists: modules, commands, settings, tools, tests and files."""

from __future__ import annotations

import re
import shlex
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from jupyter_server.gateway.managers import GatewayClient
from jupyter_server.serverapp import ServerApp, aliases, flags
from traitlets.config import Application

import jupyter_mcp_ext
from jupyter_mcp_ext.app import MCPExtension
from jupyter_mcp_ext.cli import MCPApp
from jupyter_mcp_ext.clients import CLIENTS
from jupyter_mcp_ext.tools import TOOLSETS

ROOT = Path(__file__).parents[2]
PACKAGE = Path(jupyter_mcp_ext.__file__).parent
PAGES = [
    *sorted((ROOT / "docs").rglob("[!_]*.md")),
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md")),
]
TEXTS = {page.name: page.read_text(encoding="utf-8") for page in PAGES}
ALL = "\n".join(TEXTS.values())

ELSEWHERE = {
    "EventLogger": "jupyter_events.logger",
    "IdentityProvider": "jupyter_server.auth.identity",
    "SQLiteYStore": "jupyter_server_ydoc.stores",
    "HubOAuth": "jupyterhub.services.auth",
    "JupyterHub": "jupyterhub.app",
    "KernelGatewayApp": "kernel_gateway.gatewayapp",
    "JupyterWebsocketPersonality": "kernel_gateway.jupyter_websocket",
    "Spawner": "jupyterhub.spawner",
    "YDocExtension": "jupyter_server_ydoc.app",
    "ZMQChannelsWebsocketConnection": "jupyter_server.services.kernels.connection.channels",
}
"""Classes with settings that are not known from the server's own command."""


def code_in(text: str) -> list[str]:
    """What is set as code, within a line or in blocks; a command that is continued is one line."""
    blocks = re.findall(r"```\w*\n(.*?)```", text, re.DOTALL)
    lines = re.sub(r"\\\n\s*", " ", "\n".join(blocks)).split("\n")
    inline = re.findall(r"`([^`]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    return [*lines, *(" ".join(words.split()) for words in inline)]


CODE = code_in(ALL)


def test_each_module_is_in_the_table_of_the_architecture() -> None:
    rows = [row.split("|")[1] for row in TEXTS["architecture.md"].splitlines() if row[:3] == "| `"]
    named = re.findall(r"`(\w+)/?`", " ".join(rows))
    modules = {path.stem for path in PACKAGE.iterdir() if path.name[0] not in "_." and path.stem}
    assert sorted(named) == sorted(modules - {"py"})


# Commands


def commands(program: str) -> list[list[str]]:
    """The words of each command that begins so, without comments and placeholders."""
    found = []
    for line in CODE:
        line = re.sub(r"^(?:\w+=\S* )+|\s+#.*|<[^>]*>", "", line.strip())
        if line.startswith(f"{program} ") and "..." not in line:
            found.append(shlex.split(line)[len(program.split()) :])
    return found


def subcommand(name: str) -> type[Application]:
    if name == "lab":
        from jupyter_mcp_ext.cli.lab import MCPLabApp

        return MCPLabApp
    module, _, attribute = str(MCPApp.subcommands[name][0]).rpartition(".")
    found: type[Application] = getattr(import_module(module), attribute)
    return found


def options_of(application: type[Application]) -> set[str]:
    """The short options of a command; those of the server count where it is one."""
    found = [] if application.__name__.endswith("Command") else [aliases, flags]
    if application is not ServerApp:
        found += [application.aliases, application.flags]
    keys = [key for options in found for key in options]
    return {"help", "help-all"} | {
        name for key in keys for name in (key if isinstance(key, tuple) else (str(key),))
    }


def unknown_options(application: type[Application], words: list[str]) -> list[str]:
    """Settings, such as `--Class.trait=1`, are looked at further below."""
    own = words[: words.index("--")] if "--" in words else words
    names = {word.lstrip("-").partition("=")[0] for word in own if word[:1] == "-"}
    return sorted(name for name in names - options_of(application) if "." not in name)


def test_the_commands_that_are_shown_exist_with_their_options() -> None:
    shown = commands("jupyter mcp")
    assert len(shown) > 20
    for name, *words in shown:
        application = subcommand(name)
        assert unknown_options(application, words) == [], (name, words)


@pytest.mark.parametrize("program", ["jupyter lab", "jupyter server"])
def test_the_options_of_jupyters_own_commands_exist(program: str) -> None:
    from jupyterlab.labapp import LabApp

    application = LabApp if program.endswith("lab") else ServerApp
    for words in commands(program):
        assert unknown_options(application, words) == [], words


def test_the_clients_that_are_named_are_those_that_are_known() -> None:
    named = re.search(r"^The clients are (.*?)\. ", TEXTS["clients.md"], re.DOTALL | re.MULTILINE)
    assert named is not None
    names = {name for name in re.findall(r"`([\w-]+)`", named[1]) if not name.startswith("--")}
    assert names == {*CLIENTS}
    assert {*re.findall(r"--client=([\w-]+)", ALL)} <= {*CLIENTS}


# Settings


def settings() -> set[tuple[str, str]]:
    """Each `Class.trait` that is set as code, but for Python's own attributes."""
    found = set(re.findall(r"(?<![\w.])(?:c\.|--)?([A-Z]\w+)\.([a-z]\w+)\b", "\n".join(CODE)))
    return {(name, trait) for name, trait in found if trait not in ("js", "md")}


def has_setting(name: str, trait: str) -> bool:
    own = [MCPExtension, ServerApp, GatewayClient, *ServerApp.classes]
    classes = {each.__name__: each for each in own}
    if name in ELSEWHERE:
        classes[name] = getattr(import_module(ELSEWHERE[name]), name)
    return name in classes and trait in classes[name].class_traits(config=True)


def test_the_settings_that_are_named_exist() -> None:
    ours: dict[str, Any] = {}
    for path in PACKAGE.glob("*.py"):
        ours |= vars(import_module(f"jupyter_mcp_ext.{path.stem}"))
    named = settings()
    assert len(named) > 20
    wrong = [
        f"{name}.{trait}"
        for name, trait in named
        # Architecture names methods of our own classes in the same way.
        if not has_setting(name, trait) and not hasattr(ours.get(name), trait)
    ]
    assert sorted(wrong) == []


# Tools


PYTHON = {"input", "open", "print", "getpass", "help", "is_authorized"}
"""Functions that are no tools."""


def test_the_tools_that_are_named_take_the_arguments_that_are_named() -> None:
    known = {tool.name: tool.arguments.model_fields for each in TOOLSETS for tool in each.tools}
    pages = "\n".join(text for name, text in TEXTS.items() if name != "migrating.md")
    calls = [
        call
        for code in code_in(re.sub(r"```.*?```", "", pages, flags=re.DOTALL))
        for call in re.findall(r"^(\w+)\(([^()]*)\)$", code)
    ]
    assert len(calls) > 10
    for tool, arguments in calls:
        if tool not in PYTHON:
            names = re.findall(r"(\w+)=", arguments)
            assert tool in known and {*names} <= {*known[tool]}, (tool, arguments)


# Tests and files


def test_the_tests_that_are_named_exist() -> None:
    files = [path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py")]
    existing = set(re.findall(r"^(?:async )?def (test_\w+)", "\n".join(files), re.MULTILINE))
    existing |= {path.name for path in (ROOT / "tests").rglob("test_*.py")}
    named = set(re.findall(r"`(test_\w+(?:\.py)?)`", ALL))
    assert len(named) > 90 and named - existing == set()


def test_the_files_that_are_named_exist() -> None:
    named = set(re.findall(r"`((?:tests|docs|deployments)/[\w/.-]*)`", ALL))
    benchmarks = set(re.findall(r"-m benchmarks\.(\w+)", ALL))
    assert benchmarks <= {path.stem for path in (ROOT / "benchmarks").iterdir()}
    assert len(named) > 8
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


def test_the_targets_of_make_that_are_named_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = {word for line in re.findall(r"^([\w -]+):", makefile, re.M) for word in line.split()}
    named = {word for code in CODE for word in re.findall(r"^(?:\w+=\S+ )*make (\w+)", code)}
    assert len(named) > 5 and named - targets == set()


def test_no_page_installs_from_an_index_what_is_not_published() -> None:
    assert [code for code in CODE if re.search(r"pip install '?jupyter_mcp_ext", code)] == []

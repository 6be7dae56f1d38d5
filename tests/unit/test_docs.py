"""The pages in `docs`: what is generated is fresh, and what is quoted, named or linked is there."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import json
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import tornado.web

from jupyter_mcp_ext import (
    boundary,
    collaboration,
    contents,
    control,
    entrance,
    environments,
    errors,
    gateway,
    handlers,
    loss_notes,
    losses,
    tools,
)
from jupyter_mcp_ext.cli import probe, servers
from jupyter_mcp_ext.clients import Connection
from jupyter_mcp_ext.tools import TOOLSETS, running

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [
    *sorted(DOCS.glob("*.md")),
    *sorted((DOCS / "decisions").glob("*.md")),
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md")),
]


def load_generator() -> Any:
    spec = importlib.util.spec_from_file_location("generate_docs", DOCS / "generate.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


generate = load_generator()


def read(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)\n```", page, re.DOTALL)


def literals(module: ModuleType) -> set[str]:
    """The strings in a module's code; of an f-string, the parts between the values."""
    nodes = ast.walk(ast.parse(inspect.getsource(module)))
    values = (node.value for node in nodes if isinstance(node, ast.Constant))
    return {value for value in values if isinstance(value, str)}


# What is generated


@pytest.mark.parametrize("name", generate.PAGES)
def test_generated_pages_are_as_the_code_has_them(name: str) -> None:
    assert read(name) == generate.PAGES[name](), "run `python docs/generate.py`"


def test_the_check_fails_where_a_page_is_stale(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["generate.py", "--check"])
    with pytest.raises(SystemExit) as fresh:
        generate.main()
    monkeypatch.setattr(generate, "PAGES", {"tools.md": lambda: "other"})
    with pytest.raises(SystemExit) as stale:
        generate.main()
    assert fresh.value.code == 0
    assert "tools.md" in str(stale.value.code)  # A text is printed, and the status is 1.
    assert read("tools.md") != "other"


def test_all_rights_that_tools_ask_for_are_listed() -> None:
    # `toolset` itself asks for `needs`, and `running` once more for those of a call that goes on;
    # the others must ask in the function that is the tool.
    asked = 0
    for path in Path(str(tools.__file__)).parent.glob("*.py"):
        if path.name not in ("toolset.py", "running.py"):
            nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            asked += sum(getattr(node, "attr", "") == "require" for node in nodes)
    every = [tool for toolset in TOOLSETS for tool in toolset.tools]
    assert asked == sum(len(generate._conditional(tool)) for tool in every)


def test_words_are_only_kept_for_arguments_that_exist() -> None:
    names = {
        name
        for toolset in TOOLSETS
        for tool in toolset.tools
        for name in tool.arguments.model_fields
    }
    assert set(generate.WORDS) | set(generate.DEFAULTS) <= names


# What is quoted


def quoted_texts() -> list[str]:
    """The texts of the troubleshooting page, as the code writes them."""
    connection = Connection("http://localhost:8888/mcp", "")
    with pytest.raises(errors.InvalidRequest) as outside:
        contents.clean_path("../analysis.ipynb")
    with pytest.raises(servers.NoConnection) as no_server:
        servers.choose_server([])
    return [
        handlers.LOGIN_HINT,
        f"The request has more than {handlers.MAX_BODY_BYTES} bytes.",
        str(no_server.value),
        probe._login_problem(connection),
        entrance.NO_TOKEN,
        str(errors.NotebookNotFound("analysis.ipynb", "it does not exist")),
        str(outside.value),
        str(errors.NotANotebook("analysis.ipynb", "it is a directory")),
        str(errors.CellNotFound("12", ["[0] 3f2a9c01", "[1] 77b0e5d2"])),
        str(errors.TextNotFound("Cell [1] 77b0e5d2", "import numpy")),
        str(errors.AmbiguousMatch("Cell [1] 77b0e5d2", "x", 3)),
        str(errors.RemovalNotConfirmed(12, 14)),
        str(errors.KernelSilent("0f9c2d4e", 60)),
        str(errors.InterruptFailed("0f9c2d4e", control.INTERRUPT_GRACE_SECONDS)),
        running.NEXT_CALL["kernel_died"],
        loss_notes.LOST_VARIABLES.format(reason=losses.UNKNOWN),
        str(errors.KernelStartFailed("python4", "there is no such kernelspec", ["python3"])),
        str(errors.ExecutionNotFound("r7")),
        str(errors.NoSubshells("0f9c2d4e")),
        str(errors.BrokenOff("r7")),
        str(errors.ServerStopping()),
        str(errors.NotPermitted("insert_cell", "write", "contents")),
        str(errors.OtherCollaboration("jupyter_server_documents")),
    ]


GATEWAY_GONE = (
    "The gateway that has the kernels of this Jupyter server does not answer. Try again later, or "
    "ask its administrator."
)

LITERALS: list[tuple[ModuleType, tuple[str, ...]]] = [
    (tornado.web, ("'_xsrf' argument missing from POST",)),
    (handlers, ("Requests from other web origins are refused.",)),
    (handlers, ("Requests for other host names are refused.",)),
    (
        environments,
        (
            "Kernels run behind a gateway here, which starts kernelspecs and no environments.",
            "list_kernels shows them.",
        ),
    ),
    (
        collaboration,
        (
            "jupyter-collaboration is not running in this Jupyter server.",
            "Install it with `pip install jupyter-collaboration` and restart the server.",
        ),
    ),
    (
        collaboration,
        (
            "Real-time collaboration is switched off in this Jupyter server.",
            "Remove YDocExtension.disable_rtc from its configuration.",
        ),
    ),
]
"""Texts that no function makes, and the parts of them that stand in the code."""


def test_the_troubleshooting_page_quotes_what_the_code_says() -> None:
    failed = " failed inside the Jupyter server; its log has the reason."
    assert failed in literals(boundary)
    assert "the server has nothing at " in literals(probe)
    for module, parts in LITERALS:
        assert literals(module) >= set(parts), module.__name__
    assert literals(gateway) >= {
        "The gateway that has the kernels of this Jupyter server ",
        "does not answer",
        "Try again later, or ask its administrator.",
    }
    texts = [
        *quoted_texts(),
        GATEWAY_GONE,
        f"insert_cell{failed}",
        *(" ".join(parts) for _, parts in LITERALS),
    ]
    assert sorted(blocks(read("troubleshooting.md"), "text")) == sorted(texts)


def test_the_read_only_authorizer_is_the_one_that_is_tested() -> None:
    example = next(text for text in blocks(read("security.md"), "python") if "Authorizer" in text)
    door = (ROOT / "tests/integration/test_door.py").read_text(encoding="utf-8")
    tested = re.search(r'^AUTHORIZER = """(.*?)"""', door, re.MULTILINE | re.DOTALL)
    assert tested is not None
    assert ast.dump(ast.parse(example)) == ast.dump(ast.parse(tested[1]))


def test_the_hub_page_shows_what_the_tests_run() -> None:
    authorizer = next(text for text in blocks(read("jupyterhub.md"), "python") if "class R" in text)
    tested = (ROOT / "tests/hub/read_only_tokens.py").read_text(encoding="utf-8")
    body = ast.parse(tested).body[1:]  # Without its docstring.
    assert ast.dump(ast.Module(body, [])) == ast.dump(ast.parse(authorizer))


def test_what_another_server_has_is_shown_by_a_test_here_or_dropped() -> None:
    rows = [line.split(" | ") for line in read("migrating.md").splitlines() if line[:3] == "| `"]
    assert len(rows) > 80
    for theirs, here, tests in rows:
        assert "`test_" in tests or here.startswith("dropped: "), theirs


def test_the_calls_of_the_migrating_page_can_be_made() -> None:
    known = {tool.name: tool.arguments.model_fields for each in TOOLSETS for tool in each.tools}
    rows = [line.split(" | ") for line in read("migrating.md").splitlines() if line[:2] == "| "]
    calls = re.findall(r"`(\w+)\((.*?)\)`", "\n".join(row[1] for row in rows if len(row) == 3))
    assert len(calls) > 60
    for tool, arguments in calls:
        names = [part.partition("=")[0].strip() for part in arguments.split(",") if part]
        assert set(names) <= set(known[tool]), (tool, names)


# Clients and links


def test_each_recipe_says_whether_it_was_tried_and_when() -> None:
    sections = read("clients.md").split("\n## ")[1:]
    for section in sections:
        title = section.partition("\n")[0]
        if title not in ("Any other client", "The status page"):
            assert re.search(r"Tried by us on 2\d{3}-\d\d-\d\d|Looked at on 2\d{3}", section), title
            assert "*Tried by us" in section or "*Not tried by us" in section, title


def test_the_recipes_are_valid_json() -> None:
    recipes = blocks(read("clients.md"), "json")
    assert recipes
    for recipe in recipes:
        text = json.dumps(json.loads(recipe))
        assert "/mcp" in text or '"mcp", "stdio"' in text


def anchors(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?://)([^)#\s]*)(?:#([^)\s]*))?\)", page.read_text("utf-8"))
    for path, anchor in links:
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), path
        assert not anchor or anchor in anchors(target), (path, anchor)

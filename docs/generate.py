"""Writes `tools.md`, `configuration.md` and parts of `security.md` and `architecture.md`.

`python docs/generate.py` writes what is stale; with `--check` it only says so, and exits with 1.
"""

from __future__ import annotations

import ast
import inspect
import sys
import textwrap
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo
from traitlets import Enum, TraitType

from jupyter_mcp_ext.server import INSTRUCTIONS
from jupyter_mcp_ext.settings import Settings
from jupyter_mcp_ext.tools import TOOLSETS
from jupyter_mcp_ext.tools.toolset import Tool, Toolset

DOCS = Path(__file__).parent

GENERATED = "<!-- Written by `python docs/generate.py`. Change the code, then run it again. -->"
BEGIN = "<!-- {}: begin (written by docs/generate.py) -->"
END = "<!-- {}: end -->"

LAYERS = DOCS.parent / "tests" / "unit" / "test_layers.py"

CONDITIONS = {"found.path": "for a run of a notebook"}
"""In words: the conditions of rights that are no argument."""

WORDS = {
    "content": "The whole text.",
    "create": "Make the notebook.",
    "directory": "From the server's root.",
    "execute": "Run the cell afterwards.",
    "max_chars": "Most characters of text in the answer.",
    "notebook": "Path from the server's root.",
    "overwrite": "Whether a file that is there is replaced.",
    "path": "From the server's root.",
    "on_timeout": "What happens to the run when the wait ends.",
    "recorded": "The name of a kernel: what `execute_code` ran on it, instead of the list.",
    "rerun": "Instead of code: numbers of recorded runs, such as `1-3,5`.",
    "wait_seconds": "How long to wait for the end of the run.",
}
"""Words for arguments that explain themselves to models, or that the instructions explain."""

DEFAULTS = {
    "limit": "no limit",
    "max_chars": "the server's limits",
    "wait_seconds": "the setting",
}
"""What an argument without a default value of its own is taken from."""

OTHER_SETTINGS = [
    ("`IdentityProvider.token`, or `JUPYTER_TOKEN` in the environment", "The token of the login."),
    ("`ServerApp.authorizer_class`", "Who may do what, see [security](security.md)."),
    ("`ServerApp.allow_origin`, `allow_origin_pat`", "Web pages elsewhere that may send requests."),
    ("`ServerApp.allow_remote_access`, `local_hostnames`", "Host names that requests may be for."),
    ("`ContentsManager.allow_hidden`", "Whether hidden files exist for tools, too."),
    ("`MappingKernelManager.cull_idle_timeout`", "When idle [kernels](kernels.md) end."),
    ("`ServerApp.allow_external_kernels`", "Whether kernels of other programs are listed."),
    ("`YDocExtension.document_save_delay`", "How long after an edit a notebook is saved."),
    ("`YDocExtension.document_cleanup_delay`", "How long a notebook nobody has open stays live."),
    ("`YDocExtension.disable_rtc`", "Must be off: without collaboration there are no notebooks."),
]
"""Settings of Jupyter and of jupyter-collaboration that act on this extension, too."""


def tools_page() -> str:
    tools = [tool for toolset in TOOLSETS for tool in toolset.tools]
    lines = [
        "# Tools",
        "",
        GENERATED,
        "",
        "What an MCP client is offered. Which toolsets that is, is a",
        "[setting](configuration.md#toolsets). [Security](security.md) says what the rights mean.",
        "",
        "Every client is given these instructions, and those of the toolsets:",
        "",
        *(f"> {line}" for line in textwrap.wrap(INSTRUCTIONS, 97)),
        "",
        *_table(("tool", "toolset", "what it does"), map(_overview, TOOLSETS)),
    ]
    lines.append("")
    for toolset in TOOLSETS:
        lines += [f"## Toolset `{toolset.name}`", ""]
        lines += [toolset.instructions, ""] if toolset.instructions else []
        lines += [line for tool in toolset.tools for line in _tool(tool)]
    assert tools, "There are no tools."
    return "\n".join(lines).rstrip() + "\n"


def configuration_page() -> str:
    lines = [
        "# Configuration",
        "",
        GENERATED,
        "",
        "In `jupyter_server_config.py`, which `jupyter --paths` helps to find:",
        "",
        "```python",
        "c.MCPExtension.wait_seconds = 20",
        'c.MCPExtension.toolsets = ["notebooks", "cells"]',
        "```",
        "",
        "On the command line of `jupyter lab`, `jupyter server` or `jupyter mcp lab`; for a list,",
        "the option is repeated:",
        "",
        "```sh",
        "jupyter lab --MCPExtension.wait_seconds=20 \\",
        "    --MCPExtension.toolsets=notebooks --MCPExtension.toolsets=cells",
        "```",
        "",
        "A change takes effect when the server is started again.",
        "",
    ]
    lines += [line for name, trait in _traits() for line in _trait(name, trait)]
    lines += ["## Settings of others", "", *_table(("setting", "what it is for"), [OTHER_SETTINGS])]
    return "\n".join(lines).rstrip() + "\n"


def security_page() -> str:
    """`security.md` with a fresh table of rights."""
    rows = [(f"`{tool.name}`", rights(tool)) for toolset in TOOLSETS for tool in toolset.tools]
    return _with_part("security.md", "rights", _table(("tool", "rights"), [rows]))


def architecture_page() -> str:
    """`architecture.md` with the layers that the test of them has."""
    statements = ast.parse(LAYERS.read_text(encoding="utf-8")).body
    [layers] = [
        ast.literal_eval(statement.value)
        for statement in statements
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "LAYERS"
    ]
    lines = [", ".join(sorted(layer)) for layer in layers]
    return _with_part("architecture.md", "layers", ["```text", *lines, "```"])


def _with_part(page: str, name: str, lines: list[str]) -> str:
    """A page in which this part is fresh; all else in it is written by hand."""
    text = (DOCS / page).read_text(encoding="utf-8")
    begin, end = BEGIN.format(name), END.format(name)
    before, _, rest = text.partition(begin)
    _, found, after = rest.partition(end)
    assert found, f"{page} has lost the marks of its {name}"
    return "\n".join([before + begin, *lines, end + after])


# Tools


def _overview(toolset: Toolset) -> list[tuple[str, ...]]:
    return [
        (f"[`{tool.name}`](#{tool.name})", f"`{toolset.name}`", _sentences(tool)[0])
        for tool in toolset.tools
    ]


def _sentences(tool: Tool) -> list[str]:
    return [" ".join(part.split()) for part in (tool.description.description or "").split("\n\n")]


def _tool(tool: Tool) -> list[str]:
    rows = [_argument(tool, name) for name in tool.description.input_schema.get("properties", {})]
    paragraphs = [line for part in _sentences(tool) for line in (part, "")]
    return [
        f"### {tool.name}",
        "",
        f"*{tool.description.title or tool.name}.*",
        "",
        *paragraphs,
        *(_table(("argument", "type", "default", "meaning"), [rows]) if rows else []),
        *([""] if rows else []),
        f"- Rights: {rights(tool)}.",
        f"- {annotations(tool)}",
        "",
    ]


def _argument(tool: Tool, name: str) -> tuple[str, ...]:
    schema = tool.description.input_schema["properties"][name]
    field = tool.arguments.model_fields[name]
    words = schema.get("description") or WORDS.get(name, "")
    default = DEFAULTS.get(name, "") if field.default is None else _default(field)
    return f"`{name}`", _type(schema, field), default, words


def _type(schema: dict[str, Any], field: FieldInfo) -> str:
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    kind = schema.get("type", "any")
    text = " or ".join(kind) if isinstance(kind, list) else str(kind)
    least = [rule.ge for rule in field.metadata if getattr(rule, "ge", None) is not None]
    most = [rule.le for rule in field.metadata if getattr(rule, "le", None) is not None]
    # The bounds that clients are not told are still checked.
    text += "".join(f", from {bound:,}" for bound in least)
    return text + "".join(f" to {bound:,}" for bound in most)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "needed"
    if isinstance(field.default, bool):
        return f"`{str(field.default).lower()}`"
    return f'`"{field.default}"`' if isinstance(field.default, str) else f"`{field.default}`"


def rights(tool: Tool) -> str:
    """What a call asks Jupyter's authorizer for: always, and with which arguments."""
    always = [f"`{action} {resource}`" for action, resource in tool.needs]
    sometimes = [
        f"`{action} {resource}` {condition}".rstrip()
        for (action, resource), condition in _conditional(tool)
    ]
    return ", ".join(always + sometimes) or "none but a login"


def _conditional(tool: Tool) -> list[tuple[tuple[str, str], str]]:
    """The rights that the function itself asks for, with the `if` around each in words."""
    function: Any = tool.function
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    found = []

    def visit(node: ast.AST, conditions: tuple[tuple[ast.expr, bool], ...]) -> None:
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "require":
            right = function.__globals__[ast.unparse(node.args[0])]
            words = (_in_words(tool, *condition) for condition in conditions)
            found.append((right, " and ".join(words)))
        for name, value in ast.iter_fields(node):
            inner = conditions
            if isinstance(node, ast.If) and name in ("body", "orelse"):
                inner = (*conditions, (node.test, name == "body"))
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    visit(child, inner)

    visit(tree, ())
    return found


def _in_words(tool: Tool, test: ast.expr, is_met: bool) -> str:
    text = ast.unparse(test)
    field = tool.arguments.model_fields.get(text)
    if field is None:
        assert is_met, f"no words for the opposite of {text}"
        return CONDITIONS[text]
    if isinstance(field.default, bool):
        return f"with `{text}={str(is_met).lower()}`"
    return f"{'with' if is_met else 'without'} `{text}`"


def annotations(tool: Tool) -> str:
    """What the tool's annotations tell a client, in words."""
    hints = tool.description.annotations
    if hints is None:
        return "Tells clients nothing about what it does to the world."
    if hints.read_only_hint:
        return "Tells clients that it only reads."
    changes = "may change or remove what is there"
    if not hints.destructive_hint:
        changes = "removes and replaces nothing"
    again = "does no more" if hints.idempotent_hint else "does it once more"
    reach = ", and that it reaches beyond the notebooks" if hints.open_world_hint else ""
    return f"Tells clients that it {changes}, that a second call {again}{reach}."


# Configuration


def _traits() -> list[tuple[str, TraitType[Any, Any]]]:
    own = Settings.class_own_traits(config=True)
    # In the order of the code, which groups them.
    return [(name, own[name]) for name in vars(Settings) if name in own]


def _trait(name: str, trait: TraitType[Any, Any]) -> list[str]:
    kind = type(trait).__name__
    values: Iterable[Any] = trait.values or () if isinstance(trait, Enum) else ()
    if name == "toolsets":
        values = [toolset.name for toolset in TOOLSETS]
    listed = ", ".join(f"`{value}`" for value in values)
    return [
        f"## `{name}`",
        "",
        " ".join(str(trait.help).split()),
        "",
        f"- Type: {kind}{' of ' + listed if listed else ''}",
        f"- Default: `{trait.default_value_repr()}`",
        "",
    ]


# Both


def _table(head: tuple[str, ...], groups: Iterable[Iterable[tuple[str, ...]]]) -> list[str]:
    rows = [head, ("---",) * len(head), *(row for group in groups for row in group)]
    return [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows]


PAGES = {
    "tools.md": tools_page,
    "configuration.md": configuration_page,
    "security.md": security_page,
    "architecture.md": architecture_page,
}


def stale() -> dict[str, str]:
    """The pages that are not as the code has them, with the text they should have."""
    found = {}
    for name, page in PAGES.items():
        path, text = DOCS / name, page()
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            found[name] = text
    return found


def main() -> None:
    pages = stale()
    if "--check" in sys.argv[1:]:
        names = ", ".join(pages)
        sys.exit(f"Stale: {names}. Run `python docs/generate.py`." if pages else 0)
    for name, text in pages.items():
        (DOCS / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

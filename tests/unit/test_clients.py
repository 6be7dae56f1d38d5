"""The configuration of each client: what is printed, and what is written into its file."""

from __future__ import annotations

import json
import shlex
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jupyter_mcp_ext.cli.config import ConfigCommand
from jupyter_mcp_ext.cli.files import NotWritten, write_entry
from jupyter_mcp_ext.clients import CLIENTS, Connection
from jupyter_mcp_ext.page import recipes

CONNECTION = Connection("http://localhost:8888/mcp", "s3cret")
HEADERS = {"headers": {"Authorization": "Bearer s3cret"}}
URL = CONNECTION.url

HTTP: dict[str, tuple[str, dict[str, Any]]] = {
    "any": ("mcpServers", {"type": "http", "url": URL}),
    "claude-code": ("mcpServers", {"type": "http", "url": URL}),
    "cline": ("mcpServers", {"type": "streamableHttp", "url": URL}),
    "cursor": ("mcpServers", {"url": URL}),
    "gemini": ("mcpServers", {"type": "http", "url": URL}),
    "inspector": ("mcpServers", {"type": "streamable-http", "url": URL}),
    "vscode": ("servers", {"type": "http", "url": URL}),
    "windsurf": ("mcpServers", {"serverUrl": URL}),
}


@pytest.mark.parametrize("name", HTTP)
def test_each_client_gets_its_own_words_for_an_address(name: str) -> None:
    section, entry = HTTP[name]
    client = CLIENTS[name]
    printed = json.loads(client.format(client.entry(CONNECTION)))
    assert printed == {section: {"jupyter": entry | HEADERS}}


LISTING = ["jupyter-ai", "jupyter-mcp-manager"]


@pytest.mark.parametrize("name", LISTING)
def test_clients_that_keep_lists_get_lists(name: str, tmp_path: Path) -> None:
    file = tmp_path / "mcp.json"
    file.write_text('{"mcp_servers": [{"name": "other"}, {"name": "jupyter"}], "more": 1}')
    client = CLIENTS[name]
    headers = [{"name": "Authorization", "value": "Bearer s3cret"}]
    http = {"name": "jupyter", "type": "http", "url": URL, "headers": headers}
    assert write_entry(client, file, client.entry(CONNECTION)) == {"name": "jupyter"}
    assert json.loads(file.read_text()) == {"mcp_servers": [{"name": "other"}, http], "more": 1}
    bridge = client.stdio_entry(["/project"], "s3cret")
    assert json.loads(client.format(bridge)) == {"mcp_servers": [bridge]}
    assert bridge["type"] == "stdio" and bridge["name"] == "jupyter"
    assert bridge["env"] == [{"name": "JUPYTER_TOKEN", "value": "s3cret"}]


def test_a_client_that_is_known_is_tested_here() -> None:
    assert set(CLIENTS) == {*HTTP, *LISTING, "claude-desktop"}  # Which only starts programs.


@pytest.mark.parametrize("name", sorted({*CLIENTS} - {*LISTING}))
def test_each_client_can_start_the_bridge(name: str) -> None:
    entry = CLIENTS[name].stdio_entry(["/project"])
    assert entry.pop("type", "") == ("stdio" if name == "vscode" else "")
    assert entry == {
        "command": sys.executable,
        "args": ["-m", "jupyter_mcp_ext.cli", "stdio", "/project"],
    }


def test_other_entries_are_left_as_they_are(tmp_path: Path) -> None:
    file = tmp_path / "settings.json"
    others = {"theme": "Dörk", "mcpServers": {"files": {"command": "x", "args": ["1"]}}, "last": 1}
    file.write_text(json.dumps(others))
    file.chmod(0o640)
    assert write_entry(CLIENTS["gemini"], file, {"url": "new"}) is None
    written = json.loads(file.read_text())
    assert written.pop("mcpServers") == {**others["mcpServers"], "jupyter": {"url": "new"}}  # type: ignore[dict-item]
    assert written == {"theme": "Dörk", "last": 1}
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert write_entry(CLIENTS["gemini"], file, {"url": "newer"}) == {"url": "new"}
    assert [path.name for path in tmp_path.iterdir()] == ["settings.json"]


def test_a_new_file_is_for_its_owner_only(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "mcp.json"
    write_entry(CLIENTS["vscode"], file, {"url": "x"})
    assert json.loads(file.read_text()) == {"servers": {"jupyter": {"url": "x"}}}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real.json").write_text("{}")
    link = tmp_path / "link.json"
    link.symlink_to(tmp_path / "real.json")
    write_entry(CLIENTS["cursor"], link, {"url": "x"})
    assert link.is_symlink() and "jupyter" in (tmp_path / "real.json").read_text()


@pytest.mark.parametrize(
    "content", [b"{ // mine\n}", b"[]", b'{"mcpServers": []}', "{}".encode("utf-16")]
)
def test_a_file_that_cannot_be_kept_whole_is_not_touched(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "mcp.json"
    file.write_bytes(content)
    with pytest.raises(NotWritten):
        write_entry(CLIENTS["cursor"], file, {"url": "x"})
    assert file.read_bytes() == content


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotWritten, match="Is a directory"):
        write_entry(CLIENTS["cursor"], tmp_path, {"url": "x"})


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Run `jupyter mcp config` in an empty directory which is the home, too."""
    for name in ("HOME", "USERPROFILE", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.delenv("JUPYTER_TOKEN", raising=False)
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> None:
        command = ConfigCommand()
        command.initialize(list(arguments))
        command.start()

    return run


def test_the_bridge_is_written_without_a_token_and_without_a_server(
    command: Callable[..., None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command("--client=cursor", "--stdio", "--write")
    written = json.loads((tmp_path / ".cursor/mcp.json").read_text())
    assert written["mcpServers"]["jupyter"]["args"][-1] == str(tmp_path.resolve())
    assert "Added 'jupyter'" in capsys.readouterr().err
    command("--client=cursor", "--stdio", "--write")
    assert "Replaced 'jupyter'" in capsys.readouterr().err


def test_the_bridge_to_a_server_elsewhere_takes_its_token_along(
    command: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    command("--client=claude-desktop", "--url=https://hub/user/ada/lab?token=s3cret")
    entry = json.loads(capsys.readouterr().out)["mcpServers"]["jupyter"]
    assert entry["args"][-1] == "--url=https://hub/user/ada/"
    assert entry["env"] == {"JUPYTER_TOKEN": "s3cret"}


def test_a_client_whose_file_is_unknown_needs_a_named_one(
    command: Callable[..., None], tmp_path: Path
) -> None:
    with pytest.raises(SystemExit, match="--file"):
        command("--client=cline", "--stdio", "--write")
    command("--client=cline", "--stdio", "--write", "--file=mine.json")
    assert (tmp_path / "mine.json").exists()


def test_the_page_has_a_recipe_for_each_client_and_nothing_of_the_servers_own_machine() -> None:
    found = recipes(URL, needs_token=True)
    assert {recipe.name for recipe in found} == {client.title for client in CLIENTS.values()}
    assert not [recipe for recipe in found if sys.prefix in recipe.text]


def test_the_pages_command_for_a_client_without_addresses_can_be_run_as_it_is(
    command: Callable[..., None], tmp_path: Path
) -> None:
    [recipe] = [each for each in recipes(URL, needs_token=True) if each.name == "Claude Desktop"]
    words = shlex.split(recipe.text)
    assert words[:3] == ["jupyter", "mcp", "config"]
    command(*words[3:])
    [file] = tmp_path.rglob("claude_desktop_config.json")
    entry = json.loads(file.read_text())["mcpServers"]["jupyter"]
    assert entry["args"][-1] == "--url=http://localhost:8888/"
    assert entry["env"] == {"JUPYTER_TOKEN": "YOUR_TOKEN"}


def test_a_server_without_a_login_needs_no_token_in_any_recipe() -> None:
    assert not [each for each in recipes(URL, needs_token=False) if "TOKEN" in each.text]

"""`jupyter mcp config`, with real runtime files and a real HTTP server in place of Jupyter."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from jupyter_mcp_ext.cli import MCPApp
from jupyter_mcp_ext.cli.config import ConfigCommand
from jupyter_mcp_ext.cli.probe import check_endpoint
from jupyter_mcp_ext.cli.servers import NoConnection, RunningServer, SameServer
from jupyter_mcp_ext.clients import Connection, format_claude_command, format_json

TOKEN = "s3cret"


@dataclass
class FakeJupyter:
    """Answers `OPTIONS` with `installed` and `POST` as a server with `token` would."""

    port: int = 0
    token: str = TOKEN
    installed: int = 204
    reply: int = 200
    requests: list[tuple[str, str, str]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def info(self, root: Path, **changes: Any) -> dict[str, Any]:
        return {
            "base_url": "/",
            "hostname": "127.0.0.1",
            "password": False,
            "pid": os.getpid(),
            "port": self.port,
            "root_dir": str(root),
            "secure": False,
            "sock": "",
            "token": self.token,
            "url": self.url,
            **changes,
        }

    def status(self, method: str, authorization: str) -> int:
        if method == "OPTIONS" or self.installed == 404:
            return self.installed
        if self.token and authorization != f"Bearer {self.token}":
            return 403
        return self.reply


def serve(jupyter: FakeJupyter) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            authorization = self.headers.get("Authorization", "")
            jupyter.requests.append((self.command, self.path, authorization))
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(jupyter.status(self.command, authorization))
            self.send_header("Location", "/login")
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_POST = do_OPTIONS = answer

        def log_message(self, *args: Any) -> None:
            """Say nothing."""

    return ThreadingHTTPServer(("127.0.0.1", 0), Handler)


@pytest.fixture
def start() -> Iterator[Callable[..., FakeJupyter]]:
    running: list[tuple[ThreadingHTTPServer, threading.Thread]] = []

    def start(**settings: Any) -> FakeJupyter:
        jupyter = FakeJupyter(**settings)
        server = serve(jupyter)
        jupyter.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        running.append((server, thread))
        return jupyter

    yield start
    for server, thread in running:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(autouse=True)
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Directories of Jupyter that nothing else uses."""
    for name in ("HOME", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR"):
        (tmp_path / name).mkdir()
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.delenv("JUPYTER_TOKEN", raising=False)
    return tmp_path / "JUPYTER_RUNTIME_DIR"


@pytest.fixture
def register(runtime: Path, tmp_path: Path) -> Callable[..., Path]:
    """Write the runtime file of a server with a root of this name; returns the root."""

    def register(jupyter: FakeJupyter, root: str = "root", **changes: Any) -> Path:
        path = tmp_path / root
        path.mkdir(parents=True, exist_ok=True)
        file = runtime / f"jpserver-{len(list(runtime.iterdir()))}.json"
        file.write_text(json.dumps(jupyter.info(path, **changes)))
        return path

    return register


@pytest.fixture
def config(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., tuple[Connection | str, str]]:
    """Run `jupyter mcp config` in `cwd`; returns the connection or error, and the warning."""

    def config(*arguments: str, cwd: Path = tmp_path) -> tuple[Connection | str, str]:
        monkeypatch.chdir(cwd)
        command = ConfigCommand()
        try:
            command.initialize(list(arguments))
            command.start()
        except SystemExit as stop:
            assert capsys.readouterr().out == ""
            return str(stop.code), ""
        captured = capsys.readouterr()
        printed, _, claude = captured.out.rpartition("\n\n")
        server = json.loads(printed)["mcpServers"]["jupyter"]
        authorization = server.get("headers", {}).get("Authorization", "")
        connection = Connection(server["url"], authorization.removeprefix("Bearer "))
        assert claude.strip() == format_claude_command(connection)
        return connection, captured.err

    return config


Start = Callable[..., FakeJupyter]
Register = Callable[..., Path]
Config = Callable[..., tuple[Connection | str, str]]


def test_config_prints_the_address_and_the_token_of_the_only_server(
    start: Start, register: Register, config: Config
) -> None:
    jupyter = start()
    register(jupyter)
    assert config() == (Connection(jupyter.url + "mcp", TOKEN), "")
    asked = [(method, path) for method, path, _ in jupyter.requests]
    login = "/mcp/.well-known/oauth-protected-resource"
    assert asked == [("GET", login), ("OPTIONS", "/mcp"), ("POST", "/mcp")]


def test_the_server_with_the_nearest_root_is_chosen(
    start: Start, register: Register, config: Config
) -> None:
    outer, inner = start(), start()
    register(outer, "project")
    register(inner, "project/notebooks")
    directory = register(start(), "elsewhere").parent / "project" / "notebooks" / "deep"
    directory.mkdir()
    assert config(cwd=directory)[0] == Connection(inner.url + "mcp", TOKEN)
    assert config(str(directory.parent.parent))[0] == Connection(outer.url + "mcp", TOKEN)


def test_several_candidates_are_listed_without_their_tokens(
    start: Start, register: Register, config: Config
) -> None:
    one, other = start(), start()
    register(one, "one")
    register(other, "other")
    message, _ = config()
    assert isinstance(message, str)
    assert {f"--url={each.url}" for each in (one, other)} <= set(message.split())
    assert TOKEN not in message


def test_a_named_directory_that_no_server_has_is_an_error(
    start: Start, register: Register, config: Config, tmp_path: Path
) -> None:
    register(start())
    message, _ = config(str(tmp_path / "HOME"))
    assert "no running Jupyter server" in str(message)


def test_without_a_server_the_error_says_how_to_start_one(config: Config) -> None:
    message, _ = config()
    assert "jupyter mcp lab" in str(message)


def test_a_server_that_was_killed_is_passed_over_though_its_process_id_is_in_use(
    start: Start, register: Register, config: Config
) -> None:
    register(FakeJupyter(port=1), "killed")
    jupyter = start()
    register(jupyter, "alive")
    assert config()[0] == Connection(jupyter.url + "mcp", TOKEN)


def test_a_server_without_the_extension_is_told_to_install_it(
    start: Start, register: Register, config: Config
) -> None:
    register(start(installed=404))
    message, _ = config()
    assert "install jupyter_mcp_ext" in str(message)


def test_a_token_that_the_server_refuses_is_not_printed(
    start: Start, register: Register, config: Config
) -> None:
    register(start(), token="stale")
    message, _ = config()
    assert "refuses the token" in str(message)
    assert "stale" not in str(message)


def test_a_server_with_a_password_only_is_said_to_need_a_token(
    start: Start, register: Register, config: Config
) -> None:
    register(start(), token="", password=True)
    message, _ = config()
    assert "JUPYTER_TOKEN" in str(message)


def test_a_server_without_a_login_gets_no_header_and_a_warning(
    start: Start, register: Register, config: Config
) -> None:
    jupyter = start(token="")
    register(jupyter)
    connection, warning = config()
    assert connection == Connection(jupyter.url + "mcp", "")
    assert "no login" in warning


def test_a_server_on_a_unix_socket_is_said_to_be_out_of_reach(
    register: Register, config: Config, tmp_path: Path
) -> None:
    socket = tmp_path / "jupyter.sock"
    socket.touch()
    register(FakeJupyter(), sock=str(socket), url="http+unix://jupyter.sock/", port=0)
    message, _ = config()
    assert str(socket) in str(message)


@pytest.mark.parametrize("path", ["", "lab", "lab/tree/a.ipynb", "mcp", "?token=old"])
def test_any_address_on_a_running_server_names_it(
    start: Start, register: Register, config: Config, path: str
) -> None:
    jupyter = start()
    register(jupyter, "one")
    register(start(), "other")
    url = f"http://localhost:{jupyter.port}/{path}"
    assert config(f"--url={url}")[0] == Connection(jupyter.url + "mcp", TOKEN)


def test_the_token_of_a_server_elsewhere_comes_from_its_address_or_the_environment(
    start: Start, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    jupyter = start()
    expected = Connection(jupyter.url + "user/lab/mcp", TOKEN)
    assert config(f"--url={jupyter.url}user/lab/?token={TOKEN}")[0] == expected
    monkeypatch.setenv("JUPYTER_TOKEN", TOKEN)
    assert config(f"--url={jupyter.url}user/lab/lab")[0] == expected


def test_a_text_that_is_no_address_is_an_error(config: Config) -> None:
    message, _ = config("--url=localhost:8888")
    assert "no address" in str(message)


def test_a_redirect_does_not_carry_the_token_along(start: Start) -> None:
    jupyter = start(reply=302)
    with pytest.raises(NoConnection):
        check_endpoint(Connection(jupyter.url + "mcp", TOKEN))
    assert [path for _, path, _ in jupyter.requests] == ["/mcp", "/mcp"]


@pytest.mark.parametrize("status", [500, 503])
def test_an_endpoint_that_fails_is_not_printed(start: Start, status: int) -> None:
    jupyter = start(reply=status)
    with pytest.raises(NoConnection, match=str(status)):
        check_endpoint(Connection(jupyter.url + "mcp", TOKEN))


def test_an_endpoint_that_does_not_answer_is_not_printed() -> None:
    with pytest.raises(NoConnection, match="does not answer"):
        check_endpoint(Connection("http://127.0.0.1:1/mcp", TOKEN))


@pytest.mark.parametrize(
    ("hostname", "secure", "url"),
    [
        ("0.0.0.0", False, "http://127.0.0.1:8888/base/"),
        ("::", False, "http://[::1]:8888/base/"),
        ("0.0.0.0", True, "https://machine:8888/base/"),
        ("machine", False, "http://machine:8888/base/"),
    ],
)
def test_a_server_that_listens_everywhere_is_reached_on_this_machine(
    hostname: str, secure: bool, url: str
) -> None:
    scheme = "https" if secure else "http"
    info = {"url": f"{scheme}://machine:8888/base/", "port": 8888, "base_url": "/base/"}
    info |= {"hostname": hostname, "secure": secure, "root_dir": "/", "token": "", "sock": ""}
    assert RunningServer.from_info(info).url == url


def test_the_configuration_is_what_clients_read() -> None:
    connection = Connection("http://localhost:8888/mcp", TOKEN)
    assert json.loads(format_json(connection)) == {
        "mcpServers": {
            "jupyter": {
                "type": "http",
                "url": "http://localhost:8888/mcp",
                "headers": {"Authorization": f"Bearer {TOKEN}"},
            }
        }
    }
    assert format_claude_command(connection) == (
        "claude mcp add --transport http jupyter http://localhost:8888/mcp "
        f'--header "Authorization: Bearer {TOKEN}"'
    )


def test_a_client_is_not_moved_to_the_server_of_another_project(
    start: Callable[..., FakeJupyter],
    register: Callable[..., Path],
    runtime: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    first, other, again = start(token="first"), start(token="other"), start(token="again")
    root = register(first, "all/project")
    finders = [SameServer("", None), SameServer("", root / "below")]
    assert [find() for find in finders] == [Connection(f"{first.url}mcp", "first")] * 2
    [file] = runtime.iterdir()
    file.unlink()
    register(other, "all")
    for find in finders:
        with pytest.raises(NoConnection, match="project any more"):
            find()
    register(again, "all/project")
    assert [find() for find in finders] == [Connection(f"{again.url}mcp", "again")] * 2


@pytest.mark.skipif(sys.platform == "win32", reason="processes are not looked for there")
def test_the_token_of_a_dead_server_is_sent_to_nobody(
    start: Callable[..., FakeJupyter],
    register: Callable[..., Path],
    config: Callable[..., tuple[Connection | str, str]],
) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    listening = start()
    root = register(listening, pid=ended.pid, token="of the dead")
    answer, _ = config(cwd=root)
    assert "no running Jupyter server" in str(answer)
    assert listening.requests == []


def test_a_token_with_characters_of_the_shell_is_quoted() -> None:
    command = format_claude_command(Connection("http://localhost:8888/mcp", "a$(b)`c`"))
    assert command.endswith("--header 'Authorization: Bearer a$(b)`c`'")


def test_neither_a_connection_nor_a_server_shows_its_token_when_it_is_logged() -> None:
    server = RunningServer("http://localhost:8888/", Path("/"), TOKEN)
    assert TOKEN not in f"{server!r} {server.connection()!r}"


def test_the_command_line_needs_neither_the_sdk_nor_jupyterlab() -> None:
    code = (
        "import sys, jupyter_mcp_ext.cli; print({'mcp','pydantic','jupyterlab'} & {*sys.modules})"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"


@pytest.mark.parametrize("arguments", [[], ["nonsense"]])
def test_a_missing_or_unknown_command_fails(arguments: list[str]) -> None:
    app = MCPApp()
    app.initialize(arguments)
    with pytest.raises(SystemExit) as stop:
        app.start()
    assert stop.value.code not in (0, None)

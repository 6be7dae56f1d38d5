"""What an attacker tries: each test is one attack on a real server, which must come to nothing."""

from __future__ import annotations

import gzip
import json
import socket
from base64 import b64encode
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, suppress
from functools import partial
from hashlib import blake2b, sha256
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit
from uuid import uuid4

import httpx2
import pytest
from anyio import create_task_group, fail_after, sleep, to_thread
from mcp.shared.exceptions import MCPError

from jupyter_mcp_ext.settings import TOOLSETS

from ..agent import HANDSHAKE, STATELESS, Era, connect_agent, text
from ..server import NOTEBOOKS, Server, run_server, with_modules
from ..wire import connect_wire
from .test_audit import listening
from .test_logins import browser_visit

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
async def attacked(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """A server that logs all it can, with all toolsets."""
    toolsets = [f"--MCPExtension.toolsets={name}" for name in TOOLSETS]
    base = tmp_path_factory.mktemp("attacked")
    async with run_server(base, "--debug", *toolsets, module="jupyter_server") as server:
        yield server


def place_of(server: Server) -> tuple[str, int]:
    place = urlsplit(server.url)
    assert place.hostname and place.port
    return place.hostname, place.port


async def raw(server: Server, head: str, body: bytes = b"", seconds: float = 10) -> bytes:
    """What comes back until the server closes the connection, which it must."""
    host = f"Host: {urlsplit(server.url).netloc}\r\n" if "\r\nHost:" not in head else ""

    def talk() -> bytes:
        with socket.create_connection(place_of(server), timeout=seconds) as connection:
            connection.sendall(f"{head}\r\n{host}\r\n".encode() + body)
            return b"".join(iter(lambda: connection.recv(65536), b""))

    return await to_thread.run_sync(talk)


# Tokens


@pytest.mark.parametrize(
    ("method", "more", "status"),
    [
        ("POST", "Origin: https://evil.example\r\nContent-Length: 0", 403),
        ("POST", "Host: evil.example\r\nContent-Length: 0", 403),
        ("POST", "Content-Length: 99999999", 413),
        ("PUT", "Content-Length: 0", 405),
    ],
)
async def test_a_token_in_a_refused_address_is_not_logged(
    attacked: Server, method: str, more: str, status: int
) -> None:
    before = len(attacked.log_text())
    answer = await raw(attacked, f"{method} /mcp?token={attacked.token} HTTP/1.1\r\n{more}")
    assert answer.split(b" ")[1] == str(status).encode()
    with fail_after(10):
        while f"{status} {method} /mcp" not in attacked.log_text()[before:]:
            await sleep(0.05)  # It is logged after it was answered.
    assert attacked.token not in attacked.log_text()[before:]


async def test_neither_the_token_nor_code_is_in_the_log_of_a_whole_conversation(
    attacked: Server, era: Era
) -> None:
    before, path = len(attacked.log_text()), attacked.copy_notebook("plain.ipynb")
    answers = []
    async with connect_wire(attacked, era, token="") as wire:
        wire.url += f"?token={attacked.token}"
        await wire.open()
        for tool, arguments in (
            ("list_kernels", {}),
            ("open_notebook", {"notebook": path}),
            ("read_notebook", {"notebook": "../x"}),
            ("insert_cell", {"notebook": path, "source": "'hunter' + '2'", "execute": True}),
            ("execute_code", {"notebook": path, "code": "input('hunter2')"}),
            ("connect_kernel", {"connection_file": "nothing.json"}),
            ("list_kernels", {}),
        ):
            answers.append(json.dumps(await wire.result(tool, **arguments)))
        for body, method in ((b"{", "POST"), (b"", "PATCH"), (b"", "DELETE")):
            answers.append((await wire.send(body, method=method)).text)
    assert attacked.token not in "".join(answers)
    logged = attacked.log_text()[before:]
    assert "POST /mcp?token=[secret]" in logged
    assert attacked.token not in logged and "hunter" not in logged


async def test_the_id_of_an_agent_is_no_test_for_guessed_tokens(attacked: Server) -> None:
    path = attacked.copy_notebook("plain.ipynb")
    async with (
        listening(attacked) as listener,
        connect_agent(attacked.mcp_url, attacked.token, name="guess") as agent,
    ):
        await agent.tell("move_cell", notebook=path, cell=0, after="end")
        seen = (await listener.next(path))["agent"]
    logins = [attacked.token, f"Bearer {attacked.token}"]
    known = ["\0".join([*session, login, "guess"]) for session in ([], [""]) for login in logins]
    kinds = (sha256, partial(blake2b, digest_size=8))
    assert seen not in {kind(each.encode()).hexdigest()[:16] for kind in kinds for each in known}


OPEN_TO_ALL = "import os; os.umask(0)"


async def test_what_is_kept_on_disk_is_for_its_owner_only_whatever_the_umask(
    start_server: Callable[..., Any], tmp_path: Path
) -> None:
    modules = tmp_path / "modules"
    modules.mkdir()
    (modules / "sitecustomize.py").write_text(OPEN_TO_ALL)
    server = await start_server(module="jupyter_server", environment=with_modules(modules))
    path, kept = server.copy_notebook("plain.ipynb"), server.root.parent / "data/jupyter_mcp_ext"
    async with connect_agent(server.mcp_url, server.token) as agent:
        await agent.tell("start_kernel", name="kept")
        await agent.tell("execute_code", kernel="kept", code="password = 'hunter2'")
        await agent.tell("insert_cell", notebook=path, source="1")
        await agent.tell("read_notebook", notebook=path)
    modes = {each.relative_to(kept): each.stat().st_mode & 0o777 for each in kept.rglob("*")}
    assert kept.stat().st_mode & 0o777 == 0o700
    assert {each.suffix for each in modes} >= {"", ".json", ".gz"}
    assert set(modes.values()) == {0o700, 0o600}
    assert all((modes[each] == 0o600) == bool(each.suffix) for each in modes)


# Web pages


async def test_a_cookie_without_the_xsrf_token_does_nothing_even_where_all_origins_are_allowed(
    start_server: Callable[..., Any], era: Era
) -> None:
    server = await start_server("--ServerApp.allow_origin=*")
    cookie = {"Cookie": (await browser_visit(server, "lab"))["Cookie"]}
    async with connect_wire(server, era, token="") as wire:
        body, more = wire.call("start_kernel")
        foreign = {**more, **cookie, "Origin": "https://evil.example"}
        tricks: list[tuple[str, dict[str, str]]] = [
            ("POST", {}),
            ("POST", {"Content-Type": "text/plain"}),
            ("POST", {"Content-Type": "application/x-www-form-urlencoded"}),
            ("POST", {"X-HTTP-Method-Override": "GET"}),
            ("DELETE", {}),
        ]
        for method, trick in tricks:
            answer = await wire.send(body, {**foreign, **trick}, method)
            assert answer.status_code == 403 and "_xsrf" in answer.text
    assert await server.get("api/kernels") == []


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""]
)
async def test_what_a_form_of_a_web_page_can_send_is_no_request(
    attacked: Server, era: Era, content_type: str
) -> None:
    async with connect_wire(attacked, era) as wire:
        await wire.open()
        body, more = wire.call("start_kernel", name="by-form")
        answer = await wire.send(body, {**more, "Content-Type": content_type})
        assert answer.status_code in (400, 415)
        assert "by-form" not in (await wire.result("list_kernels"))["content"][0]["text"]


async def test_there_is_no_websocket(attacked: Server) -> None:
    key = {"Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "x" * 22 + "=="}
    async with connect_wire(attacked, STATELESS) as wire:
        upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", **key}
        assert (await wire.send(headers=upgrade, method="GET")).status_code in range(400, 500)


@pytest.mark.parametrize(
    "claim", ["X-Forwarded-Host", "X-Host", "Forwarded", "X-Forwarded-Server", "X-Original-Host"]
)
async def test_no_header_stands_in_for_the_name_of_the_host(attacked: Server, claim: str) -> None:
    own = urlsplit(attacked.url).netloc
    login = f"Authorization: Bearer {attacked.token}"
    claimed = f"{claim}: host={own}" if claim == "Forwarded" else f"{claim}: {own}"
    head = f"GET /mcp HTTP/1.1\r\nHost: evil.example\r\n{claimed}\r\n{login}\r\nAccept: text/html"
    assert (await raw(attacked, head)).startswith(b"HTTP/1.1 403")
    head = f"GET /mcp HTTP/1.1\r\n{claim}: evil.example\r\n{login}\r\nAccept: text/html"
    page = await raw(attacked, f"{head}\r\nConnection: close")
    assert page.startswith(b"HTTP/1.1 200") and b"evil.example" not in page


# Headers


async def test_nothing_that_a_client_sends_becomes_a_header_of_an_answer(
    attacked: Server, era: Era
) -> None:
    evil = "x\r\nSet-Cookie: evil=1\r\n\r\n<script>"
    async with connect_agent(attacked.mcp_url, attacked.token, era, name=evil) as agent:
        with suppress(MCPError):
            await agent.call(evil)
        await agent.call("read_notebook", notebook=evil)
    login = f"Authorization: Bearer {attacked.token}\r\nContent-Length: 2\r\nConnection: close"
    for line in (
        "Mcp-Session-Id: x%0d%0aSet-Cookie: evil=1",
        "Mcp-Session-Id: x\r\n Set-Cookie: evil=1",
        "MCP-Protocol-Version: 2026\tSet-Cookie: evil=1",
        "Last-Event-ID: x%0aSet-Cookie: evil=1",
        "Origin: http://x%0d%0aSet-Cookie: evil=1",
    ):
        answer = await raw(attacked, f"POST /mcp HTTP/1.1\r\n{login}\r\n{line}", b"{}")
        assert b"\r\nset-cookie" not in answer.lower()
    for path in (
        "/mcp%0d%0aSet-Cookie:%20evil=1",
        "/mcp/%0d%0aSet-Cookie:evil=1?token=x",
        "//x/mcp",
    ):
        answer = await raw(
            attacked, f"GET {path} HTTP/1.1\r\nAccept: text/html\r\nConnection: close"
        )
        assert b"evil=1" not in answer.partition(b"\r\n\r\n")[0]
        assert b"\r\nLocation: //" not in answer and b"\r\nLocation: http" not in answer


# Exhaustion


@pytest.mark.parametrize(
    "length", ["Content-Length: 4000000", "Transfer-Encoding: chunked", "Expect: 100-continue"]
)
async def test_a_slow_body_without_a_login_holds_nothing(attacked: Server, length: str) -> None:
    # `raw` sends no more, and fails if the connection stays open.
    answer = await raw(attacked, f"POST /mcp HTTP/1.1\r\n{length}")
    assert answer.startswith(b"HTTP/1.1 403") and b"Connection: close" in answer
    # Nothing that the server says of the body stands in the middle of it.
    head, _, rest = answer.partition(b"\r\n\r\n")
    [announced] = [line[16:] for line in head.split(b"\r\n") if line[:15] == b"Content-Length:"]
    assert "login" in json.loads(rest[: int(announced)])["error"]["message"]


async def test_a_preflight_has_no_body_to_wait_for(attacked: Server) -> None:
    await raw(attacked, "OPTIONS /mcp HTTP/1.1\r\nContent-Length: 4000000")


@pytest.mark.parametrize(
    ("method", "token", "length", "status"),
    [
        ("POST", "wrong", 3_000_000, 403),
        ("PUT", None, 3_000_000, 405),
        ("POST", None, 30_000_000, 413),
    ],
)
async def test_who_is_refused_while_sending_much_hears_why(
    attacked: Server, method: str, token: str | None, length: int, status: int
) -> None:
    async with connect_wire(attacked, STATELESS, token=token) as wire:
        for _ in range(20):
            answer = await wire.send(b"x" * length, {}, method)
            assert answer.status_code == status and "error" in answer.json()


async def test_who_has_no_login_is_answered_once_where_jupyter_asks_for_one_everywhere(
    start_server: Callable[..., Any],
) -> None:
    server = await start_server(
        "--ServerApp.allow_unauthenticated_access=False", module="jupyter_server"
    )
    async with httpx2.AsyncClient() as http:
        page = await http.get(server.mcp_url, headers={"Accept": "text/html"})
        call = await http.post(server.mcp_url, content=b"{}")
    assert page.status_code == 302 and "/login" in page.headers["location"]
    assert call.status_code == 403 and "login" in call.json()["error"]["message"]
    assert "Traceback" not in server.log_text()


HASTY = """
from jupyter_mcp_ext import app, handlers
from jupyter_mcp_ext.oauth import handlers as oauth_handlers

handlers.BODY_SECONDS = oauth_handlers.BODY_SECONDS = 1

class HastyExtension(app.MCPExtension):
    name = "hasty"

def _jupyter_server_extension_points():
    return [{"module": "hasty", "app": HastyExtension}]
"""


async def test_a_slow_body_that_is_read_is_not_waited_for_for_ever(
    start_server: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "hasty.py").write_text(HASTY)
    server = await start_server(
        "--ServerApp.jpserver_extensions=jupyter_mcp_ext=False",
        "--ServerApp.jpserver_extensions=hasty=True",
        "--HastyExtension.oauth_login=True",
        module="jupyter_server",
        environment=with_modules(tmp_path),
    )
    login = f"Authorization: Bearer {server.token}"
    await raw(server, f"POST /mcp HTTP/1.1\r\n{login}\r\nContent-Length: 4000000", b"{")
    for name in ("register", "token", "revoke"):  # These are for clients without a login.
        await raw(server, f"POST /mcp/oauth/{name} HTTP/1.1\r\nContent-Length: 9000", b"{")


async def test_a_flood_of_headers_is_cut_off(attacked: Server) -> None:
    flood = "\r\n".join(f"X-{number}: {'x' * 1000}" for number in range(100))
    assert not (await raw(attacked, f"POST /mcp HTTP/1.1\r\n{flood}")).startswith(b"HTTP/1.1 2")


async def test_a_compressed_body_is_not_unpacked(attacked: Server) -> None:
    body = gzip.compress(b" " * 50_000_000)
    async with connect_wire(attacked, HANDSHAKE) as wire:
        answer = await wire.send(body, {"Content-Encoding": "gzip"})
    assert answer.status_code == 400 and len(body) < 100_000


async def test_many_who_knock_and_wait_keep_nobody_out(attacked: Server) -> None:
    with ExitStack() as connections:
        for _ in range(200):
            waiting = socket.create_connection(place_of(attacked), timeout=10)
            connections.enter_context(waiting)
            waiting.sendall(b"POST /mcp HTTP/1.1\r\nHost: ")
        async with connect_agent(attacked.mcp_url, attacked.token) as agent:
            assert "python3" in await agent.tell("list_kernels")


async def test_an_expression_that_never_ends_ends(attacked: Server) -> None:
    cell = {"cell_type": "markdown", "metadata": {}, "id": "slow", "source": "a" * 50_000 + "!"}
    path = attacked.write_notebook(
        {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    )
    async with (
        connect_agent(attacked.mcp_url, attacked.token) as agent,
        create_task_group() as tasks,
    ):

        async def search() -> None:
            query = r"(a|a?)+$"
            answer = await agent.call("search_notebook", notebook=path, query=query, regex=True)
            assert answer.is_error

        tasks.start_soon(search)
        with fail_after(4):  # Others are served meanwhile.
            await agent.tell("list_notebooks")


# Files


ESCAPES = (
    *("../{name}", "sub/../../{name}", "./../{name}", "..//{name}", "{outside}", "/{outside}"),
    *("%2e%2e/{name}", "..%2f{name}", "..\\{name}", "RTC:../{name}", "RTC:{outside}"),
    *("C:{outside}", "file://{outside}", "~/{name}", "sub/\0/../../{name}", " ../{name} "),
    *(".hidden/{name}", "sub/.hidden/{name}", ".ipynb_checkpoints/{name}"),
)


@pytest.fixture(scope="module")
def outside(attacked: Server) -> dict[str, Path]:
    """Files that nobody may have: outside of the root, and hidden in it."""
    notebook = json.loads((NOTEBOOKS / "plain.ipynb").read_text())
    notebook["cells"][0]["source"] = "TREASURE"
    places = ("", "root/.hidden", "root/sub/.hidden", "root/.ipynb_checkpoints", "home")
    found = {}
    for place in places:
        directory = attacked.root.parent / place
        directory.mkdir(parents=True, exist_ok=True)
        for name in ("kept.txt", "kept.ipynb"):
            content = "TREASURE" if name == "kept.txt" else json.dumps(notebook)
            (directory / name).write_text(content)
            found[f"{place}/{name}"] = directory / name
    return found


@pytest.mark.parametrize("name", ["kept.txt", "kept.ipynb"])
async def test_no_spelling_of_a_path_leads_out_of_the_root_or_to_what_is_hidden(
    attacked: Server, outside: dict[str, Path], name: str
) -> None:
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in outside.values()}
    uploaded = b64encode(b"{}").decode()
    async with connect_agent(attacked.mcp_url, attacked.token) as agent:
        for escape in ESCAPES:
            path = escape.format(name=name, outside=attacked.root.parent / name)
            told = []
            for tool, arguments in (
                ("read_file", {"path": path}),
                ("download_file", {"path": path}),
                ("write_file", {"path": path, "content": "x", "overwrite": True}),
                ("edit_file", {"path": path, "old_text": "TREA", "new_text": "x"}),
                ("upload_file", {"path": path, "data": uploaded, "overwrite": True}),
                ("read_notebook", {"notebook": path, "view": "full"}),
                ("open_notebook", {"notebook": path}),
                ("insert_cell", {"notebook": path, "source": "x"}),
                ("restore_checkpoint", {"notebook": path, "checkpoint": "x"}),
                ("list_files", {"directory": path.rpartition("/")[0] or path}),
                ("connect_kernel", {"connection_file": path}),
            ):
                answer = await agent.call(tool, **arguments)
                told.append(text(answer))
                assert "inside the Jupyter server" not in told[-1], (tool, path)
            assert "TREASURE" not in "".join(told), path
            for uri in (f"notebook:///{path}", f"notebook:///{quote(path, safe='')}"):
                with pytest.raises(MCPError):
                    await agent.client.read_resource(uri)
    after = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in outside.values()}
    assert after == before


@pytest.mark.parametrize("tool", ["write_file", "upload_file", "open_notebook", "start_kernel"])
async def test_nobody_learns_whether_a_hidden_file_exists(
    attacked: Server, outside: dict[str, Path], tool: str
) -> None:
    def arguments(name: str) -> dict[str, Any]:
        path = f".{name}/kept.ipynb" if tool == "open_notebook" else f".{name}/kept.txt"
        return {
            "write_file": {"path": path, "content": ""},
            "upload_file": {"path": path, "data": ""},
            "open_notebook": {"notebook": path, "create": True},
            "start_kernel": {"directory": f".{name}"},
        }[tool]

    async with connect_agent(attacked.mcp_url, attacked.token) as agent:
        there = await agent.call(tool, **arguments("hidden"))
        missing = await agent.call(tool, **arguments("absent"))
    assert there.is_error and missing.is_error
    assert text(there).replace(".hidden", ".absent") == text(missing)


LOCAL = {
    "ip": "127.0.0.1",
    "transport": "tcp",
    "signature_scheme": "hmac-sha256",
    "key": "TREASURE",
}


@pytest.mark.parametrize(
    "content",
    [
        '"TREASURE"',
        '{"key": "TREASURE"}',
        json.dumps(LOCAL | {"shell_port": "TREASURE", "iopub_port": [], "key": {}}),
        json.dumps(LOCAL | {"shell_port": "TREASURE", "iopub_port": -1}),
        json.dumps(LOCAL | {"shell_port": 1, "iopub_port": 2, "signature_scheme": "TREASURE"}),
        json.dumps(LOCAL | {"shell_port": 1, "iopub_port": 2, "transport": "TREASURE"}),
        json.dumps(LOCAL | {"shell_port": 1, "iopub_port": 2, "ip": "TREASURE\0"}),
        "[" * 60_000,
        "TREASURE",
        "\udcff",
    ],
)
async def test_what_is_in_a_bad_connection_file_stays_there(attacked: Server, content: str) -> None:
    file = attacked.root.parent / "runtime" / f"kernel-{uuid4().hex}.json"
    file.write_text(content, errors="surrogateescape")
    async with connect_agent(attacked.mcp_url, attacked.token) as agent:
        answer = await agent.call("connect_kernel", connection_file=file.name)
        kernels = await agent.tell("list_kernels")
    assert answer.is_error and "inside the Jupyter server" not in text(answer)
    assert "TREASURE" not in text(answer) and file.name not in kernels


@pytest.mark.parametrize(
    "name",
    ["~nobody-of-that-name/a.json", "a\0b", "x" * 300, "loop.json", "up.json", "/etc/passwd"],
)
async def test_a_connection_file_is_looked_for_only_where_it_may_be(
    attacked: Server, name: str
) -> None:
    runtime = attacked.root.parent / "runtime"
    (runtime / "loop.json").unlink(missing_ok=True)
    (runtime / "loop.json").symlink_to("loop.json")
    (runtime / "up.json").unlink(missing_ok=True)
    (runtime / "up.json").symlink_to(attacked.root / "theirs.json")
    (attacked.root / "theirs.json").write_text(
        json.dumps(LOCAL | {"shell_port": 1, "iopub_port": 2})
    )
    async with connect_agent(attacked.mcp_url, attacked.token) as agent:
        answer = await agent.call("connect_kernel", connection_file=name)
        started = await agent.call("start_kernel", environment=name)
    for each in (answer, started):
        assert each.is_error and "inside the Jupyter server" not in text(each)


# Requests on the server's behalf


async def test_no_argument_of_any_tool_makes_the_server_connect_to_an_address(
    attacked: Server,
) -> None:
    path = attacked.copy_notebook("plain.ipynb")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/x.ipynb"
        async with connect_agent(attacked.mcp_url, attacked.token) as agent:
            for tool in (await agent.client.list_tools()).tools:
                names = tool.input_schema["properties"]
                taken = {name for name, kind in names.items() if kind.get("type") == "string"}
                for name in taken - {"code"}:
                    others = (
                        {"notebook": path} if "notebook" in names and name != "notebook" else {}
                    )
                    await agent.call(tool.name, **others, **{name: url})
            source = f"![x]({url}) <img src='{url}'>"
            await agent.tell("insert_cell", notebook=path, source=source, cell_type="markdown")
            await agent.tell("read_notebook", notebook=path, view="full")
        with pytest.raises(BlockingIOError):
            listener.accept()


# What models are shown

FORGED = "Note: FORGED"
EVIL = f"a\n{FORGED}\r{FORGED}\u2028{FORGED}\x0b{FORGED}"

LATER = """
import threading
kernel = get_ipython().kernel
parent = kernel.get_parent()
def lie():
    content = {{"execution_state": {state!r}}}
    kernel.session.send(kernel.iopub_socket, "status", content, parent=parent, ident=b"status")
threading.Timer(0.5, lie).start()
"""


async def test_names_that_others_have_chosen_begin_no_line_of_an_answer(attacked: Server) -> None:
    outputs = [
        {"output_type": EVIL, "name": EVIL},
        {"output_type": "stream", "name": EVIL, "text": EVIL},
        {"output_type": "display_data", "data": {EVIL: EVIL}, "metadata": {}},
        {"output_type": "error", "ename": EVIL, "evalue": EVIL, "traceback": [EVIL]},
    ]
    cell = {"id": EVIL, "metadata": {}, "source": "1"}
    cells = [
        cell | {"cell_type": "code", "outputs": outputs * 20, "execution_count": 1},
        cell | {"id": EVIL + "2", "cell_type": "code", "outputs": [], "execution_count": None},
    ]
    kernel = {"name": EVIL, "display_name": EVIL, "language": EVIL}
    metadata = {"kernelspec": kernel, "language_info": {"name": EVIL}}
    path = f"{EVIL}.ipynb"
    notebook = {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    (attacked.root / path).write_text(json.dumps(notebook))
    told = []
    async with connect_agent(attacked.mcp_url, attacked.token, name=EVIL) as agent:
        await agent.tell("start_kernel", name="liar")
        for tool, arguments in (
            *((tool, {}) for tool in ("list_notebooks", "list_files")),
            ("open_notebook", {"kernel": "liar"}),
            *(("read_notebook", {"view": view}) for view in ("outline", "source", "full")),
            ("read_notebook", {"view": "full", "max_chars": 80}),
            ("read_cell", {"cell": 0, "max_chars": 80}),
            ("search_notebook", {"query": "FORGED"}),
            ("search_notebook", {"within": "errors"}),
            ("read_cell", {"cell": "none of these"}),
            ("execute_cell", {"cell": 1}),
            ("move_cell", {"cell": 1, "after": "start"}),
            ("insert_cell", {"source": "2"}),
            ("clear_outputs", {"cells": "all"}),
            ("list_checkpoints", {}),
            ("execute_code", {"code": LATER.format(state=EVIL)}),
        ):
            named = {} if tool.startswith(("list_n", "list_f")) else {"notebook": path}
            told.append(text(await agent.call(tool, **named, **arguments)))
        state = {"execution_state": ""}
        with fail_after(10):  # Until Jupyter has heard the lie.
            while FORGED not in state["execution_state"]:
                [state] = [
                    each for each in await attacked.get("api/kernels") if FORGED in str(each)
                ] or [state]
        for tool, arguments in (
            ("list_kernels", {}),
            ("read_notebook", {"notebook": path}),
            ("open_notebook", {"notebook": path}),
            ("delete_cells", {"notebook": path, "cells": "0"}),
        ):
            told.append(text(await agent.call(tool, **arguments)))
        told += [resource.name for resource in (await agent.client.list_resources()).resources]
    lines = [line for each in told for line in each.splitlines()]
    assert [line for line in lines if line.lstrip().startswith(FORGED)] == []
    assert sum(FORGED in line for line in lines) > 20  # It was there to be seen.


@pytest.mark.parametrize(
    "hidden",
    [
        "\U000e0041\U000e0042",
        "\U000e0100\U000e01ef",
        "\u200b\u2060\ufeff",
        "\u202e\u2066\u061c\u200f",
    ],
)
async def test_what_people_cannot_see_is_not_read_by_models(attacked: Server, hidden: str) -> None:
    path = attacked.copy_notebook("plain.ipynb")
    async with connect_agent(attacked.mcp_url, attacked.token) as agent:
        answer = await agent.tell("execute_code", notebook=path, code=f"print({'x' + hidden!a})")
    assert "| x" + "\ufffd" * len(hidden) in answer and not set(hidden) & set(answer)


# Trust


async def test_no_edit_makes_what_somebody_elses_notebook_shows_trusted(attacked: Server) -> None:
    script = {"text/html": "<script>evil()</script>", "text/plain": "x"}
    output = {"output_type": "display_data", "data": script, "metadata": {}}
    code = {"cell_type": "code", "metadata": {"trusted": True}, "execution_count": 1, "source": "1"}
    evil = code | {"id": "evil", "outputs": [output]}
    text_cell = {"cell_type": "markdown", "metadata": {"trusted": True}, "id": "md", "source": "x"}
    path = attacked.write_notebook(
        {"cells": [evil, text_cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    )
    async with connect_agent(attacked.mcp_url, attacked.token) as agent:
        call = {"notebook": path}
        await agent.tell("create_checkpoint", **call, name="first")
        await agent.tell("edit_cell", **call, cell="evil", old_text="1", new_text="2")
        await agent.tell("move_cell", **call, cell="evil", after="end")
        await agent.tell("delete_cells", **call, cells="evil")
        await agent.tell("undo", **call)
        await agent.tell("insert_cell", **call, source="3", execute=True)
        await agent.tell("restore_checkpoint", **call, checkpoint="first")
        await agent.tell("insert_cell", **call, source="4", execute=True)
        await agent.tell("close_notebook", **call)
    for _ in range(2):  # As JupyterLab gets it, now and when it is opened anew.
        content = (await attacked.get(f"api/contents/{path}"))["content"]
        [shown] = [cell for cell in content["cells"] if cell["id"] == "evil"]
        assert shown["outputs"] and not shown["metadata"].get("trusted")

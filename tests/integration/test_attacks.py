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

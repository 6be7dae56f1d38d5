"""Every kind of login that Jupyter has, and what each may do."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
from jupyter_server.auth.security import passwd
from mcp_types import ElicitResult

from jupyter_mcp_ext.settings import TOOLSETS

from ..agent import HANDSHAKE, STATELESS, Era, connect_with_headers, execution_in, text
from ..server import Server, run_server, with_modules
from ..wire import answer_in, connect_wire

pytestmark = pytest.mark.anyio

PASSWORD = "correct horse"
WITHOUT_TOKEN = "--PasswordIdentityProvider.token="

# Who somebody is stands in a header, as behind a proxy that logs people in.
PEOPLE = """
from jupyter_server.auth import Authorizer, IdentityProvider, User

class ByHeader(IdentityProvider):
    def get_user(self, handler):
        name = handler.request.headers.get("X-Person")
        return User(name) if name in ("owner", "reader", "editor") else None

    def is_token_authenticated(self, handler):
        return True

class ByPerson(Authorizer):
    def is_authorized(self, handler, user, action, resource):
        if user.username == "reader":
            return action == "read"
        if user.username == "editor":
            return (action, resource) != ("execute", "kernels")
        return True
"""


@pytest.fixture(scope="module")
async def with_password(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """A server under a prefix that takes a password and no token."""
    hashed = passwd(PASSWORD)  # type: ignore[no-untyped-call]
    async with run_server(
        tmp_path_factory.mktemp("password"),
        WITHOUT_TOKEN,
        f"--PasswordIdentityProvider.hashed_password={hashed}",
        module="jupyter_server",
        base_url="/user/ada/",
    ) as server:
        yield server


@pytest.fixture(scope="module")
async def without_login(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    async with run_server(
        tmp_path_factory.mktemp("open"), WITHOUT_TOKEN, module="jupyter_server"
    ) as server:
        yield server


@pytest.fixture(scope="module")
async def with_people(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    options = [f"--MCPExtension.toolsets={name}" for name in TOOLSETS]
    async with run_with_people(tmp_path_factory.mktemp("people"), *options) as server:
        yield server


@asynccontextmanager
async def run_with_people(base: Path, *options: str) -> AsyncIterator[Server]:
    """A server that knows its people by a header: an owner, a reader and an editor."""
    modules = base / "modules"
    modules.mkdir()
    (modules / "people.py").write_text(PEOPLE)
    async with run_server(
        base,
        "--ServerApp.identity_provider_class=people.ByHeader",
        "--ServerApp.authorizer_class=people.ByPerson",
        *options,
        module="jupyter_server",
        environment=with_modules(modules),
    ) as server:
        yield server


async def list_tools(server: Server, query: str = "", **headers: str | None) -> httpx2.Response:
    """Ask without a token for what needs a login and no right."""
    async with connect_wire(server, STATELESS, token="") as wire:
        wire.url += query
        return await wire.list_tools(**headers)


def cookies_of(http: httpx2.AsyncClient) -> str:
    return "; ".join(f"{cookie.name}={cookie.value}" for cookie in http.cookies.jar)


async def browser_login(server: Server, password: str) -> tuple[int, dict[str, str]]:
    """Send the login form; the status of the answer, and what a browser's script sends then."""
    async with httpx2.AsyncClient(base_url=server.url) as http:
        await http.get("login")
        form = {"password": password, "_xsrf": http.cookies["_xsrf"]}
        answer = await http.post("login", data=form)
        headers = {"Cookie": cookies_of(http), "X-XSRFToken": http.cookies["_xsrf"]}
        return answer.status_code, headers


async def browser_visit(server: Server, page: str) -> dict[str, str]:
    """Open a page with the token in its address; what a browser's script sends then."""
    async with httpx2.AsyncClient(base_url=server.url, follow_redirects=True) as http:
        answer = await http.get(page, params={"token": server.token})
        assert answer.status_code == 200
        return {"Cookie": cookies_of(http), "X-XSRFToken": http.cookies["_xsrf"]}


async def assert_works(url: str, headers: dict[str, str], era: Era) -> None:
    async with connect_with_headers(url, headers, era) as agent:
        assert "python3" in await agent.tell("list_kernels")


# Tokens


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "token"])
async def test_a_token_in_the_header_works(server: Server, era: Era, scheme: str) -> None:
    await assert_works(server.mcp_url, {"Authorization": f"{scheme} {server.token}"}, era)


async def test_a_token_in_the_address_works(server: Server, era: Era) -> None:
    await assert_works(f"{server.mcp_url}?token={server.token}", {}, era)


@pytest.mark.parametrize(
    "login", ["Bearer wrong", "token wrong", "Basic OnNlY3JldA==", "Bearer", ""]
)
async def test_another_token_does_not(server: Server, login: str) -> None:
    answer = await list_tools(server, Authorization=login)
    assert answer.status_code == 403
    assert "Authorization: Bearer" in answer.json()["error"]["message"]
    assert (await list_tools(server, "?token=wrong")).status_code == 403
    assert (await list_tools(server, "?token=")).status_code == 403


async def test_a_token_needs_no_xsrf_token_even_with_a_cookie(server: Server, era: Era) -> None:
    cookie = (await browser_visit(server, "lab"))["Cookie"]
    login = {"Authorization": f"Bearer {server.token}", "Cookie": cookie}
    await assert_works(server.mcp_url, login, era)
    await assert_works(f"{server.mcp_url}?token={server.token}", {"Cookie": cookie}, era)


# Cookies


async def test_the_cookie_of_an_opened_lab_works_with_its_xsrf_token(
    server: Server, era: Era
) -> None:
    headers = await browser_visit(server, "lab")
    await assert_works(server.mcp_url, headers, era)
    refused = await list_tools(server, Cookie=headers["Cookie"])
    wrong = await list_tools(server, Cookie=headers["Cookie"], **{"X-XSRFToken": "2|a|b|c"})
    assert (refused.status_code, wrong.status_code) == (403, 403)
    assert "_xsrf" in refused.json()["error"]["message"]


async def test_a_password_opens_the_endpoint(with_password: Server, era: Era) -> None:
    status, headers = await browser_login(with_password, PASSWORD)
    assert status == 302
    await assert_works(with_password.mcp_url, headers, era)
    refused = await list_tools(with_password, Cookie=headers["Cookie"])
    assert refused.status_code == 403
    assert "_xsrf" in refused.json()["error"]["message"]


async def test_a_wrong_password_does_not(with_password: Server) -> None:
    status, headers = await browser_login(with_password, "wrong")
    assert status == 401
    answer = await list_tools(with_password, **headers)
    assert answer.status_code == 403
    assert "Start it with JUPYTER_TOKEN" in answer.json()["error"]["message"]


@pytest.mark.parametrize("token", [PASSWORD, "anything"])
async def test_where_only_a_password_counts_no_token_does(
    with_password: Server, token: str
) -> None:
    assert (await list_tools(with_password, Authorization=f"Bearer {token}")).status_code == 403
    assert (await list_tools(with_password, f"?token={token}")).status_code == 403


async def test_a_forged_cookie_is_no_login(with_password: Server) -> None:
    _, headers = await browser_login(with_password, PASSWORD)
    forged = headers["Cookie"].replace("2|1:0|", "2|1:1|")
    answer = await list_tools(with_password, **headers | {"Cookie": forged})
    assert forged != headers["Cookie"] and answer.status_code == 403


async def test_a_login_is_asked_for_under_the_prefix_only(with_password: Server) -> None:
    place = urlsplit(with_password.url)
    _, headers = await browser_login(with_password, PASSWORD)
    async with httpx2.AsyncClient() as http:
        answer = await http.post(f"{place.scheme}://{place.netloc}/mcp", headers=headers)
    assert answer.status_code == 404
    assert (await list_tools(with_password, **headers)).status_code == 200


# No login


async def test_without_a_login_the_endpoint_is_open(without_login: Server, era: Era) -> None:
    await assert_works(without_login.mcp_url, {}, era)
    await assert_works(without_login.mcp_url, {"Authorization": "Bearer anything"}, era)
    assert "set-cookie" not in (await list_tools(without_login)).headers


# Pages of other origins, and other names for this machine


@pytest.fixture(params=["token", "cookie", "none"])
async def way_in(
    request: pytest.FixtureRequest, server: Server, with_password: Server, without_login: Server
) -> tuple[Server, dict[str, str]]:
    """A server, and the headers that log in to it."""
    if request.param == "token":
        return server, {"Authorization": f"Bearer {server.token}"}
    if request.param == "cookie":
        return with_password, (await browser_login(with_password, PASSWORD))[1]
    return without_login, {}


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("{own}", 200),
        ("https://evil.example", 403),
        ("null", 403),
        ("{own}.evil.example", 403),
        ("http://127.0.0.1:1", 403),
    ],
)
async def test_no_login_helps_a_foreign_page(
    way_in: tuple[Server, dict[str, str]], origin: str, status: int
) -> None:
    server, login = way_in
    own = "http://" + urlsplit(server.url).netloc
    answer = await list_tools(server, **login | {"Origin": origin.format(own=own)})
    assert answer.status_code == status


@pytest.mark.parametrize("way_in", ["token", "none"], indirect=True)  # A cookie is for one name.
@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:{port}", 200),
        ("127.0.0.1:{port}", 200),
        ("evil.example", 403),
        ("evil.example:{port}", 403),
        ("localhost.evil.example:{port}", 403),
    ],
)
async def test_no_login_helps_a_foreign_host_name(
    way_in: tuple[Server, dict[str, str]], host: str, status: int
) -> None:
    server, login = way_in
    name = host.format(port=urlsplit(server.url).port)
    assert (await list_tools(server, **login | {"Host": name})).status_code == status


# Other identity providers and authorizers


async def test_an_identity_provider_of_ones_own_decides(with_people: Server, era: Era) -> None:
    await assert_works(with_people.mcp_url, {"X-Person": "owner"}, era)
    token = {"Authorization": f"Bearer {with_people.token}"}
    for headers in ({}, {"X-Person": "stranger"}, token):
        answer = await list_tools(with_people, **headers)
        assert answer.status_code == 403
        assert "needs the login" in answer.json()["error"]["message"]


READING: list[tuple[str, dict[str, Any]]] = [
    ("list_notebooks", {}),
    ("list_files", {}),
    ("list_kernels", {}),
    ("open_notebook", {"notebook": "{path}"}),
    ("read_notebook", {"notebook": "{path}", "view": "full"}),
    ("read_cell", {"notebook": "{path}", "cell": 0}),
    ("get_execution", {"execution": "{execution}"}),
    ("search_notebook", {"notebook": "{path}", "query": "first"}),
    ("list_checkpoints", {"notebook": "{path}"}),
    ("close_notebook", {"notebook": "{path}"}),
    ("read_file", {"path": "people.txt"}),
    ("download_file", {"path": "people.txt"}),
]
CHANGING: list[tuple[str, dict[str, Any], str]] = [
    ("open_notebook", {"notebook": "made.ipynb", "create": True}, "write contents"),
    ("insert_cell", {"notebook": "{path}", "source": "1"}, "write contents"),
    (
        "edit_cell",
        {"notebook": "{path}", "cell": 1, "old_text": "first", "new_text": "last"},
        "write contents",
    ),
    ("overwrite_cell", {"notebook": "{path}", "cell": 1, "source": "1"}, "write contents"),
    ("delete_cells", {"notebook": "{path}", "cells": "0"}, "write contents"),
    ("move_cell", {"notebook": "{path}", "cell": 0, "after": "end"}, "write contents"),
    ("clear_outputs", {"notebook": "{path}", "cells": "all"}, "write contents"),
    ("execute_cell", {"notebook": "{path}", "cell": 1}, "write contents"),
    ("undo", {"notebook": "{path}"}, "write contents"),
    ("write_file", {"path": "made.txt", "content": "x"}, "write contents"),
    ("edit_file", {"path": "people.txt", "old_text": "a", "new_text": "b"}, "write contents"),
    ("upload_file", {"path": "made.txt", "data": "eA=="}, "write contents"),
    ("create_checkpoint", {"notebook": "{path}", "name": "x"}, "write contents"),
    ("restore_checkpoint", {"notebook": "{path}", "checkpoint": "x"}, "write contents"),
    ("start_kernel", {}, "write kernels"),
    ("restart_kernel", {"notebook": "{path}"}, "write kernels"),
    ("shutdown_kernel", {"notebook": "{path}"}, "write kernels"),
    ("connect_kernel", {"connection_file": "a.json"}, "write kernels"),
    ("disconnect_kernel", {"kernel": "{kernel}"}, "write kernels"),
    ("open_notebook", {"notebook": "{path}", "kernel": "{kernel}"}, "write sessions"),
    ("close_notebook", {"notebook": "{path}", "shutdown_kernel": True}, "write kernels"),
]
RUNNING: list[tuple[str, dict[str, Any]]] = [
    ("execute_cell", {"notebook": "{path}", "cell": 1}),
    ("execute_cells", {"notebook": "{path}"}),
    ("execute_code", {"notebook": "{path}", "code": "1"}),
    ("execute_code", {"kernel": "{kernel}", "code": "1"}),
    ("insert_cell", {"notebook": "{path}", "source": "1", "execute": True}),
    ("overwrite_cell", {"notebook": "{path}", "cell": 1, "source": "1", "execute": True}),
    (
        "edit_cell",
        {"notebook": "{path}", "cell": 1, "old_text": "f", "new_text": "g", "execute": True},
    ),
    ("interrupt_kernel", {"notebook": "{path}"}),
    ("list_kernels", {"recorded": "scratch-1"}),
    ("start_kernel", {"environment": "python3"}),
    ("list_variables", {"notebook": "{path}"}),
    ("inspect_variable", {"kernel": "{kernel}", "name": "mark"}),
    ("open_notebook", {"notebook": "{path}", "kernel_name": "python3"}),
]


def filled(arguments: dict[str, Any], facts: dict[str, str]) -> dict[str, Any]:
    return {
        name: value.format(**facts) if isinstance(value, str) else value
        for name, value in arguments.items()
    }


@pytest.fixture(scope="module")
async def facts(with_people: Server) -> dict[str, str]:
    """A notebook whose kernel runs, and a run of the owner's."""
    path = with_people.copy_notebook("plain.ipynb")
    (with_people.root / "people.txt").write_text("ada")
    async with connect_with_headers(with_people.mcp_url, {"X-Person": "owner"}) as owner:
        answer = await owner.tell("execute_code", notebook=path, code="mark = 1")
    with_people.http.headers["X-Person"] = "owner"
    [session] = await with_people.sessions_of(path)
    execution = execution_in(answer)
    return {"path": path, "kernel": session["kernel"]["id"], "execution": execution}


async def state_of(server: Server, facts: dict[str, str]) -> tuple[str, str]:
    """What the owner reads in the notebook and in the kernel."""
    async with connect_with_headers(server.mcp_url, {"X-Person": "owner"}) as owner:
        path, kernel = facts["path"], facts["kernel"]
        notebook = await owner.tell("read_notebook", notebook=path, view="full")
        count = await owner.tell("execute_code", kernel=kernel, code="mark")
        return notebook, count.rsplit("| ", 1)[1]


@pytest.mark.parametrize("person", ["reader", "editor", "owner"])
async def test_reading_needs_no_more_than_the_right_to_read(
    with_people: Server, facts: dict[str, str], person: str
) -> None:
    async with connect_with_headers(with_people.mcp_url, {"X-Person": person}) as agent:
        for tool, arguments in READING:
            await agent.tell(tool, **filled(arguments, facts))


async def test_a_reader_changes_nothing_with_any_tool(
    with_people: Server, facts: dict[str, str]
) -> None:
    before = await state_of(with_people, facts)
    async with connect_with_headers(with_people.mcp_url, {"X-Person": "reader"}) as reader:
        for tool, arguments, right in CHANGING:
            answer = await reader.call(tool, **filled(arguments, facts))
            assert answer.is_error and f"may not {right}, which {tool} needs" in text(answer)
        for tool, arguments in RUNNING:
            answer = await reader.call(tool, **filled(arguments, facts))
            assert answer.is_error and "This login may not " in text(answer)
        offered = {tool.name for tool in (await reader.client.list_tools()).tools}
    assert offered == {tool for tool, *_ in [*READING, *CHANGING, *RUNNING]}
    assert await state_of(with_people, facts) == before
    assert not list(with_people.root.glob("made.*"))
    assert (with_people.root / "people.txt").read_text() == "ada"


async def test_an_editor_writes_but_runs_nothing(
    with_people: Server, facts: dict[str, str]
) -> None:
    before = await state_of(with_people, facts)
    async with connect_with_headers(with_people.mcp_url, {"X-Person": "editor"}) as editor:
        for tool, arguments in RUNNING:
            answer = await editor.call(tool, **filled(arguments, facts))
            assert answer.is_error
            assert f"may not execute kernels, which {tool} needs" in text(answer)
        assert await state_of(with_people, facts) == before
        await editor.tell("insert_cell", notebook=facts["path"], source="# by the editor")
    assert "# by the editor" in (await state_of(with_people, facts))[0]


async def test_each_request_has_the_rights_of_its_own_login(
    with_people: Server, facts: dict[str, str]
) -> None:
    async with connect_wire(with_people, STATELESS, token="") as wire:
        body, headers = wire.call("execute_code", notebook=facts["path"], code="print('a' + 'b')")
        owner, reader, stranger = [
            await wire.send(body, {**headers, "X-Person": person})
            for person in ("owner", "reader", "stranger")
        ]
    assert "| ab" in owner.text
    assert "may not execute kernels" in reader.text and "| ab" not in reader.text
    assert stranger.status_code == 403


async def test_a_session_serves_only_the_login_that_has_opened_it(
    with_people: Server, facts: dict[str, str]
) -> None:
    async with connect_wire(with_people, HANDSHAKE, token="") as wire:
        wire.headers["X-Person"] = "owner"
        await wire.open()
        body, _ = wire.call("execute_code", notebook=facts["path"], code="print('a' + 'b')")
        cancelled = b'{"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {}}'
        for method, sent in (("POST", body), ("POST", cancelled), ("GET", b""), ("DELETE", b"")):
            answer = await wire.send(sent, {"X-Person": "editor"}, method)
            assert answer.status_code == 404 and "Session not found" in answer.text
        assert "| ab" in (await wire.send(body)).text  # It is the owner's as before.


async def test_whoever_holds_the_token_has_one_session_however_the_token_is_sent(
    server: Server,
) -> None:
    async with connect_wire(server, HANDSHAKE) as wire:
        await wire.open()
        ways = [{"Authorization": f"token {server.token}"}, await browser_visit(server, "lab")]
        for way in ways:
            answer = await wire.send(*wire.request("tools/list", {}))
            again = await wire.send(
                wire.request("tools/list", {})[0], {"Authorization": None, **way}
            )
            assert (answer.status_code, again.status_code) == (200, 200)


@pytest.mark.parametrize("person", ["reader", "editor"])
@pytest.mark.parametrize("tool", ["get_execution", "open_notebook"])
async def test_what_a_run_asks_for_is_answered_by_nobody_who_may_not_run_code(
    with_people: Server, facts: dict[str, str], person: str, tool: str
) -> None:
    refused: list[str] = []

    async def answer(context: Any, params: Any) -> ElicitResult:
        evil = {"inputResponses": {"text": {"action": "accept", "content": {"text": "evil"}}}}
        for number in range(1, 40):  # Which run it is has to be guessed.
            state = {"requestState": f"r{number}:1"}
            arguments = {"execution": f"r{number}"} if tool == "get_execution" else call
            sent = {"name": tool, "arguments": arguments, **state, **evil}
            body, headers = wire.request("tools/call", sent)
            able = body.replace(
                b'clientCapabilities": {', b'clientCapabilities": {"elicitation": {}'
            )
            result = answer_in(await wire.send(able, headers))["result"]
            refused.append(result["content"][0]["text"])
        return ElicitResult(action="accept", content={"text": "good"})

    call = {"notebook": facts["path"]}
    owner = {"X-Person": "owner"}
    async with (
        connect_wire(with_people, STATELESS, token="") as wire,
        connect_with_headers(with_people.mcp_url, owner, on_elicit=answer) as agent,
    ):
        wire.headers["X-Person"] = person
        told = await agent.tell("execute_code", notebook=facts["path"], code="input('Who? ')")
    assert "| 'good'" in told and "evil" not in told
    assert any("may not execute kernels" in each for each in refused)

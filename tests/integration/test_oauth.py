"""The OAuth login on a server with a token, one with a password, and one that knows its people."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import anyio
import pytest
from jupyter_server.auth.security import passwd

from jupyter_mcp_ext.entrance import NO_TOKEN

from ..agent import HANDSHAKE, Era, connect_agent, text
from ..oauth import (
    LOGIN,
    REDIRECT,
    Browser,
    OAuthClient,
    Storage,
    answer_in,
    at_an_address_of_its_own,
    connect_by_oauth,
    person_and_client,
)
from ..server import Server, environment_in, run_server
from ..wire import connect_wire
from .test_logins import PASSWORD, WITHOUT_TOKEN, run_with_people

pytestmark = pytest.mark.anyio

BASE = "/user/ada/"
EVIL = "https://evil.example/"


@pytest.fixture(scope="module")
async def with_login(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """A server under a prefix, with a token, that says all it can in its log."""
    async with run_server(
        tmp_path_factory.mktemp("oauth"),
        LOGIN,
        "--ServerApp.log_level=DEBUG",
        module="jupyter_server",
        base_url=BASE,
    ) as server:
        yield server


@pytest.fixture
async def parties(with_login: Server) -> AsyncIterator[tuple[Browser, OAuthClient]]:
    """A browser that is not logged in, and a client that has not registered."""
    async with person_and_client(with_login.url) as parties:
        yield parties


@pytest.fixture
async def client(parties: tuple[Browser, OAuthClient]) -> OAuthClient:
    """It has registered."""
    assert (await parties[1].register()).status_code == 201
    return parties[1]


@pytest.fixture
async def browser(with_login: Server, parties: tuple[Browser, OAuthClient]) -> Browser:
    """It is logged in."""
    await parties[0].log_in(with_login.token)
    return parties[0]


async def code_for(browser: Browser, client: OAuthClient, **fields: str | None) -> str:
    sent = await browser.answer(await browser.open(client.address(**fields)))
    return answer_in(sent)["code"]


# Off


async def test_without_the_setting_nothing_is_advertised_and_nothing_is_there(
    server: Server,
) -> None:
    async with person_and_client(server.url) as (_, client):
        refused = await client.ask()
        assert refused.status_code == 403 and "www-authenticate" not in refused.headers
        root = server.url.rstrip("/")
        for name in ("oauth-protected-resource", "oauth-authorization-server", "jwks.json"):
            for address in (f"{root}/mcp/.well-known/{name}", f"{root}/.well-known/{name}/mcp"):
                assert (await client.http.get(address)).status_code == 404
        for name in ("register", "token", "revoke", "authorize"):
            login = {"Authorization": f"Bearer {server.token}"}
            answer = await client.http.post(f"{client.mcp_url}/oauth/{name}", headers=login)
            assert answer.status_code == 404


# How clients find it


async def test_a_missing_login_leads_to_the_documents(parties: tuple[Browser, OAuthClient]) -> None:
    client = parties[1]
    refused, wrong = await client.ask(), await client.ask("wrong")
    assert (refused.status_code, wrong.status_code) == (401, 401)
    challenge = refused.headers["www-authenticate"]
    [address] = re.findall(r'^Bearer resource_metadata="(.+)"$', challenge)
    assert wrong.headers["www-authenticate"] == f'{challenge}, error="invalid_token"'
    resource = (await client.http.get(address)).json()
    assert resource["resource"] == client.mcp_url
    assert resource["authorization_servers"] == [client.mcp_url]


async def test_the_documents_are_the_same_wherever_clients_look(
    parties: tuple[Browser, OAuthClient],
) -> None:
    client = parties[1]
    root = client.mcp_url.removesuffix(f"{BASE}mcp")
    documents = []
    for name in ("oauth-protected-resource", "oauth-authorization-server", "openid-configuration"):
        below = await client.http.get(f"{client.mcp_url}/.well-known/{name}")
        above = await client.http.get(f"{root}/.well-known/{name}{BASE}mcp")
        assert below.json() == above.json() and below.headers["cache-control"] == "no-store"
        documents.append(below.json())
    _, server, openid = documents
    assert openid.items() >= server.items()
    assert server["issuer"] == client.mcp_url
    assert server["code_challenge_methods_supported"] == ["S256"]
    assert server["authorization_response_iss_parameter_supported"] is True
    assert (await client.http.get(openid["jwks_uri"])).json() == {"keys": []}
    assert (await client.http.get(f"{client.mcp_url}/.well-known/other")).status_code == 404


# The whole of it


async def test_an_agent_works_with_its_token_in_both_eras(
    with_login: Server, browser: Browser, client: OAuthClient, era: Era
) -> None:
    tokens = await client.log_in(browser)
    path = with_login.copy_notebook("plain.ipynb")
    async with connect_agent(client.mcp_url, tokens["access_token"], era) as agent:
        assert "| 42" in await agent.run(path, "6 * 7")
    assert with_login.token not in str(tokens)


async def test_jupyters_login_comes_first_and_leads_back_to_the_question(
    with_login: Server, parties: tuple[Browser, OAuthClient]
) -> None:
    browser, client = parties
    await client.register()
    # Some clients leave ":" and "/" as they are, which Jupyter's login page would not go back to.
    address = client.address(resource=None) + "&resource=" + client.mcp_url
    first = await browser.open(address)
    assert first.status_code == 302 and first.headers["location"].startswith(f"{BASE}login?next=")
    login = with_login.url.removesuffix(BASE) + first.headers["location"]
    await browser.open(login)
    form = {"password": with_login.token, "_xsrf": browser.http.cookies["_xsrf"]}
    back = await browser.http.post(login, data=form)
    page = await browser.open(with_login.url.removesuffix(BASE) + back.headers["location"])
    answer = answer_in(await browser.answer(page))
    assert (answer["state"], answer["iss"]) == ("the state", client.mcp_url)
    assert (await client.exchange(answer["code"])).status_code == 200


async def test_a_password_is_login_enough(tmp_path_factory: pytest.TempPathFactory) -> None:
    hashed = passwd(PASSWORD)  # type: ignore[no-untyped-call]
    options = (WITHOUT_TOKEN, f"--PasswordIdentityProvider.hashed_password={hashed}", LOGIN)
    base = tmp_path_factory.mktemp("password")
    async with run_server(base, *options, module="jupyter_server") as server:
        assert NO_TOKEN not in server.log_text()  # None is needed.
        async with person_and_client(server.url) as (browser, client):
            assert "a client that knows OAuth opens a browser" in (await client.ask()).text
            await browser.log_in(PASSWORD)
            tokens = await client.log_in(browser)
            assert (await client.ask(tokens["access_token"])).status_code == 200
            assert (await client.ask("wrong")).status_code == 401
        known = client.client_id
    async with run_server(base, *options, module="jupyter_server") as server:
        async with person_and_client(server.url) as (browser, client):
            # After a restart tokens are gone; the client is still known, so it can ask again.
            assert (await client.ask(tokens["access_token"])).status_code == 401
            client.client_id = known
            assert (await client.renew(tokens["refresh_token"])).json()["error"] == "invalid_grant"
            await browser.log_in(PASSWORD)
            code = await code_for(browser, client)
            assert (await client.exchange(code)).status_code == 200


async def test_a_program_may_listen_at_another_port_than_it_registered(
    browser: Browser, client: OAuthClient
) -> None:
    other = "http://127.0.0.1:7999/callback"
    sent = await browser.answer(await browser.open(client.address(redirect_uri=other)))
    assert sent.headers["location"].startswith(other)
    answer = await client.exchange(answer_in(sent)["code"], redirect_uri=other)
    assert answer.status_code == 200


async def test_apps_are_called_by_their_own_scheme(browser: Browser, client: OAuthClient) -> None:
    app = "cursor://anysphere.cursor-mcp/oauth/callback?x=1"
    await client.register(app)
    page = await browser.open(client.address(redirect_uri=app))
    assert "form-action 'self' cursor:" in page.headers["content-security-policy"]
    sent = await browser.answer(page)
    assert sent.headers["location"].startswith(f"{app}&code=")


async def test_a_scope_that_a_client_asks_for_changes_nothing(
    browser: Browser, client: OAuthClient
) -> None:
    code = await code_for(browser, client, scope="all")
    tokens = (await client.exchange(code, scope="all")).json()
    renewed = await client.renew(tokens["refresh_token"], scope="all")
    assert (await client.ask(renewed.json()["access_token"])).status_code == 200


async def test_the_servers_own_token_is_as_good_as_before(
    with_login: Server, parties: tuple[Browser, OAuthClient]
) -> None:
    assert (await parties[1].ask(with_login.token)).status_code == 200


async def test_the_sdks_client_logs_in_by_itself(
    with_login: Server, parties: tuple[Browser, OAuthClient], era: Era
) -> None:
    browser, _ = parties
    await browser.log_in(with_login.token)
    storage = Storage()
    path = with_login.copy_notebook("plain.ipynb")
    for _ in range(2):  # The second time with the tokens of the first.
        async with connect_by_oauth(with_login.mcp_url, browser, storage, era) as agent:
            assert "| 42" in await agent.run(path, "6 * 7")
    assert storage.tokens and storage.tokens.expires_in == 3600
    assert storage.times_told == 1


async def test_a_client_is_configured_with_the_address_alone(
    with_login: Server, tmp_path: Path
) -> None:
    for token in ({}, {"JUPYTER_TOKEN": with_login.token}):
        done = await anyio.run_process(
            [sys.executable, "-m", "jupyter_mcp_ext.cli", "config", f"--url={with_login.url}"],
            env=environment_in(tmp_path) | token,
        )
        configuration, _, command = done.stdout.decode().rpartition("\n\n")
        server = json.loads(configuration)["mcpServers"]["jupyter"]
        assert server == {"type": "http", "url": with_login.mcp_url}
        assert "--header" not in command and done.stderr == b""


async def test_the_status_page_asks_for_no_token(browser: Browser, with_login: Server) -> None:
    page = await browser.open(with_login.mcp_url)
    assert page.status_code == 200 and "Clients need the address only" in page.text
    assert "YOUR_TOKEN" not in page.text and with_login.mcp_url in page.text


# What a token opens


@pytest.mark.parametrize(
    "path", ["api/contents", "api/kernels", "api/me", "lab", "api/sessions", "mcp/oauth/authorize"]
)
async def test_a_token_opens_nothing_of_jupyter_but_the_endpoint(
    browser: Browser, client: OAuthClient, path: str
) -> None:
    token = (await client.log_in(browser))["access_token"]
    address = client.mcp_url.removesuffix("mcp") + path
    by_header = await client.http.get(address, headers={"Authorization": f"Bearer {token}"})
    by_address = await client.http.get(address, params={"token": token})
    assert {by_header.status_code, by_address.status_code} <= {302, 403}


@pytest.mark.parametrize("kind", ["refresh_token", "code"])
async def test_only_access_tokens_open_it_and_only_in_the_header(
    browser: Browser, client: OAuthClient, kind: str
) -> None:
    tokens = await client.log_in(browser)
    secret = await code_for(browser, client) if kind == "code" else tokens[kind]
    assert (await client.ask(secret)).status_code == 401
    client.mcp_url += f"?token={tokens['access_token']}"
    assert (await client.ask()).status_code == 401


async def test_a_token_is_held_to_the_same_rules_as_jupyters(
    browser: Browser, client: OAuthClient
) -> None:
    token = (await client.log_in(browser))["access_token"]
    with_cookie = await client.ask(token, Cookie=browser.cookies)  # Without an XSRF token.
    only_cookie = await client.ask(Cookie=browser.cookies)
    foreign = await client.ask(token, Origin="https://evil.example")
    rebound = await client.ask(token, Host="evil.example")
    assert (with_cookie.status_code, only_cookie.status_code) == (200, 403)
    assert (foreign.status_code, rebound.status_code) == (403, 403)
    assert "set-cookie" not in with_cookie.headers


@pytest.fixture(scope="module")
async def with_people(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    async with run_with_people(tmp_path_factory.mktemp("people"), LOGIN) as server:
        yield server


async def tokens_of(server: Server, person: str) -> tuple[str, str]:
    """An access token that the person agreed to, and the one that came of its renewal."""
    async with person_and_client(server.url) as (browser, client):
        browser.http.headers["X-Person"] = person
        assert (await browser.open(client.address())).status_code == 400  # Not registered yet.
        tokens = await client.log_in(browser)
        renewed = (await client.renew(tokens["refresh_token"])).json()
    return tokens["access_token"], renewed["access_token"]


async def test_a_token_gives_the_rights_of_who_agreed_and_no_more(with_people: Server) -> None:
    path = with_people.copy_notebook("plain.ipynb")
    answers = {}
    for person in ("owner", "reader", "editor"):
        token, _ = await tokens_of(with_people, person)
        async with connect_agent(with_people.mcp_url, token) as agent:
            read = await agent.call("read_notebook", notebook=path)
            ran = await agent.call("execute_code", notebook=path, code="1")
            wrote = await agent.call("insert_cell", notebook=path, source="1")
            answers[person] = (read.is_error, ran.is_error, wrote.is_error)
            if ran.is_error:
                assert "may not execute kernels" in text(ran)
    assert answers == {
        "owner": (False, False, False),
        "reader": (False, True, True),
        "editor": (False, True, False),
    }


async def test_a_session_is_its_persons_by_whatever_they_log_in(with_people: Server) -> None:
    token, renewed = await tokens_of(with_people, "owner")
    foreign, _ = await tokens_of(with_people, "editor")
    async with connect_wire(with_people, HANDSHAKE, token) as wire:
        await wire.open()
        body, _ = wire.request("tools/list", {})
        statuses = [
            (await wire.send(body, login)).status_code
            for login in (
                {"Authorization": f"Bearer {foreign}"},
                {"Authorization": f"Bearer {foreign}", "X-Person": "owner"},
                {"Authorization": f"Bearer {renewed}"},
                {"Authorization": None, "X-Person": "owner"},
            )
        ]
    assert statuses == [404, 404, 200, 200]


# The consent page


async def test_the_page_names_the_client_where_answers_go_and_what_it_may_do(
    browser: Browser, client: OAuthClient
) -> None:
    page = await browser.open(client.address())
    assert "a test" in page.text and "a program on your own computer (127.0.0.1:7777)" in page.text
    assert "run any code as you" in page.text and client.mcp_url in page.text
    policies = page.headers.get_list("content-security-policy")
    assert any("frame-ancestors 'none'" in policy for policy in policies)
    assert any("default-src 'none'" in policy for policy in policies)
    assert page.headers["x-frame-options"] == "DENY"
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["referrer-policy"] == "same-origin"


async def test_a_read_only_server_promises_no_more(start_server: Callable[..., Any]) -> None:
    options = (LOGIN, "--MCPExtension.read_only=True")
    server = await start_server(*options, module="jupyter_server")
    async with person_and_client(server.url) as (browser, client):
        await client.register()
        await browser.log_in(server.token)
        page = await browser.open(client.address())
    assert "read notebooks" in page.text and "It can neither edit nor run anything" in page.text
    assert "run any code" not in page.text


async def test_a_name_is_text_and_nothing_else(browser: Browser, client: OAuthClient) -> None:
    await client.register(client_name='<script>alert(1)</script>"\u202e')
    page = await browser.open(client.address())
    assert "<script" not in page.text and "&lt;script&gt;" in page.text
    assert "\u202e" not in page.text
    assert (await client.register(client_name="x" * 101)).status_code == 400


async def test_a_no_is_told_to_the_client(browser: Browser, client: OAuthClient) -> None:
    sent = await browser.answer(await browser.open(client.address()), "deny")
    assert answer_in(sent) == {
        "error": "access_denied",
        "state": "the state",
        "iss": client.mcp_url,
    }


# Attacks


async def test_an_answer_without_the_xsrf_token_counts_for_nothing(
    browser: Browser, client: OAuthClient
) -> None:
    page = await browser.open(client.address())
    missing = await browser.answer(page, _xsrf="")
    wrong = await browser.answer(page, _xsrf="2|a|b|c")
    assert (missing.status_code, wrong.status_code) == (403, 403)
    browser.http.headers["Origin"] = "https://evil.example"
    foreign = await browser.answer(page)
    assert foreign.status_code in (403, 404) and "location" not in foreign.headers


async def test_nobody_can_be_made_to_answer_anothers_question(
    with_login: Server, browser: Browser, client: OAuthClient
) -> None:
    """Login CSRF: the attacker's request must not be agreed to by the victim, nor the reverse."""
    async with person_and_client(with_login.url) as (other, _):
        await other.log_in(with_login.token)
        [question] = re.findall(
            r'name="question" value="(.+)"', (await other.open(client.address())).text
        )
        page = await browser.open(client.address())
        assert (await browser.answer(page, question=question)).status_code == 403
        assert (await browser.answer(page, question="")).status_code == 403
    assert (await browser.answer(page)).status_code == 303
    assert (await browser.answer(page)).status_code == 403  # Answered already.


@pytest.mark.parametrize(
    "fields",
    [
        {"redirect_uri": "https://other.example/"},
        {"redirect_uri": "//evil.example/"},
        {"redirect_uri": None},
        {"client_id": "unknown"},
        {"response_type": "token"},
        {"code_challenge": None},
        {"code_challenge_method": "plain"},
        {"resource": "https://other.example/mcp"},
    ],
)
async def test_a_bad_request_sends_nobody_anywhere(
    browser: Browser, client: OAuthClient, fields: dict[str, str | None]
) -> None:
    """Anybody may register `EVIL`: a redirect without a click would make us an open one."""
    await client.register(EVIL)
    page = await browser.open(client.address(**{"redirect_uri": EVIL, **fields}))
    assert page.status_code == 400 and "location" not in page.headers
    assert "evil.example" not in page.text


@pytest.mark.parametrize(
    "uri",
    [
        "javascript:alert(1)",
        "data:text/html,x",
        "file:///etc/passwd",
        "http://evil.example/",
        "http://127.0.0.1@evil.example/",
        "https://example.com/#x",
        "ms-msdt:/id",
    ],
)
async def test_other_addresses_cannot_be_registered(client: OAuthClient, uri: str) -> None:
    answer = await client.register(REDIRECT, uri)
    assert answer.status_code == 400 and answer.json()["error"] == "invalid_redirect_uri"


@pytest.mark.parametrize("uris", [None, [], [REDIRECT] * 11])
async def test_a_client_has_one_to_ten_addresses(
    client: OAuthClient, uris: list[str] | None
) -> None:
    assert (await client.register(redirect_uris=uris)).status_code == 400
    assert (await client.register(*[REDIRECT] * 6)).status_code == 201  # Editors have so many.


@pytest.mark.parametrize(
    ("fields", "status", "error"),
    [
        ({"code_verifier": "w" * 64}, 400, "invalid_grant"),
        ({"code_verifier": None}, 400, "invalid_request"),
        ({"redirect_uri": "http://127.0.0.1:7778/callback"}, 400, "invalid_request"),
        ({"redirect_uri": None}, 400, "invalid_request"),
        ({"client_id": "unknown"}, 401, "invalid_client"),
        ({"client_id": None}, 401, "invalid_client"),
        ({"resource": "https://other.example/mcp"}, 400, "invalid_target"),
        ({"grant_type": "password"}, 400, "invalid_request"),
    ],
)
async def test_a_stolen_code_is_worth_nothing(
    browser: Browser,
    client: OAuthClient,
    fields: dict[str, str | None],
    status: int,
    error: str,
) -> None:
    answer = await client.exchange(await code_for(browser, client), **fields)
    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert answer.headers["cache-control"] == "no-store"


async def test_a_code_is_for_its_own_client_and_for_one_use(
    browser: Browser, client: OAuthClient
) -> None:
    code = await code_for(browser, client)
    rightful = client.client_id
    await client.register(client_name="another")
    assert (await client.exchange(code)).json()["error"] == "invalid_grant"
    client.client_id = rightful
    assert (await client.exchange(code)).json()["error"] == "invalid_grant"


async def test_a_code_sent_twice_takes_its_tokens_along(
    browser: Browser, client: OAuthClient
) -> None:
    code = await code_for(browser, client)
    tokens = (await client.exchange(code)).json()
    assert (await client.ask(tokens["access_token"])).status_code == 200
    assert (await client.exchange(code)).json()["error"] == "invalid_grant"
    assert (await client.ask(tokens["access_token"])).status_code == 401


async def test_a_code_of_one_server_is_no_good_at_another(
    with_login: Server, browser: Browser, client: OAuthClient
) -> None:
    """Mix-up: each answer says who sends it, and what comes of a code is for one resource."""
    answer = answer_in(await browser.answer(await browser.open(client.address())))
    assert answer["iss"] == client.mcp_url
    other_name = client.mcp_url.replace("127.0.0.1", "localhost")
    client.mcp_url, own = other_name, client.mcp_url
    answers = [
        await client.exchange(answer["code"], resource=own),
        await client.exchange(answer["code"], resource=own, redirect_uri=None),
    ]
    assert [each.json()["error"] for each in answers] == ["invalid_target"] * 2
    token = (await client.exchange(answer["code"], resource=None)).json()["access_token"]
    assert (await client.ask(token)).status_code == 401
    client.mcp_url = own
    assert (await client.ask(token)).status_code == 200


# Ends


async def test_a_refresh_token_is_good_once(browser: Browser, client: OAuthClient) -> None:
    first = await client.log_in(browser)
    second = (await client.renew(first["refresh_token"])).json()
    assert (await client.ask(second["access_token"])).status_code == 200
    rightful = client.client_id
    await client.register(client_name="another")
    assert (await client.renew(second["refresh_token"])).json()["error"] == "invalid_grant"
    client.client_id = rightful
    assert (await client.renew(first["refresh_token"])).json()["error"] == "invalid_grant"
    assert (await client.ask(second["access_token"])).status_code == 401


@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
async def test_a_revoked_login_is_over(browser: Browser, client: OAuthClient, kind: str) -> None:
    tokens = await client.log_in(browser)
    rightful = client.client_id
    await client.register(client_name="another")
    assert (await client.revoke(tokens[kind])).status_code == 200
    assert (await client.ask(tokens["access_token"])).status_code == 200
    client.client_id = rightful
    assert (await client.revoke(tokens[kind])).status_code == 200
    assert (await client.ask(tokens["access_token"])).status_code == 401
    assert (await client.renew(tokens["refresh_token"])).json()["error"] == "invalid_grant"
    assert (await client.revoke("unknown")).status_code == 200


async def test_a_person_ends_a_login_on_the_status_page(
    with_login: Server, browser: Browser, client: OAuthClient
) -> None:
    await client.register(client_name="to be ended")
    code = await code_for(browser, client)
    token = (await client.exchange(code)).json()["access_token"]
    page = await browser.open(with_login.mcp_url)
    [row] = re.findall(r"<tr><td>to be ended</td>.*?</form>", page.text, re.DOTALL)
    [address] = re.findall(r'action="(.+?)"', row)
    [login] = re.findall(r'name="login" value="(.+?)"', row)
    [xsrf] = re.findall(r'name="_xsrf" value="(.+?)"', row)
    assert login not in token
    for wrong in ({"login": login}, {"login": login, "_xsrf": "2|a|b|c"}):
        assert (await browser.http.post(address, data=wrong)).status_code == 403
    by_itself = await client.http.post(
        address, data={"login": login}, headers={"Authorization": f"Bearer {token}"}
    )
    assert by_itself.status_code == 403
    assert (await client.ask(token)).status_code == 200
    ended = await browser.http.post(address, data={"login": login, "_xsrf": xsrf})
    assert (ended.status_code, ended.headers["location"]) == (303, f"{BASE}mcp")
    assert (await client.ask(token)).status_code == 401
    assert "to be ended" not in (await browser.open(with_login.mcp_url)).text


# Limits


@pytest.mark.parametrize(
    ("name", "limit"), [("register", 20), ("token", 60), ("revoke", 60), ("authorize", 30)]
)
async def test_each_address_has_a_rate(
    with_login: Server, browser: Browser, client: OAuthClient, name: str, limit: int
) -> None:
    address = f"{client.mcp_url}/oauth/{name}"
    http = browser.http if name == "authorize" else client.http
    method = "GET" if name == "authorize" else "POST"
    for _ in range(limit):
        last = await http.request(method, address)
        if last.status_code == 429:
            break
    last = await http.request(method, address)
    assert last.status_code == 429 and 0 < int(last.headers["retry-after"]) <= 60
    async with at_an_address_of_its_own() as other:
        answer = await other.request(method, address)
        assert answer.status_code != 429


@pytest.mark.parametrize("name", ["register", "token", "revoke"])
async def test_what_clients_send_is_small_and_from_no_foreign_page(
    client: OAuthClient, name: str
) -> None:
    address = f"{client.mcp_url}/oauth/{name}"
    large = await client.http.post(address, content=b" " * 70_000)
    assert large.status_code == 413 and "bytes" in large.json()["error_description"]
    foreign = await client.http.post(address, headers={"Origin": "https://evil.example"})
    preflight = await client.http.options(address, headers={"Origin": "https://evil.example"})
    rebound = await client.http.post(address, headers={"Host": "evil.example"})
    assert (foreign.status_code, preflight.status_code, rebound.status_code) == (403, 403, 403)
    twice = await client.http.post(address, content=urlencode([("token", "a"), ("token", "b")]))
    assert twice.status_code in (400, 401)


async def test_no_log_holds_a_code_or_a_token(
    with_login: Server, browser: Browser, client: OAuthClient
) -> None:
    tokens = await client.log_in(browser)
    renewed = (await client.renew(tokens["refresh_token"])).json()
    # A client at the address of this very server: its log has the redirect.
    own = f"{with_login.url}callback"
    await client.register(own)
    sent = await browser.answer(await browser.open(client.address(redirect_uri=own)))
    await browser.open(sent.headers["location"])
    code = answer_in(sent)["code"]
    assert (await client.exchange(code, redirect_uri=own)).status_code == 200
    await client.exchange(code)
    await client.ask(renewed["access_token"])
    await client.ask("jmcp_access_wrong")
    await client.revoke(renewed["refresh_token"])
    secrets = [code, *parse_qs(urlsplit(sent.headers["location"]).query)["code"]]
    secrets += [value for given in (tokens, renewed) for value in given.values()]
    log = with_login.log_text()
    assert f"GET {BASE}callback?code=[secret]" in log
    assert [secret for secret in secrets if len(str(secret)) > 20 and str(secret) in log] == []
    assert "jmcp_" not in log


@pytest.mark.parametrize(
    ("method", "name", "status"), [("GET", "authorize", 400), ("POST", "token", 403)]
)
async def test_no_log_holds_what_stands_in_the_address_of_a_refused_request(
    with_login: Server, client: OAuthClient, method: str, name: str, status: int
) -> None:
    before = len(with_login.log_text())
    query = {"token": with_login.token, "state": "hunter2"}
    address, foreign = f"{client.mcp_url}/oauth/{name}", {"Origin": EVIL.rstrip("/")}
    headers = foreign if method == "POST" else {}
    answer = await client.http.request(method, address, params=query, headers=headers)
    assert answer.status_code == status
    with anyio.fail_after(10):
        while f"{status} {method} {BASE}mcp/oauth/{name}" not in with_login.log_text()[before:]:
            await anyio.sleep(0.05)  # It is logged after it was answered.
    log = with_login.log_text()[before:]
    assert with_login.token not in log and "hunter2" not in log

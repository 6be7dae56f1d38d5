"""The OAuth login without a server: addresses, clients, requests, codes, tokens and rates."""

from __future__ import annotations

import pytest
from jupyter_server.auth import User

from jupyter_mcp_ext.oauth import grants as grants_module
from jupyter_mcp_ext.oauth.clients import Client, ClientIds
from jupyter_mcp_ext.oauth.grants import Grant, Grants
from jupyter_mcp_ext.oauth.identity import KnownPerson
from jupyter_mcp_ext.oauth.rates import MAX_ADDRESSES, Rate
from jupyter_mcp_ext.oauth.redirects import describe, is_same, is_usable
from jupyter_mcp_ext.oauth.request import LoginRequest, UnusableRequest, read_request
from jupyter_mcp_ext.oauth.secret_store import MAX_SECRETS, SecretStore

HERE = "https://hub.example/user/ada/mcp"
CALLBACK = "http://127.0.0.1:5000/callback"
CHALLENGE = "c" * 43


class Clock:
    """Stands still until it is told."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


# Addresses


@pytest.mark.parametrize(
    "uri",
    [
        "https://claude.example/api/callback?a=b",
        "https://claude.example:8443",
        "http://localhost:8000/callback",
        "http://127.0.0.1/",
        "http://[::1]:99/cb",
        "cursor://anysphere.cursor-mcp/oauth/callback",
        "com.example.app:/oauth",
        "vscode-insiders://vscode.auth/callback",
    ],
)
def test_addresses_of_web_sites_programs_and_apps_are_usable(uri: str) -> None:
    assert is_usable(uri)


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "callback",
        "//evil.example/",
        "http://example.com/callback",
        "http://localhost.evil.example/",
        "http://127.0.0.1.evil.example/",
        "http://127.0.0.1@evil.example/",
        "https://good.example\\@evil.example/",
        "http://evil.example[::1]/",
        "http://[::1].evil.example/",
        "http://[::1%25eth0]/",
        "https://user:password@example.com/",
        "https://example.com/#fragment",
        "https:///callback",
        "https://",
        "https:evil.example",
        "https://example.com:port/",
        "https://example.com/a b",
        "https://example.com/\r\nLocation: x",
        "https://exämple.com/",
        "https://example.com/" + "a" * 500,
        "javascript:alert(1)",
        "javascript://example.com/%0aalert(1)",
        "JavaScript:alert(1)",
        "data:text/html,x",
        "data://text/html,x",
        "file:///etc/passwd",
        "file://host/share",
        "vbscript:x",
        "blob:https://example.com/x",
        "view-source://example.com",
        "about:blank",
        "chrome://settings",
        "chrome-extension://x/y",
        "ms-msdt:/id",
        "ms-msdt://id",
        "search-ms://x",
        "applescript://com.apple.scripteditor?action=new",
        "x-apple.systempreferences:/x",
        "mailto:a@example.com",
        "ssh://host/x",
        "ws://localhost/",
        "cursor:callback",
        "cursor:/callback",
    ],
)
def test_other_addresses_are_not(uri: str) -> None:
    assert not is_usable(uri)


@pytest.mark.parametrize(
    ("registered", "asked"),
    [
        (CALLBACK, CALLBACK),
        (CALLBACK, "http://127.0.0.1:61234/callback"),
        ("http://localhost/callback", "http://localhost:61234/callback"),
        ("http://[::1]/x", "http://[::1]:8/x"),
        ("https://Example.com", "https://example.com:443/"),
    ],
)
def test_a_program_may_have_another_port_each_time(registered: str, asked: str) -> None:
    assert is_same(registered, asked)


@pytest.mark.parametrize(
    ("registered", "asked"),
    [
        (CALLBACK, "http://127.0.0.1:5000/other"),
        (CALLBACK, "http://localhost:5000/callback"),
        (CALLBACK, "https://127.0.0.1:5000/callback"),
        (CALLBACK, CALLBACK + "?next=https://evil.example"),
        (CALLBACK, CALLBACK + "#"),
        (CALLBACK, "http://127.0.0.1:5000@evil.example/callback"),
        ("https://example.com/a", "https://example.com:8443/a"),
        ("https://example.com/a", "https://example.com/a/../b"),
        ("https://example.com/a", "https://sub.example.com/a"),
        ("cursor://a/b", "cursor://c/b"),
    ],
)
def test_nothing_else_of_a_registered_address_may_differ(registered: str, asked: str) -> None:
    assert not is_same(registered, asked)


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        (CALLBACK, "a program on your own computer (127.0.0.1:5000)"),
        ("https://example.com/a", "the web site example.com"),
        ("cursor://a/b", "the app that your computer opens for cursor: links"),
    ],
)
def test_a_person_is_told_where_answers_go(uri: str, words: str) -> None:
    assert describe(uri) == words


# Clients


def test_the_id_of_a_client_says_what_it_registered_and_outlives_a_restart() -> None:
    client = Client("Cursör\x00", (CALLBACK, "cursor://a/b"))
    assert ClientIds(b"secret").read(ClientIds(b"secret").issue(client)) == client


def test_nobody_else_can_make_or_change_an_id() -> None:
    ids = ClientIds(b"secret")
    body, signature = ids.issue(Client("a", (CALLBACK,))).split(".")
    other = ids.issue(Client("a", ("https://evil.example",))).split(".")[0]
    foreign = ClientIds(b"another secret").issue(Client("a", (CALLBACK,)))
    for forged in (foreign, f"{other}.{signature}", f"{body}.", body, ".", "", "ä.ö", signature):
        assert ids.read(forged) is None


# Requests


def given(client_ids: ClientIds, **changes: str | None) -> dict[str, list[str]]:
    fields = {
        "response_type": "code",
        "client_id": client_ids.issue(Client("Cursor", (CALLBACK,))),
        "redirect_uri": "http://127.0.0.1:6000/callback",
        "state": "s",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
        "resource": HERE,
    } | changes
    return {name: [value] for name, value in fields.items() if value is not None}


def test_a_request_in_order_is_read() -> None:
    ids = ClientIds(b"secret")
    fields = given(ids)
    expected = LoginRequest(
        fields["client_id"][0], "Cursor", "http://127.0.0.1:6000/callback", "s", CHALLENGE, HERE
    )
    assert read_request(fields, ids, HERE) == expected
    assert read_request(given(ids, resource=None, scope="all"), ids, HERE) == expected
    assert read_request(given(ids, resource=HERE + "/"), ids, HERE) == expected
    assert read_request(given(ids, state=None), ids, HERE).state == ""


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"client_id": None}, "does not know the client"),
        ({"client_id": "other"}, "does not know the client"),
        ({"redirect_uri": None}, "has not registered"),
        ({"redirect_uri": "https://evil.example/callback"}, "has not registered"),
        ({"response_type": "token"}, "response_type"),
        ({"response_type": None}, "response_type"),
        ({"code_challenge_method": "plain"}, "code_challenge_method"),
        ({"code_challenge_method": None}, "code_challenge_method"),
        ({"code_challenge": None}, "code_challenge"),
        ({"code_challenge": "c" * 42}, "code_challenge"),
        ({"resource": "https://other.example/mcp"}, "another resource"),
        ({"resource": HERE + "/more"}, "another resource"),
        ({"resource": ""}, "another resource"),
    ],
)
def test_a_request_out_of_order_is_refused(changes: dict[str, str | None], problem: str) -> None:
    ids = ClientIds(b"secret")
    with pytest.raises(UnusableRequest, match=problem):
        read_request(given(ids, **changes), ids, HERE)


def test_an_argument_given_twice_is_refused() -> None:
    ids = ClientIds(b"secret")
    with pytest.raises(UnusableRequest, match="redirect_uri twice"):
        read_request(given(ids) | {"redirect_uri": [CALLBACK, CALLBACK]}, ids, HERE)


# Codes and tokens


@pytest.fixture
def grants(clock: Clock) -> Grants:
    return Grants(clock)


def new_grant(grants: Grants, name: str = "a") -> Grant:
    return Grant(name, "client", "Cursor", "", KnownPerson(User("ada")), HERE, grants.clock())


def agreed(grants: Grants, grant: Grant) -> str:
    return grants.new_code(grant, CALLBACK, CHALLENGE)


def test_a_code_stands_for_what_was_agreed_to_for_a_minute(grants: Grants, clock: Clock) -> None:
    grant = new_grant(grants)
    first, second = agreed(grants, grant), agreed(grants, grant)
    clock.now += 59
    code = grants.take_code(first)
    assert code and (code.grant, code.redirect_uri, code.challenge) == (grant, CALLBACK, CHALLENGE)
    clock.now += 1
    assert grants.take_code(second) is None and grants.take_code("other") is None


def test_a_code_sent_twice_ends_what_came_of_it(grants: Grants) -> None:
    grant = new_grant(grants)
    code = agreed(grants, grant)
    assert grants.take_code(code)
    assert grants.alive == []  # Until the client has shown that the code is its own.
    access = grants.begin(grant).access
    assert grants.find_access(access) is grant
    assert grants.take_code(code) is None
    assert grants.find_access(access) is None and grants.alive == []


def test_an_access_token_is_good_for_an_hour(grants: Grants, clock: Clock) -> None:
    grant = new_grant(grants)
    tokens = grants.begin(grant)
    clock.now += 3599
    assert grants.find_access(tokens.access) is grant
    clock.now += 1
    assert grants.find_access(tokens.access) is None
    assert grants.find_refresh(tokens.refresh) is grant


def test_tokens_of_one_kind_are_not_good_as_the_other(grants: Grants) -> None:
    grant = new_grant(grants)
    code = agreed(grants, grant)
    tokens = grants.begin(grant)
    assert grants.find_access(tokens.refresh) is None and grants.find_access(code) is None
    assert grants.find_refresh(tokens.access) is None and grants.take_code(tokens.access) is None


def test_a_refresh_token_sent_twice_ends_the_grant(grants: Grants) -> None:
    grant = new_grant(grants)
    first = grants.begin(grant)
    second = grants.renew(first.refresh)
    assert second and grants.find_access(second.access) is grant
    assert grants.find_refresh(first.refresh) is None
    assert grants.find_access(second.access) is None
    assert grants.renew(second.refresh) is None


def test_renewing_does_not_put_off_the_end(grants: Grants, clock: Clock) -> None:
    grant = new_grant(grants)
    tokens = grants.begin(grant)
    clock.now += grants_module.GRANT_SECONDS - 10
    renewed = grants.renew(tokens.refresh)
    assert renewed and grants.find_access(renewed.access) is grant
    clock.now += 10
    assert grants.find_access(renewed.access) is None and grants.renew(renewed.refresh) is None


def test_there_are_no_more_grants_than_can_be_kept(
    grants: Grants, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grants_module, "MAX_GRANTS", 2)
    for name in "abc":
        grants.begin(new_grant(grants, name))
    assert [grant.id for grant in grants.alive] == ["b", "c"]


def test_neither_a_store_nor_a_person_shows_a_secret(clock: Clock) -> None:
    store: SecretStore[str] = SecretStore("kind_", clock)
    secret = store.new("value", clock.now + 1)
    assert secret.startswith("kind_") and len(secret) > 40
    assert secret not in repr(vars(store))


def test_a_full_store_forgets_what_has_expired_and_then_the_oldest(clock: Clock) -> None:
    store: SecretStore[int] = SecretStore("", clock)
    short = store.new(0, clock.now + 1)
    secrets = [store.new(number, clock.now + 100) for number in range(MAX_SECRETS - 1)]
    clock.now += 1
    last = store.new(-1, clock.now + 100)
    assert store.find(short) is None and store.find(secrets[0]) == 0
    store.new(-2, clock.now + 100)
    assert store.find(secrets[0]) is None and store.find(last) == -1


# Rates


def test_each_address_has_its_own_rate(clock: Clock) -> None:
    rate = Rate(2, clock)
    assert [rate.take("a"), rate.take("a"), rate.take("b")] == [0, 0, 0]
    clock.now += 20
    assert rate.take("a") == 40
    clock.now += 40
    assert rate.take("a") == 0


def test_addresses_that_ask_no_more_are_forgotten(clock: Clock) -> None:
    rate = Rate(1, clock)
    for number in range(MAX_ADDRESSES + 1):
        rate.take(str(number))
    assert rate.take("1") > 0 and rate.take("0") == 0
    clock.now += 61
    rate.take("new")
    assert len(rate._times) == 1

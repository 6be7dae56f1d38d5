"""A person's browser, and a client of the OAuth login that sends what it is told to."""

from __future__ import annotations

import re
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hashlib import sha256
from html import unescape
from itertools import count
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client
from mcp.shared.auth import (
    AuthorizationCodeResult,
    OAuthClientInformationFull,
    OAuthClientMetadata,
    OAuthToken,
)

from .agent import STATELESS, Agent, Era, connect_over
from .wire import Wire

REDIRECT = "http://127.0.0.1:7777/callback"
VERIFIER = "v" * 64
CHALLENGE = urlsafe_b64encode(sha256(VERIFIER.encode()).digest()).decode().rstrip("=")
LOGIN = "--MCPExtension.oauth_login=True"


@dataclass
class Browser:
    """`http` keeps cookies and follows no redirect; `server_url` ends with a slash."""

    http: httpx2.AsyncClient
    server_url: str

    @property
    def cookies(self) -> str:
        """As a header has them."""
        return "; ".join(f"{each.name}={each.value}" for each in self.http.cookies.jar)

    async def log_in(self, password: str) -> None:
        """By the form of Jupyter's own login page."""
        await self.http.get(f"{self.server_url}login")
        form = {"password": password, "_xsrf": self.http.cookies["_xsrf"]}
        answer = await self.http.post(f"{self.server_url}login", data=form)
        assert answer.status_code == 302, answer.text

    async def open(self, address: str) -> httpx2.Response:
        return await self.http.get(address, headers={"Accept": "text/html"})

    async def answer(
        self, page: httpx2.Response, answer: str = "allow", **changes: str
    ) -> httpx2.Response:
        """Press a button of the consent page."""
        assert page.status_code == 200, page.text
        fields = dict(re.findall(r'name="(\w+)" value="([^"]*)">\n', page.text))
        form = {name: unescape(value) for name, value in fields.items()}
        action = str(page.url).partition("?")[0]
        return await self.http.post(action, data=form | {"answer": answer} | changes)


class OAuthClient:
    """A public client at `<server_url>mcp`; `fields` can be replaced, or left out by None."""

    def __init__(self, http: httpx2.AsyncClient, server_url: str) -> None:
        self.http = http
        self.mcp_url = f"{server_url}mcp"
        self.client_id = ""

    async def ask(self, token: str = "", **headers: str) -> httpx2.Response:
        """List the tools, which any login may."""
        return await Wire(self.http, self.mcp_url, STATELESS, token).list_tools(**headers)

    async def register(self, *redirects: str, **fields: Any) -> httpx2.Response:
        metadata = {"client_name": "a test", "redirect_uris": redirects or (REDIRECT,)} | fields
        answer = await self.http.post(f"{self.mcp_url}/oauth/register", json=metadata)
        self.client_id = answer.json().get("client_id", "")
        return answer

    def address(self, **fields: str | None) -> str:
        """Where the client sends the browser."""
        query = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": REDIRECT,
            "state": "the state",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
            "resource": self.mcp_url,
        } | fields
        kept = {name: value for name, value in query.items() if value is not None}
        return str(httpx2.URL(f"{self.mcp_url}/oauth/authorize", params=kept))

    async def exchange(self, code: str, **fields: str | None) -> httpx2.Response:
        form = {
            "grant_type": "authorization_code",
            "client_id": self.client_id,
            "redirect_uri": REDIRECT,
            "code": code,
            "code_verifier": VERIFIER,
            "resource": self.mcp_url,
        }
        return await self._post("token", form | fields)

    async def renew(self, refresh_token: str, **fields: str | None) -> httpx2.Response:
        form = {
            "grant_type": "refresh_token",
            "client_id": self.client_id,
            "refresh_token": refresh_token,
        }
        return await self._post("token", form | fields)

    async def revoke(self, token: str, **fields: str | None) -> httpx2.Response:
        return await self._post("revoke", {"client_id": self.client_id, "token": token} | fields)

    async def log_in(self, browser: Browser) -> dict[str, Any]:
        """Register, let the person agree, and take the tokens."""
        await self.register()
        sent = await browser.answer(await browser.open(self.address()))
        answer = await self.exchange(answer_in(sent)["code"])
        assert answer.status_code == 200, answer.text
        tokens: dict[str, Any] = answer.json()
        return tokens

    async def _post(self, name: str, form: dict[str, str | None]) -> httpx2.Response:
        kept = {name: value for name, value in form.items() if value is not None}
        return await self.http.post(f"{self.mcp_url}/oauth/{name}", data=kept)


def answer_in(redirect: httpx2.Response) -> dict[str, str]:
    """What a redirect brings back to the client."""
    assert redirect.status_code == 303, redirect.text
    return {
        name: value
        for name, [value] in parse_qs(urlsplit(redirect.headers["location"]).query).items()
    }


_addresses: Iterator[str] = (f"127.0.{n // 250 + 1}.{n % 250 + 1}" for n in count())


@asynccontextmanager
async def at_an_address_of_its_own(**options: Any) -> AsyncIterator[httpx2.AsyncClient]:
    """Each has its own rate; all of 127.0.0.0/8 is this machine."""
    transport = httpx2.AsyncHTTPTransport(local_address=next(_addresses), **options)
    async with httpx2.AsyncClient(transport=transport, timeout=30) as http:
        yield http


@asynccontextmanager
async def person_and_client(
    server_url: str, **options: Any
) -> AsyncIterator[tuple[Browser, OAuthClient]]:
    """A browser that has been nowhere yet, and a client that has not registered."""
    async with (
        at_an_address_of_its_own(**options) as http,
        at_an_address_of_its_own(**options) as browser,
    ):
        yield Browser(browser, server_url), OAuthClient(http, server_url)


class Storage:
    """What the SDK's client keeps."""

    tokens: OAuthToken | None = None
    client: OAuthClientInformationFull | None = None
    times_told = 0

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens
        self.times_told += 1

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info


@asynccontextmanager
async def connect_by_oauth(
    mcp_url: str, browser: Browser, storage: Storage, era: Era
) -> AsyncIterator[Agent]:
    """The SDK's own client, for which the person agrees whenever it asks."""
    answers: list[dict[str, str]] = []

    async def show(address: str) -> None:
        answers.append(answer_in(await browser.answer(await browser.open(address))))

    async def callback() -> AuthorizationCodeResult:
        return AuthorizationCodeResult(**answers.pop())

    metadata = OAuthClientMetadata.model_validate(
        {"client_name": "SDK", "redirect_uris": ["http://localhost:3030/callback"]}
    )
    login = OAuthClientProvider(mcp_url, metadata, storage, show, callback)
    async with create_mcp_http_client(auth=login) as http:
        async with connect_over(streamable_http_client(mcp_url, http_client=http), era) as agent:
            yield agent

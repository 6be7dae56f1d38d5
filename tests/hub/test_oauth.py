"""The OAuth login on a real JupyterHub: its own login, its own rights, and nothing done there."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from html import unescape

import httpx2
import pytest

from ..agent import Era
from ..oauth import (
    Browser,
    OAuthClient,
    Storage,
    answer_in,
    connect_by_oauth,
    person_and_client,
)
from .hub import Hub
from .test_hub import until

pytestmark = [pytest.mark.anyio, pytest.mark.node]


@asynccontextmanager
async def at_the_hub(
    hub: Hub, person: str, owner: str
) -> AsyncIterator[tuple[Browser, OAuthClient, httpx2.Response]]:
    """A client of somebody's server asks a person, who logs in at the Hub; where that leads to."""
    await hub.start_server(owner)
    async with person_and_client(hub.server_url(owner)) as (browser, client):
        assert (await client.register()).status_code == 201
        browser.http.follow_redirects = True
        login = await browser.open(client.address())
        [action] = re.findall(r'<form action="([^"]+)"', login.text)
        form = {"username": person, "password": "any", "_xsrf": browser.http.cookies["_xsrf"]}
        page = await browser.http.post(login.url.join(unescape(action)), data=form)
        browser.http.follow_redirects = False  # The client's address is nowhere.
        yield browser, client, page


async def tokens_for(
    browser: Browser, client: OAuthClient, page: httpx2.Response
) -> dict[str, str]:
    """What a client gets whom the person lets in."""
    code = answer_in(await browser.answer(page))["code"]
    tokens: dict[str, str] = (await client.exchange(code)).json()
    return tokens


async def test_who_logs_in_at_the_hub_can_let_a_client_in(hub: Hub, era: Era) -> None:
    async with at_the_hub(hub, "carol", "carol") as (browser, client, page):
        refused = await client.ask()
        [address] = re.findall(r'resource_metadata="(.+)"', refused.headers["www-authenticate"])
        assert refused.status_code == 401
        assert (await client.http.get(address)).json()["resource"] == hub.mcp_url("carol")
        assert "a test" in page.text
        # The SDK's client finds its way from the address alone.
        async with connect_by_oauth(hub.mcp_url("carol"), browser, Storage(), era) as agent:
            await agent.tell("open_notebook", notebook=f"{era}.ipynb", create=True)
            assert "| 42" in await agent.run(f"{era}.ipynb", "6 * 7")
    assert "jmcp_" not in hub.log_text()


async def test_its_token_opens_neither_the_hub_nor_the_rest_of_the_server(hub: Hub) -> None:
    async with at_the_hub(hub, "carol", "carol") as (browser, client, page):
        tokens = await tokens_for(browser, client, page)
        login = {"Authorization": f"Bearer {tokens['access_token']}"}
        for address in (f"{hub.url}hub/api/user", f"{hub.server_url('carol')}api/contents"):
            assert (await client.http.get(address, headers=login)).status_code == 403


async def test_nobody_gets_into_the_server_of_somebody_else(hub: Hub) -> None:
    async with at_the_hub(hub, "dan", "carol") as (browser, client, page):
        assert page.status_code == 403 and "a test" not in page.text
        # Known to the Hub and without a right: no login would help, so none is asked for.
        own = await hub.token("dan", "access:servers!user=dan")
        refused = await client.ask(own)
        assert refused.status_code == 403 and "www-authenticate" not in refused.headers
        assert "The token of dan does not open this server" in refused.text
    async with at_the_hub(hub, "dan", "dan") as (browser, client, page):
        tokens = await tokens_for(browser, client, page)
        assert (await client.ask(tokens["access_token"])).status_code == 200
        client.mcp_url = hub.mcp_url("carol")
        assert (await client.ask(tokens["access_token"])).status_code == 401


async def test_a_logout_at_the_hub_ends_the_clients_login(hub: Hub) -> None:
    async with (
        at_the_hub(hub, "carol", "carol") as (browser, client, page),
        at_the_hub(hub, "carol", "carol") as (still_there, _, _),
    ):
        tokens = await tokens_for(browser, client, page)
        assert (await client.ask(tokens["access_token"])).status_code == 200
        await browser.open(f"{hub.url}hub/logout")

        async def is_refused() -> bool:
            # The cookie of another login does not help.
            answer = await client.ask(tokens["access_token"], Cookie=still_there.cookies)
            return answer.status_code == 401

        await until(is_refused)
        renewed = await client.renew(tokens["refresh_token"])
        assert renewed.json()["error"] == "invalid_grant"


async def test_behind_one_more_proxy_clients_are_led_to_the_address_of_the_browser(
    hub: Hub,
) -> None:
    await hub.start_server("carol")
    async with person_and_client(hub.server_url("carol")) as (_, client):
        # The Hub's own proxy adds "http" to what the one before it has said.
        refused = await client.ask(**{"X-Forwarded-Proto": "https"})
    outside = hub.mcp_url("carol").replace("http:", "https:")
    assert f'resource_metadata="{outside}/.well-known/' in refused.headers["www-authenticate"]

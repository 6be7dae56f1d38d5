"""A person logs in to Jupyter in a browser, and lets a client in or not."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.async_api import Browser, Page, Route, expect

from ..oauth import LOGIN, REDIRECT, OAuthClient, at_an_address_of_its_own
from ..server import Server, run_server

pytestmark = [pytest.mark.anyio, pytest.mark.e2e]

FOREIGN = "https://agent.example/callback"


@pytest.fixture(scope="module")
async def with_login(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    base = tmp_path_factory.mktemp("oauth")
    async with run_server(base, LOGIN, module="jupyter_server", base_url="/user/ada/") as server:
        yield server


@pytest.fixture
async def client(with_login: Server) -> AsyncIterator[OAuthClient]:
    async with at_an_address_of_its_own() as http:
        client = OAuthClient(http, with_login.url)
        await client.register(REDIRECT, FOREIGN, client_name="Claude Code")
        yield client


@asynccontextmanager
async def person(
    browser: Browser, server: Server, scheme: Literal["light", "dark"] = "light"
) -> AsyncIterator[tuple[Page, list[str]]]:
    """A browser's page, and where it is sent back to; a program and a web site listen there."""
    context = await browser.new_context(
        viewport={"width": 760, "height": 560}, color_scheme=scheme, bypass_csp=False
    )
    calls: list[str] = []

    async def answer(route: Route) -> None:
        calls.append(route.request.url)
        await route.fulfill(body="You can go back to your agent.")

    try:
        for place in (REDIRECT, FOREIGN):
            await context.route(f"{place}*", answer)
        yield await context.new_page(), calls
    finally:
        await context.close()


async def log_in(page: Page, server: Server) -> None:
    await page.locator("input[type=password]").first.fill(server.token)
    await page.keyboard.press("Enter")


@pytest.mark.parametrize("redirect", [REDIRECT, FOREIGN])
@pytest.mark.parametrize(("scheme", "back"), [("light", 245), ("dark", 17)])
async def test_a_person_logs_in_and_lets_a_client_in(
    browser: Browser,
    with_login: Server,
    client: OAuthClient,
    redirect: str,
    scheme: Literal["light", "dark"],
    back: int,
) -> None:
    async with person(browser, with_login, scheme) as (page, calls):
        await page.goto(client.address(redirect_uri=redirect))
        await log_in(page, with_login)
        complaints: list[str] = []
        page.on("console", lambda message: complaints.append(message.text))
        await expect(page.locator("#client")).to_have_text("Claude Code")
        place = urlsplit(redirect).netloc
        await expect(page.locator("#destination")).to_contain_text(place)
        await expect(page.locator("#abilities")).to_contain_text("run any code as you")
        assert await page.locator("header img").evaluate("image => image.naturalWidth > 0")
        color = f"rgb({back}, {back}, {back})"
        await expect(page.locator("body")).to_have_css("background-color", color)
        if (directory := os.environ.get("SCREENSHOT_DIR")) and redirect == REDIRECT:
            name = {"light": "consent", "dark": "consent-dark"}[scheme]
            await page.screenshot(path=Path(directory) / f"{name}.png")
        await page.get_by_role("button", name="Allow", exact=True).click()
        await expect(page.get_by_text("You can go back")).to_be_visible()
        assert complaints == []
    [call] = calls
    sent = {name: value for name, [value] in parse_qs(urlsplit(call).query).items()}
    assert call.startswith(redirect) and sent["state"] == "the state"
    answer = await client.exchange(sent["code"], redirect_uri=redirect)
    assert (await client.ask(answer.json()["access_token"])).status_code == 200


async def test_a_person_ends_what_was_allowed(
    browser: Browser, with_login: Server, client: OAuthClient
) -> None:
    await client.register(client_name="one more")
    async with person(browser, with_login) as (page, calls):
        await page.goto(client.address())
        await log_in(page, with_login)
        await page.get_by_role("button", name="Allow", exact=True).click()
        await expect(page.get_by_text("You can go back")).to_be_visible()
        [code] = parse_qs(urlsplit(calls[0]).query)["code"]
        token = (await client.exchange(code)).json()["access_token"]
        await page.goto(with_login.mcp_url)
        row = page.locator("#logins tr").filter(has_text="one more")
        if directory := os.environ.get("SCREENSHOT_DIR"):
            await page.screenshot(path=Path(directory) / "logins.png")
        await row.get_by_role("button", name="End").click()
        await expect(page.locator("h1")).to_have_text("Ready for agents")
        await expect(row).to_have_count(0)
    assert (await client.ask(token)).status_code == 401


async def test_a_person_says_no(browser: Browser, with_login: Server, client: OAuthClient) -> None:
    async with person(browser, with_login) as (page, calls):
        await page.goto(client.address())
        await log_in(page, with_login)
        await page.get_by_role("button", name="Do not allow").click()
        await expect(page.get_by_text("You can go back")).to_be_visible()
    [call] = calls
    assert "error=access_denied" in call and "code=" not in call


async def test_no_page_can_hold_the_question_in_a_frame(
    browser: Browser, with_login: Server, client: OAuthClient
) -> None:
    async with person(browser, with_login) as (page, _):
        await page.goto(client.address())
        await log_in(page, with_login)
        await expect(page.locator("#client")).to_be_visible()
        # Of the same site, so that nothing but the question's own headers keeps it out.
        await page.route(
            "**/frame.html",
            lambda route: route.fulfill(
                body=f'<iframe src="{client.address()}"></iframe>', content_type="text/html"
            ),
        )
        async with page.expect_response("**/oauth/authorize?*") as response:
            await page.goto(f"{with_login.url}frame.html")
        assert (await response.value).status == 200
        await expect(page.frame_locator("iframe").locator("#client")).to_have_count(0)

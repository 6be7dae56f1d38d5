"""What the log says of where agents connect, and whether they can."""

from __future__ import annotations

from typing import Any

import pytest
from jupyter_server.auth.identity import PasswordIdentityProvider
from jupyter_server.serverapp import ServerApp

from jupyter_mcp_ext.entrance import NO_TOKEN, announcement, lacks_token

OWN = "http://localhost:8888/lab-1/mcp"
HUB = {"JUPYTERHUB_SERVICE_PREFIX": "/user/ada/"}


def announced(variables: dict[str, str] | None = None, token: str = "x", **settings: Any) -> str:
    server = ServerApp(ip="localhost", port=8888, base_url="/lab-1/", **settings)
    server.identity_provider = PasswordIdentityProvider(token=token, hashed_password="argon2:x")
    return announcement(server, variables or {})


@pytest.mark.parametrize(
    ("variables", "display_url", "address"),
    [
        ({}, "", OWN),
        ({}, "https://lab.example/u/1/", "https://lab.example/u/1/mcp"),
        ({}, "https://lab.example/u/1/lab?x=1", "https://lab.example/u/1/mcp"),
        ({}, "https://lab.example", "https://lab.example/lab-1/mcp"),
        (HUB, "", "https://<hub>/user/ada/mcp"),
        ({**HUB, "JUPYTERHUB_PUBLIC_URL": ""}, "", "https://<hub>/user/ada/mcp"),
        (
            {**HUB, "JUPYTERHUB_PUBLIC_URL": "https://hub.example/user/ada/"},
            "",
            "https://hub.example/user/ada/mcp",
        ),
    ],
)
def test_the_address_is_the_one_that_others_see(
    variables: dict[str, str], display_url: str, address: str
) -> None:
    said = announced(variables, custom_display_url=display_url)
    assert said.startswith(f"Agents connect at {address}: open it in a browser")
    # It would print the address behind the Hub.
    assert ("`jupyter mcp config`" in said) == (not variables)


def test_a_server_without_a_token_says_that_agents_cannot_log_in() -> None:
    assert announced(token="").endswith(NO_TOKEN)


def test_a_server_without_any_login_lacks_no_token() -> None:
    assert not lacks_token(PasswordIdentityProvider(token="", hashed_password=""))
    assert not lacks_token(PasswordIdentityProvider(token="x", hashed_password=""))

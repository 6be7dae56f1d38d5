"""Where the server is, as a request tells."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from jupyter_mcp_ext.origin import origin_of


def handler(scheme: str, host: str, *, trusts: bool = False, **headers: str) -> Any:
    """What a request tells at a server that trusts its proxies or does not."""
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return SimpleNamespace(
        request=SimpleNamespace(protocol=scheme, host=host, headers=given),
        serverapp=SimpleNamespace(trust_xheaders=trusts),
    )


@pytest.mark.parametrize(
    ("scheme", "host", "origin"),
    [
        ("https", "hub.example", "https://hub.example"),
        ("https", "Hub.Example:443", "https://hub.example"),
        ("http", "HUB.example:80", "http://hub.example"),
        ("http", "[::1]:8888", "http://[::1]:8888"),
        ("https", "hub.example:80", "https://hub.example:80"),
    ],
)
def test_a_server_has_one_address_however_its_name_is_spelt(
    scheme: str, host: str, origin: str
) -> None:
    assert origin_of(handler(scheme, host)) == origin


@pytest.mark.parametrize("given", ["https,http", "HTTPS, http, http", "https"])
def test_of_several_proxies_the_first_is_the_browsers(given: str) -> None:
    behind = handler("http", "hub.example:443", trusts=True, X_Forwarded_Proto=given)
    assert origin_of(behind) == "https://hub.example"


def test_what_a_proxy_says_counts_only_where_it_is_trusted_and_makes_sense() -> None:
    assert origin_of(handler("http", "a", X_Forwarded_Proto="https")) == "http://a"
    assert origin_of(handler("http", "a", trusts=True, X_Forwarded_Proto="gopher")) == "http://a"
    assert origin_of(handler("http", "a", trusts=True)) == "http://a"

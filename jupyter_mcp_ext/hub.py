"""What a JupyterHub knows of a login that this server refused."""

from __future__ import annotations

from typing import Any

from jupyter_server.base.handlers import JupyterHandler

from .origin import origin_of


def hub_user(handler: JupyterHandler) -> dict[str, Any]:
    """Who the Hub says has sent a request; empty for an unknown login, and without a Hub."""
    return getattr(handler, "_cached_hub_user", None) or {}


def hub_login_hint(handler: JupyterHandler) -> str:
    """How to be let in by a Hub; empty where the login is not a Hub's."""
    hint = hub_token_hint(handler)
    if not hint:
        return ""
    name = hub_user(handler).get("name")
    problem = f"The token of {name} does not open this server" if name else "A login is needed"
    return f"{problem}. {hint}"


def hub_token_hint(handler: JupyterHandler) -> str:
    """Where a Hub makes a token that opens this server; empty where the login is not a Hub's."""
    hub_auth = getattr(handler.identity_provider, "hub_auth", None)
    if hub_auth is None:
        return ""
    host = hub_auth.hub_host or origin_of(handler)
    scope = min(hub_auth.access_scopes, default="access:servers")
    return (
        f"Make a token with the scope '{scope}' at {host}{hub_auth.hub_prefix}token and "
        "send it in the header 'Authorization: Bearer <token>'."
    )

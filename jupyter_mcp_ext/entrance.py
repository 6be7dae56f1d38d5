"""What a server tells of its own entrance for agents: the address, or that they need a token."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from jupyter_server.serverapp import ServerApp
from jupyter_server.utils import url_path_join

NO_TOKEN = (
    "This Jupyter server has a login but no token, which is what MCP clients log in with. Start it "
    "with JUPYTER_TOKEN in its environment, or IdentityProvider.token in its configuration; a "
    "password goes on working."
)
"""To be said where no client can log in."""


def lacks_token(identity_provider: Any) -> bool:
    """Whether people log in otherwise, such as by a password, and agents cannot."""
    return identity_provider.auth_enabled and not identity_provider.token


def announcement(
    serverapp: ServerApp, variables: Mapping[str, str], *, oauth_login: bool = False
) -> str:
    """What the log says at the start. `variables` are those of the environment."""
    where = f"Agents connect at {_address(serverapp, variables)}: open it in a browser"
    if lacks_token(serverapp.identity_provider) and not oauth_login:
        return f"{where}. {NO_TOKEN}"
    # A Hub's tokens are not known here.
    return where if _hub_path(variables) else f"{where}, or run `jupyter mcp config`"


def _address(serverapp: ServerApp, variables: Mapping[str, str]) -> str:
    """As others see it; where a Hub does not say what that is, the path on the Hub."""
    public = variables.get("JUPYTERHUB_PUBLIC_URL", "") or serverapp.custom_display_url
    if public:
        parts = urlsplit(public)
        path = re.sub(r"/(lab|tree)/?$", "/", parts.path) or serverapp.base_url
        return url_path_join(parts._replace(path=path, query="", fragment="").geturl(), "mcp")
    if path := _hub_path(variables):
        return f"https://<hub>{url_path_join(path, 'mcp')}"
    return url_path_join(serverapp.connection_url, "mcp")


def _hub_path(variables: Mapping[str, str]) -> str:
    return variables.get("JUPYTERHUB_SERVICE_PREFIX", "")

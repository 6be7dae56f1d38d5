"""What clients read to find the login, as RFC 9728, RFC 8414 or OpenID have it."""

from __future__ import annotations

import os
from typing import Any

from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.utils import url_path_join

from ..origin import origin_of

PROTECTED_RESOURCE = "oauth-protected-resource"
AUTHORIZATION_SERVER = "oauth-authorization-server"
OPENID = "openid-configuration"
KEYS = "jwks.json"
DOCUMENTS = (PROTECTED_RESOURCE, AUTHORIZATION_SERVER, OPENID, KEYS)


def issuer_of(handler: JupyterHandler) -> str:
    """The endpoint as its clients see it: the resource, and its authorization server as well."""
    # A Hub that knows its own address has told it.
    known = os.environ.get("JUPYTERHUB_PUBLIC_URL")
    return url_path_join(known or f"{origin_of(handler)}{handler.base_url}", "mcp")


def document(name: str, issuer: str) -> dict[str, Any]:
    """The document with this well-known name."""
    if name == PROTECTED_RESOURCE:
        return _protected_resource(issuer)
    if name == KEYS:
        return {"keys": []}  # Nothing is signed; OpenID's form asks for the address.
    return _authorization_server(issuer) | (_openid(issuer) if name == OPENID else {})


def _protected_resource(issuer: str) -> dict[str, Any]:
    return {
        "resource": issuer,
        "authorization_servers": [issuer],
        "bearer_methods_supported": ["header"],
        "resource_name": "Jupyter notebooks",
    }


def _authorization_server(issuer: str) -> dict[str, Any]:
    return {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/oauth/authorize",
        "token_endpoint": f"{issuer}/oauth/token",
        "registration_endpoint": f"{issuer}/oauth/register",
        "revocation_endpoint": f"{issuer}/oauth/revoke",
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "token_endpoint_auth_methods_supported": ["none"],
        "revocation_endpoint_auth_methods_supported": ["none"],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": True,
    }


def _openid(issuer: str) -> dict[str, Any]:
    """What clients miss that parse this form strictly; there are no identity tokens."""
    return {
        "jwks_uri": f"{issuer}/.well-known/{KEYS}",
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
    }

"""The SDK's endpoints of an authorization server, over our client ids or grants."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from mcp.server.auth.handlers.register import RegistrationHandler
from mcp.server.auth.handlers.revoke import RevocationHandler
from mcp.server.auth.handlers.token import TokenHandler
from mcp.server.auth.middleware.client_auth import ClientAuthenticator
from mcp.server.auth.provider import (
    AccessToken,
    AuthorizationCode,
    RefreshToken,
    RegistrationError,
    TokenError,
)
from mcp.server.auth.settings import ClientRegistrationOptions
from mcp.shared.auth import OAuthClientInformationFull, OAuthToken
from starlette.requests import Request
from starlette.responses import Response

from ..text import printable
from .clients import Client, ClientIds
from .grants import ACCESS_SECONDS, Code, Grant, Grants, Tokens
from .redirects import is_usable

MAX_NAME_CHARS = 100
MAX_REDIRECT_URIS = 10
FORM = "application/x-www-form-urlencoded"


class GrantedCode(AuthorizationCode):
    grant: Any


class GrantedAccess(AccessToken):
    grant: Any


class GrantedRefresh(RefreshToken):
    grant: Any


class Provider:
    """What the SDK asks while it serves its endpoints; the consent page is ours alone."""

    def __init__(self, client_ids: ClientIds, grants: Grants) -> None:
        self._client_ids = client_ids
        self._grants = grants

    async def get_client(self, client_id: str) -> OAuthClientInformationFull | None:
        client = self._client_ids.read(client_id)
        return None if client is None else _information(client_id, client)

    async def register_client(self, information: OAuthClientInformationFull) -> None:
        """Make the SDK's new client one of ours: a public one, with an id that says it all."""
        uris = [str(uri) for uri in information.redirect_uris or []]
        name = printable(information.client_name or "")
        if not 1 <= len(uris) <= MAX_REDIRECT_URIS or not all(map(is_usable, uris)):
            raise RegistrationError(
                "invalid_redirect_uri",
                f"1 to {MAX_REDIRECT_URIS} addresses: https, http on this machine, or an app's.",
            )
        if len(name) > MAX_NAME_CHARS:
            raise RegistrationError("invalid_client_metadata", "The client's name is too long.")
        information.client_id = self._client_ids.issue(Client(name, tuple(uris)))
        information.token_endpoint_auth_method = "none"
        information.client_secret = information.client_secret_expires_at = None

    async def load_authorization_code(
        self, client: OAuthClientInformationFull, code: str
    ) -> GrantedCode | None:
        # Taken at once: who guesses at the verifier has one guess.
        found = self._grants.take_code(code)
        return None if found is None else _code(code, found)

    async def exchange_authorization_code(
        self, client: OAuthClientInformationFull, code: GrantedCode
    ) -> OAuthToken:
        return _answer(self._grants.begin(code.grant))

    async def load_refresh_token(
        self, client: OAuthClientInformationFull, token: str
    ) -> GrantedRefresh | None:
        grant = self._grants.find_refresh(token)
        return None if grant is None else GrantedRefresh(**_facts(token, grant))

    async def exchange_refresh_token(
        self, client: OAuthClientInformationFull, token: GrantedRefresh, scopes: list[str]
    ) -> OAuthToken:
        tokens = self._grants.renew(token.token)
        if tokens is None:
            raise TokenError("invalid_grant")
        return _answer(tokens)

    async def load_access_token(self, token: str) -> GrantedAccess | None:
        grant = self._grants.find_access(token)
        return None if grant is None else GrantedAccess(**_facts(token, grant))

    async def revoke_token(self, token: GrantedAccess | GrantedRefresh) -> None:
        self._grants.end(token.grant)


class Endpoints:
    """`register`, `token` and `revoke`, each for a body as it was sent."""

    def __init__(self, client_ids: ClientIds, grants: Grants) -> None:
        provider: Any = Provider(client_ids, grants)
        authenticator = ClientAuthenticator(provider)
        self._register = RegistrationHandler(provider, ClientRegistrationOptions(enabled=True))
        self._token = TokenHandler(provider, authenticator)
        self._revoke = RevocationHandler(provider, authenticator)

    async def register(self, body: bytes) -> Response:
        return await self._register.handle(_request(body, "application/json"))

    async def token(self, form: dict[str, str]) -> Response:
        response: Response = await self._token.handle(_request(urlencode(form).encode(), FORM))
        return response

    async def revoke(self, form: dict[str, str]) -> Response:
        # The SDK's form asks all clients for a secret, and looks at none of a public one.
        body = urlencode({"client_secret": "", **form}).encode()
        return await self._revoke.handle(_request(body, FORM))


def _request(body: bytes, content_type: str) -> Request:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    headers = [(b"content-type", content_type.encode())]
    scope = {"type": "http", "method": "POST", "path": "/", "query_string": b"", "headers": headers}
    return Request(scope, receive)


def _information(client_id: str, client: Client) -> OAuthClientInformationFull:
    return OAuthClientInformationFull.model_validate(
        {
            "client_id": client_id,
            "client_name": client.name,
            "redirect_uris": list(client.redirect_uris),
            "token_endpoint_auth_method": "none",
        }
    )


def _code(code: str, found: Code) -> GrantedCode:
    return GrantedCode.model_validate(
        {
            "code": code,
            "scopes": [],
            "expires_at": found.expires_at,
            "client_id": found.grant.client_id,
            "code_challenge": found.challenge,
            "redirect_uri": found.redirect_uri,
            "redirect_uri_provided_explicitly": True,
            "grant": found.grant,
        }
    )


def _facts(token: str, grant: Grant) -> dict[str, Any]:
    return {
        "token": token,
        "client_id": grant.client_id,
        "scopes": [],
        "expires_at": int(grant.ends_at),
        "grant": grant,
    }


def _answer(tokens: Tokens) -> OAuthToken:
    return OAuthToken(
        access_token=tokens.access, refresh_token=tokens.refresh, expires_in=ACCESS_SECONDS
    )

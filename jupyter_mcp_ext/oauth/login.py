"""The login as a whole, as its handlers, the MCP endpoint or the status page ask it."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from secrets import token_urlsafe
from typing import TYPE_CHECKING

from anyio import Lock, to_thread
from jupyter_server.base.handlers import JupyterHandler

from .admission import GrantedIdentity
from .clients import ClientIds
from .grants import Grant, Grants
from .identity import Person
from .metadata import PROTECTED_RESOURCE, issuer_of
from .rates import Rate
from .request import LoginRequest
from .secret_store import SecretStore

if TYPE_CHECKING:
    from .provider import Endpoints


QUESTION_SECONDS = 10 * 60
"""How long a person has to answer the consent page."""

_BEARER = re.compile(r"bearer\s+(\S+)", re.IGNORECASE)


@dataclass(frozen=True)
class Login:
    """A client that was let in, for people; `id` is what it is ended by."""

    id: str
    client_name: str
    destination: str
    seconds: float


class OAuthLogin:
    """Who may enter by a token of ours, and all that is needed to give one out."""

    def __init__(self, secret: bytes) -> None:
        self.client_ids = ClientIds(secret)
        self.grants = Grants()
        self.rates = {"authorize": Rate(30), "register": Rate(20), "token": Rate(60)}
        self.rates["revoke"] = self.rates["token"]
        self._questions: SecretStore[tuple[LoginRequest, str]] = SecretStore("", time.time)
        self._endpoints: Endpoints | None = None
        self._loading = Lock()

    # For the MCP endpoint

    def admit(self, handler: JupyterHandler) -> GrantedIdentity | None:
        """Who sends this request, if it has a token of ours."""
        token = _BEARER.fullmatch(handler.request.headers.get("Authorization", ""))
        grant = self.grants.find_access(token[1]) if token else None
        # A server may have several names; a token is for the one that its client asked for.
        if grant is None or grant.resource != issuer_of(handler):
            return None
        return GrantedIdentity(handler.identity_provider, grant, self.grants.end)

    def challenge(self, handler: JupyterHandler) -> str:
        """The `WWW-Authenticate` that leads a client to the login."""
        url = f"{issuer_of(handler)}/.well-known/{PROTECTED_RESOURCE}"
        problem = ', error="invalid_token"' if "Authorization" in handler.request.headers else ""
        return f'Bearer resource_metadata="{url}"{problem}'

    # For people

    def logins(self) -> list[Login]:
        """Who has been let in and can still come, the newest first."""
        now = self.grants.clock()
        return [
            Login(grant.id, grant.client_name, grant.destination, now - grant.made_at)
            for grant in reversed(self.grants.alive)
        ]

    def end(self, login_id: str) -> None:
        for grant in self.grants.alive:
            if grant.id == login_id:
                self.grants.end(grant)

    # For the handlers of the login

    async def endpoints(self) -> Endpoints:
        """What clients call; loads the SDK, which a server start should not wait for."""
        async with self._loading:
            if self._endpoints is None:
                self._endpoints = await to_thread.run_sync(self._load)
        return self._endpoints

    def ask(self, request: LoginRequest, username: str) -> str:
        """Keep a request until this person has answered; the name of the question."""
        return self._questions.new((request, username), time.time() + QUESTION_SECONDS)

    def answered(self, question: str, username: str) -> LoginRequest | None:
        """The request in question, once, and only for the person who was asked."""
        request, asked = self._questions.find(question) or (None, "")
        if request is None or asked != username:
            return None
        self._questions.spend(question)
        return request

    def grant(self, request: LoginRequest, person: Person) -> str:
        """The code for a request that the person has agreed to."""
        grant = Grant(
            id=token_urlsafe(12),
            client_id=request.client_id,
            client_name=request.client_name,
            destination=request.destination,
            person=person,
            resource=request.resource,
            made_at=self.grants.clock(),
        )
        return self.grants.new_code(grant, request.redirect_uri, request.challenge)

    def _load(self) -> Endpoints:
        from .provider import Endpoints

        return Endpoints(self.client_ids, self.grants)

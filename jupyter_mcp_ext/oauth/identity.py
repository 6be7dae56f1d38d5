"""Who has agreed: a user of Jupyter's identity provider, of whatever kind that is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from jupyter_server.auth import IdentityProvider, User
from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.utils import ensure_async


class Person(Protocol):
    """Whose rights a grant gives."""

    async def user(self, handler: JupyterHandler, provider: IdentityProvider) -> User | None:
        """Jupyter's own user for this request; None if the login is no longer good."""


@dataclass(frozen=True)
class KnownPerson:
    """Somebody whom Jupyter knew at the time: plain servers have nothing to ask again."""

    known: User

    async def user(self, handler: JupyterHandler, provider: IdentityProvider) -> User | None:
        return self.known


@dataclass(frozen=True)
class HubPerson:
    """Somebody with a login at a JupyterHub, which is asked on each request (it has a cache).

    `token` is the Hub's, for this server only. It never leaves this process.
    """

    token: str = field(repr=False)

    async def user(self, handler: JupyterHandler, provider: IdentityProvider) -> User | None:
        handler.request.headers["Authorization"] = f"token {self.token}"
        return await ensure_async(provider.get_user(handler))


def is_made_up(user: User) -> bool:
    """Whether a plain server made up a name for whoever has its token."""
    return user.name.startswith("Anonymous ")


def person_at(handler: JupyterHandler) -> Person:
    """Who is logged in, as Jupyter's identity provider says."""
    hub_auth = getattr(handler.identity_provider, "hub_auth", None)
    if hub_auth is None:
        return KnownPerson(handler.current_user)
    return HubPerson(hub_auth.get_token(handler) or "")

"""Lets a request with a token of ours in as the person who agreed to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jupyter_server.auth import IdentityProvider, User
from jupyter_server.base.handlers import JupyterHandler

from .grants import Grant


class GrantedIdentity:
    """Stands in for Jupyter's identity provider while one request is served.

    Only who sends the request is answered here. A person whose login is no longer good ends the
    grant, so that the client asks for a new one instead of renewing its tokens.
    """

    def __init__(
        self, provider: IdentityProvider, grant: Grant, end: Callable[[Grant], None]
    ) -> None:
        self._provider = provider
        self._grant = grant
        self._end = end

    async def get_user(self, handler: JupyterHandler) -> User | None:
        handler.request.headers.pop("Cookie", None)  # Beside a token of ours it counts for nothing.
        try:
            user = await self._grant.person.user(handler, self._provider)
        finally:
            # What comes after sees neither our token nor the Hub's. This stays the same when the
            # client renews its tokens, and so does what the agent is known to have read.
            handler.request.headers["Authorization"] = f"Bearer {self._grant.id}"
        if user is None:
            self._end(self._grant)
        return user

    def is_token_authenticated(self, handler: JupyterHandler) -> bool:
        return True

    def should_check_origin(self, handler: JupyterHandler) -> bool:
        return False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._provider, name)

"""What persons have agreed to, with the codes or tokens that stand for it."""

from __future__ import annotations

import time
from dataclasses import dataclass

from .identity import Person
from .secret_store import Clock, SecretStore

CODE_SECONDS = 60
"""How long a client has to turn a code into tokens."""

ACCESS_SECONDS = 60 * 60
"""How long an access token is good; clients renew it by themselves."""

GRANT_SECONDS = 14 * 24 * 60 * 60
"""After how long the person has to agree anew; JupyterHub's own logins last as long."""

MAX_GRANTS = 200
"""How many there are at once; the oldest go first."""


@dataclass(frozen=True)
class Grant:
    """A person's yes to one client, for the endpoint `resource`."""

    id: str
    client_id: str
    client_name: str
    destination: str
    person: Person
    resource: str
    made_at: float

    @property
    def ends_at(self) -> float:
        return self.made_at + GRANT_SECONDS


@dataclass(frozen=True)
class Code:
    """What a code is bound to; only who knows the verifier of `challenge` can use it."""

    grant: Grant
    redirect_uri: str
    challenge: str
    expires_at: float


@dataclass(frozen=True)
class Tokens:
    access: str
    refresh: str


class Grants:
    """Lives in memory: after a restart of the server, all have to agree anew."""

    def __init__(self, clock: Clock = time.time) -> None:
        self.clock = clock
        self._grants: dict[str, Grant] = {}
        self._codes: SecretStore[Code] = SecretStore("jmcp_code_", clock)
        self._access: SecretStore[Grant] = SecretStore("jmcp_access_", clock)
        self._refresh: SecretStore[Grant] = SecretStore("jmcp_refresh_", clock)

    @property
    def alive(self) -> list[Grant]:
        """Those that have not ended, the oldest first."""
        return [grant for grant in self._grants.values() if self._is_alive(grant)]

    def new_code(self, grant: Grant, redirect_uri: str, challenge: str) -> str:
        """What the client gets by the browser, to begin the grant with."""
        expires_at = self.clock() + CODE_SECONDS
        return self._codes.new(Code(grant, redirect_uri, challenge, expires_at), expires_at)

    def take_code(self, code: str) -> Code | None:
        """What a code stands for, once. Sent twice, it may be stolen, so its grant ends."""
        if reused := self._codes.spent(code):
            self.end(reused.grant)
        return self._codes.spend(code)

    def begin(self, grant: Grant) -> Tokens:
        """The first tokens of a grant."""
        self._grants = {each.id: each for each in [*self.alive[1 - MAX_GRANTS :], grant]}
        return self._issue(grant)

    def find_access(self, token: str) -> Grant | None:
        return self._if_alive(self._access.find(token))

    def find_refresh(self, token: str) -> Grant | None:
        """The grant of a refresh token. Sent after its use, it may be stolen: the grant ends."""
        if reused := self._refresh.spent(token):
            self.end(reused)
        return self._if_alive(self._refresh.find(token))

    def renew(self, refresh: str) -> Tokens | None:
        """New tokens for a refresh token, which is good for nothing afterwards."""
        grant = self._if_alive(self._refresh.spend(refresh))
        return self._issue(grant) if grant else None

    def end(self, grant: Grant) -> None:
        """No token of it is good any more."""
        self._grants.pop(grant.id, None)

    def _issue(self, grant: Grant) -> Tokens:
        expires_at = min(self.clock() + ACCESS_SECONDS, grant.ends_at)
        access = self._access.new(grant, expires_at)
        return Tokens(access, self._refresh.new(grant, grant.ends_at))

    def _if_alive(self, grant: Grant | None) -> Grant | None:
        return grant if grant and self._is_alive(grant) else None

    def _is_alive(self, grant: Grant) -> bool:
        return grant.id in self._grants and self.clock() < grant.ends_at

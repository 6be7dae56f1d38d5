"""A client's request to log in, once everything in it is known to be in order."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .clients import ClientIds
from .redirects import describe, is_same

_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
"""What S256 makes of any verifier (RFC 7636)."""

CONNECT_ANEW = "remove what the client has stored of this server's login, and connect again"


class UnusableRequest(Exception):
    """Told to the person only: nobody has vouched yet for where the client would be told."""


@dataclass(frozen=True)
class LoginRequest:
    client_id: str
    client_name: str
    redirect_uri: str
    state: str
    challenge: str
    resource: str

    @property
    def destination(self) -> str:
        """Where the code will be sent, in words."""
        return describe(self.redirect_uri)


def read_request(
    arguments: Mapping[str, Sequence[str]], client_ids: ClientIds, resource: str
) -> LoginRequest:
    """The request in the arguments of an address; `resource` is this endpoint.

    Raises:
        UnusableRequest: something is missing, given twice, or not what this server does.
    """
    given = {name: values[0] for name, values in arguments.items()}
    if repeated := [name for name, values in arguments.items() if len(values) > 1]:
        raise UnusableRequest(f"it has {min(repeated)} twice")
    client = client_ids.read(given.get("client_id", ""))
    if client is None:
        raise UnusableRequest(f"this server does not know the client: {CONNECT_ANEW}")
    redirect_uri = given.get("redirect_uri", "")
    if not any(is_same(registered, redirect_uri) for registered in client.redirect_uris):
        raise UnusableRequest("the client has not registered its redirect_uri")
    if given.get("response_type") != "code":
        raise UnusableRequest("its response_type is not code")
    if given.get("code_challenge_method") != "S256":
        raise UnusableRequest("its code_challenge_method is not S256")
    if not _CHALLENGE.fullmatch(given.get("code_challenge", "")):
        raise UnusableRequest("it has no code_challenge of 43 characters")
    if not is_resource(given.get("resource", resource), resource):
        raise UnusableRequest(f"it is for another resource than {resource}")
    return LoginRequest(
        given["client_id"],
        client.name,
        redirect_uri,
        given.get("state", ""),
        given["code_challenge"],
        resource,
    )


def is_resource(asked: str, resource: str) -> bool:
    """Whether a resource indicator (RFC 8707) names this endpoint."""
    return asked.rstrip("/") == resource

"""Registered clients, kept nowhere: the id of a client holds what it registered, signed."""

from __future__ import annotations

import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass

_PURPOSE = b"jupyter_mcp_ext: ids of OAuth clients"


@dataclass(frozen=True)
class Client:
    """What a client says of itself; nobody has checked its name."""

    name: str
    redirect_uris: tuple[str, ...]


class ClientIds:
    """Makes ids that outlive a restart as long as `secret` does."""

    def __init__(self, secret: bytes) -> None:
        self._key = hmac.digest(secret, _PURPOSE, "sha256")

    def issue(self, client: Client) -> str:
        """The id of a client; the same for the same registration."""
        body = _encode(json.dumps([client.name, *client.redirect_uris]).encode())
        return f"{body}.{self._signature(body)}"

    def read(self, client_id: str) -> Client | None:
        """What was registered; None if we have not issued this id."""
        body, _, signature = client_id.partition(".")
        if not hmac.compare_digest(self._signature(body).encode(), signature.encode()):
            return None
        name, *redirect_uris = json.loads(urlsafe_b64decode(body + "=="))
        return Client(name, tuple(redirect_uris))

    def _signature(self, body: str) -> str:
        return _encode(hmac.digest(self._key, body.encode(), "sha256"))


def _encode(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")

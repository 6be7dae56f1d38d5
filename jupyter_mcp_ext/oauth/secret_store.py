"""Random strings that stand for something until they expire; kept as hashes, in memory only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from secrets import token_urlsafe
from typing import Generic, TypeVar

T = TypeVar("T")
Clock = Callable[[], float]

MAX_SECRETS = 10_000
"""How many a store keeps; the oldest go first."""


@dataclass
class _Kept(Generic[T]):
    value: T
    expires_at: float
    is_spent: bool = False


class SecretStore(Generic[T]):
    """Gives out secrets, whose kind can be seen by `prefix`."""

    def __init__(self, prefix: str, clock: Clock) -> None:
        self._prefix = prefix
        self._clock = clock
        self._kept: dict[bytes, _Kept[T]] = {}

    def new(self, value: T, expires_at: float) -> str:
        """A new secret that stands for `value`."""
        if len(self._kept) >= MAX_SECRETS:
            self._forget_old()
        secret = self._prefix + token_urlsafe(32)
        self._kept[_hash(secret)] = _Kept(value, expires_at)
        return secret

    def find(self, secret: str) -> T | None:
        """What it stands for; None if it is unknown, was spent or has expired."""
        kept = self._find(secret)
        return None if kept is None or kept.is_spent else kept.value

    def spend(self, secret: str) -> T | None:
        """The same, once."""
        value = self.find(secret)
        if kept := self._find(secret):
            kept.is_spent = True
        return value

    def spent(self, secret: str) -> T | None:
        """What it stood for before it was spent: somebody sends it again."""
        kept = self._find(secret)
        return kept.value if kept is not None and kept.is_spent else None

    def _find(self, secret: str) -> _Kept[T] | None:
        kept = self._kept.get(_hash(secret))
        return kept if kept is not None and self._clock() < kept.expires_at else None

    def _forget_old(self) -> None:
        now = self._clock()
        self._kept = {key: kept for key, kept in self._kept.items() if now < kept.expires_at}
        while len(self._kept) >= MAX_SECRETS:
            del self._kept[next(iter(self._kept))]


def _hash(secret: str) -> bytes:
    # Of random strings, so it needs neither salt nor to be slow.
    return sha256(secret.encode("utf-8", "replace")).digest()

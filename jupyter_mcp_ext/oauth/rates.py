"""How often one address may ask for something."""

from __future__ import annotations

import time
from collections import deque

from .secret_store import Clock

WINDOW_SECONDS = 60.0
MAX_ADDRESSES = 1000


class Rate:
    """At most `limit` times a minute for each address."""

    def __init__(self, limit: int, clock: Clock = time.monotonic) -> None:
        self._limit = limit
        self._clock = clock
        self._times: dict[str, deque[float]] = {}

    def take(self, address: str) -> float:
        """Count a request; for how many seconds it has to wait instead, or 0."""
        now = self._clock()
        times = self._times.setdefault(address, deque())
        while times and times[0] <= now - WINDOW_SECONDS:
            times.popleft()
        if len(times) >= self._limit:
            return times[0] + WINDOW_SECONDS - now
        times.append(now)
        self._forget_old(now)
        return 0.0

    def _forget_old(self, now: float) -> None:
        if len(self._times) > MAX_ADDRESSES:
            recent = {
                address: times
                for address, times in self._times.items()
                if times and times[-1] > now - WINDOW_SECONDS
            }
            self._times = dict(list(recent.items())[-MAX_ADDRESSES:])

"""Twins of what the front door asks of PostgreSQL and of Valkey."""

from __future__ import annotations

import trio

from actors.errors import StoreUnavailable
from actors.guards import ApiKey, Limit


class FakeApiKeys:
    """API keys in a dict. `down = True` is an outage."""

    def __init__(self) -> None:
        self.down = False
        self.kept: dict[str, ApiKey] = {}

    async def find(self, key_id: str) -> ApiKey | None:
        await trio.lowlevel.checkpoint()
        if self.down:
            raise StoreUnavailable("the fake store of keys is down")
        return self.kept.get(key_id)


class FakeLimits:
    """Counts in lists, by trio's clock. `down = True` is an outage."""

    def __init__(self) -> None:
        self.down = False
        self.spent: dict[str, list[float]] = {}

    async def spend(self, *limits: Limit) -> float:
        await trio.lowlevel.checkpoint()
        if self.down:
            raise StoreUnavailable("the fake store of counts is down")
        now = trio.current_time()
        wait = max(self._wait(limit, now) for limit in limits)
        if wait <= 0:
            for limit in limits:
                self.spent.setdefault(limit.name, []).append(now)
        return max(wait, 0.0)

    def _wait(self, limit: Limit, now: float) -> float:
        counted = [at for at in self.spent.get(limit.name, []) if at > now - limit.seconds]
        return 0.0 if len(counted) < limit.at_most else counted[-limit.at_most] + limit.seconds - now

"""A store behind a breaker: while the database is down, one session at a time tries it, not all of them."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from contextlib import contextmanager

from actors.core.credential import Keeping
from actors.core.names import SessionKey
from actors.errors import StoreUnavailable, VersionConflict
from actors.ports import Saved, Store, Transition
from supervisor.breaker import Breaker, BreakerPolicy, CircuitOpen

STORE_POLICY = BreakerPolicy(first_rest=5.0, longest_rest=5.0)
"""A database is ours, and its people want it back at once: a probe every 5 seconds."""


class GuardedStore:
    """The Store port, over another Store. Raises StoreUnavailable at once while the breaker is open."""

    def __init__(self, store: Store, breaker: Breaker) -> None:
        self._store = store
        self.breaker = breaker

    async def load(self, key: SessionKey) -> Saved | None:
        """See the port."""
        with self._guarded(key):
            return await self._store.load(key)

    async def save(
        self, key: SessionKey, saved: Saved, transition: Transition | None, keeping: Keeping | None = None
    ) -> None:
        """See the port."""
        with self._guarded(key):
            await self._store.save(key, saved, transition, keeping)

    async def running(self) -> list[SessionKey]:
        """See the port."""
        with self._guarded("running"):
            return await self._store.running()

    @contextmanager
    def _guarded(self, by: Hashable) -> Iterator[None]:
        try:
            with self.breaker.attempt(by) as attempt:
                try:
                    yield
                except StoreUnavailable:
                    attempt.failed()
                    raise
                except VersionConflict:
                    attempt.succeeded()
                    raise
                attempt.succeeded()
        except CircuitOpen as circuit_open:
            raise StoreUnavailable(
                "the database does not answer", retry_after=max(1.0, circuit_open.retry_after)
            ) from circuit_open

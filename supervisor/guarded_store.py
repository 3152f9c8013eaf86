"""A store, and tenants' apps, behind a breaker: while the database is down, one session at a time tries it."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from contextlib import AbstractContextManager, contextmanager

from actors.core.app import OwnApp
from actors.core.credential import Keeping
from actors.core.names import SessionKey
from actors.errors import AppSealed, StoreUnavailable, VersionConflict
from actors.ports import Apps, KeptApp, Saved, Store, Transition
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

    async def due(self, now: float) -> list[SessionKey]:
        """See the port."""
        with self._guarded("due"):
            return await self._store.due(now)

    async def page(
        self, tenant_id: str | None, after: SessionKey | None, limit: int
    ) -> list[tuple[SessionKey, Saved]]:
        """See the port."""
        with self._guarded("page"):
            return await self._store.page(tenant_id, after, limit)

    def _guarded(self, by: Hashable) -> AbstractContextManager[None]:
        return guarded(self.breaker, by)


class GuardedApps:
    """The Apps port, over another Apps in the same database, behind the same breaker."""

    def __init__(self, apps: Apps, breaker: Breaker) -> None:
        self._apps = apps
        self._breaker = breaker

    async def read(self, tenant_id: str) -> KeptApp | None:
        """See the port."""
        with guarded(self._breaker, tenant_id):
            return await self._apps.read(tenant_id)

    async def write(self, tenant_id: str, app: OwnApp) -> KeptApp:
        """See the port."""
        with guarded(self._breaker, tenant_id):
            return await self._apps.write(tenant_id, app)

    async def remove(self, tenant_id: str) -> bool:
        """See the port."""
        with guarded(self._breaker, tenant_id):
            return await self._apps.remove(tenant_id)


@contextmanager
def guarded(breaker: Breaker, by: Hashable) -> Iterator[None]:
    """Ask the database in the block, if its breaker lets us. Raises StoreUnavailable at once while it does not."""
    try:
        with breaker.attempt(by) as attempt:
            try:
                yield
            except StoreUnavailable:
                attempt.failed()
                raise
            except (VersionConflict, AppSealed):
                attempt.succeeded()
                raise
            attempt.succeeded()
    except CircuitOpen as circuit_open:
        raise StoreUnavailable(
            "the database does not answer", retry_after=max(1.0, circuit_open.retry_after)
        ) from circuit_open

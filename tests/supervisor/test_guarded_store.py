"""The database's breaker: an outage is found out by a few, and its end by one."""

from __future__ import annotations

import pytest
import trio

from actors.core.app import OwnApp, Proxy
from actors.core.names import SessionKey
from actors.core.record import to_record
from actors.core.states import Absent
from actors.errors import AppSealed, StoreUnavailable, VersionConflict
from actors.ports import KeptApp, Saved
from supervisor.breaker import Breaker, Circuit
from supervisor.guarded_store import STORE_POLICY, GuardedApps, GuardedStore
from tests.fakes import FakeApps, FakeStore

ROW = Saved(to_record(Absent()), 1, 0.0)


class CountingStore(FakeStore):
    """Counts how often it is tried."""

    calls = 0

    async def load(self, key: SessionKey) -> Saved | None:
        self.calls += 1
        return await super().load(key)


def key(number: int) -> SessionKey:
    return SessionKey("tenant", f"app-{number}")


@pytest.fixture
def store() -> CountingStore:
    return CountingStore()


@pytest.fixture
def guarded(store: CountingStore) -> GuardedStore:
    return GuardedStore(store, Breaker(STORE_POLICY, lambda _: None))


async def refused(guarded: GuardedStore, number: int) -> StoreUnavailable:
    with pytest.raises(StoreUnavailable) as refusal:
        await guarded.load(key(number))
    return refusal.value


async def test_a_store_that_works_is_passed_through(store: CountingStore, guarded: GuardedStore) -> None:
    await guarded.save(key(1), ROW, None)

    assert await guarded.load(key(1)) == ROW
    assert await guarded.load(key(2)) is None
    assert await guarded.running() == await store.running()


async def test_an_outage_is_found_out_by_few(store: CountingStore, guarded: GuardedStore) -> None:
    store.down = True
    refusals = [await refused(guarded, number) for number in range(100)]

    assert store.calls == STORE_POLICY.limit
    assert refusals[-1].retry_after == STORE_POLICY.first_rest


async def test_its_end_is_found_out_by_one(store: CountingStore, guarded: GuardedStore) -> None:
    store.down = True
    for number in range(10):
        await refused(guarded, number)
    for _ in range(20):  # the rest does not grow: people want their database back at once
        await trio.sleep(STORE_POLICY.first_rest)
        await refused(guarded, 1)
    store.down = False
    await trio.sleep(STORE_POLICY.first_rest)

    assert await guarded.load(key(1)) is None
    assert guarded.breaker.circuit is Circuit.CLOSED


async def test_a_conflict_is_an_answer(guarded: GuardedStore) -> None:
    await guarded.save(key(1), ROW, None)
    for _ in range(20):
        with pytest.raises(VersionConflict):
            await guarded.save(key(1), Saved(ROW.record, 1, 5.0), None)
    assert guarded.breaker.circuit is Circuit.CLOSED


async def test_tenants_apps_are_behind_the_same_breaker() -> None:
    breaker, apps = Breaker(STORE_POLICY, lambda _: None), FakeApps()
    guarded = GuardedApps(apps, breaker)
    await guarded.write("acme", OwnApp(device_model="Acme"))
    apps.down = True
    for number in range(20):
        with pytest.raises(StoreUnavailable):
            await guarded.read(f"tenant-{number}")
    assert (apps.reads, breaker.circuit) == (STORE_POLICY.limit, Circuit.OPEN)

    apps.down = False
    await trio.sleep(STORE_POLICY.first_rest)
    assert await guarded.read("acme") == KeptApp(OwnApp(device_model="Acme"), 1)
    assert (await guarded.remove("acme"), breaker.circuit) == (True, Circuit.CLOSED)


async def test_secrets_that_cannot_be_opened_are_no_outage() -> None:
    breaker, apps = Breaker(STORE_POLICY, lambda _: None), FakeApps()
    for number in range(10):
        await apps.write(f"tenant-{number}", OwnApp(proxy=Proxy("http", "proxy", 1)))
    apps.has_key = False
    for number in range(10):
        with pytest.raises(AppSealed):
            await GuardedApps(apps, breaker).read(f"tenant-{number}")
    assert breaker.circuit is Circuit.CLOSED

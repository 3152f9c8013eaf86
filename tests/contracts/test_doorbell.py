"""What every Doorbell does: the fake, and Valkey on both engines of the bridge."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import uuid4

import pytest
import redis
import trio

from actors.adapters import doorbell as adapter
from actors.adapters.doorbell import RedisDoorbell
from actors.adapters.redis import open_redis
from actors.post import WAKE, Bell, BellKind, Doorbell
from tests.contracts.benches import open_engine
from tests.contracts.relay import Relay, relay_to_redis
from tests.fakes import FakeDoorbell

every_engine = pytest.mark.parametrize("kind", ["fake", "fast", "stock"], indirect=True)
only_real = pytest.mark.parametrize("kind", ["fast"], indirect=True)


class Ear:
    """Listens at one node, and keeps what it hears."""

    def __init__(self) -> None:
        self.heard: list[Bell] = []
        self._changed = trio.Event()

    def hear(self, bells: Sequence[Bell]) -> None:
        self.heard += bells
        self._changed.set()

    async def wait_for(self, bell: Bell, times: int = 1) -> None:
        with trio.fail_after(10):
            while self.heard.count(bell) < times:
                self._changed = trio.Event()
                await self._changed.wait()


@dataclass
class Bench:
    """A doorbell and its surroundings."""

    doorbell: Doorbell
    go_down: Callable[[], Awaitable[None]]
    come_back: Callable[[], Awaitable[None]]
    relay: Relay | None = None

    @asynccontextmanager
    async def listening(self, node_id: str = "here") -> AsyncIterator[Ear]:
        ear = Ear()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.doorbell.listen, node_id, ear.hear)
            await ear.wait_for(WAKE)
            yield ear
            nursery.cancel_scope.cancel()


def fake_bench() -> Bench:
    doorbell = FakeDoorbell()

    async def go_down() -> None:
        doorbell.down = True

    async def come_back() -> None:
        doorbell.down = False

    return Bench(doorbell, go_down, come_back)


@pytest.fixture
async def bell_bench(
    kind: str, tickets_place: str | None, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Bench]:
    if tickets_place is None:
        yield fake_bench()
        return
    monkeypatch.setattr(adapter, "REST", 0.05)
    async with (
        open_engine(kind),
        relay_to_redis(tickets_place) as (relay, url),
        open_redis(url) as client,
        open_redis(url, pool_size=1) as listening,
    ):
        yield Bench(RedisDoorbell(client, listening), relay.cut, relay.restore, relay)


def some(kind: BellKind = BellKind.ASK) -> Bell:
    return Bell(kind, uuid4())


@every_engine
async def test_who_listens_hears_every_ring_in_order(bell_bench: Bench) -> None:
    rings = [some(), some(BellKind.ANSWER), Bell(BellKind.WAKE), some()]
    async with bell_bench.listening() as ear:
        for ring in rings:
            assert await bell_bench.doorbell.ring("here", ring)
        await ear.wait_for(rings[-1])

    assert ear.heard == [WAKE, *rings]


async def test_nobody_hears_what_is_rung_elsewhere(bell_bench: Bench) -> None:
    ours, theirs = some(), some()
    async with bell_bench.listening() as ear, bell_bench.listening("there") as other:
        assert await bell_bench.doorbell.ring("there", theirs)
        assert await bell_bench.doorbell.ring("here", ours)
        await ear.wait_for(ours)
        await other.wait_for(theirs)

    assert theirs not in ear.heard
    assert ours not in other.heard


async def test_a_ring_that_nobody_hears_does_no_harm(bell_bench: Bench) -> None:
    old, new = some(), some()
    assert await bell_bench.doorbell.ring("here", old)

    async with bell_bench.listening() as ear:
        assert await bell_bench.doorbell.ring("here", new)
        await ear.wait_for(new)

    assert ear.heard == [WAKE, new]


@every_engine
async def test_a_ring_during_an_outage_is_lost_and_said_to_be(bell_bench: Bench) -> None:
    lost, after = some(), some()
    async with bell_bench.listening() as ear:
        await bell_bench.go_down()
        assert not await bell_bench.doorbell.ring("here", lost)
        assert not await bell_bench.doorbell.ring("here", lost)
        await bell_bench.come_back()
        await ear.wait_for(WAKE, times=2)
        with trio.fail_after(5):
            while not await bell_bench.doorbell.ring("here", after):
                await trio.sleep(0.02)
        await ear.wait_for(after)

    assert lost not in ear.heard


@every_engine
async def test_one_can_begin_to_listen_while_there_is_an_outage(bell_bench: Bench) -> None:
    await bell_bench.go_down()
    ear = Ear()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(bell_bench.doorbell.listen, "here", ear.hear)
        await trio.sleep(0.1)
        assert ear.heard == []
        await bell_bench.come_back()
        await ear.wait_for(WAKE)
        nursery.cancel_scope.cancel()


# -- what only a real one can show


@only_real
async def test_a_silent_server_costs_one_ring_its_time_and_the_next_ones_nothing(
    bell_bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.adapters.redis.DEADLINE", 0.3)
    monkeypatch.setattr(adapter, "REST", 30.0)
    assert bell_bench.relay is not None
    assert await bell_bench.doorbell.ring("here", some())
    bell_bench.relay.withhold_replies()

    assert not await bell_bench.doorbell.ring("here", some())
    began = trio.current_time()
    for _ in range(100):
        assert not await bell_bench.doorbell.ring("here", some())

    assert trio.current_time() - began < 0.1


@only_real
async def test_a_listener_outlives_a_server_that_was_silent(
    bell_bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.adapters.redis.DEADLINE", 1.2)
    assert bell_bench.relay is not None
    async with bell_bench.listening() as ear:
        bell_bench.relay.withhold_replies()
        await bell_bench.relay.withheld.wait()
        await trio.sleep(1.5)
        bell_bench.relay.let_replies_pass()
        await ear.wait_for(WAKE, times=2)
        after = some()
        with trio.fail_after(5):
            while not await bell_bench.doorbell.ring("here", after):
                await trio.sleep(0.02)
        await ear.wait_for(after)


@only_real
async def test_what_others_put_into_the_stream_is_passed_over(bell_bench: Bench, redis_url: str) -> None:
    ring = some()
    async with bell_bench.listening() as ear:
        with redis.Redis.from_url(redis_url) as admin:
            for fields in (
                {"kind": "dance"},
                {"id": "1"},
                {"kind": "ask", "id": "no uuid"},
                {"kind": b"\xff"},
            ):
                admin.xadd("usm:bell:here", fields)
        assert await bell_bench.doorbell.ring("here", ring)
        await ear.wait_for(ring)

    assert ear.heard == [WAKE, ring]


@only_real
async def test_a_stream_holds_ids_and_kinds_only_is_bounded_and_goes_by_itself(
    bell_bench: Bench, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adapter, "LENGTH", 100)
    for _ in range(500):
        assert await bell_bench.doorbell.ring("here", some())

    with redis.Redis.from_url(redis_url) as admin:
        (name,) = admin.scan_iter()
        entries = admin.xrange(name)
        lifetime = admin.ttl(name)

    assert name == b"usm:bell:here"
    assert {field for _, fields in entries for field in fields} == {b"kind", b"id"}
    assert 100 <= len(entries) <= 300
    assert 3500 < lifetime <= 3600


@only_real
async def test_a_stream_that_was_lost_with_the_server_is_followed_all_the_same(
    bell_bench: Bench, redis_url: str
) -> None:
    first, second = some(), some()
    async with bell_bench.listening() as ear:
        assert await bell_bench.doorbell.ring("here", first)
        await ear.wait_for(first)
        with redis.Redis.from_url(redis_url) as admin:
            admin.flushdb()
        assert await bell_bench.doorbell.ring("here", second)
        await ear.wait_for(second)

"""What every Limits does: the fake, and Valkey."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import trio

from actors.adapters.limits import RedisLimits
from actors.adapters.redis import open_redis
from actors.bridge import open_loop
from actors.errors import StoreUnavailable
from actors.guards import Limit, Limits
from tests.contracts.relay import relay_to_redis
from tests.fakes import FakeLimits

THREE = Limit("three", 3, 60.0)
FIVE = Limit("five", 5, 60.0)


@pytest.fixture
def place(request: pytest.FixtureRequest, kind: str) -> str | None:
    return None if kind == "fake" else str(request.getfixturevalue("redis_url"))


@pytest.fixture
async def limits(place: str | None) -> AsyncIterator[Limits]:
    if place is None:
        yield FakeLimits()
        return
    async with open_loop(), open_redis(place) as client:
        yield RedisLimits(client)


async def test_so_many_are_let_through_and_no_more(limits: Limits) -> None:
    assert [await limits.spend(THREE) for _ in range(3)] == [0.0, 0.0, 0.0]

    assert 55 < await limits.spend(THREE) <= 60


async def test_of_two_limits_the_narrower_counts_and_the_other_is_not_spent(limits: Limits) -> None:
    for _ in range(3):
        assert await limits.spend(THREE, FIVE) == 0.0
    for _ in range(10):
        assert await limits.spend(THREE, FIVE) > 0

    assert [await limits.spend(FIVE) for _ in range(3)][:2] == [0.0, 0.0]


async def test_names_are_counted_apart(limits: Limits) -> None:
    for _ in range(4):
        await limits.spend(THREE)

    assert await limits.spend(Limit("other", 3, 60.0)) == 0.0


async def test_of_many_at_once_no_more_get_through_than_one_after_another(limits: Limits) -> None:
    answers: list[float] = []

    async def spend() -> None:
        answers.append(await limits.spend(THREE, FIVE))

    async with trio.open_nursery() as nursery:
        for _ in range(40):
            nursery.start_soon(spend)

    assert answers.count(0.0) == 3


async def test_what_was_spent_is_forgotten_after_its_time_and_not_all_at_once(limits: Limits) -> None:
    short = Limit("short", 2, 0.3)
    await limits.spend(short)
    await trio.sleep(0.15)
    await limits.spend(short)

    wait = await limits.spend(short)
    assert 0 < wait <= 0.16
    await trio.sleep(wait + 0.02)
    assert await limits.spend(short) == 0.0
    assert await limits.spend(short) > 0


async def test_without_the_server_nobody_gets_through(redis_url: str) -> None:
    async with (
        open_loop(),
        relay_to_redis(redis_url) as (relay, through),
        open_redis(through) as client,
    ):
        limits = RedisLimits(client)
        assert await limits.spend(THREE) == 0.0
        await relay.cut()
        with pytest.raises(StoreUnavailable):
            await limits.spend(THREE)
        await relay.restore()
        assert await limits.spend(THREE) == 0.0


async def test_counts_are_shared_by_nodes_and_survive_a_script_that_was_flushed(redis_url: str) -> None:
    async with open_loop(), open_redis(redis_url) as one, open_redis(redis_url) as other:
        first, second = RedisLimits(one), RedisLimits(other)
        assert await first.spend(THREE) == 0.0
        assert await second.spend(THREE) == 0.0
        await _flush(one)
        assert await first.spend(THREE) == 0.0
        assert await second.spend(THREE) > 0


async def _flush(client: object) -> None:
    from redis.asyncio import Redis  # noqa: PLC0415 - for its type only

    from actors.adapters.redis import ask  # noqa: PLC0415 - beside it

    assert isinstance(client, Redis)
    await ask(client.script_flush)

"""Two nodes on a real database and a real Valkey: an ask comes through, whatever either of them does meanwhile."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
import redis
import trio

from actors.adapters.doorbell import RedisDoorbell
from actors.adapters.inbox import PostgresPost
from actors.adapters.ownership import PostgresArbiter
from actors.adapters.redis import open_redis
from actors.core import messages as m
from actors.core.messages import Command
from actors.core.names import SessionKey
from actors.core.owners import Ownership
from actors.core.secret import Secret
from actors.core.states import Absent, Authorized, Login, PendingQr, QrToken, State
from actors.errors import StoreUnavailable
from actors.post import Bell, Doorbell
from supervisor.routing.office import PostOffice
from supervisor.routing.router import Router
from tests.contracts.benches import PostgresBench, open_bench, open_engine
from tests.contracts.credentials import SEALS
from tests.contracts.relay import Relay, relay_to_redis
from tests.stores import Database
from tests.supervisor.nodes import Desk, command

KEY = SessionKey("tenant-a", "app-1")
PATIENCE = 25.0
PASSWORD = Secret("canary-horse-battery")
QR = Secret("tg://login?token=canary-staple")


class Forgetful:
    """A doorbell that loses every third ring."""

    def __init__(self, doorbell: Doorbell) -> None:
        self._doorbell = doorbell
        self._rings = 0

    async def ring(self, node_id: str, bell: Bell) -> bool:
        self._rings += 1
        return True if self._rings % 3 == 0 else await self._doorbell.ring(node_id, bell)

    async def listen(self, node_id: str, heard: Callable[[Sequence[Bell]], None]) -> None:
        await self._doorbell.listen(node_id, heard)


@dataclass
class Nodes:
    """The router of the node that is asked, the desk of the one that owns the session, and both stores."""

    router: Router
    desk: Desk
    postgres: PostgresBench
    valkey: Relay


@asynccontextmanager
async def two_nodes(
    database: Database, redis_url: str, wrap: Callable[[Doorbell], Doorbell] = lambda bell: bell
) -> AsyncIterator[Nodes]:
    async with (
        open_engine("fast"),
        open_bench(database) as bench,
        relay_to_redis(redis_url) as (relay, url),
        open_redis(url) as client,
        open_redis(url, pool_size=1) as ear,
        open_redis(url, pool_size=1) as far_ear,
    ):
        arbiter, post = PostgresArbiter(bench.store.database), PostgresPost(bench.store.database, SEALS)
        me, them = await arbiter.boot("here", "boot"), await arbiter.boot("there", "boot")
        await arbiter.acquire(them, Ownership(KEY, 0, None, is_clean=True))
        near, far = Desk(), Desk()
        here = PostOffice(me, post, wrap(RedisDoorbell(client, ear)), near, lambda _: None)
        there = PostOffice(them, post, wrap(RedisDoorbell(client, far_ear)), far, lambda _: None)

        async def owner_of(key: SessionKey) -> str | None:
            row = await arbiter.look(key)
            return None if row is None or row.owner is None else row.owner.node_id

        router = Router("here", near, here.remote, owner_of, lambda _: "there", near.look)
        async with here.open(), there.open():
            await trio.sleep(0.1)
            yield Nodes(router, far, bench, relay)


async def took(nodes: Nodes, number: int) -> float:
    began = trio.current_time()
    assert await nodes.router.ask(KEY, command(number), PATIENCE) == Authorized(number)
    return trio.current_time() - began


async def test_an_ask_comes_through_quickly(database: Database, redis_url: str) -> None:
    async with two_nodes(database, redis_url) as nodes:
        times = sorted([await took(nodes, number) for number in range(30)])

    assert times[15] < 0.3, times


async def test_without_valkey_it_comes_through_slower_and_afterwards_quickly_again(
    database: Database, redis_url: str
) -> None:
    async with two_nodes(database, redis_url) as nodes:
        await nodes.valkey.cut()
        slow = [await took(nodes, number) for number in range(4)]
        await nodes.valkey.restore()
        with trio.fail_after(20):
            while await took(nodes, 5) > 0.3:
                pass

    assert max(slow) < 4, slow


async def test_without_postgresql_it_is_refused_and_afterwards_comes_through(
    database: Database, redis_url: str
) -> None:
    async with two_nodes(database, redis_url) as nodes:
        await took(nodes, 1)
        await nodes.postgres.go_down()
        with pytest.raises(StoreUnavailable):
            await took(nodes, 2)
        await nodes.postgres.come_back()
        await took(nodes, 3)

        assert nodes.desk.done == [command(1), command(3)]


async def test_of_many_asks_none_is_lost_and_none_is_done_twice_though_rings_are_lost(
    database: Database, redis_url: str
) -> None:
    numbers = range(100)
    async with two_nodes(database, redis_url, Forgetful) as nodes:

        async def ask(of: int) -> None:
            for number in numbers[of::20]:
                await took(nodes, number)

        async with trio.open_nursery() as nursery:
            for of in range(20):
                nursery.start_soon(ask, of)

        assert sorted(nodes.desk.done, key=str) == sorted(map(command, numbers), key=str)


async def test_nothing_secret_passes_through_the_stores_in_clear(database: Database, redis_url: str) -> None:
    shown = PendingQr(Login("login-1", 1e9), QrToken(QR, 1e9))
    seen: list[str] = []

    async with two_nodes(database, redis_url) as nodes:

        async def work(_: SessionKey, asked: Command) -> State:
            assert asked == m.SubmitPassword("login-1", PASSWORD)
            rows = await nodes.postgres.sql("select i::text from usm.inbox i")
            seen.extend(row[0] for row in rows)
            return shown

        nodes.desk.work = work
        nodes.desk.show(KEY).publish(shown, 2, 0.0)

        assert await nodes.router.ask(KEY, m.SubmitPassword("login-1", PASSWORD), PATIENCE) == shown
        assert (await nodes.router.look(KEY)).state == shown
        seen.extend(row[0] for row in await nodes.postgres.sql("select i::text from usm.inbox i"))
        with redis.Redis.from_url(redis_url) as admin:
            streams = repr([admin.xrange(name) for name in admin.scan_iter("usm:bell:*")])
        sent = bytes(nodes.postgres.relay.sent) + bytes(nodes.valkey.sent)

    assert len(seen) >= 2
    assert "kind" in streams
    for secret in (PASSWORD.reveal(), QR.reveal()):
        for text in (secret, secret.encode().hex()):
            assert text not in "".join(seen)
            assert text not in streams
            assert text.encode() not in sent


async def test_a_poll_sees_a_change_at_another_node_at_once(database: Database, redis_url: str) -> None:
    async with two_nodes(database, redis_url) as nodes:
        board = nodes.desk.show(KEY)
        known = await nodes.router.look(KEY)
        assert known.state == Absent()
        async with trio.open_nursery() as nursery:

            async def change() -> None:
                await trio.sleep(0.5)
                board.publish(Authorized(4242), 2, 0.0)

            nursery.start_soon(change)
            with trio.fail_after(5):
                changed = await nodes.router.wait_change(KEY, known.sequence, 20)

    assert changed.state == Authorized(4242)

"""What every Tickets does: the fake, and Valkey on both engines of the bridge; then what only a real one can show."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import redis
import redis.exceptions
import trio

from actors.adapters.redis import RedisTickets, ask, open_redis
from actors.bridge import open_loop
from actors.core.names import SessionKey
from actors.core.secret import Secret
from actors.errors import StoreUnavailable
from actors.ports import Ticket, Tickets
from tests.contracts.benches import open_engine
from tests.contracts.relay import Relay, relay_over_tcp, relay_to_redis
from tests.fakes import FakeTickets

TICKET = Secret("a-ticket-that-nobody-may-read-in-the-store")
OPENS = Ticket(SessionKey("tenant-a", "app-1"), "login-1")


@dataclass(slots=True)
class FakeBench:
    """The fake."""

    tickets: FakeTickets

    async def go_down(self) -> None:
        self.tickets.down = True

    async def come_back(self) -> None:
        self.tickets.down = False


@dataclass(slots=True)
class RedisBench:
    """RedisTickets whose way to the server is a relay."""

    tickets: RedisTickets
    url: str
    relay: Relay

    async def go_down(self) -> None:
        await self.relay.cut()

    async def come_back(self) -> None:
        await self.relay.restore()


@pytest.fixture(params=["fake", "fast", "stock"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


real = pytest.mark.parametrize("kind", ["fast", "stock"], indirect=True)


@pytest.fixture
def place(request: pytest.FixtureRequest, kind: str) -> str | None:
    return None if kind == "fake" else str(request.getfixturevalue("redis_url"))


@pytest.fixture
async def bench(kind: str, place: str | None) -> AsyncIterator[FakeBench | RedisBench]:
    if place is None:
        yield FakeBench(FakeTickets())
        return
    async with (
        open_engine(kind),
        relay_to_redis(place) as (relay, url),
        open_redis(url) as client,
    ):
        yield RedisBench(RedisTickets(client), url, relay)


@pytest.fixture
def tickets(bench: FakeBench | RedisBench) -> Tickets:
    return bench.tickets


@pytest.fixture
def valkey(bench: FakeBench | RedisBench) -> RedisBench:
    assert isinstance(bench, RedisBench)
    return bench


async def wait_gone(tickets: Tickets) -> None:
    with trio.fail_after(2):
        while await tickets.find(TICKET) is not None:
            await trio.sleep(0.005)


# -- all


async def test_what_a_ticket_opens_is_found(tickets: Tickets) -> None:
    await tickets.remember(TICKET, OPENS, ttl=600)

    assert await tickets.find(TICKET) == OPENS
    assert await tickets.find(TICKET) == OPENS


async def test_an_unknown_ticket_opens_nothing(tickets: Tickets) -> None:
    await tickets.remember(TICKET, OPENS, ttl=600)

    assert await tickets.find(Secret("another")) is None
    assert await tickets.find(Secret("")) is None


async def test_tickets_do_not_mix(tickets: Tickets) -> None:
    many = {f"ticket-{n}": Ticket(SessionKey(f"tenant-{n}", "app-1"), f"login-{n}") for n in range(40)}
    found: dict[str, Ticket | None] = {}

    async def find(ticket: str) -> None:
        found[ticket] = await tickets.find(Secret(ticket))

    async with trio.open_nursery() as nursery:
        for ticket, opens in many.items():
            nursery.start_soon(tickets.remember, Secret(ticket), opens, 600.0)
    async with trio.open_nursery() as nursery:
        for ticket in many:
            nursery.start_soon(find, ticket)

    assert found == many


async def test_a_ticket_expires(tickets: Tickets) -> None:
    await tickets.remember(TICKET, OPENS, ttl=0.05)

    await wait_gone(tickets)


async def test_a_ticket_of_no_time_at_all_expires_too(tickets: Tickets) -> None:
    await tickets.remember(TICKET, OPENS, ttl=0.0001)

    await wait_gone(tickets)


async def test_the_same_ticket_again_replaces_what_it_opens(tickets: Tickets) -> None:
    other = Ticket(SessionKey("tenant-b", "app-2"), "login-2")

    await tickets.remember(TICKET, OPENS, ttl=600)
    await tickets.remember(TICKET, other, ttl=600)

    assert await tickets.find(TICKET) == other


async def test_the_same_ticket_again_starts_its_time_anew(tickets: Tickets) -> None:
    await tickets.remember(TICKET, OPENS, ttl=600)
    await tickets.remember(TICKET, OPENS, ttl=0.05)
    await wait_gone(tickets)

    await tickets.remember(TICKET, OPENS, ttl=0.05)
    await tickets.remember(TICKET, OPENS, ttl=600)
    await trio.sleep(0.1)  # there is no event for what must not happen
    assert await tickets.find(TICKET) == OPENS


async def test_an_outage_is_told_and_passes(tickets: Tickets, bench: FakeBench | RedisBench) -> None:
    await tickets.remember(TICKET, OPENS, ttl=600)
    await bench.go_down()

    with pytest.raises(StoreUnavailable):
        await tickets.find(TICKET)
    with pytest.raises(StoreUnavailable):
        await tickets.remember(TICKET, OPENS, ttl=600)
    await bench.come_back()

    assert await tickets.find(TICKET) == OPENS


# -- what only a real one can show


@real
async def test_the_text_of_a_ticket_never_reaches_the_store(valkey: RedisBench, place: str) -> None:
    await valkey.tickets.remember(TICKET, OPENS, ttl=600)
    assert await valkey.tickets.find(TICKET) == OPENS

    with redis.Redis.from_url(place) as admin:
        kept = {key: admin.get(key) for key in admin.scan_iter()}
        lifetimes_ms = [admin.pttl(key) for key in kept]

    ((name, value),) = kept.items()
    assert name.startswith(b"usm:ticket:")
    assert TICKET.reveal().encode() not in name + value
    assert TICKET.reveal().encode() not in valkey.relay.sent
    assert 590_000 < lifetimes_ms[0] <= 600_000


@real
async def test_a_cancelled_call_does_not_leave_its_reply_to_the_next(valkey: RedisBench) -> None:
    async with open_redis(valkey.url, pool_size=1) as client:
        tickets = RedisTickets(client)
        await tickets.remember(TICKET, OPENS, ttl=600)

        for _ in range(3):
            valkey.relay.withhold_replies()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(tickets.find, TICKET)
                await valkey.relay.withheld.wait()
                nursery.cancel_scope.cancel()
            valkey.relay.let_replies_pass()

            assert await tickets.find(Secret("another")) is None


@real
async def test_a_connection_that_was_lost_while_idle_is_replaced_unnoticed(valkey: RedisBench) -> None:
    await valkey.tickets.remember(TICKET, OPENS, ttl=600)

    await valkey.relay.cut()
    await valkey.relay.restore()

    assert await valkey.tickets.find(TICKET) == OPENS


@real
async def test_a_connection_that_a_router_forgot_is_replaced_in_time(
    valkey: RedisBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.adapters.redis.DEADLINE", 1.0)
    async with open_redis(valkey.url, pool_size=1) as client:
        await RedisTickets(client).remember(TICKET, OPENS, ttl=600)

        valkey.relay.strand()

        assert await RedisTickets(client).find(TICKET) == OPENS


@real
async def test_callers_wait_for_a_free_connection(valkey: RedisBench) -> None:
    async with open_redis(valkey.url, pool_size=2) as client, trio.open_nursery() as nursery:
        for _ in range(40):
            nursery.start_soon(RedisTickets(client).remember, TICKET, OPENS, 600.0)

    assert await valkey.tickets.find(TICKET) == OPENS


@real
async def test_a_server_that_falls_silent_is_given_up_in_time(
    valkey: RedisBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.adapters.redis.DEADLINE", 0.2)
    async with open_redis(valkey.url) as client:
        tickets = RedisTickets(client)
        await tickets.remember(TICKET, OPENS, ttl=600)
        valkey.relay.withhold_replies()

        with trio.fail_after(2), pytest.raises(StoreUnavailable):
            await tickets.find(TICKET)
        with trio.fail_after(2), pytest.raises(StoreUnavailable):
            await tickets.ping()

        valkey.relay.let_replies_pass()
        assert await tickets.find(TICKET) == OPENS


async def test_whatever_takes_too_long_is_an_outage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actors.adapters.redis.DEADLINE", 0.05)

    async with open_loop():
        with trio.fail_after(2), pytest.raises(StoreUnavailable):
            await ask(lambda: asyncio.sleep(60))


@real
async def test_a_client_opens_while_the_server_is_down(valkey: RedisBench) -> None:
    await valkey.go_down()

    async with open_redis(valkey.url) as client:
        with pytest.raises(StoreUnavailable):
            await RedisTickets(client).ping()
        await valkey.come_back()
        await RedisTickets(client).ping()


@real
async def test_only_commands_that_redis_7_0_has_are_sent(valkey: RedisBench) -> None:
    # Over TCP, where redis-py would say more than over a local socket.
    async with relay_over_tcp(valkey.relay, valkey.url) as url, open_redis(url) as client:
        await RedisTickets(client).remember(TICKET, OPENS, ttl=600)
        await RedisTickets(client).find(TICKET)
        await RedisTickets(client).ping()

    # Arrays of bulk strings, the first of which is the command (redis.io, protocol specification).
    sent = set(re.findall(rb"\*\d+\r\n\$\d+\r\n([A-Z]+)\r\n", valkey.relay.sent))
    assert {b"SET", b"GET", b"PING"} <= sent <= {b"HELLO", b"AUTH", b"SELECT", b"SET", b"GET", b"PING"}


@real
async def test_a_wrong_password_is_no_outage(valkey: RedisBench) -> None:
    async with open_redis(valkey.url.replace("://", "://nobody", 1)) as client:
        with pytest.raises(redis.exceptions.ConnectionError, match="password"):
            await RedisTickets(client).ping()


async def test_what_is_no_url_is_refused_without_quoting_the_password() -> None:
    with pytest.raises(ValueError, match="check REDIS_URL") as refusal:
        async with open_redis("redis://:pass/word@localhost"):
            pass

    assert "pass" not in str(refusal.value)

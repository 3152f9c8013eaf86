"""What only a real Redis (here: Valkey) can show about tickets: outages in the midst of things, and what is sent."""

from __future__ import annotations

import asyncio
import re
import secrets
from urllib.parse import urlsplit

import pytest
import redis
import redis.exceptions
import trio

from actors.adapters.redis import RedisTickets, Server, ask, open_redis, server_of
from actors.bridge import open_loop
from actors.core.names import SessionKey
from actors.core.secret import Secret
from actors.errors import StoreRefused, StoreUnavailable
from actors.ports import Ticket
from tests.contracts.benches import RedisBench
from tests.contracts.relay import relay_over_tcp

TICKET = Secret("a-ticket-that-nobody-may-read-in-the-store")
OPENS = Ticket(SessionKey("tenant-a", "app-1"), "login-1")

every_engine = pytest.mark.parametrize("kind", ["fast", "stock"], indirect=True)


@pytest.fixture(params=["fast"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@every_engine
async def test_the_text_of_a_ticket_never_reaches_the_store(valkey: RedisBench, redis_url: str) -> None:
    await valkey.tickets.remember(TICKET, OPENS, ttl=600)
    assert await valkey.tickets.find(TICKET) == OPENS

    with redis.Redis.from_url(redis_url) as admin:
        kept = {key: admin.get(key) for key in admin.scan_iter()}
        lifetimes_ms = [admin.pttl(key) for key in kept]

    ((name, value),) = kept.items()
    assert name.startswith(b"usm:ticket:")
    assert TICKET.reveal().encode() not in name + value
    assert TICKET.reveal().encode() not in valkey.relay.sent
    assert 590_000 < lifetimes_ms[0] <= 600_000


@every_engine
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


@every_engine
async def test_a_connection_that_was_lost_while_idle_is_replaced_unnoticed(valkey: RedisBench) -> None:
    await valkey.tickets.remember(TICKET, OPENS, ttl=600)

    await valkey.relay.cut()
    await valkey.relay.restore()

    assert await valkey.tickets.find(TICKET) == OPENS


@every_engine
async def test_a_connection_that_a_router_forgot_is_replaced_in_time(
    valkey: RedisBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.adapters.redis.DEADLINE", 1.0)
    async with open_redis(valkey.url, pool_size=1) as client:
        await RedisTickets(client).remember(TICKET, OPENS, ttl=600)

        valkey.relay.strand()

        assert await RedisTickets(client).find(TICKET) == OPENS


@every_engine
async def test_callers_wait_for_a_free_connection(valkey: RedisBench) -> None:
    async with open_redis(valkey.url, pool_size=2) as client, trio.open_nursery() as nursery:
        for _ in range(40):
            nursery.start_soon(RedisTickets(client).remember, TICKET, OPENS, 600.0)

    assert await valkey.tickets.find(TICKET) == OPENS


@every_engine
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


async def test_a_call_that_asyncio_gave_up_is_an_outage() -> None:
    async def give_up() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(0)

    async with open_loop():
        with pytest.raises(StoreUnavailable):
            await ask(give_up)


async def test_whatever_takes_too_long_is_an_outage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actors.adapters.redis.DEADLINE", 0.05)

    async with open_loop():
        with trio.fail_after(2), pytest.raises(StoreUnavailable):
            await ask(lambda: asyncio.sleep(60))


@every_engine
async def test_a_client_opens_while_the_server_is_down(valkey: RedisBench) -> None:
    await valkey.go_down()

    async with open_redis(valkey.url) as client:
        with pytest.raises(StoreUnavailable):
            await RedisTickets(client).ping()
        await valkey.come_back()
        await RedisTickets(client).ping()


@every_engine
async def test_only_commands_that_redis_7_0_has_are_sent(valkey: RedisBench) -> None:
    # Over TCP, where redis-py would say more than over a local socket.
    async with relay_over_tcp(valkey.relay, valkey.url) as url, open_redis(url) as client:
        await RedisTickets(client).remember(TICKET, OPENS, ttl=600)
        await RedisTickets(client).find(TICKET)
        await RedisTickets(client).ping()

    # Arrays of bulk strings, the first of which is the command (redis.io, protocol specification).
    sent = set(re.findall(rb"\*\d+\r\n\$\d+\r\n([A-Z]+)\r\n", valkey.relay.sent))
    assert {b"SET", b"GET", b"PING"} <= sent <= {b"HELLO", b"AUTH", b"SELECT", b"SET", b"GET", b"PING"}


@every_engine
async def test_a_wrong_password_is_no_outage(valkey: RedisBench) -> None:
    async with open_redis(valkey.url.replace("://", "://nobody", 1)) as client:
        with pytest.raises(StoreRefused, match="REDIS_URL"):
            await RedisTickets(client).ping()


async def test_what_is_no_url_is_refused_without_quoting_the_password() -> None:
    with pytest.raises(ValueError, match="check REDIS_URL") as refusal:
        async with open_redis("redis://:pass/word@localhost"):
            pass

    assert "pass" not in str(refusal.value)


async def test_a_server_says_what_it_is_to_whoever_may_ask(redis_url: str) -> None:
    async def seen(*rules: str) -> Server:
        name = f"looker-{secrets.token_hex(4)}"
        with redis.Redis.from_url(redis_url) as admin:
            admin.execute_command("ACL", "SETUSER", name, "on", "nopass", *rules)
        try:
            parts = urlsplit(redis_url)
            netloc = f"{name}:any@{parts.netloc.rpartition('@')[2]}"
            async with open_loop(), open_redis(parts._replace(netloc=netloc).geturl()) as client:
                return await server_of(client)
        finally:
            with redis.Redis.from_url(redis_url) as admin:
                admin.execute_command("ACL", "DELUSER", name)

    told = await seen("+@all")
    untold = await seen("+ping", "+select")
    with pytest.raises(ExceptionGroup) as refused:
        await seen("+select")

    assert told.name in {"Redis", "Valkey"}
    assert re.fullmatch(r"\d+\.\d+\.\d+", str(told.version))
    assert untold == Server("Redis", None)
    assert refused.group_contains(StoreRefused, match="REDIS_URL")

"""Login tickets in Redis or Valkey, and how to open and to ask either. Commands of Redis 7.0 at most."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

import redis.exceptions as refusal
import trio
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import ConstantBackoff
from redis.maint_notifications import MaintNotificationsConfig

from actors.bridge import BridgeLost, in_asyncio
from actors.core.names import SessionKey
from actors.core.secret import Secret
from actors.errors import StoreRefused, StoreUnavailable
from actors.ports import Ticket

Result = TypeVar("Result")

DEADLINE = 3.0
"""Seconds for a command, with everything it waits for."""

RETRY_AFTER = 2.0

_OUTAGES = (
    OSError,  # also TimeoutError
    BridgeLost,
    refusal.ConnectionError,  # also a pool without a free connection, and a server that is still loading
    refusal.TimeoutError,
    refusal.ReadOnlyError,  # a replica after a failover
    refusal.OutOfMemoryError,
    refusal.ClusterDownError,  # also a replica without its master
)


async def ask(command: Callable[[], Awaitable[Result]]) -> Result:
    """Run a command, or a few, of the asyncio client from trio, crossing the bridge once.

    Raises StoreUnavailable for every kind of outage; a wrong password is none: that is StoreRefused.
    """
    try:
        return await in_asyncio(_within_deadline, command)
    except _OUTAGES as error:
        # redis-py makes connection errors of wrong passwords, by inheritance or by wrapping.
        if refusal.AuthenticationError in (type(error), type(error.__cause__)):
            raise StoreRefused("Redis refuses us: check user and password in REDIS_URL") from error
        raise StoreUnavailable("Redis cannot be reached", RETRY_AFTER) from error


async def _within_deadline(command: Callable[[], Awaitable[Result]]) -> Result:
    async with asyncio.timeout(DEADLINE):
        return await command()


@asynccontextmanager
async def open_redis(url: str, *, pool_size: int = 20) -> AsyncIterator[Redis]:
    """Open a client on at most `pool_size` connections, made when needed: a server that is down does no harm yet.

    Its commands belong inside `ask`. Raises ValueError for what is no URL.
    """
    client = Redis.from_pool(_pool(url, pool_size))
    try:
        yield client
    finally:
        with trio.CancelScope(shield=True):
            await in_asyncio(client.aclose)


def _pool(url: str, size: int) -> BlockingConnectionPool:
    try:
        return BlockingConnectionPool.from_url(
            url,
            max_connections=size,
            timeout=DEADLINE,
            # So that there is time for one retry, on a new connection, if a router forgot an idle one.
            socket_timeout=DEADLINE / 2,
            socket_connect_timeout=DEADLINE / 2,
            retry=Retry(ConstantBackoff(0.05), 1),
            # Both would be commands that Redis 7.0 does not have.
            driver_info=None,
            maint_notifications_config=MaintNotificationsConfig(enabled=False),
        )
    except ValueError:  # its text may quote a part of the password
        raise ValueError("This is no URL of Redis's: check REDIS_URL.") from None


@dataclass(frozen=True, slots=True)
class Server:
    """What answers there. `version` is that of Redis whose commands it takes; None where it does not say."""

    name: str
    version: str | None


async def server_of(client: Redis) -> Server:
    """Return what answers, once it does. Raises what `ask` does."""
    try:
        await ask(client.ping)
    except refusal.NoPermissionError as error:
        raise StoreRefused(
            "Redis does not even let this user PING: check REDIS_URL, and its rights"
        ) from error
    try:
        found = await ask(lambda: client.info("server"))
    except refusal.ResponseError:  # not every login may ask, and not every provider tells
        return Server("Redis", None)
    name = "Valkey" if found.get("server_name") == "valkey" else "Redis"
    return Server(name, found.get("redis_version"))


class RedisTickets:
    """Tickets in Redis: `usm:ticket:<hash>` holds what the ticket opens, and expires with it."""

    def __init__(self, client: Redis) -> None:
        self._client = client

    async def remember(self, ticket: Secret, opens: Ticket, ttl: float) -> None:
        """See Tickets."""
        value = json.dumps(
            {
                "tenant": opens.key.tenant_id,
                "app": opens.key.app_id,
                "login_id": opens.login_id,
                "account_id": opens.account_id,
            }
        )
        await ask(lambda: self._client.set(_name(ticket), value, px=max(1, round(ttl * 1000))))

    async def find(self, ticket: Secret) -> Ticket | None:
        """See Tickets."""
        value = await ask(lambda: self._client.get(_name(ticket)))
        if value is None:
            return None
        opens = json.loads(value)
        return Ticket(SessionKey(opens["tenant"], opens["app"]), opens["login_id"], opens.get("account_id"))

    async def ping(self) -> None:
        """Return if Redis answers; raise StoreUnavailable if not."""
        await ask(self._client.ping)


def _name(ticket: Secret) -> str:
    # Tickets are long and random, so a plain hash cannot be guessed back.
    return f"usm:ticket:{hashlib.sha256(ticket.reveal().encode()).hexdigest()}"

"""What is tested, fake or real, with what a test must do to it that is no business of the port."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

import asyncpg
import trio

from actors.adapters.keeper import SealingKeeper
from actors.adapters.ownership import PostgresArbiter
from actors.adapters.postgres import PostgresStore, open_postgres
from actors.adapters.redis import RedisTickets, open_redis
from actors.adapters.vault import PostgresVault
from actors.arbiter import Arbiter
from actors.bridge import in_asyncio, open_loop
from actors.core.names import SessionKey
from actors.core.states import Reason, SessionState
from actors.epochs import Epochs
from actors.ports import Farewells, Store, Tickets, Transition, Vault
from tests.contracts.credentials import SEALS
from tests.contracts.relay import Relay, relay_to_postgres, relay_to_redis
from tests.fakes import FakeStore, FakeTickets
from tests.stores import Database

Line = tuple[int, Transition]
Shelved = tuple[str, str, bool]
"""A credential's status and reason, and whether it is erased."""
Admin: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


class StoreBench(Protocol):
    """A store and its surroundings."""

    epochs: Epochs
    """At which epochs its process owns sessions."""

    @property
    def arbiter(self) -> Arbiter:
        """Who says which node owns a session."""
        ...

    @property
    def store(self) -> Store:
        """What is tested."""
        ...

    async def journal(self, key: SessionKey) -> list[Line]:
        """The session's journal, oldest line first."""
        ...

    @property
    def vault(self) -> Vault:
        """Where the credentials are that the store saves."""
        ...

    @property
    def farewells(self) -> Farewells:
        """Those of them that Telegram must be told about."""
        ...

    async def shelf(self, key: SessionKey) -> list[Shelved]:
        """What became of every credential that the session ever had, in no particular order."""
        ...

    async def damage(self, key: SessionKey) -> None:
        """Let the seals of this session not hold."""
        ...

    async def pass_time(self, seconds: float) -> None:
        """Let so much time pass for the credentials."""
        ...

    async def go_down(self) -> None:
        """Begin an outage."""
        ...

    async def come_back(self) -> None:
        """End the outage."""
        ...


class FakeBench:
    """The fake."""

    def __init__(self) -> None:
        self.epochs = Epochs()
        self.store = FakeStore(self.epochs)

    @property
    def arbiter(self) -> Arbiter:
        return self.store.arbiter

    async def journal(self, key: SessionKey) -> list[Line]:
        return [(version, line) for of, version, line in self.store.journal if of == key]

    @property
    def vault(self) -> Vault:
        return self.store.vault

    @property
    def farewells(self) -> Farewells:
        return self.store.vault

    async def shelf(self, key: SessionKey) -> list[Shelved]:
        kept = self.store.vault.kept.get(key, [])
        return sorted((each.status, each.reason or "", each.credential is None) for each in kept)

    async def damage(self, key: SessionKey) -> None:
        self.store.vault.sealed |= {each.auth_key for each in self.store.vault.kept.get(key, [])}

    async def pass_time(self, seconds: float) -> None:
        self.store.vault.passed += seconds

    async def go_down(self) -> None:
        self.store.down = True

    async def come_back(self) -> None:
        self.store.down = False


@dataclass(slots=True)
class PostgresBench:
    """A PostgresStore whose way to the server is a relay, and an administrator with a way of their own."""

    store: PostgresStore
    url: str
    relay: Relay
    admin: Admin
    sealed: PostgresVault
    epochs: Epochs
    denials: list[None] = field(default_factory=list)

    @property
    def arbiter(self) -> Arbiter:
        return PostgresArbiter(self.store.database)

    async def sql(self, statement: str, *args: Any) -> list[asyncpg.Record]:
        """What the administrator asks of the database."""
        return await in_asyncio(self.admin.fetch, statement, *args)

    async def journal(self, key: SessionKey) -> list[Line]:
        lines = await self.sql(
            "select * from session_journal where tenant_id = $1 and app_id = $2 order by version",
            key.tenant_id,
            key.app_id,
        )
        return [(line["version"], _transition(line)) for line in lines]

    @property
    def vault(self) -> Vault:
        return self.sealed

    @property
    def farewells(self) -> Farewells:
        return self.sealed

    async def shelf(self, key: SessionKey) -> list[Shelved]:
        rows = await self.sql(
            """select status, coalesce(reason, ''), sealed is null from telegram_credentials
               where tenant_id = $1 and app_id = $2""",
            key.tenant_id,
            key.app_id,
        )
        return sorted((row[0], row[1], row[2]) for row in rows)

    async def damage(self, key: SessionKey) -> None:
        await self.sql(
            """update telegram_credentials set sealed = set_byte(sealed, 40, 255 - get_byte(sealed, 40))
               where tenant_id = $1 and app_id = $2""",
            key.tenant_id,
            key.app_id,
        )

    async def pass_time(self, seconds: float) -> None:
        await self.sql(
            """update telegram_credentials
               set not_before = not_before - make_interval(secs => $1),
                   erase_after = erase_after - make_interval(secs => $1)""",
            seconds,
        )

    async def go_down(self) -> None:
        await self.relay.cut()

    async def come_back(self) -> None:
        await self.relay.restore()

    @asynccontextmanager
    async def locked(self) -> AsyncIterator[None]:
        """Let every operation wait for us in the server."""
        await self.sql("begin")
        await self.sql("lock table telegram_sessions in access exclusive mode")
        yield
        await self.sql("rollback")

    @asynccontextmanager
    async def chain_held(self, tenant_id: str) -> AsyncIterator[None]:
        """Let every line of this tenant wait, until the end or `release_chain`."""
        await self.sql("begin")
        await self.sql(
            "insert into session_journal (tenant_id, app_id, version, message, to_state)"
            " values ($1, 'held', 1, 'StartQr', 'PENDING_QR')",
            tenant_id,
        )
        yield
        await self.release_chain()

    async def release_chain(self) -> None:
        """See chain_held; harmless when repeated."""
        if self.admin.is_in_transaction():
            await self.sql("rollback")

    async def wait_blocked(self, number: int) -> list[int]:
        """The process ids of the server's backends that wait for us, once there are so many."""
        while True:
            rows = await self.sql(
                "select pid from pg_locks where not granted and pg_backend_pid() = any(pg_blocking_pids(pid))"
            )
            if len(rows) == number:
                return [row["pid"] for row in rows]
            await trio.sleep(0.005)


def _transition(line: asyncpg.Record) -> Transition:
    reason = None if line["reason"] is None else Reason(line["reason"])
    before, after = SessionState(line["from_state"]), SessionState(line["to_state"])
    return Transition(line["message"], before, after, reason)


class TicketsBench(Protocol):
    """Tickets and their surroundings."""

    @property
    def tickets(self) -> Tickets:
        """What is tested."""
        ...

    async def go_down(self) -> None:
        """Begin an outage."""
        ...

    async def come_back(self) -> None:
        """End the outage."""
        ...


class FakeTicketsBench:
    """The fake."""

    def __init__(self) -> None:
        self.tickets = FakeTickets()

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


@asynccontextmanager
async def open_engine(kind: str) -> AsyncIterator[None]:
    """The bridge's loop on this engine; nothing may fail in it that nobody awaits."""
    async with open_loop("stock" if kind == "stock" else "fast") as bridge:
        yield
    assert bridge.orphans == 0


@asynccontextmanager
async def open_tickets_bench(url: str) -> AsyncIterator[RedisBench]:
    """A bench on this server, inside an open loop."""
    async with relay_to_redis(url) as (relay, through), open_redis(through) as client:
        yield RedisBench(RedisTickets(client), through, relay)


@asynccontextmanager
async def open_bench(database: Database) -> AsyncIterator[PostgresBench]:
    """A bench on this database, inside an open loop."""
    denials: list[None] = []
    epochs = Epochs()
    admin = await in_asyncio(_connect, database.admin_url)
    async with (
        relay_to_postgres(database.app_url) as (relay, url),
        open_postgres(
            url, keeper=SealingKeeper(SEALS), epochs=epochs, on_denied=lambda: denials.append(None)
        ) as store,
    ):
        vault = PostgresVault(store.database, SEALS, epochs=epochs)
        yield PostgresBench(store, url, relay, admin, vault, epochs, denials)
    await in_asyncio(admin.close)


async def _connect(url: str) -> Admin:
    return await asyncpg.connect(url)

"""The store through a pooler in transaction mode: many transactions of many tenants on a few server connections."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import AsyncIterator

import asyncpg
import pytest
import trio

from actors.adapters.postgres import Connection, PostgresStore, open_postgres
from actors.bridge import in_asyncio, open_loop
from actors.core.names import SessionKey
from actors.core.record import to_record
from actors.core.states import Authorized, PendingQr, SessionState
from actors.core.states import Login as PendingLogin
from actors.ports import Saved, Transition
from ops.journal.__main__ import main
from tests.contracts.pgbouncer import PROGRAM, SERVER_CONNECTIONS, open_pgbouncer
from tests.stores import Database

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="pgbouncer is not installed (apt install pgbouncer)")

TENANTS = [f"tenant-{number}" for number in range(6)]
SESSIONS = 5
VERSIONS = 6
LINE = Transition("StartQr", SessionState.ABSENT, SessionState.PENDING_QR, None)
WHOSE = """select coalesce(array_agg(distinct tenant_id), '{}') from (
           select tenant_id from telegram_sessions union all select tenant_id from session_journal) rows"""


@pytest.fixture
async def pooled(database: Database) -> AsyncIterator[str]:
    """The URL of the service's login through the pooler."""
    async with open_loop(), open_pgbouncer(database) as url:
        yield url


def saved(tenant: str, version: int) -> Saved:
    """A version that no other tenant has."""
    if version == VERSIONS:
        return Saved(to_record(Authorized(TENANTS.index(tenant) + 1)), version, float(version))
    return Saved(to_record(PendingQr(PendingLogin(f"login of {tenant}", 1.0))), version, float(version))


async def live(store: PostgresStore, key: SessionKey) -> None:
    """A session's life: everything it saved it loads, and nobody else's row is in sight."""

    async def whose(connection: Connection) -> list[str]:
        tenants: list[str] = await connection.fetchval(WHOSE)
        return tenants

    assert await store.load(key) is None
    for version in range(1, VERSIONS + 1):
        await store.save(key, saved(key.tenant_id, version), LINE)
        await store.save(key, saved(key.tenant_id, version), LINE)  # as after a lost reply
        assert await store.load(key) == saved(key.tenant_id, version)
        assert await store.database.as_tenant(key.tenant_id, whose) == [key.tenant_id]


async def test_many_sessions_of_many_tenants_live_side_by_side(
    pooled: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        open_postgres(pooled, pool_size=12, on_denied=pytest.fail, deadline=30) as one,
        open_postgres(pooled, pool_size=12, on_denied=pytest.fail, deadline=30) as another,
    ):
        async with trio.open_nursery() as nursery:
            for number in range(SESSIONS):
                for tenant in TENANTS:
                    store = one if number % 2 else another
                    nursery.start_soon(live, store, SessionKey(tenant, f"app-{number}"))

        assert len(await one.running()) == len(TENANTS) * SESSIONS
        monkeypatch.setenv("DATABASE_URL", pooled)
        assert await trio.to_thread.run_sync(main, ["verify"]) == 0

        async def count(connection: Connection) -> int:
            lines: int = await connection.fetchval("select count(*) from session_journal")
            return lines

        assert await one.database.as_service(count) == len(TENANTS) * SESSIONS * VERSIONS


async def test_a_neighbour_who_leaves_role_and_claims_behind_changes_nothing_for_us(pooled: str) -> None:
    """What we set for a transaction goes before what somebody set for the session that we are lent."""

    async def litter() -> None:
        neighbours = [await asyncpg.connect(pooled, statement_cache_size=0) for _ in range(8)]
        claims = '{"app_metadata": {"tenant_id": "tenant-0"}}'
        for neighbour in neighbours * 5:
            await neighbour.execute(f"set role service_role; set request.jwt.claims = '{claims}'")
        # What they left is there: it is a transaction's connection that is lent, and nobody clears it.
        assert {await neighbour.fetchval("select current_user") for neighbour in neighbours} == {
            "service_role"
        }
        for neighbour in neighbours:
            neighbour.terminate()

    async with open_postgres(pooled, pool_size=12, on_denied=pytest.fail, deadline=30) as store:
        await store.save(SessionKey("tenant-0", "app-9"), saved("tenant-0", 1), LINE)
        await in_asyncio(litter)
        async with trio.open_nursery() as nursery:
            for number in range(SESSIONS):
                for tenant in TENANTS[1:]:
                    nursery.start_soon(live, store, SessionKey(tenant, f"app-{number}"))


async def test_health_is_asked_through_a_pooler_again_and_again(pooled: str) -> None:
    """Each look is a process, whose names for statements begin anew; the server's connections stay the same."""
    for _ in range(SERVER_CONNECTIONS + 1):
        done = await trio.run_process(
            [sys.executable, "-m", "ops.session_cli", "health", "--json"],
            env=os.environ | {"DATABASE_URL": pooled, "SESSIONCTL_URL": "http://127.0.0.1:1"},
            capture_stdout=True,
            capture_stderr=True,
            check=False,
        )
        parts = {part["part"]: part for part in json.loads(done.stdout)["parts"]}

        assert (parts["postgresql"]["verdict"], parts["migrations"]["verdict"]) == ("ok", "ok"), parts
        assert (done.returncode, done.stderr) == (3, b"")

"""One connection after another's hands: what the wall holds, what it does not, and what is counted."""

from __future__ import annotations

import random

import asyncpg
import pytest
import trio

from actors.adapters.postgres import Connection, PostgresStore, open_postgres
from actors.bridge import in_asyncio, open_loop
from actors.core.names import SessionKey
from actors.core.record import to_record
from actors.core.states import Absent, Authorized, SessionState
from actors.errors import VersionConflict
from actors.ports import Saved, Transition
from supervisor.events import RowDenied
from supervisor.metrics import Metrics
from tests.migrations.sql import query
from tests.stores import Database, run_sql

FIRST = Saved(to_record(Absent()), 1, 1.0)
SECOND = Saved(to_record(Authorized(7)), 2, 2.0)
LINE = Transition("SignedIn", SessionState.ABSENT, SessionState.AUTHORIZED, None)
PLANS = """select count(*) as statements, sum(generic_plans) as generic from pg_prepared_statements
           where statement = 'select tenant_id from telegram_sessions'"""
WHO = """select current_user::text as role, coalesce(current_setting('request.jwt.claims', true), '') as claims"""
TENANTS = [f"tenant-{number}" for number in range(5)]


async def fill(store: PostgresStore) -> None:
    for number, tenant in enumerate(TENANTS, start=1):
        for app in range(number):
            await store.save(SessionKey(tenant, f"app-{app}"), FIRST, None)


async def test_one_prepared_statement_serves_many_tenants_and_mixes_none_up(database: Database) -> None:
    async def seen(connection: Connection) -> list[str]:
        return [row[0] for row in await connection.fetch("select tenant_id from telegram_sessions")]

    chance = random.Random(4)
    async with (
        open_loop(),
        open_postgres(
            database.app_url, pool_size=1, on_denied=pytest.fail, statement_cache_size=100
        ) as store,
    ):
        await fill(store)
        for _ in range(300):
            number = chance.randrange(len(TENANTS) + 1)
            if number == len(TENANTS):
                assert len(await store.database.as_service(seen)) == 15
            else:
                assert await store.database.as_tenant(TENANTS[number], seen) == [TENANTS[number]] * (
                    number + 1
                )
        kept = await in_asyncio(store.database._pool.fetchrow, PLANS)
        assert kept is not None
        assert kept["statements"] == 1
        assert kept["generic"] > 200


async def test_a_transaction_that_failed_leaves_its_tenant_behind(database: Database) -> None:
    async def fail(connection: Connection) -> None:
        await connection.execute("select 1 / 0")

    async with open_loop(), open_postgres(database.app_url, pool_size=1, on_denied=pytest.fail) as store:
        for _ in range(3):
            with pytest.raises(asyncpg.DivisionByZeroError):
                await store.database.as_tenant("tenant-a", fail)
            left = await in_asyncio(store.database._pool.fetchrow, WHO)
            assert left is not None
            assert dict(left) == {"role": "usm_app", "claims": ""}


def test_the_login_role_alone_can_do_nothing(database: Database) -> None:
    names = [
        row[0]
        for row in query(
            database.admin_url,
            "select format('%I.%I', schemaname, tablename) from pg_tables where schemaname in ('public', 'usm')",
        )
    ]
    assert len(names) >= 2
    for name in names:
        for statement in ("select from {}", "insert into {} default values", "delete from {}", "truncate {}"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError, match="permission denied"):
                query(database.app_url, statement.format(name))
    for function in ("usm.current_tenant()", "usm.journal_field('')"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="permission denied"):
            query(database.app_url, f"select {function}")


async def test_whoever_sends_statements_of_their_own_over_the_services_connection_is_not_held(
    database: Database,
) -> None:
    """The wall holds against wrong values, forgotten conditions and confused code, not against SQL injection.

    Role and claims are settings of the transaction. Whoever may send any statement may set them again. So every
    statement of ours is a constant with parameters, and no tenant ever has this connection in hand.
    """

    async def whose(connection: Connection) -> list[str]:
        rows = await connection.fetch("select distinct tenant_id from telegram_sessions order by 1")
        return [row[0] for row in rows]

    async def climb(connection: Connection) -> list[str]:
        await connection.execute("set local role service_role")
        return await whose(connection)

    async def pretend(connection: Connection) -> list[str]:
        await connection.execute(
            """select set_config('request.jwt.claims', '{"app_metadata": {"tenant_id": "tenant-4"}}', true)"""
        )
        return await whose(connection)

    async with open_loop(), open_postgres(database.app_url, on_denied=pytest.fail) as store:
        await fill(store)
        assert await store.database.as_tenant("tenant-0", whose) == ["tenant-0"]
        assert await store.database.as_tenant("tenant-0", climb) == TENANTS
        assert await store.database.as_tenant("tenant-0", pretend) == ["tenant-4"]


@pytest.mark.parametrize(
    "role", ["postgres", "supabase_admin", "pg_read_all_data", "pg_write_all_data", "anon"]
)
async def test_even_they_cannot_become_more_than_the_login_may(database: Database, role: str) -> None:
    denials: list[None] = []

    async def climb(connection: Connection) -> None:
        await connection.execute(f"set local role {role}")

    async with (
        open_loop(),
        open_postgres(database.app_url, on_denied=lambda: denials.append(None)) as store,
    ):
        with pytest.raises((asyncpg.InsufficientPrivilegeError, asyncpg.InvalidParameterValueError)):
            await store.database.as_tenant("tenant-a", climb)


async def test_what_the_wall_refused_is_counted_as_operators_see_it(database: Database) -> None:
    """`rls_denied_total`: a refused write raises, a hidden row does not (one row was expected, and none came)."""
    metrics = Metrics(sandbox=True)
    key = SessionKey("tenant-a", "app-1")

    def denied() -> float | None:
        return metrics.registry.get_sample_value("rls_denied_total")

    async def write_to_another(connection: Connection) -> None:
        await connection.execute(
            "insert into telegram_sessions (tenant_id, app_id, state) values ('tenant-b', 'app-1', 'ABSENT')"
        )

    async def read_another(connection: Connection) -> list[asyncpg.Record]:
        return await connection.fetch("select from telegram_sessions where tenant_id = 'tenant-b'")

    async with (
        open_loop(),
        open_postgres(database.app_url, on_denied=lambda: metrics.observe(RowDenied())) as store,
    ):
        await store.save(key, FIRST, None)
        with pytest.raises(VersionConflict):
            await store.save(key, Saved(SECOND.record, 7, 2.0), LINE)
        assert await store.database.as_tenant("tenant-a", read_another) == []
        assert denied() == 0

        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await store.database.as_tenant("tenant-a", write_to_another)
        assert denied() == 1

        hide = "drop policy tenant_reads on telegram_sessions"
        await trio.to_thread.run_sync(run_sql, database.admin_url, hide)
        with pytest.raises(VersionConflict):
            await store.save(key, SECOND, LINE)
        assert denied() == 2

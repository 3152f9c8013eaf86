"""The wall between tenants: who acts in a transaction, what it may see, and that nobody else inherits it."""

from __future__ import annotations

import asyncpg
import pytest

from actors.adapters.postgres import Connection, PostgresStore, open_postgres
from actors.bridge import in_asyncio
from actors.core.names import SessionKey
from actors.core.record import to_record
from actors.core.states import Absent, Authorized, SessionState
from actors.errors import VersionConflict
from actors.ports import Saved, Transition
from tests.contracts.benches import PostgresBench

KEY = SessionKey("tenant-a", "app-1")
FIRST = Saved(to_record(Absent()), 1, 1.0)
SECOND = Saved(to_record(Authorized(7)), 2, 2.0)
LINE = Transition("SignedIn", SessionState.PENDING_QR, SessionState.AUTHORIZED, None)


@pytest.fixture(params=["fast"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def test_a_refusal_by_row_level_security_is_counted_and_raised(postgres: PostgresBench) -> None:
    async def add_to_another(connection: Connection) -> None:
        await connection.execute(
            "insert into telegram_sessions (tenant_id, app_id, state) values ('tenant-b', 'app-1', 'ABSENT')"
        )

    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
        await postgres.store.database.as_tenant("tenant-a", add_to_another)

    assert len(postgres.denials) == 1
    assert await postgres.store.load(SessionKey("tenant-b", "app-1")) is None


async def test_a_row_that_is_out_of_sight_is_counted_as_a_refusal(postgres: PostgresBench) -> None:
    await postgres.store.save(KEY, FIRST, None)
    await postgres.sql("drop policy tenant_reads on telegram_sessions")

    with pytest.raises(VersionConflict):
        await postgres.store.save(KEY, SECOND, LINE)

    assert len(postgres.denials) == 1
    assert await postgres.journal(KEY) == []


async def test_an_ordinary_conflict_is_no_refusal(postgres: PostgresBench) -> None:
    await postgres.store.save(KEY, FIRST, None)

    with pytest.raises(VersionConflict):
        await postgres.store.save(KEY, Saved(FIRST.record, 1, 3.0), None)

    assert postgres.denials == []


async def test_a_tenant_sees_its_own_rows_only(postgres: PostgresBench) -> None:
    async def count(connection: Connection) -> int:
        rows: int = await connection.fetchval("select count(*) from telegram_sessions")
        return rows

    await postgres.store.save(KEY, FIRST, None)
    await postgres.store.save(SessionKey("tenant-b", "app-1"), FIRST, None)

    assert await postgres.store.database.as_tenant("tenant-a", count) == 1
    assert await postgres.store.database.as_tenant("tenant-c", count) == 0
    assert await postgres.store.database.as_service(count) == 2


async def test_nothing_is_left_behind_on_a_connection(
    postgres: PostgresBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def take_off_the_belt(_: object) -> None:
        """A pooler gives the connection to others without a reset."""

    monkeypatch.setattr("actors.adapters.postgres._reset", take_off_the_belt)
    async with open_postgres(postgres.url, pool_size=1, on_denied=pytest.fail) as store:
        await store.save(KEY, FIRST, None)
        await store.running()

        left = await _ask_the_pool(
            store,
            "select current_user::text as role, current_setting('request.jwt.claims', true) as claims,"
            " (select count(*) from pg_prepared_statements where name <> '') as prepared",
        )

        assert dict(left) == {"role": "usm_app", "claims": "", "prepared": 0}


async def test_a_role_that_a_transaction_forgot_is_reset(postgres: PostgresBench) -> None:
    async def forget(connection: Connection) -> None:
        await connection.execute("set role service_role")

    async with open_postgres(postgres.url, pool_size=1, on_denied=pytest.fail) as store:
        await store.database.as_service(forget)

        assert dict(await _ask_the_pool(store, "select current_user::text as role")) == {"role": "usm_app"}


async def _ask_the_pool(store: PostgresStore, query: str) -> asyncpg.Record:
    row = await in_asyncio(store.database._pool.fetchrow, query)
    assert row is not None
    return row

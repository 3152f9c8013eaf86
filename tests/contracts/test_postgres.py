"""What only a real database can show: outages in the midst of things, a pool that stays whole."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest
import trio

from actors.adapters.postgres import SAVES_AT_ONCE, Connection, PostgresStore, open_postgres
from actors.bridge import in_asyncio, open_loop
from actors.core.names import SessionKey
from actors.core.record import to_record
from actors.core.states import Absent, Authorized, SessionState
from actors.errors import StoreRefused, StoreUnavailable
from actors.ports import Saved, Transition
from tests.contracts.benches import PostgresBench

KEY = SessionKey("tenant-a", "app-1")
FIRST = Saved(to_record(Absent()), 1, 1.0)
SECOND = Saved(to_record(Authorized(7)), 2, 2.0)
LINE = Transition("SignedIn", SessionState.PENDING_QR, SessionState.AUTHORIZED, None)

every_engine = pytest.mark.parametrize("kind", ["fast", "stock"], indirect=True)


@pytest.fixture(params=["fast"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


# -- outages


async def test_a_save_whose_reply_was_lost_is_done_and_may_be_done_again(postgres: PostgresBench) -> None:
    await postgres.store.save(KEY, FIRST, None)
    postgres.relay.withhold_reply_to(b"COMMIT;")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(_save_into_an_outage, postgres.store)
        await postgres.relay.withheld.wait()
        await postgres.relay.cut()
    postgres.relay.let_replies_pass()
    await postgres.relay.restore()

    assert await postgres.store.load(KEY) == SECOND
    await postgres.store.save(KEY, SECOND, LINE)
    assert await postgres.journal(KEY) == [(2, LINE)]


@every_engine
async def test_a_backend_killed_in_the_midst_of_a_save_is_an_outage(postgres: PostgresBench) -> None:
    await postgres.store.save(KEY, FIRST, None)

    async with postgres.locked(), trio.open_nursery() as nursery:
        nursery.start_soon(_save_into_an_outage, postgres.store)
        (backend,) = await postgres.wait_blocked(1)
        await postgres.sql("select pg_terminate_backend($1)", backend)

    assert await postgres.store.load(KEY) == FIRST
    await postgres.store.save(KEY, SECOND, LINE)
    assert await postgres.journal(KEY) == [(2, LINE)]


async def _save_into_an_outage(store: PostgresStore) -> None:
    with pytest.raises(StoreUnavailable) as outage:
        await store.save(KEY, SECOND, LINE)
    assert outage.value.__cause__ is not None
    assert outage.value.retry_after is not None


@every_engine
async def test_a_connection_that_was_lost_while_idle_is_replaced_unnoticed(postgres: PostgresBench) -> None:
    await postgres.store.save(KEY, FIRST, None)

    await postgres.relay.cut()
    await postgres.relay.restore()

    assert await postgres.store.load(KEY) == FIRST


@every_engine
async def test_a_server_that_falls_silent_is_given_up_in_time(postgres: PostgresBench) -> None:
    async with open_postgres(postgres.url, on_denied=pytest.fail, deadline=0.2) as store:
        await store.save(KEY, FIRST, None)
        postgres.relay.withhold_replies()

        with trio.fail_after(2), pytest.raises(StoreUnavailable):
            await store.load(KEY)
        with trio.fail_after(2), pytest.raises(StoreUnavailable):
            await store.ping()

        postgres.relay.let_replies_pass()
        assert await store.load(KEY) == FIRST


async def test_a_pool_without_a_free_connection_is_an_outage(postgres: PostgresBench) -> None:
    async with open_postgres(postgres.url, pool_size=1, on_denied=pytest.fail, deadline=0.2) as store:
        # One after the other they would take two seconds.
        with trio.fail_after(1.5):
            async with postgres.locked(), trio.open_nursery() as nursery:
                for _ in range(10):
                    nursery.start_soon(_save_into_an_outage, store)

        await store.save(KEY, FIRST, None)


async def test_a_tenant_whose_saves_queue_up_leaves_connections_for_others(postgres: PostgresBench) -> None:
    keys = [SessionKey("tenant-a", f"app-{number}") for number in range(8)]
    other = SessionKey("tenant-b", "app-1")
    async with open_postgres(postgres.url, pool_size=3, on_denied=pytest.fail) as store:
        for key in (*keys, other):
            await store.save(key, FIRST, None)

        async with postgres.chain_held("tenant-a"), trio.open_nursery() as nursery:
            for key in keys:
                nursery.start_soon(store.save, key, SECOND, LINE)
            await postgres.wait_blocked(SAVES_AT_ONCE)
            await store.save(other, SECOND, LINE)
            assert [await store.load(key) for key in keys] == [FIRST] * len(keys)
            await postgres.release_chain()

        assert [await store.load(key) for key in keys] == [SECOND] * len(keys)


async def test_sessions_of_one_tenant_that_save_at_once_never_wait_in_a_circle(
    postgres: PostgresBench,
) -> None:
    async def live(store: PostgresStore, key: SessionKey) -> None:
        for version in range(1, 11):
            await store.save(key, Saved(FIRST.record, version, 1.0), LINE)

    async with open_postgres(postgres.url, pool_size=16, on_denied=pytest.fail, deadline=60) as store:
        store.database.saves_at_once = 16  # let them all wait for the chain in the server
        async with trio.open_nursery() as nursery:
            for number in range(16):
                nursery.start_soon(live, store, SessionKey("tenant-a", f"app-{number}"))

    (counts,) = await postgres.sql("select count(*), count(distinct seq), max(seq) from session_journal")
    assert tuple(counts) == (160, 160, 160)


async def test_a_server_without_a_free_connection_is_an_outage(postgres: PostgresBench) -> None:
    (name,) = await postgres.sql("select current_database()")
    await postgres.sql(f"alter database {name[0]} connection limit 0")

    with pytest.raises(StoreUnavailable):
        await postgres.store.load(KEY)
    await postgres.sql(f"alter database {name[0]} connection limit -1")

    assert await postgres.store.load(KEY) is None


@every_engine
async def test_a_call_that_asyncio_gave_up_is_an_outage(postgres: PostgresBench) -> None:
    async def give_up(_: Connection) -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(0)

    with pytest.raises(StoreUnavailable):
        await postgres.store.database.as_service(give_up)


async def test_what_a_server_or_pooler_in_trouble_says_is_an_outage(postgres: PostgresBench) -> None:
    for sqlstate in ("08006", "25006", "53300", "57P01", "57P03", "XX000"):

        async def complain(connection: Connection, sqlstate: str = sqlstate) -> None:
            await connection.execute(f"do $$ begin raise exception using errcode = '{sqlstate}'; end $$")

        with pytest.raises(StoreUnavailable):
            await postgres.store.database.as_service(complain)


@every_engine
async def test_a_store_opens_while_the_server_is_down(postgres: PostgresBench) -> None:
    await postgres.go_down()

    async with open_postgres(postgres.url, on_denied=pytest.fail) as store:
        with pytest.raises(StoreUnavailable):
            await store.ping()
        await postgres.come_back()
        await store.ping()


@every_engine
async def test_a_store_closes_in_time_though_the_server_is_silent(postgres: PostgresBench) -> None:
    with trio.fail_after(2):
        async with open_postgres(postgres.url, on_denied=pytest.fail, deadline=0.2) as store:
            await store.ping()
            postgres.relay.withhold_replies()


async def test_a_store_that_was_closed_is_unavailable(postgres: PostgresBench) -> None:
    async with open_postgres(postgres.url, on_denied=pytest.fail) as store:
        await store.ping()

    with pytest.raises(StoreUnavailable):
        await store.load(KEY)


@every_engine
async def test_a_commit_that_is_cancelled_halfway_writes_nothing_and_is_ended(
    postgres: PostgresBench,
) -> None:
    await postgres.sql(
        """create function linger() returns trigger language plpgsql as
           $$ begin perform pg_sleep(2); return null; end $$"""
    )
    await postgres.sql(
        """create constraint trigger linger after insert on session_journal
           deferrable initially deferred for each row execute function linger()"""
    )
    with trio.move_on_after(0.5):
        await postgres.store.save(KEY, FIRST, LINE)

    await postgres.sql("drop trigger linger on session_journal")
    assert await postgres.store.load(KEY) is None
    await postgres.store.save(KEY, FIRST, LINE)


@every_engine
async def test_cancelled_operations_write_nothing_and_leave_the_pool_whole(postgres: PostgresBench) -> None:
    async with open_postgres(postgres.url, pool_size=2, on_denied=pytest.fail) as store:
        await store.save(KEY, FIRST, None)

        async with postgres.locked():
            for _ in range(2):
                async with trio.open_nursery() as nursery:
                    for _ in range(4):
                        nursery.start_soon(store.save, KEY, SECOND, LINE)
                    await postgres.wait_blocked(2)
                    nursery.cancel_scope.cancel()

        assert await store.load(KEY) == FIRST
        async with trio.open_nursery() as nursery:
            for _ in range(8):
                nursery.start_soon(store.load, KEY)
        await store.save(KEY, SECOND, LINE)
        assert await postgres.journal(KEY) == [(2, LINE)]


async def test_a_full_disk_of_the_server_s_is_an_outage(postgres: PostgresBench) -> None:
    """Nothing of what was to be saved is, and it passes: what writes is told so, and tries again."""
    await postgres.sql(
        """create function fail() returns trigger language plpgsql as
           $$ begin raise exception 'could not extend file' using errcode = 'disk_full'; end $$"""
    )
    await postgres.sql(
        "create trigger fail before insert on session_journal for each row execute function fail()"
    )
    with pytest.raises(StoreUnavailable):
        await postgres.store.save(KEY, FIRST, LINE)
    assert await postgres.store.load(KEY) is None

    await postgres.sql("drop trigger fail on session_journal")
    await postgres.store.save(KEY, FIRST, LINE)
    assert await postgres.store.load(KEY) == FIRST


# -- what is no outage


async def test_a_mistake_of_ours_is_no_outage(postgres: PostgresBench) -> None:
    async def misspell(connection: Connection) -> None:
        await connection.execute("selekt 1")

    async def misplace(connection: Connection) -> None:
        await connection.fetchval("select $1::int", "one")

    with pytest.raises(asyncpg.PostgresSyntaxError):
        await postgres.store.database.as_service(misspell)
    with pytest.raises(asyncpg.DataError):
        await postgres.store.database.as_service(misplace)


async def test_a_wrong_password_is_no_outage(postgres: PostgresBench) -> None:
    url = postgres.url.replace("usm_app:", "usm_app:wrong", 1)

    async with open_postgres(url, on_denied=pytest.fail) as store:
        with pytest.raises(StoreRefused, match="DATABASE_URL"):
            await store.ping()


async def test_a_database_without_our_tables_says_what_to_run(postgres: PostgresBench) -> None:
    await postgres.sql("drop table telegram_sessions cascade")

    with pytest.raises(StoreRefused, match=r"python -m ops\.migrate"):
        await postgres.store.running()


async def test_what_is_no_url_is_refused_without_quoting_the_password() -> None:
    url = "postgresql://usm_app:pass/word@localhost/x"

    async with open_loop(), open_postgres(url, on_denied=pytest.fail) as store:
        with pytest.raises(StoreRefused, match="check DATABASE_URL") as refusal:
            await store.ping()

    assert "pass" not in str(refusal.value)
    assert "word" not in str(refusal.value).replace("password", "")


# -- a pooler between us and the server


async def test_a_statement_cache_may_be_had_on_a_direct_connection(postgres: PostgresBench) -> None:
    async with open_postgres(
        postgres.url, pool_size=1, on_denied=pytest.fail, statement_cache_size=100
    ) as store:
        for number in range(1, 4):
            await store.save(KEY, Saved(FIRST.record, number, 1.0), None)

        (kept,) = await _ask_the_pool(store, "select count(*) from pg_prepared_statements where name <> ''")
        assert kept >= 2


async def _ask_the_pool(store: PostgresStore, query: str) -> asyncpg.Record:
    row = await in_asyncio(store.database._pool.fetchrow, query)
    assert row is not None
    return row

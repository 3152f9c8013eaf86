"""How lines are chained while they are written."""

import asyncio
from pathlib import Path

import asyncpg
import pytest

from ops.migrate import MIGRATIONS, apply
from tests.journal.conftest import WRITE, Run
from tests.migrations.sql import act, query
from tests.stores import Database

LINE = ("StartQr", None, "PENDING_QR", None)


def chain(database: Database, tenant: str) -> list[tuple[int, str]]:
    rows = act(
        database,
        "usm_tenant",
        tenant,
        "select seq, app_id || version as line from session_journal order by seq",
    )
    return [tuple(row) for row in rows]


def test_every_tenant_has_a_chain_of_its_own_without_gaps(journal: Database) -> None:
    assert chain(journal, "A") == [(1, "one1"), (2, "two1"), (3, "one2")]
    assert chain(journal, "B") == [(1, "one1"), (2, "one2")]


@pytest.mark.parametrize("role", ["usm_tenant", "authenticated"])
def test_a_tenant_reads_its_own_chain_and_can_check_it(journal: Database, role: str) -> None:
    checked = act(
        journal,
        role,
        "A",
        """select seq, hash = usm.journal_hash(lag(hash) over (order by seq), line) as fits
           from session_journal line order by seq""",
    )
    assert checked == [(1, True), (2, True), (3, True)]


def test_a_forged_place_hash_or_moment_is_overwritten(journal: Database, run: Run) -> None:
    for role in ("usm_tenant", "service_role"):
        [(seq, recent)] = act(
            journal,
            role,
            "A",
            """insert into session_journal (tenant_id, app_id, version, message, to_state, seq, hash, at)
               values ('A', $1, 1, 'StartQr', 'PENDING_QR', 77, decode(repeat('ab', 32), 'hex'), '2001-01-01')
               returning seq, at > now() - interval '1 minute'""",
            role,
        )
        assert seq == {"usm_tenant": 4, "service_role": 5}[role]
        assert recent
    assert run(journal.app_url, "verify").code == 0


def test_lines_of_one_statement_are_chained_one_after_the_other(database: Database, run: Run) -> None:
    act(
        database,
        "service_role",
        {},
        """insert into session_journal (tenant_id, app_id, version, message, to_state)
           select tenant, 'one', version, 'StartQr', 'PENDING_QR'
             from generate_series(1, 3) version, unnest('{A,B}'::text[]) tenant""",
    )
    assert chain(database, "A") == [(1, "one1"), (2, "one2"), (3, "one3")]
    assert run(database.app_url, "verify").out == "ok: 6 lines, 2 chains\n"


def test_a_line_that_was_rolled_back_leaves_no_gap(journal: Database, run: Run) -> None:
    with pytest.raises(asyncpg.UniqueViolationError):
        act(journal, "usm_tenant", "A", WRITE, "A", "one", 2, *LINE)
    act(journal, "usm_tenant", "A", WRITE, "A", "one", 3, *LINE)

    assert chain(journal, "A")[-1] == (4, "one3")
    assert run(journal.app_url, "verify").code == 0


def test_who_cannot_see_the_last_line_cannot_write_a_second_first_one(journal: Database) -> None:
    query(journal.admin_url, "drop policy tenant_reads on session_journal")
    with pytest.raises(asyncpg.UniqueViolationError, match="session_journal_chain"):
        act(journal, "usm_tenant", "A", WRITE.partition("returning")[0], "A", "one", 9, *LINE)


async def _act_for(connection: "asyncpg.Connection[asyncpg.Record]", tenant: str) -> None:
    await connection.execute(
        "select set_config('role', 'usm_tenant', true), set_config('request.jwt.claims', $1, true)",
        f'{{"app_metadata": {{"tenant_id": "{tenant}"}}}}',
    )


def test_a_writer_whose_snapshot_is_old_is_refused_and_forks_nothing(journal: Database, run: Run) -> None:
    async def scene() -> None:
        connection: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(journal.app_url)
        try:
            async with connection.transaction(isolation="repeatable_read"):
                await _act_for(connection, "A")
                await connection.fetch("select from session_journal")
                await asyncio.to_thread(act, journal, "usm_tenant", "A", WRITE, "A", "one", 3, *LINE)
                await connection.fetch(WRITE, "A", "two", 2, *LINE)
        finally:
            await connection.close()

    with pytest.raises(asyncpg.UniqueViolationError, match="session_journal_chain"):
        asyncio.run(scene())
    assert run(journal.app_url, "verify").out == "ok: 6 lines, 2 chains\n"


def test_a_line_waits_for_one_of_its_tenant_and_for_nobody_else(journal: Database, run: Run) -> None:
    """Two transactions of one tenant take turns at the chain, in the order of arrival; another tenant passes."""

    async def scene() -> None:
        first, second, other = [await asyncpg.connect(journal.app_url) for _ in range(3)]
        try:
            async with first.transaction():
                await _act_for(first, "A")
                await first.fetch(WRITE, "A", "one", 3, *LINE)
                waiting = asyncio.create_task(_write(second, "A", "two"))
                await asyncio.wait_for(_write(other, "B", "two"), 10)
                await asyncio.wait_for(_until_somebody_waits(journal), 10)
                assert not waiting.done()
            assert (await asyncio.wait_for(waiting, 10))["seq"] == 5
        finally:
            for connection in (first, second, other):
                await connection.close()

    asyncio.run(scene())
    assert chain(journal, "A")[-2:] == [(4, "one3"), (5, "two2")]
    assert run(journal.app_url, "verify").code == 0


async def _write(connection: "asyncpg.Connection[asyncpg.Record]", tenant: str, app: str) -> asyncpg.Record:
    async with connection.transaction():
        await _act_for(connection, tenant)
        row = await connection.fetchrow(WRITE, tenant, app, 2, *LINE)
        assert row is not None
        return row


async def _until_somebody_waits(database: Database) -> None:
    admin: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(database.admin_url)
    try:
        while not await admin.fetchval(
            """select exists (select from pg_locks where not granted and locktype = 'advisory'
               and database = (select oid from pg_database where datname = current_database()))"""
        ):
            await asyncio.sleep(0.01)
    finally:
        await admin.close()


def test_lines_that_come_by_replication_or_a_restore_keep_their_hashes(journal: Database) -> None:
    [kept] = query(journal.admin_url, "select * from session_journal where tenant_id = 'A' and seq = 3")

    async def copy() -> None:
        superuser: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(journal.admin_url)
        try:
            await superuser.execute("set session_replication_role = replica")
            await superuser.execute("alter table session_journal disable trigger refuse_change")
            await superuser.execute("delete from session_journal where tenant_id = 'A' and seq = 3")
            names = ", ".join(kept.keys())
            places = ", ".join(f"${number}" for number in range(1, len(kept) + 1))
            insert = f"insert into session_journal ({names}) values ({places})"  # noqa: S608 - of the catalogue
            await superuser.execute(insert, *kept.values())
        finally:
            await superuser.close()

    asyncio.run(copy())
    assert query(journal.admin_url, "select * from session_journal where tenant_id = 'A' and seq = 3") == [
        kept
    ]


@pytest.fixture
def before_the_chain(tmp_path: Path) -> Path:
    """The migrations as they were before the journal was chained."""
    for path in sorted(MIGRATIONS.glob("*.sql")):
        if path.name.endswith("_journal_chain.sql"):
            return tmp_path
        (tmp_path / path.name).write_bytes(path.read_bytes())
    raise AssertionError("there is no such migration")


def test_the_lines_of_before_are_chained_in_the_order_of_their_time(
    bare_database: str, before_the_chain: Path, run: Run
) -> None:
    async def scene() -> None:
        connection: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(bare_database)
        try:
            await apply(connection, before_the_chain)
            await connection.execute(
                """insert into session_journal (tenant_id, app_id, version, at, message, to_state)
                   select tenant, app, version, '2026-11-01'::timestamptz + version * interval '1 hour', 'X', 'STALE'
                     from unnest('{A,B}'::text[]) tenant, unnest('{one,two}'::text[]) app,
                          generate_series(1, 50) version"""
            )
            await apply(connection)
        finally:
            await connection.close()

    asyncio.run(scene())
    assert query(
        bare_database, "select app_id, version from session_journal where tenant_id = 'B' order by seq"
    ) == [(app, version) for version in range(1, 51) for app in ("one", "two")]
    assert run(bare_database, "verify").out == "ok: 200 lines, 2 chains\n"
    with pytest.raises(asyncpg.RestrictViolationError):
        query(bare_database, "delete from session_journal")

# ruff: noqa: S608 - every statement is made of constants in this file
import asyncio

import asyncpg
import pytest

from tests.migrations.sql import act, query
from tests.stores import Database

INSERT = (
    "insert into telegram_sessions (tenant_id, app_id, state) values ($1, $2, 'ABSENT') returning tenant_id"
)
WRITE_ENTRY = """insert into session_journal (tenant_id, app_id, version, message, to_state)
                 values ($1, 'one', $2, 'StartQr', 'PENDING_QR') returning tenant_id"""
CHANGES = [
    "update session_journal set reason = 'forged'",
    "update session_journal set reason = 'forged' where false",
    "delete from session_journal",
    "truncate session_journal",
]
Refused = asyncpg.InsufficientPrivilegeError


@pytest.fixture
def two_tenants(database: Database) -> Database:
    """Sessions A/one, A/two and B/one, and a journal entry of each tenant."""
    for tenant, app in (("A", "one"), ("A", "two"), ("B", "one")):
        act(database, "usm_tenant", tenant, INSERT, tenant, app)
    for tenant in "AB":
        act(database, "usm_tenant", tenant, WRITE_ENTRY, tenant, 1)
    return database


@pytest.mark.parametrize("role", ["usm_tenant", "authenticated"])
@pytest.mark.parametrize("table", ["telegram_sessions", "session_journal"])
def test_a_tenant_sees_only_its_own(two_tenants: Database, role: str, table: str) -> None:
    for tenant in "AB":
        seen = act(two_tenants, role, tenant, f"select tenant_id from {table}")
        assert {row["tenant_id"] for row in seen} == {tenant}


def test_a_tenant_cannot_add_to_another(two_tenants: Database) -> None:
    with pytest.raises(Refused, match="row-level security"):
        act(two_tenants, "usm_tenant", "A", INSERT, "B", "new")
    with pytest.raises(Refused, match="row-level security"):
        act(two_tenants, "usm_tenant", "A", WRITE_ENTRY, "B", 2)


def test_a_tenant_cannot_move_its_session_to_another(two_tenants: Database) -> None:
    with pytest.raises(Refused, match="row-level security"):
        act(
            two_tenants,
            "usm_tenant",
            "A",
            "update telegram_sessions set tenant_id = 'B' where app_id = 'two'",
        )


def test_a_tenant_cannot_upsert_into_another(two_tenants: Database) -> None:
    upsert = INSERT.replace(
        "returning", "on conflict (tenant_id, app_id) do update set state = 'STALE' returning"
    )
    with pytest.raises(Refused, match="row-level security"):
        act(two_tenants, "usm_tenant", "A", upsert, "B", "one")
    assert act(two_tenants, "usm_tenant", "A", upsert, "A", "one") == [("A",)]


def test_a_tenants_update_of_another_touches_nothing(two_tenants: Database) -> None:
    update = "update telegram_sessions set state = 'STALE' where tenant_id = 'B' returning 1"
    assert act(two_tenants, "usm_tenant", "A", update) == []
    assert act(two_tenants, "usm_tenant", "B", "select state from telegram_sessions") == [("ABSENT",)]


def test_a_tenant_deletes_nothing(two_tenants: Database) -> None:
    for table in ("telegram_sessions", "session_journal"):
        with pytest.raises(Refused, match="permission denied"):
            act(two_tenants, "usm_tenant", "A", f"delete from {table}")


@pytest.mark.parametrize(
    "claims",
    [
        {},
        {"app_metadata": {}},
        {"app_metadata": {"tenant_id": None}},
        {"app_metadata": "A"},
        {"app_metadata": {"tenant_id": ""}},
        {"user_metadata": {"tenant_id": "A"}},
        {"tenant_id": "A"},
        {"app_metadata": {"tenant_id": "a"}},
    ],
    ids=repr,
)
def test_claims_that_name_no_tenant_show_nothing_and_write_nothing(
    two_tenants: Database, claims: dict[str, object]
) -> None:
    for table in ("telegram_sessions", "session_journal"):
        assert act(two_tenants, "usm_tenant", claims, f"select from {table}") == []
    with pytest.raises(Refused, match="row-level security"):
        act(two_tenants, "usm_tenant", claims, INSERT, "A", "new")


@pytest.mark.parametrize("table", ["telegram_sessions", "session_journal"])
def test_the_login_alone_is_refused(two_tenants: Database, table: str) -> None:
    with pytest.raises(Refused, match="permission denied"):
        query(two_tenants.app_url, f"select from {table}")


def test_the_login_becomes_nobody_else(two_tenants: Database) -> None:
    [[superuser]] = query(two_tenants.admin_url, "select quote_ident(current_user)")
    for role in ("anon", "authenticated", superuser):
        with pytest.raises(Refused, match="permission denied to set role"):
            query(two_tenants.app_url, f"set role {role}")


@pytest.mark.parametrize("table", ["telegram_sessions", "session_journal"])
def test_a_visitor_is_refused_whatever_the_claims_say(two_tenants: Database, table: str) -> None:
    with pytest.raises(Refused, match="permission denied"):
        act(two_tenants, "anon", "A", f"select from {table}")


def test_a_signed_in_user_writes_nothing(two_tenants: Database) -> None:
    with pytest.raises(Refused, match="permission denied"):
        act(two_tenants, "authenticated", "A", INSERT, "A", "new")
    with pytest.raises(Refused, match="permission denied"):
        act(two_tenants, "authenticated", "A", "update telegram_sessions set desired_state = 'stopped'")
    with pytest.raises(Refused, match="permission denied"):
        act(two_tenants, "authenticated", "A", WRITE_ENTRY, "A", 2)


def test_the_service_reads_and_writes_across_tenants(two_tenants: Database) -> None:
    assert len(act(two_tenants, "service_role", {}, "select from telegram_sessions")) == 3
    assert len(act(two_tenants, "service_role", {}, "select from session_journal")) == 2
    assert act(two_tenants, "service_role", {}, INSERT, "C", "one") == [("C",)]
    assert (
        len(act(two_tenants, "service_role", {}, "update telegram_sessions set reason = 'moved' returning 1"))
        == 4
    )
    assert len(act(two_tenants, "service_role", {}, "delete from telegram_sessions returning 1")) == 4


def test_a_transactions_role_and_claims_end_with_it(two_tenants: Database) -> None:
    async def scene() -> None:
        connection: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(two_tenants.app_url)
        try:
            for _ in range(2):
                async with connection.transaction():
                    await connection.execute(
                        """select set_config('role', 'usm_tenant', true), set_config(
                            'request.jwt.claims', '{"app_metadata": {"tenant_id": "A"}}', true)"""
                    )
                    assert len(await connection.fetch("select from telegram_sessions")) == 2
                with pytest.raises(Refused):
                    await connection.fetch("select from telegram_sessions")
                assert await connection.fetchval("select current_setting('request.jwt.claims')") == ""
        finally:
            await connection.close()

    asyncio.run(scene())


@pytest.mark.parametrize("statement", CHANGES)
def test_the_journal_is_append_only_for_the_services_roles(two_tenants: Database, statement: str) -> None:
    for role in ("usm_tenant", "service_role"):
        with pytest.raises(Refused, match="permission denied"):
            act(two_tenants, role, "A", statement)


@pytest.mark.parametrize("mode", ["origin", "replica"])
@pytest.mark.parametrize("statement", CHANGES)
def test_the_journal_is_append_only_even_for_its_owner(
    two_tenants: Database, statement: str, mode: str
) -> None:
    async def scene() -> None:
        owner: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(two_tenants.admin_url)
        try:
            await owner.execute(f"set session_replication_role = {mode}")
            with pytest.raises(
                asyncpg.RestrictViolationError, match="session_journal refused: it is append-only"
            ):
                await owner.execute(statement)
            assert await owner.fetchval("select count(*) from session_journal") == 2
        finally:
            await owner.close()

    asyncio.run(scene())


def test_one_version_of_a_session_has_one_entry(two_tenants: Database) -> None:
    with pytest.raises(asyncpg.UniqueViolationError):
        act(two_tenants, "usm_tenant", "A", WRITE_ENTRY, "A", 1)


@pytest.mark.parametrize("column", ["tenant_id", "app_id"])
@pytest.mark.parametrize("name", ["", "-a", "_a", "a b", "a/b", "..", "a\n", "é", "a" * 65])
@pytest.mark.parametrize("table", ["telegram_sessions", "session_journal"])
def test_a_name_that_is_no_identifier_is_refused(
    database: Database, table: str, column: str, name: str
) -> None:
    values = {"tenant_id": "A", "app_id": "one"} | {column: name}
    rest = {
        "telegram_sessions": ("state", "'STALE'"),
        "session_journal": ("version, message, to_state", "1, '', ''"),
    }
    columns, constants = rest[table]
    insert = f"insert into {table} (tenant_id, app_id, {columns}) values ($1, $2, {constants})"
    with pytest.raises(asyncpg.CheckViolationError):
        act(database, "service_role", {}, insert, *values.values())


def test_the_time_of_the_last_write_cannot_be_made_up(two_tenants: Database) -> None:
    [[before]] = act(two_tenants, "usm_tenant", "B", "select updated_at from telegram_sessions")
    [[after]] = act(
        two_tenants,
        "usm_tenant",
        "B",
        "update telegram_sessions set state = 'STALE', updated_at = '2001-01-01' returning updated_at",
    )
    assert after > before

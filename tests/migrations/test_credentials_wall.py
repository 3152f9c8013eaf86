# ruff: noqa: S608 - every statement is made of constants in this file
"""The tables of credentials and of data keys, attacked from every role."""

import asyncpg
import pytest

from tests.migrations.sql import act, query
from tests.stores import Database

TABLES = ("tenant_keys", "telegram_credentials")
KEY = "insert into tenant_keys (tenant_id, key_id, wrapped, wrapped_by) values ($1, $2, '\\x00', 'first') returning 1"
CREDENTIAL = """insert into telegram_credentials
    (tenant_id, app_id, fingerprint, status, telegram_user_id, version, key_id, sealed, not_before, erase_after)
    values ($1, $2, $3, $4, 7, 1, 1, $5, case when $4 = 'owed' then now() end,
            case when $4 in ('settled', 'buried') then now() end) returning 1"""
Refused = asyncpg.InsufficientPrivilegeError


def fingerprint(number: int) -> str:
    return f"first:{number:064x}"


def add(database: Database, tenant: str, app: str, number: int, status: str = "current") -> None:
    act(database, "usm_tenant", tenant, CREDENTIAL, tenant, app, fingerprint(number), status, b"sealed")


@pytest.fixture
def two_tenants(database: Database) -> Database:
    """A data key of each tenant, credentials A/one, A/two and B/one."""
    for tenant in "AB":
        act(database, "usm_tenant", tenant, KEY, tenant, 1)
    for number, (tenant, app) in enumerate((("A", "one"), ("A", "two"), ("B", "one"))):
        add(database, tenant, app, number)
    return database


@pytest.mark.parametrize("table", TABLES)
def test_a_tenant_sees_only_its_own(two_tenants: Database, table: str) -> None:
    for tenant in "AB":
        seen = act(two_tenants, "usm_tenant", tenant, f"select tenant_id from {table}")
        assert {row[0] for row in seen} == {tenant}


@pytest.mark.parametrize("role", ["anon", "authenticated"])
@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize(
    "statement",
    [
        "select from {}",
        "select count(*) from {}",
        "update {} set created_at = now()",
        "delete from {}",
        "truncate {}",
        "insert into {} (tenant_id) values ('A')",
    ],
)
def test_who_signs_in_is_refused_everything(
    two_tenants: Database, role: str, table: str, statement: str
) -> None:
    with pytest.raises(Refused, match="permission denied"):
        act(two_tenants, role, "A", statement.format(table))


@pytest.mark.parametrize("table", TABLES)
def test_the_login_alone_is_refused(two_tenants: Database, table: str) -> None:
    with pytest.raises(Refused, match="permission denied"):
        query(two_tenants.app_url, f"select from {table}")


@pytest.mark.parametrize("claims", [{}, {"tenant_id": "A"}, {"user_metadata": {"tenant_id": "A"}}], ids=repr)
@pytest.mark.parametrize("table", TABLES)
def test_claims_that_name_no_tenant_show_nothing(
    two_tenants: Database, table: str, claims: dict[str, object]
) -> None:
    assert act(two_tenants, "usm_tenant", claims, f"select from {table}") == []


def test_a_tenant_cannot_add_to_another(two_tenants: Database) -> None:
    with pytest.raises(Refused, match="row-level security"):
        act(two_tenants, "usm_tenant", "A", KEY, "B", 2)
    with pytest.raises(Refused, match="row-level security"):
        act(two_tenants, "usm_tenant", "A", CREDENTIAL, "B", "new", fingerprint(9), "current", b"x")


def test_a_tenant_cannot_move_a_credential_to_another(two_tenants: Database) -> None:
    with pytest.raises(Refused, match="row-level security"):
        act(
            two_tenants,
            "usm_tenant",
            "A",
            "update telegram_credentials set tenant_id = 'B' where app_id = 'two'",
        )


def test_a_tenants_update_of_another_touches_nothing(two_tenants: Database) -> None:
    update = "update telegram_credentials set sealed = 'x' where tenant_id = 'B' returning 1"
    assert act(two_tenants, "usm_tenant", "A", update) == []
    assert act(two_tenants, "usm_tenant", "B", "select sealed from telegram_credentials") == [(b"sealed",)]


@pytest.mark.parametrize("role", ["usm_tenant", "service_role"])
@pytest.mark.parametrize("table", TABLES)
def test_nobody_deletes(two_tenants: Database, role: str, table: str) -> None:
    for statement in (f"delete from {table}", f"truncate {table} cascade"):
        with pytest.raises(Refused, match="permission denied"):
            act(two_tenants, role, "A", statement)


def test_a_tenant_changes_no_data_key(two_tenants: Database) -> None:
    with pytest.raises(Refused, match="permission denied"):
        act(two_tenants, "usm_tenant", "A", "update tenant_keys set wrapped = 'x'")


def test_the_service_works_across_tenants(two_tenants: Database) -> None:
    for statement in (
        "update tenant_keys set wrapped = 'x' returning 1",
        "update telegram_credentials set attempts = 1 returning 1",
    ):
        assert len(act(two_tenants, "service_role", {}, statement)) in {2, 3}
    assert act(two_tenants, "service_role", {}, KEY, "C", 1) == [(1,)]


def test_a_session_has_one_current_credential(two_tenants: Database) -> None:
    with pytest.raises(asyncpg.UniqueViolationError, match="telegram_credentials_current"):
        add(two_tenants, "A", "one", 9)
    for number, status in enumerate(("owed", "settled", "buried"), start=10):
        add(two_tenants, "A", "one", number, status)
        add(two_tenants, "A", "one", number + 10, status)


@pytest.mark.parametrize("status", ["current", "owed"])
def test_what_is_needed_cannot_be_erased(two_tenants: Database, status: str) -> None:
    with pytest.raises(asyncpg.CheckViolationError, match="what_is_needed_is_there"):
        act(two_tenants, "usm_tenant", "A", CREDENTIAL, "A", "new", fingerprint(9), status, None)


@pytest.mark.parametrize("status", ["settled", "buried"])
def test_what_is_over_can_be_erased(two_tenants: Database, status: str) -> None:
    act(two_tenants, "usm_tenant", "A", CREDENTIAL, "A", "new", fingerprint(9), status, None)


@pytest.mark.parametrize(
    "change",
    [
        "status = 'spare'",
        "status = 'owed'",
        "status = 'buried'",
        "not_before = now()",
        "erase_after = now()",
        "fingerprint = 'first:00'",
        "fingerprint = repeat('0', 64)",
        "version = 0",
        "epoch = -1",
        "telegram_user_id = 0",
        "tenant_id = '../a'",
        "app_id = '../a'",
    ],
)
def test_what_makes_no_sense_is_refused(two_tenants: Database, change: str) -> None:
    with pytest.raises(asyncpg.CheckViolationError):
        act(two_tenants, "service_role", {}, f"update telegram_credentials set {change} where app_id = 'two'")


def test_a_credential_needs_a_data_key_of_its_own_tenant(two_tenants: Database) -> None:
    act(two_tenants, "usm_tenant", "B", KEY, "B", 2)
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        act(two_tenants, "usm_tenant", "A", "update telegram_credentials set key_id = 2 where app_id = 'one'")

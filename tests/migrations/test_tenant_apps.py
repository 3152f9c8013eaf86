"""The wall around tenants' own apps: the service writes, a tenant's role reads its row, nobody else anything."""

import asyncpg
import pytest

from tests.migrations.sql import act, query
from tests.stores import Database

INSERT = "insert into tenant_apps (tenant_id, device_model) values ($1, 'Acme') returning tenant_id"
WRITES = [
    "insert into tenant_apps (tenant_id) values ('A')",
    "update tenant_apps set device_model = 'forged'",
    "delete from tenant_apps",
    "truncate tenant_apps",
]
Refused = asyncpg.InsufficientPrivilegeError


@pytest.fixture
def two_apps(database: Database) -> Database:
    for tenant in "AB":
        act(database, "service_role", {}, INSERT, tenant)
    return database


def test_a_tenant_sees_its_own_row_only(two_apps: Database) -> None:
    for tenant in "AB":
        assert act(two_apps, "usm_tenant", tenant, "select tenant_id from tenant_apps") == [(tenant,)]
    for claims in ({}, {"tenant_id": "A"}, {"user_metadata": {"tenant_id": "A"}}):
        assert act(two_apps, "usm_tenant", claims, "select tenant_id from tenant_apps") == []


@pytest.mark.parametrize("statement", WRITES)
def test_a_tenant_writes_nothing_not_even_its_own(two_apps: Database, statement: str) -> None:
    with pytest.raises(Refused, match="permission denied"):
        act(two_apps, "usm_tenant", "A", statement)


@pytest.mark.parametrize("statement", ["select from tenant_apps", *WRITES])
@pytest.mark.parametrize("role", ["authenticated", "anon"])
def test_users_and_visitors_have_no_business_here(two_apps: Database, role: str, statement: str) -> None:
    with pytest.raises(Refused, match="permission denied"):
        act(two_apps, role, "A", statement)


@pytest.mark.parametrize("statement", ["select from tenant_apps", *WRITES])
def test_the_login_alone_is_refused(two_apps: Database, statement: str) -> None:
    with pytest.raises(Refused, match="permission denied"):
        query(two_apps.app_url, statement)


def test_the_service_reads_and_writes_across_tenants(two_apps: Database) -> None:
    assert len(act(two_apps, "service_role", {}, "select from tenant_apps")) == 2
    changed = act(two_apps, "service_role", {}, "update tenant_apps set device_model = 'New' returning 1")
    assert len(changed) == 2
    assert len(act(two_apps, "service_role", {}, "delete from tenant_apps returning 1")) == 2


@pytest.mark.parametrize(
    "values",
    [
        {"tenant_id": "a/b"},
        {"api_id": 1},
        {"api_id": 1, "api_hash_sealed": b"x"},
        {"api_hash_sealed": b"x", "api_hash_key": "k"},
        {"api_id": 0, "api_hash_sealed": b"x", "api_hash_key": "k"},
        {"api_id": 2**31, "api_hash_sealed": b"x", "api_hash_key": "k"},
        {"proxy_sealed": b"x"},
        {"proxy_key": "k"},
        {"device_model": ""},
        {"app_version": "x" * 65},
    ],
    ids=str,
)
def test_half_an_app_is_refused(database: Database, values: dict[str, object]) -> None:
    row = {"tenant_id": "A"} | values
    places = ", ".join(f"${number}" for number in range(1, len(row) + 1))
    with pytest.raises(asyncpg.CheckViolationError):
        act(
            database,
            "service_role",
            {},
            f"insert into tenant_apps ({', '.join(row)}) values ({places})",  # noqa: S608 - made of the names above
            *row.values(),
        )

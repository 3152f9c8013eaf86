"""Managed servers (Supabase among them) give a role that may create roles, but is no superuser."""

from collections.abc import Iterator

import asyncpg
import pytest

from ops.embedded import Postgres
from ops.migrate import bootstrap, migrate
from tests.migrations.sql import act, query
from tests.stores import APP_PASSWORD, Database, run_sql, scratch_directory, url_for


@pytest.fixture(scope="module")
def managed_database() -> Iterator[Database]:
    """A migrated database whose owner is no superuser; its admin_url is the owner's."""
    with scratch_directory() as directory, Postgres(directory, durable=False) as server:
        run_sql(server.url, "create role operator login createrole password 'operator'")
        run_sql(server.url, "create database managed owner operator")
        owner = server.url_for("operator", "operator", "managed")
        bootstrap(owner, APP_PASSWORD)
        migrate(owner)
        yield Database("managed", owner, server.url_for("usm_app", APP_PASSWORD, "managed"))


def test_the_service_works_across_tenants_without_bypassing_policies(managed_database: Database) -> None:
    rows = query(
        managed_database.admin_url, "select rolbypassrls from pg_roles where rolname = 'service_role'"
    )
    assert rows == [(False,)]
    insert = "insert into telegram_sessions (tenant_id, app_id, state) values ($1, 'one', 'ABSENT')"
    for tenant in "AB":
        act(managed_database, "service_role", {}, insert, tenant)
    assert len(act(managed_database, "service_role", {}, "select from telegram_sessions")) == 2
    assert len(act(managed_database, "usm_tenant", "A", "select from telegram_sessions")) == 1


def test_the_owner_sees_no_tenants_rows(managed_database: Database) -> None:
    assert query(managed_database.admin_url, "select from telegram_sessions") == []
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
        query(
            managed_database.admin_url,
            "insert into telegram_sessions (tenant_id, app_id, state) values ('A', 'two', 'ABSENT')",
        )


def test_making_the_roles_again_changes_the_password(managed_database: Database) -> None:
    password = "it's \\ another; one"
    bootstrap(managed_database.admin_url, password)
    with pytest.raises(asyncpg.InvalidPasswordError):
        query(managed_database.app_url, "select 1")
    other = url_for(managed_database.app_url, database="managed", user="usm_app", password=password)
    assert query(other, "select current_user") == [("usm_app",)]
    bootstrap(managed_database.admin_url, APP_PASSWORD)
    assert query(managed_database.app_url, "select current_user") == [("usm_app",)]


def test_credentials_are_kept_where_even_the_owner_is_no_superuser(managed_database: Database) -> None:
    act(
        managed_database,
        "usm_tenant",
        "A",
        "insert into tenant_keys (tenant_id, key_id, wrapped, wrapped_by) values ('A', 1, '\\x00', 'first')",
    )
    act(
        managed_database,
        "usm_tenant",
        "A",
        """insert into telegram_credentials
           (tenant_id, app_id, fingerprint, status, telegram_user_id, version, key_id, sealed)
           values ('A', 'one', $1, 'current', 7, 1, 1, '\\x00')""",
        f"first:{'0' * 64}",
    )
    for table in ("tenant_keys", "telegram_credentials"):
        assert query(managed_database.admin_url, f"select from {table}") == []
        assert len(act(managed_database, "service_role", {}, f"select from {table}")) == 1

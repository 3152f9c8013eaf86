# ruff: noqa: S608 - every statement is made of constants in this file
"""Who may touch who owns what."""

import asyncpg
import pytest

from tests.migrations.sql import act, query
from tests.stores import Database

Refused = asyncpg.InsufficientPrivilegeError
WRITES = {
    "cluster": "update cluster set generation = 9",
    "nodes": "update nodes set node_epoch = 9",
    "session_owners": "update session_owners set epoch = 9",
}


@pytest.fixture
def owned(database: Database) -> Database:
    """Sessions of tenants A and B, owned by a node."""
    query(
        database.admin_url,
        "insert into nodes (node_id, node_epoch, boot_id, public_key) values ('n', 1, 'b', '') returning 1",
    )
    query(
        database.admin_url,
        """insert into session_owners (tenant_id, app_id, epoch, owner_node, owner_node_epoch, is_clean)
           values ('A', 'one', 1, 'n', 1, true), ('B', 'one', 1, 'n', 1, true) returning 1""",
    )
    return database


@pytest.mark.parametrize("table", WRITES)
@pytest.mark.parametrize("role", ["usm_tenant", "authenticated", "anon"])
def test_no_tenant_and_no_user_writes_ownership(owned: Database, table: str, role: str) -> None:
    with pytest.raises(Refused, match="permission denied"):
        act(owned, role, "A", WRITES[table])


def test_a_tenant_sees_the_epochs_of_its_own_sessions_only(owned: Database) -> None:
    assert act(owned, "usm_tenant", "A", "select tenant_id, epoch from session_owners") == [("A", 1)]
    for table in ("nodes", "cluster"):
        with pytest.raises(Refused, match="permission denied"):
            act(owned, "usm_tenant", "A", f"select from {table}")


@pytest.mark.parametrize("role", ["authenticated", "anon"])
@pytest.mark.parametrize("table", WRITES)
def test_users_see_nothing_of_it(owned: Database, role: str, table: str) -> None:
    with pytest.raises(Refused, match="permission denied"):
        act(owned, role, "A", f"select from {table}")


def test_nobody_deletes_a_counter(owned: Database) -> None:
    for table in WRITES:
        with pytest.raises(Refused, match="permission denied"):
            act(owned, "service_role", {}, f"delete from {table}")


def test_an_owner_is_a_node_and_its_life(owned: Database) -> None:
    with pytest.raises(asyncpg.CheckViolationError):
        act(owned, "service_role", {}, "update session_owners set owner_node = null")
    with pytest.raises(asyncpg.CheckViolationError):
        act(owned, "service_role", {}, "update session_owners set next_owner = 'm'")


def test_there_is_one_cluster(owned: Database) -> None:
    with pytest.raises(asyncpg.UniqueViolationError):
        query(owned.admin_url, "insert into cluster default values returning 1")

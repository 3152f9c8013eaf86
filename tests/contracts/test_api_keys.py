"""API keys in PostgreSQL: what is kept of them, who may see it, and the command line that gives them out."""

from __future__ import annotations

import os
import subprocess
import sys

import asyncpg
import pytest

from actors.adapters.api_keys import PostgresApiKeys
from actors.adapters.postgres import open_postgres
from actors.bridge import open_loop
from actors.guards import KeyRole
from api.keys import new_key
from tests.migrations.sql import act, query
from tests.stores import Database


async def test_a_key_is_found_as_it_was_given_out_until_it_is_revoked(database: Database) -> None:
    _, kept = new_key(KeyRole.TENANT, "acme", "backend", 1_700_000_000.0)
    async with open_loop(), open_postgres(database.app_url, on_denied=lambda: None) as store:
        keys = PostgresApiKeys(store.database)
        await keys.add(kept)

        assert await keys.find(kept.key_id) == kept
        assert await keys.find("a" * 12) is None
        assert await keys.all() == [kept]
        assert await keys.revoke(kept.key_id) is True
        assert await keys.revoke("a" * 12) is False
        found = await keys.find(kept.key_id)
        assert found is not None
        assert not found.works(1_700_000_001.0)


def test_what_is_kept_of_a_key_is_not_the_key(database: Database) -> None:
    key = _run(database, "create", "--role", "admin", "--label", "x").stdout.strip()

    (row,) = query(database.admin_url, "select * from usm.api_keys")
    assert key.split("_", 2)[2] not in repr(dict(row))
    assert row["key_id"] in key


def test_the_database_keeps_a_key_to_one_tenant_or_to_none(database: Database) -> None:
    insert = (
        "insert into usm.api_keys (key_id, key_hash, role, tenant_id, label) values ($1, $2, $3, $4, 'x')"
    )
    for role, tenant in (("tenant", None), ("admin", "acme"), ("operator", "acme"), ("tenant", "../x")):
        with pytest.raises(asyncpg.CheckViolationError):
            act(database, "service_role", "acme", insert, "k" * 12, b"h" * 32, role, tenant)


@pytest.mark.parametrize("role", ["usm_tenant", "authenticated"])
def test_no_tenant_sees_any_key_not_even_its_own(database: Database, role: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        act(database, role, "acme", "select * from usm.api_keys")


def _run(database: Database, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ops.api_keys", *arguments],
        env={**os.environ, "DATABASE_URL": database.app_url},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_the_command_line_gives_out_lists_and_revokes(database: Database) -> None:
    made = _run(
        database, "create", "--role", "tenant", "--tenant", "acme", "--label", "the shop", "--days", "9"
    )
    assert made.returncode == 0, made.stderr
    key = made.stdout.strip()
    key_id = key.split("_")[1]

    listed = _run(database, "list").stdout
    assert key not in listed
    assert listed.startswith(f"{key_id}  works    tenant    acme")
    assert _run(database, "revoke", key_id).returncode == 0
    assert f"{key_id}  revoked" in _run(database, "list").stdout


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("create", "--role", "tenant", "--label", "x"), "the role tenant needs --tenant"),
        (("create", "--role", "admin", "--label", "x", "--tenant", "a"), "the others must not have it"),
        (("create", "--role", "tenant", "--label", "x", "--tenant", "../a"), "tenant_id must match"),
        (("revoke", "none"), "python -m ops.api_keys list"),
    ],
)
def test_what_makes_no_sense_is_refused_with_the_way_out(
    database: Database, arguments: tuple[str, ...], sentence: str
) -> None:
    done = _run(database, *arguments)

    assert done.returncode == 2
    assert sentence in done.stderr

"""Databases at the beginning of their history."""

import secrets
from collections.abc import Iterator

import pytest

from tests.stores import run_sql, url_for


@pytest.fixture
def bare_database(postgres_server: str, migrated_template: str) -> Iterator[str]:
    """The superuser's URL of a database without any migration, in a cluster that has the roles."""
    assert migrated_template  # the roles came with it
    name = f"usm_bare_{secrets.token_hex(6)}"
    run_sql(postgres_server, f"create database {name}")
    yield url_for(postgres_server, database=name)
    run_sql(postgres_server, f"drop database {name} with (force)")

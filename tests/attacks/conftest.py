"""Databases to attack: on a plain server, and where Supabase has granted everything to everybody beforehand."""

import asyncio
from collections.abc import Iterator

import pytest

from ops.migrate import migrate
from tests.attacks.target import SUPABASE_DEFAULTS, prepare
from tests.stores import new_database, run_sql


@pytest.fixture(scope="module", params=["plain", "supabase"])
def walled(request: pytest.FixtureRequest, postgres_server: str, migrated_template: str) -> Iterator[str]:
    """The superuser's URL of a database with rows of the hostile tenant and of the victim in every table."""
    assert migrated_template  # the roles came with it
    with new_database(postgres_server) as url:
        if request.param == "supabase":
            run_sql(url, SUPABASE_DEFAULTS)
        migrate(url)
        asyncio.run(prepare(url))
        yield url

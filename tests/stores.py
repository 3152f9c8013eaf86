r"""Real stores as fixtures: PostgreSQL and Valkey, one per test process, an empty database for every test.

With TEST_DATABASE_URL (of a superuser) or TEST_REDIS_URL set, the same tests run on those servers instead, which they
leave as they were but for the roles of `ops/supabase/bootstrap`. So for PostgreSQL 15, the oldest one supported::

    TEST_DATABASE_URL=postgresql://postgres:…@127.0.0.1:5432/postgres ops/test tests/migrations tests/journal \
        tests/attacks tests/contracts
"""

import asyncio
import hashlib
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, urlsplit

import asyncpg
import pytest
import redis

from ops.embedded import Postgres, Valkey
from ops.migrate import bootstrap, migrate

# One per test run: on an external server all test processes share the role.
_RUN = os.environ.get("PYTEST_XDIST_TESTRUNUID", secrets.token_hex())
APP_PASSWORD = hashlib.sha256(_RUN.encode()).hexdigest()

_ROOM_BYTES = 1 << 30


@dataclass(frozen=True, slots=True)
class Database:
    """A database with all migrations and no rows, for one test."""

    name: str
    admin_url: str = field(repr=False)
    """For a superuser, who passes every policy."""
    app_url: str = field(repr=False)
    """For `usm_app`, as the service logs in."""


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The superuser's URL of a PostgreSQL server."""
    if external := os.environ.get("TEST_DATABASE_URL"):
        yield external
        return
    with scratch_directory() as directory, Postgres(directory, durable=False) as postgres:
        yield postgres.url


@pytest.fixture(scope="session")
def valkey_server() -> Iterator[str]:
    """The URL of a Valkey (or Redis) server."""
    if external := os.environ.get("TEST_REDIS_URL"):
        yield external
        return
    with scratch_directory() as directory, Valkey(directory) as valkey:
        yield valkey.url


@pytest.fixture(scope="session")
def migrated_template(postgres_server: str) -> Iterator[str]:
    """The name of a database with all migrations, to copy."""
    name = f"usm_template_{secrets.token_hex(4)}"
    bootstrap(postgres_server, APP_PASSWORD)
    run_sql(postgres_server, f"create database {name}")
    migrate(url_for(postgres_server, database=name))
    yield name
    run_sql(postgres_server, f"drop database {name} with (force)")


@pytest.fixture
def database(postgres_server: str, migrated_template: str) -> Iterator[Database]:
    """An empty database with all migrations."""
    name = f"usm_test_{secrets.token_hex(6)}"
    run_sql(postgres_server, f"create database {name} template {migrated_template} strategy file_copy")
    yield Database(
        name,
        admin_url=url_for(postgres_server, database=name),
        app_url=url_for(postgres_server, database=name, user="usm_app", password=APP_PASSWORD),
    )
    run_sql(postgres_server, f"drop database {name} with (force)")


@pytest.fixture
def bare_database(postgres_server: str, migrated_template: str) -> Iterator[str]:
    """The superuser's URL of a database without any migration, in a cluster that has the roles."""
    assert migrated_template  # the roles came with it
    with new_database(postgres_server) as url:
        yield url


@pytest.fixture
def redis_url(valkey_server: str) -> Iterator[str]:
    """The URL of an empty database; every test process has a number of its own."""
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 16
    url = urlsplit(valkey_server)._replace(query=f"db={number}").geturl()
    with redis.Redis.from_url(url) as client:
        client.flushdb()
        yield url
        client.flushdb()


@contextmanager
def new_database(server: str) -> Iterator[str]:
    """The superuser's URL of a database without any migration."""
    name = f"usm_bare_{secrets.token_hex(6)}"
    run_sql(server, f"create database {name}")
    yield url_for(server, database=name)
    run_sql(server, f"drop database {name} with (force)")


@contextmanager
def scratch_directory() -> Iterator[Path]:
    """A directory for data that nobody keeps: in memory if there is room, for a slow disk costs every test.

    Not tmp_path, which pytest would keep for three runs.
    """
    memory = Path("/dev/shm")
    roomy = memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > _ROOM_BYTES
    with tempfile.TemporaryDirectory(prefix="usm-test-", dir=memory if roomy else None) as directory:
        yield Path(directory)


def url_for(url: str, *, database: str, user: str = "", password: str = "") -> str:
    """The same server's URL for another database and, if given, another role."""
    parts = urlsplit(url)
    login = f"{quote(user)}:{quote(password)}" if user else parts.netloc.rpartition("@")[0]
    netloc = f"{login}@{parts.netloc.rpartition('@')[2]}"
    return parts._replace(netloc=netloc, path=f"/{database}").geturl()


def run_sql(url: str, sql: str) -> None:
    """Execute one statement, or several without arguments, on a connection of their own."""

    async def run() -> None:
        connection: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(url)
        try:
            await connection.execute(sql)
        finally:
            await connection.close()

    asyncio.run(run())

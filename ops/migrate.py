"""Brings a database up to date: the SQL files of `ops/supabase`, applied once each, in order, forward only.

The files and the history table are those of the Supabase CLI, so `supabase db push` and this runner can
take turns. Each file is one transaction, so no CREATE INDEX CONCURRENTLY in it. The role must be one that
may create roles and tables: never the service's own.
"""

import asyncio
import base64
import hashlib
import hmac
import os
import re
import secrets
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Self, TypeAlias

import asyncpg

SUPABASE = Path(__file__).parent / "supabase"
MIGRATIONS = SUPABASE / "migrations"
BOOTSTRAP = SUPABASE / "bootstrap"

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

_FILE_NAME = re.compile(r"(?P<version>\d{14})_(?P<name>[a-z0-9_]+)\.sql")
_LOCK_KEY = 0x75736D  # "usm": the advisory lock of runners
_TURN_WITHIN = "120s"
_LOCK_TIMEOUT = "5s"

_HISTORY = """
create schema if not exists supabase_migrations;
create table if not exists supabase_migrations.schema_migrations (
    version text primary key, statements text[], name text
);
create table if not exists supabase_migrations.file_checksums (
    version text primary key, sha256 text not null, applied_at timestamptz not null default now()
);
comment on table supabase_migrations.file_checksums is 'What each migration file held when it was applied.';
"""


class MigrationError(Exception):
    """The database cannot be brought up to date; the sentence names the fix."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file of the migrations folder."""

    version: str
    name: str
    sql: str

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read one file; raises MigrationError unless it is called <14 digits>_<name>.sql."""
        match = _FILE_NAME.fullmatch(path.name)
        if match is None:
            raise MigrationError(f"{path.name} is not <14 digits>_<name>.sql: rename it.")
        return cls(match["version"], match["name"], path.read_text(encoding="utf-8"))

    @property
    def file_name(self) -> str:
        """As it is called in the folder."""
        return f"{self.version}_{self.name}.sql"

    @property
    def sha256(self) -> str:
        """By which an edit is noticed."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def migrate(url: str) -> list[str]:
    """Apply what is missing; the names of the files applied. Runners at the same time take turns.

    Raises MigrationError if a file was edited after it was applied, comes too late in the order, fails, or is
    missing here while the database has it.
    """

    async def run() -> list[str]:
        async with _connection(url) as connection:
            return await apply(connection)

    return asyncio.run(run())


def bootstrap(url: str, app_password: str) -> None:
    """Make the cluster's roles: those of Supabase, unless it is Supabase, and the service's login `usm_app`.

    Once per cluster, before the first migration; again to change the password. Raises MigrationError.
    """

    async def run() -> None:
        async with _connection(url) as connection:
            await _make_roles(connection, scram_verifier(app_password))

    asyncio.run(run())


async def apply(connection: Connection, folder: Path = MIGRATIONS) -> list[str]:
    """As `migrate`, on a connection that is open already and in no transaction."""
    migrations = _read_folder(folder)
    applied: list[str] = []
    while (file_name := await _apply_next(connection, migrations)) is not None:
        applied.append(file_name)
    return applied


def missing(applied: Mapping[str, str], folder: Path = MIGRATIONS) -> list[str]:
    """The files that a database lacks which has applied these, names by version.

    Raises MigrationError if it has one that is not here.
    """
    migrations = _read_folder(folder)
    _check_known(applied, migrations)
    return [migration.file_name for migration in migrations if migration.version not in applied]


def _read_folder(folder: Path) -> list[Migration]:
    migrations = [Migration.read(path) for path in sorted(folder.glob("*.sql"))]
    for earlier, later in pairwise(migrations):
        if earlier.version == later.version:
            raise MigrationError(
                f"{earlier.file_name} and {later.file_name} share a version: rename the later one."
            )
    return migrations


async def _apply_next(connection: Connection, migrations: list[Migration]) -> str | None:
    """Apply the first missing file, alone; its name, or None if nothing is missing."""
    async with connection.transaction():
        await _take_turn(connection)
        await connection.execute(_HISTORY)
        pending = await _pending(connection, migrations)
        if not pending:
            return None
        await _run(connection, pending[0])
        return pending[0].file_name


async def _take_turn(connection: Connection) -> None:
    """Wait for other runners, and have the lock until the transaction ends."""
    await connection.execute(f"set local lock_timeout = '{_TURN_WITHIN}'")
    try:
        await connection.execute("select pg_advisory_xact_lock($1)", _LOCK_KEY)
    except asyncpg.LockNotAvailableError:
        raise MigrationError(
            f"Another runner has been at it for {_TURN_WITHIN}: let it end, then run again."
        ) from None
    await connection.execute(f"set local lock_timeout = '{_LOCK_TIMEOUT}'")


async def _pending(connection: Connection, migrations: list[Migration]) -> list[Migration]:
    """The files not applied yet, after checking that history and folder tell one story."""
    rows = await connection.fetch("select version, name from supabase_migrations.schema_migrations")
    applied = {row["version"]: row["name"] for row in rows}
    _check_known(applied, migrations)
    await _check_unedited(connection, [migration for migration in migrations if migration.version in applied])
    pending = [migration for migration in migrations if migration.version not in applied]
    if pending and applied and pending[0].version < max(applied):
        raise MigrationError(
            f"{pending[0].file_name} is older than {max(applied)}, already applied: give it a later version."
        )
    return pending


def _check_known(applied: Mapping[str, str], migrations: Sequence[Migration]) -> None:
    on_disk = {migration.version for migration in migrations}
    for version in sorted(applied.keys() - on_disk):
        raise MigrationError(
            f"The database has the migration {version}_{applied[version]}, which is not here: "
            "run the release that brought it, or a newer one."
        )


async def _check_unedited(connection: Connection, applied: list[Migration]) -> None:
    """Compare checksums; a file that the Supabase CLI applied has none yet and is taken as it is."""
    rows = await connection.fetch("select version, sha256 from supabase_migrations.file_checksums")
    known: Mapping[str, str] = {row["version"]: row["sha256"] for row in rows}
    for migration in applied:
        if migration.version not in known:
            await _record_checksum(connection, migration)
        elif known[migration.version] != migration.sha256:
            raise MigrationError(
                f"{migration.file_name} was edited after it was applied: "
                "restore it, and put the change into a new migration."
            )


async def _run(connection: Connection, migration: Migration) -> None:
    try:
        await connection.execute(migration.sql)
    except asyncpg.LockNotAvailableError:
        raise MigrationError(
            f"{migration.file_name} waited {_LOCK_TIMEOUT} for a table in use and was rolled back: "
            "end the transaction that holds it (see pg_stat_activity), then run again."
        ) from None
    except asyncpg.PostgresError as error:
        raise MigrationError(f"{migration.file_name} failed and was rolled back: {error}") from error
    await connection.execute(
        "insert into supabase_migrations.schema_migrations (version, statements, name) values ($1, $2, $3)",
        migration.version,
        [migration.sql],
        migration.name,
    )
    await _record_checksum(connection, migration)


async def _record_checksum(connection: Connection, migration: Migration) -> None:
    await connection.execute(
        "insert into supabase_migrations.file_checksums (version, sha256) values ($1, $2)",
        migration.version,
        migration.sha256,
    )


async def _make_roles(connection: Connection, app_verifier: str) -> None:
    async with connection.transaction():
        await _take_turn(connection)
        if not await connection.fetchval(
            "select exists (select from pg_roles where rolname = 'supabase_admin')"
        ):
            await connection.execute((BOOTSTRAP / "plain_postgres.sql").read_text(encoding="utf-8"))
        await connection.execute("select set_config('usm.app_password', $1, true)", app_verifier)
        try:
            await connection.execute((BOOTSTRAP / "app_role.sql").read_text(encoding="utf-8"))
        except asyncpg.PostgresError as error:
            raise MigrationError(f"The roles cannot be made: {error}") from error


def scram_verifier(password: str, salt: bytes | None = None, iterations: int = 4096) -> str:
    """What PostgreSQL stores instead of a password (RFC 5803; PostgreSQL documentation, pg_authid).

    Computed here, the password itself reaches neither the wire nor the server's log. Only printable ASCII,
    which needs no SASLprep (RFC 4013); anything else is a MigrationError.
    """
    if not password or not (password.isascii() and password.isprintable()):
        raise MigrationError(
            "The password of usm_app must be printable ASCII, and not empty: choose another."
        )
    salt = salt or secrets.token_bytes(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)
    stored_key = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server_key = hmac.digest(salted, b"Server Key", "sha256")
    encoded = [base64.b64encode(part).decode() for part in (salt, stored_key, server_key)]
    return "SCRAM-SHA-256${}:{}${}:{}".format(iterations, *encoded)


@asynccontextmanager
async def _connection(url: str) -> AsyncIterator[Connection]:
    try:
        connection: Connection = await asyncpg.connect(url)
    except ValueError:  # its text may quote a part of the password
        raise MigrationError("This is no connection string of PostgreSQL's: check DATABASE_URL.") from None
    except (OSError, asyncpg.PostgresError) as error:
        raise MigrationError(f"Cannot connect to PostgreSQL ({error}): check DATABASE_URL.") from error
    try:
        yield connection
    finally:
        await connection.close()


def main(arguments: Sequence[str] | None = None) -> int:
    """`python -m ops.migrate`: make the roles if USM_APP_PASSWORD is set, then apply what is missing."""
    if sys.argv[1:] if arguments is None else arguments:
        print(
            "ops.migrate: it takes no arguments. MIGRATION_DATABASE_URL is the URL of a role that may create tables, "
            "USM_APP_PASSWORD, if set, what the service is to log in with",
            file=sys.stderr,
        )
        return 2
    url = os.environ.get("MIGRATION_DATABASE_URL") or os.environ.get("DATABASE_URL")
    if not url:
        print(
            "ops.migrate: set MIGRATION_DATABASE_URL to the URL of a role that may create tables",
            file=sys.stderr,
        )
        return 2
    try:
        if password := os.environ.get("USM_APP_PASSWORD"):
            bootstrap(url, password)
        for name in migrate(url):
            print(f"applied {name}")
    except MigrationError as error:
        print(f"ops.migrate: {error}", file=sys.stderr)
        return 1
    print("the database is up to date")
    return 0


if __name__ == "__main__":
    sys.exit(main())

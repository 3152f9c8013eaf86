import asyncio
import hashlib
import hmac
from base64 import b64decode, b64encode
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import asyncpg
import pytest

import ops.migrate
from ops.migrate import MIGRATIONS, MigrationError, apply, migrate, scram_verifier
from tests.migrations.sql import query
from tests.stores import APP_PASSWORD, Database

ON_DISK = sorted(path.name for path in MIGRATIONS.glob("*.sql"))
FIRST = "20260101000000_first.sql"
SECOND = "20260102000000_second.sql"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / FIRST).write_text("create table first (id int);")
    return tmp_path


def apply_folder(url: str, folder: Path) -> list[str]:
    async def run() -> list[str]:
        connection: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(url)
        try:
            return await apply(connection, folder)
        finally:
            await connection.close()

    return asyncio.run(run())


def test_four_runners_at_once_apply_every_file_once(bare_database: str) -> None:
    with ThreadPoolExecutor(4) as runners:
        applied = [name for names in runners.map(migrate, [bare_database] * 4) for name in names]
    assert sorted(applied) == ON_DISK
    assert migrate(bare_database) == []


def test_the_history_is_the_one_the_supabase_cli_keeps(bare_database: str) -> None:
    migrate(bare_database)
    rows = query(bare_database, "select version, name, statements from supabase_migrations.schema_migrations")
    assert sorted(f"{row['version']}_{row['name']}.sql" for row in rows) == ON_DISK
    assert all((MIGRATIONS / ON_DISK[0]).read_text() in row["statements"] for row in rows[:1])


def test_a_later_file_is_applied_alone(bare_database: str, folder: Path) -> None:
    assert apply_folder(bare_database, folder) == [FIRST]
    (folder / SECOND).write_text("alter table first add column name text;")
    assert apply_folder(bare_database, folder) == [SECOND]
    assert apply_folder(bare_database, folder) == []


def test_an_edited_file_is_refused(bare_database: str, folder: Path) -> None:
    apply_folder(bare_database, folder)
    (folder / FIRST).write_text("create table first (id bigint);")
    with pytest.raises(MigrationError, match=f"{FIRST} was edited after it was applied: restore it"):
        apply_folder(bare_database, folder)


def test_a_file_that_comes_too_late_in_the_order_is_refused(bare_database: str, folder: Path) -> None:
    apply_folder(bare_database, folder)
    (folder / "20250101000000_forgotten.sql").write_text("select 1;")
    with pytest.raises(MigrationError, match=r"20250101000000_forgotten\.sql is older than 20260101000000"):
        apply_folder(bare_database, folder)


def test_a_migration_that_only_the_database_knows_is_refused(bare_database: str, folder: Path) -> None:
    (folder / SECOND).write_text("select 1;")
    apply_folder(bare_database, folder)
    (folder / SECOND).unlink()
    with pytest.raises(
        MigrationError, match="has the migration 20260102000000_second, which is not here: run"
    ):
        apply_folder(bare_database, folder)


def test_a_file_with_a_foreign_name_is_refused(bare_database: str, folder: Path) -> None:
    (folder / "2026_short.sql").write_text("select 1;")
    with pytest.raises(MigrationError, match=r"2026_short\.sql is not <14 digits>_<name>\.sql: rename it"):
        apply_folder(bare_database, folder)


def test_two_files_of_one_version_are_refused(bare_database: str, folder: Path) -> None:
    (folder / "20260101000000_again.sql").write_text("select 1;")
    with pytest.raises(MigrationError, match="share a version: rename"):
        apply_folder(bare_database, folder)


def test_a_failing_file_leaves_nothing_and_says_what_failed(bare_database: str, folder: Path) -> None:
    (folder / SECOND).write_text("create table half (id int);\nselect * from nowhere;")
    with pytest.raises(MigrationError, match=f"{SECOND} failed and was rolled back: .*nowhere"):
        apply_folder(bare_database, folder)
    assert query(bare_database, "select to_regclass('first') is null, to_regclass('half') is null") == [
        (False, True)
    ]
    (folder / SECOND).write_text("create table whole (id int);")
    assert apply_folder(bare_database, folder) == [SECOND]


def test_a_table_in_use_is_not_waited_for_long(
    bare_database: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ops.migrate, "_LOCK_TIMEOUT", "50ms")
    apply_folder(bare_database, folder)
    (folder / SECOND).write_text("alter table first add column name text;")

    async def scene() -> None:
        reader: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(bare_database)
        try:
            async with reader.transaction():
                await reader.execute("select from first")
                await asyncio.to_thread(apply_folder, bare_database, folder)
        finally:
            await reader.close()

    with pytest.raises(MigrationError, match=r"waited 50ms for a table in use .* pg_stat_activity"):
        asyncio.run(scene())


def test_a_file_that_the_supabase_cli_applied_counts_as_applied(bare_database: str, folder: Path) -> None:
    apply_folder(bare_database, folder)
    query(bare_database, "delete from supabase_migrations.file_checksums")
    assert apply_folder(bare_database, folder) == []
    (folder / FIRST).write_text("select 2;")
    with pytest.raises(MigrationError, match="was edited"):
        apply_folder(bare_database, folder)


@pytest.mark.parametrize("name", ON_DISK)
def test_no_file_ends_its_own_transaction(name: str) -> None:
    statements = (MIGRATIONS / name).read_text().lower().split("\n")
    assert not [line for line in statements if line.strip().startswith(("commit", "rollback", "begin;"))]
    assert "concurrently" not in "".join(line for line in statements if not line.strip().startswith("--"))


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("postgresql://somebody:s3cret@/none?host=/nonexistent", "Cannot connect to PostgreSQL"),
        ("postgresql://somebody:s3cret@host:s3cret/none", "no connection string"),
        ("mysql://somebody:s3cret@host/none", "no connection string"),
    ],
)
def test_a_server_that_cannot_be_reached_is_told_without_its_password(url: str, sentence: str) -> None:
    with pytest.raises(MigrationError, match=f"{sentence}.*: check DATABASE_URL") as caught:
        migrate(url)
    assert "s3cret" not in str(caught.value)


def test_the_server_keeps_the_verifier_that_it_was_given(database: Database) -> None:
    [row] = query(database.admin_url, "select rolpassword from pg_authid where rolname = 'usm_app'")
    assert row["rolpassword"].startswith("SCRAM-SHA-256$4096:")


def test_the_verifier_fits_the_exchange_in_rfc_7677() -> None:
    nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
    salt = "W22ZaJ0SNY7soEsUEjb6gQ=="
    exchange = f"n=user,r={nonce[:20]},r={nonce},s={salt},i=4096,c=biws,r={nonce}".encode()
    scheme, iterations, keys = scram_verifier("pencil", b64decode(salt)).split("$")
    stored_key, server_key = map(b64decode, keys.split(":"))
    assert (scheme, iterations) == ("SCRAM-SHA-256", f"4096:{salt}")
    assert (
        b64encode(hmac.digest(server_key, exchange, "sha256"))
        == b"6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
    )
    proof = b64decode("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
    signature = hmac.digest(stored_key, exchange, "sha256")
    client_key = bytes(a ^ b for a, b in zip(proof, signature, strict=True))
    assert hashlib.sha256(client_key).digest() == stored_key


@pytest.mark.parametrize("password", ["", "пароль", "tab\tbed"])
def test_a_password_that_clients_could_read_in_two_ways_is_refused(password: str) -> None:
    with pytest.raises(MigrationError, match="printable ASCII"):
        scram_verifier(password)


def test_a_login_that_could_get_around_the_wall_is_refused(database: Database) -> None:
    async def scene() -> None:
        connection: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(database.admin_url)
        transaction = connection.transaction()
        await transaction.start()
        try:
            await connection.execute("alter role usm_app bypassrls")
            await ops.migrate._make_roles(connection, scram_verifier(APP_PASSWORD))
        finally:
            await transaction.rollback()
            await connection.close()

    with pytest.raises(
        MigrationError, match=r"(?s)usm_app could get around row level security.*Drop the role"
    ):
        asyncio.run(scene())

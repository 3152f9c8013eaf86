"""`health`, of `sessionctl` and `session_cli.py` alike: a line for each part, and each part broken in turn."""

from __future__ import annotations

import re
import shutil
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import trio

from actors.adapters.redis import Server
from ops.control.health import Finding, of_postgres, of_redis
from ops.embedded import Valkey
from ops.migrate import MIGRATIONS, migrate
from supervisor.settings import Settings
from tests.stores import APP_PASSWORD, Database, run_sql, scratch_directory, url_for
from tests.stories.conftest import running
from tests.stories.shell import SESSION_CLI, SESSIONCTL, Done, Shell

PARTS = ["service", "ready", "postgresql", "migrations", "redis", "keyring"]
LAST = max(path.name for path in MIGRATIONS.glob("*.sql"))
NEWER = (
    "insert into supabase_migrations.schema_migrations (version, name) values ('20990101000000', 'tomorrow')"
)
OLDER = """
delete from supabase_migrations.schema_migrations
 where version >= (select max(version) from supabase_migrations.schema_migrations where version < '2099')
"""
CLOSED = "127.0.0.1:1"


@dataclass(frozen=True, slots=True)
class Ward:
    """A shell beside a healthy service, and what the environment says of its parts."""

    shell: Shell
    parts: Mapping[str, str]

    async def health(self, *words: str, **broken: str) -> Done:
        return await self.shell.run("health", *words, **{**self.parts, **broken})

    async def bad(self, **broken: str) -> tuple[int, dict[str, str]]:
        """The exit code, and what is said of the parts that are bad."""
        done = await self.health("--json", **broken)
        assert [part["part"] for part in done.json["parts"]] == PARTS
        assert APP_PASSWORD not in done.out + done.err
        bad = {part["part"]: part["sentence"] for part in done.json["parts"] if part["verdict"] == "bad"}
        assert done.json["well"] == (not bad)
        return done.code, bad


def in_place_of(database: Database, other: str) -> str:
    """The service's URL of another database."""
    return url_for(database.app_url, database=other.rpartition("/")[2])


@pytest.fixture
async def ward(settings: Settings, tmp_path: Path) -> AsyncIterator[Ward]:
    parts = {
        "DATABASE_URL": settings.database_url.get_secret_value(),
        "REDIS_URL": settings.redis_url.get_secret_value(),
        "BACKUP_ENCRYPTION_KEY_PATH": str(settings.backup_encryption_key_path),
    }
    async with running(settings) as service:
        yield Ward(Shell(str(service.http.base_url), SESSION_CLI, tmp_path), parts)


async def test_all_is_well_under_both_names(ward: Ward, database: Database, redis_url: str) -> None:
    done = await ward.health()
    other = await replace(ward, shell=Shell(ward.shell.url, SESSIONCTL)).health()
    given = ("--database-url", database.admin_url, "--redis-url", redis_url)
    owner = await ward.shell.run(*given, "health")
    alone = await ward.shell.run("health", "--json", SESSIONCTL_KEY="")

    lines = [re.split(r" +", line, maxsplit=2) for line in done.out.splitlines()]
    assert [line[:2] for line in lines] == [["ok", part] for part in PARTS]
    assert (done.code, done.err) == (0, "")
    assert other == done
    assert owner.code == 0
    assert f"all {len(list(MIGRATIONS.glob('*.sql')))} are applied" in owner.out
    assert "unknown keyring" in owner.out
    assert (alone.code, alone.json["status"], alone.json["environment"]) == (0, "ready", "sandbox")
    assert {part["verdict"] for part in alone.json["parts"]} == {"ok", "unknown"}


async def test_each_part_that_is_broken_is_named_with_the_fix(
    ward: Ward, database: Database, bare_database: str, tmp_path: Path
) -> None:
    open_to_all = tmp_path / "open_keyring"
    shutil.copy(ward.parts["BACKUP_ENCRYPTION_KEY_PATH"], open_to_all)
    open_to_all.chmod(0o644)
    bare = in_place_of(database, bare_database)
    wrong = database.app_url.replace(APP_PASSWORD, "not-the-password")
    broken = [
        (
            "DATABASE_URL",
            f"postgresql://usm_app:{APP_PASSWORD}@{CLOSED}/x",
            "postgresql",
            "check that it runs",
        ),
        ("DATABASE_URL", wrong, "postgresql", "check user, password and database"),
        ("DATABASE_URL", f"postgresql://usm_app:{APP_PASSWORD}@[/x", "postgresql", "check DATABASE_URL"),
        ("DATABASE_URL_FILE", str(tmp_path / "nowhere"), "postgresql", "check path and rights"),
        ("DATABASE_URL", bare, "migrations", "run python -m ops.migrate"),
        ("DATABASE_URL", bare_database, "migrations", "run python -m ops.migrate"),
        ("REDIS_URL", f"redis://:{APP_PASSWORD}@{CLOSED}", "redis", "check that it runs"),
        ("REDIS_URL", f"nonsense://:{APP_PASSWORD}@x", "redis", "check REDIS_URL"),
        ("BACKUP_ENCRYPTION_KEY_PATH", str(tmp_path / "nowhere"), "keyring", "python -m ops.keys add"),
        ("BACKUP_ENCRYPTION_KEY_PATH", str(open_to_all), "keyring", "chmod 600"),
    ]

    for variable, value, part, fix in broken:
        code, bad = await ward.bad(**{variable: value})

        assert (code, list(bad)) == (1, [part]), (variable, value, bad)
        assert fix in bad[part]


async def test_a_history_that_lacks_a_migration_or_has_one_too_many_is_bad(
    ward: Ward, database: Database
) -> None:
    async def change(sql: str) -> tuple[int, dict[str, str]]:
        await trio.to_thread.run_sync(run_sql, database.admin_url, sql)
        return await ward.bad(DATABASE_URL=database.admin_url)

    newer = await change(NEWER)
    lacking = await change(OLDER)

    assert (newer[0], list(newer[1])) == (1, ["migrations"])
    assert (
        "20990101000000_tomorrow, which is not here: run the release that brought it"
        in newer[1]["migrations"]
    )
    assert lacking == (1, {"migrations": f"1 are missing, from {LAST} on: run python -m ops.migrate"})


async def test_the_services_login_is_not_shown_the_history_and_notices_a_missing_column(
    ward: Ward, database: Database, bare_database: str
) -> None:
    sql = "alter table public.telegram_sessions rename column desired_state to wanted_state"
    await trio.to_thread.run_sync(migrate, bare_database)
    await trio.to_thread.run_sync(run_sql, bare_database, sql)

    code, bad = await ward.bad(DATABASE_URL=in_place_of(database, bare_database))

    assert (code, list(bad)) == (1, ["migrations"])
    assert '"desired_state" does not exist' in bad["migrations"]


async def test_without_a_service_the_rest_is_looked_at_all_the_same(ward: Ward) -> None:
    code, bad = await ward.bad(SESSIONCTL_URL=f"http://{CLOSED}")

    assert (code, list(bad)) == (3, ["service"])
    assert "is --url right?" in bad["service"]


@pytest.mark.parametrize("said", [b"hello", b'{"status":"up"}'])
async def test_what_is_no_service_of_ours_is_said_so(ward: Ward, said: bytes) -> None:
    async def strange(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        await stream.send_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + said)
        await stream.aclose()

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(trio.serve_tcp, strange, 0)
        port = listeners[0].socket.getsockname()[1]
        code, bad = await ward.bad(SESSIONCTL_URL=f"http://127.0.0.1:{port}")
        nursery.cancel_scope.cancel()

    assert (code, "is not this service" in bad["service"]) == (3, True)


async def test_a_service_that_takes_no_work_is_bad(settings: Settings, tmp_path: Path) -> None:
    with scratch_directory() as parent, Valkey(parent / "valkey") as valkey:
        own = Settings.model_validate(settings.model_dump() | {"redis_url": valkey.url})
        async with running(own) as service:
            await trio.to_thread.run_sync(valkey.stop)
            with trio.fail_after(30):
                while (await service.http.get("/readyz")).is_success:
                    await trio.sleep(0.1)
            shell = Shell(str(service.http.base_url), SESSION_CLI, tmp_path)
            code, bad = await Ward(shell, {"REDIS_URL": valkey.url}).bad()
            status = (await shell.run("health", "--json")).json["status"]

    assert (code, list(bad), status) == (1, ["ready", "redis"], "not_ready")


@pytest.mark.parametrize(
    ("finding", "verdict"),
    [
        (of_postgres("14.9", 14), "bad"),
        (of_postgres("15.0", 15), "ok"),
        (of_redis(Server("Redis", "6.2.14")), "bad"),
        (of_redis(Server("Redis", "7.0.0")), "ok"),
        (of_redis(Server("Redis", "10.1.0")), "ok"),
        (of_redis(Server("Redis", None)), "ok"),
        (of_redis(Server("Redis", "of my own")), "ok"),
    ],
    ids=str,
)
def test_what_is_too_old_is_bad(finding: Finding, verdict: str) -> None:
    assert finding.verdict == verdict
    assert ("is the oldest that works" in finding.sentence) == (verdict == "bad")

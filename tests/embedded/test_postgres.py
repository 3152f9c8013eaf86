import asyncio
import os
import signal
import stat
import subprocess
from pathlib import Path

import asyncpg
import pytest

from ops.embedded import EmbeddedError, Postgres
from tests.embedded.processes import is_gone, wait_until
from tests.stores import run_sql, url_for


def ask(url: str, question: str) -> object:
    async def run() -> object:
        connection: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(url)
        try:
            return await connection.fetchval(question)
        finally:
            await connection.close()

    return asyncio.run(run())


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_cold_start_makes_a_private_cluster_without_tcp(directory: Path) -> None:
    with Postgres(directory) as postgres:
        assert str(ask(postgres.url, "show server_version")).startswith("18.")
        assert ask(postgres.url, "show listen_addresses") == ""
        assert ask(postgres.url, "show fsync") == "on"
        assert ask(postgres.url, "select datcollate || encoding from pg_database limit 1") == "C6"
    assert {path.name: mode(path) for path in directory.iterdir()} == {
        "data": 0o700,
        "lock": 0o600,
        "password": 0o600,
        "server.log": 0o600,
    }


def test_what_was_written_is_there_after_a_restart(cluster: Path) -> None:
    with Postgres(cluster) as postgres:
        run_sql(postgres.url, "create table kept as select 7 as number")
        pid = postgres.pid
    assert is_gone(pid)
    with Postgres(cluster) as postgres:
        assert ask(postgres.url, "select number from kept") == 7


def test_the_password_is_needed_and_in_no_repr(cluster: Path) -> None:
    with Postgres(cluster) as postgres:
        password = (cluster / "password").read_text()
        assert len(password) > 40
        assert password not in repr(postgres)
        with pytest.raises(asyncpg.InvalidPasswordError):
            ask(url_for(postgres.url, database="postgres", user="postgres", password="guess"), "select 1")


def test_a_role_logs_in_by_its_own_url(cluster: Path) -> None:
    with Postgres(cluster, durable=False) as postgres:
        run_sql(postgres.url, "create role visitor login password 'p@ss/w:rd?'")
        assert ask(postgres.url_for("visitor", "p@ss/w:rd?", "postgres"), "select current_user") == "visitor"


def test_committed_rows_survive_the_death_of_the_postmaster(cluster: Path) -> None:
    postgres = Postgres(cluster)
    postgres.start()
    run_sql(postgres.url, "create table kept as select generate_series(1, 500)")
    os.kill(postgres.pid, signal.SIGKILL)
    wait_until(lambda: not postgres.is_running)
    with postgres:
        assert ask(postgres.url, "select count(*) from kept") == 500


def test_a_stale_pid_file_that_names_a_living_process_is_no_obstacle(cluster: Path) -> None:
    postgres = Postgres(cluster, durable=False)
    postgres.start()
    pid_file = cluster / "data" / "postmaster.pid"
    owner = (cluster / "data").stat().st_uid
    os.kill(postgres.pid, signal.SIGKILL)
    wait_until(lambda: not postgres.is_running)
    # any process of that account: one that ends when its input does
    with subprocess.Popen(["cat"], user=owner, stdin=subprocess.PIPE) as neighbour:
        lines = pid_file.read_text().splitlines(keepends=True)
        pid_file.write_text("".join([f"{neighbour.pid}\n", *lines[1:]]))
        with postgres:
            assert ask(postgres.url, "select 1") == 1


def test_a_backend_that_outlives_the_postmaster_is_waited_for(cluster: Path) -> None:
    async def scene(postgres: Postgres) -> None:
        connection: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(postgres.url)
        backend = connection.get_server_pid()
        os.kill(backend, signal.SIGSTOP)
        os.kill(postgres.pid, signal.SIGKILL)
        await asyncio.to_thread(wait_until, lambda: not postgres.is_running)
        starting = asyncio.create_task(asyncio.to_thread(postgres.start))
        log = cluster / "server.log"
        await asyncio.to_thread(wait_until, lambda: "pre-existing shared memory block" in log.read_text())
        assert not starting.done()
        os.kill(backend, signal.SIGCONT)
        await starting
        connection.terminate()

    with Postgres(cluster, durable=False) as postgres:
        asyncio.run(scene(postgres))
        assert ask(postgres.url, "select 1") == 1


def test_a_second_launcher_is_refused_at_once(cluster: Path) -> None:
    with (
        Postgres(cluster) as postgres,
        pytest.raises(EmbeddedError, match=f"in use by process {os.getpid()}: stop that"),
    ):
        Postgres(cluster).start()
    assert not postgres.is_running


def test_a_started_server_is_not_started_again(cluster: Path) -> None:
    with Postgres(cluster, durable=False) as postgres, pytest.raises(EmbeddedError, match="started already"):
        postgres.start()


def test_a_deep_directory_works_and_leaves_no_short_cut_behind(directory: Path, fresh_cluster: Path) -> None:
    deep = directory.joinpath(*["deep" * 10] * 4)
    deep.parent.mkdir(parents=True)
    subprocess.run(["cp", "-a", fresh_cluster, deep], check=True)
    with Postgres(deep, durable=False) as postgres:
        assert ask(postgres.url, "select 1") == 1
        short_cut = postgres._sockets
        assert mode(short_cut.parent) == 0o700
    assert not short_cut.parent.exists()


def test_no_parent_directory_is_opened(directory: Path) -> None:
    parents = [directory.parent / "a", directory.parent / "a" / "b"]
    for parent in parents:
        parent.mkdir(mode=0o700)
    with Postgres(parents[-1] / "server", durable=False) as postgres:
        assert ask(postgres.url, "select 1") == 1
    assert [mode(parent) for parent in parents] == [0o700, 0o700]


def test_a_failed_statement_leaves_nothing_of_itself_in_the_log(cluster: Path) -> None:
    with Postgres(cluster) as postgres:
        for statement in (
            "select 'canary' from nowhere",
            "create table t (c text check (c = '')); insert into t values ('canary')",
        ):
            with pytest.raises(asyncpg.PostgresError):
                run_sql(postgres.url, statement)
        log = (cluster / "server.log").read_text()
    assert "nowhere" in log
    assert "canary" not in log


def test_a_lost_password_is_said_before_anything_starts(cluster: Path) -> None:
    (cluster / "password").unlink()
    with pytest.raises(EmbeddedError, match="password is gone: restore it"):
        Postgres(cluster).start()


def test_a_refusal_of_the_server_is_passed_on(cluster: Path) -> None:
    (cluster / "data" / "PG_VERSION").write_text("17\n")
    with pytest.raises(EmbeddedError, match=r"did not start: .*incompatible.* Its log is "):
        Postgres(cluster).start()
    assert is_free(cluster)


def is_free(directory: Path) -> bool:
    """Whether nobody holds the directory any more."""
    return subprocess.run(["flock", "-n", directory / "lock", "true"], check=False).returncode == 0

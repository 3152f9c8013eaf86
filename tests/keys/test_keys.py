"""The keyring's command line, on a real database, as an operator uses it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from actors.adapters.apps import PostgresApps
from actors.adapters.keeper import SealingKeeper
from actors.adapters.keyring import Keyring, KeyringFile, add_key
from actors.adapters.postgres import PostgresStore, open_postgres
from actors.adapters.sealing import Seals
from actors.adapters.vault import PostgresVault
from actors.bridge import open_loop
from actors.core.app import OwnApp, Proxy
from actors.core.credential import Deposit, Owe, Settle
from actors.core.names import SessionKey
from actors.core.secret import Secret
from ops import keys
from ops.launch.home import Home
from tests.contracts.credentials import Saver, credential
from tests.migrations.sql import query
from tests.stores import Database, run_sql

SESSIONS = [SessionKey(f"tenant-{tenant}", f"app-{app}") for tenant in "abc" for app in range(4)]

Run = Callable[..., "Outcome"]


class Outcome:
    """How a command ended, and what it printed."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "keyring"
    add_key(path, "first")
    return path


@pytest.fixture
def run(
    path: Path, database: Database, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    """Runs a command with the environment that the service has."""
    monkeypatch.setenv("DATABASE_URL", database.app_url)
    monkeypatch.setenv("BACKUP_ENCRYPTION_KEY_PATH", str(path))
    monkeypatch.setenv("ENVIRONMENT_NAME", "test")

    def one(*arguments: str) -> Outcome:
        capsys.readouterr()
        code = keys.main(list(arguments))
        return Outcome(code, *capsys.readouterr())

    return one


@asynccontextmanager
async def service(database: Database, path: Path) -> AsyncIterator[tuple[PostgresStore, PostgresVault]]:
    """What a running service has open."""
    seals = Seals("test", KeyringFile(path))
    async with (
        open_loop(),
        open_postgres(database.app_url, keeper=SealingKeeper(seals), on_denied=pytest.fail) as store,
    ):
        yield store, PostgresVault(store.database, seals)


def fill(database: Database, path: Path) -> None:
    """A credential for each session, and some that are owed, settled and erased."""

    async def main() -> None:
        async with service(database, path) as (store, vault):
            save = Saver(store)
            for number, key in enumerate(SESSIONS):
                await save(Deposit(credential(number)), key=key)
            await save(Deposit(credential(100)), Owe(), key=SESSIONS[0])
            await save(Owe(), Settle(), key=SESSIONS[1])
            await vault.checkpoint(SESSIONS[2], credential(2, pts=9))

    trio.run(main)


def currents(database: Database, path: Path) -> list[Any]:
    async def main() -> list[Any]:
        async with service(database, path) as (_, vault):
            return [await vault.current(key) for key in SESSIONS]

    return trio.run(main)


KEPT = [None, None, credential(2, pts=9), *(credential(number) for number in range(3, len(SESSIONS)))]


# -- rekey


def test_rekeying_lets_the_old_key_go(run: Run, path: Path, database: Database, tmp_path: Path) -> None:
    fill(database, path)
    add_key(path, "second")

    done = run("rekey")

    assert (done.code, done.err) == (0, "")
    assert "rekeyed: 3 data keys, 13 fingerprints; refused: 0" in done.out
    only_new = tmp_path / "only-new"
    only_new.write_text(path.read_text().splitlines()[1] + "\n")
    only_new.chmod(0o600)
    assert currents(database, only_new) == KEPT
    seen = run("verify", "--keyring", str(only_new))
    assert (seen.code, seen.out.strip()) == (0, "opened: 13; refused: 0")


def test_rekeying_again_finds_nothing_to_do(run: Run, path: Path, database: Database) -> None:
    fill(database, path)
    assert "rekeyed: 0 data keys, 0 fingerprints; refused: 0" in run("rekey").out
    add_key(path, "second")
    run("rekey")

    again = run("rekey")

    assert again.code == 0
    assert "rekeyed: 0 data keys, 0 fingerprints; refused: 0" in again.out


def test_an_interrupted_rekeying_is_ended_by_the_next(
    run: Run, path: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(database, path)
    add_key(path, "second")
    monkeypatch.setattr("actors.adapters.rekeying.PAGE", 2)
    with monkeypatch.context() as patch:
        patch.setattr("builtins.print", _power_cut)
        with pytest.raises(BaseExceptionGroup):
            run("rekey")
    assert currents(database, path) == KEPT
    half = query(
        database.admin_url, "select count(*) from telegram_credentials where fingerprint like 'second:%'"
    )
    assert half == [(2,)]

    assert "rekeyed: 0 data keys, 11 fingerprints; refused: 0" in run("rekey").out
    assert currents(database, path) == KEPT


def _power_cut(line: str, **_: object) -> None:
    if "fingerprints" in line:
        raise KeyboardInterrupt


def test_a_service_works_on_while_its_keys_are_changed(run: Run, path: Path, database: Database) -> None:
    fill(database, path)

    async def main() -> None:
        done = trio.Event()

        async def change() -> None:
            for name in ("second", "third"):
                await trio.to_thread.run_sync(add_key, path, name)
                await trio.to_thread.run_sync(_in_a_process, database, path)
            done.set()

        async with service(database, path) as (store, vault), trio.open_nursery() as nursery:
            nursery.start_soon(change)
            pts = 10
            while not done.is_set():
                pts += 1
                for number, key in enumerate(SESSIONS[2:], start=2):
                    await vault.checkpoint(key, credential(number, pts=pts))
                    assert await vault.current(key) == credential(number, pts=pts)
                    assert await vault.knows(key, credential(number))
            assert pts > 11
            await Saver(store)(Deposit(credential(500)), key=SessionKey("tenant-new", "app"))

    trio.run(main)

    assert run("verify").code == 0
    assert query(database.admin_url, "select distinct wrapped_by from tenant_keys") == [("third",)]
    assert run("rekey").code == 0


def _in_a_process(database: Database, path: Path) -> None:
    environment = {
        **os.environ,
        "DATABASE_URL": database.app_url,
        "BACKUP_ENCRYPTION_KEY_PATH": str(path),
        "ENVIRONMENT_NAME": "test",
    }
    subprocess.run(
        [sys.executable, "-m", "ops.keys", "rekey"], env=environment, check=True, capture_output=True
    )


def test_what_was_erased_stays_known_by_the_old_key_and_is_told(
    run: Run, path: Path, database: Database
) -> None:
    fill(database, path)
    run_sql(database.admin_url, "update telegram_credentials set sealed = null where status = 'settled'")
    add_key(path, "second")

    done = run("rekey")

    assert done.code == 0
    assert "12 fingerprints" in done.out
    assert "1 erased credentials are known by older keys only" in done.out


def test_what_cannot_be_opened_is_told_and_does_not_stop_the_rest(
    run: Run, path: Path, database: Database
) -> None:
    fill(database, path)
    run_sql(
        database.admin_url,
        """update telegram_credentials set sealed = set_byte(sealed, 50, 255 - get_byte(sealed, 50))
           where tenant_id = 'tenant-b' and app_id = 'app-1';
           update tenant_keys set wrapped = set_byte(wrapped, 20, 255 - get_byte(wrapped, 20))
           where tenant_id = 'tenant-c'""",
    )
    add_key(path, "second")

    done, seen = run("rekey"), run("verify")

    assert (done.code, seen.code) == (1, 1)
    assert "rekeyed: 2 data keys, 8 fingerprints; refused: 6" in done.out
    assert "data key 1 of tenant-c: the seal does not hold" in done.out
    assert "opened: 8; refused: 5" in seen.out
    assert "tenant-b/app-1: the seal does not hold" in seen.out
    assert "tenant-c/app-3: the seal does not hold" in seen.out


# -- verify


def test_verify_says_why_a_copy_cannot_be_opened(
    run: Run, path: Path, database: Database, tmp_path: Path
) -> None:
    fill(database, path)
    add_key(tmp_path / "other", "other")

    elsewhere = run("verify", "--keyring", str(tmp_path / "other"))
    sandbox = run("verify", "--environment", "sandbox")

    assert (elsewhere.code, sandbox.code) == (1, 1)
    assert "opened: 0; refused: 13" in elsewhere.out
    assert "'first', which is not in the keyring" in elsewhere.out
    assert "made in another environment" in sandbox.out


def test_verify_finds_a_credential_that_is_gone(run: Run, path: Path, database: Database) -> None:
    fill(database, path)
    run_sql(database.admin_url, "delete from telegram_credentials where tenant_id = 'tenant-b'")

    seen = run("verify")

    assert seen.code == 1
    assert "opened: 9; refused: 4" in seen.out
    assert "tenant-b/app-0: what is kept is older than what was written last" in seen.out


def test_no_more_than_twenty_are_named(run: Run, path: Path, database: Database) -> None:
    async def main() -> None:
        async with service(database, path) as (store, _):
            for number in range(23):
                await Saver(store)(Deposit(credential(number)), key=SessionKey("tenant", f"app-{number}"))

    trio.run(main)

    seen = run("verify", "--environment", "elsewhere")

    assert len(seen.out.splitlines()) == 22
    assert seen.out.splitlines()[-1].strip() == "… and 3 more"


# -- keys


def test_a_key_is_named_after_the_day_unless_something_else_is_said(run: Run, tmp_path: Path) -> None:
    fresh = tmp_path / "fresh"
    for arguments in ((), (), ("--name", "mine")):
        assert run("add", str(fresh), *arguments).code == 0

    first, second, third = Keyring.read(fresh).names

    assert second == f"{first}-2"
    assert third == "mine"
    listed = run("list", str(fresh))
    assert [line.split() for line in listed.out.splitlines()] == [[first], [second], ["mine", "(seals)"]]


def test_no_command_shows_a_key(run: Run, path: Path, database: Database) -> None:
    fill(database, path)
    add_key(path, "second")
    secrets = [line.split()[1][:16] for line in path.read_text().splitlines()]

    shown = [run("add", str(path)), run("list", str(path)), run("rekey"), run("verify")]

    assert all(each.code == 0 for each in shown)
    assert not any(secret in each.out + each.err for each in shown for secret in secrets)


@pytest.mark.parametrize("command", ["rekey", "verify"])
@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        ("DATABASE_URL", None, "set DATABASE_URL"),
        ("DATABASE_URL", "postgresql://u:s3cret@127.0.0.1:1/none", "the database cannot be reached"),
        ("DATABASE_URL", "s3cret", "check DATABASE_URL"),
        ("BACKUP_ENCRYPTION_KEY_PATH", "/nonexistent", "make one with: python -m ops.keys add /nonexistent"),
    ],
)
def test_what_the_operator_can_mend_is_told_in_one_sentence(
    run: Run, monkeypatch: pytest.MonkeyPatch, command: str, variable: str, value: str | None, sentence: str
) -> None:
    if value is None:
        monkeypatch.delenv(variable)
    else:
        monkeypatch.setenv(variable, value)

    outcome = run(command)

    assert outcome.code == 2
    assert sentence in outcome.err
    assert len(outcome.err.splitlines()) == 1
    assert "s3cret" not in outcome.err


# -- tenants' own apps


def give_app(database: Database, path: Path) -> None:
    async def main() -> None:
        async with service(database, path) as (store, _):
            apps = PostgresApps(store.database, Seals("test", KeyringFile(path)))
            await apps.write("acme", OwnApp(12345, Secret("f" * 32), Proxy("socks5", "proxy", 1080)))
            await apps.write("named", OwnApp(device_model="No secret"))

    trio.run(main)


def test_tenants_own_apps_are_sealed_anew_and_verified_without_the_old_key(
    run: Run, database: Database, path: Path
) -> None:
    give_app(database, path)
    run("add", str(path), "--name", "second")

    done = run("rekey")
    assert (done.code, "sealed anew: the apps of 1 tenants" in done.out) == (0, True)
    assert "sealed anew" not in run("rekey").out
    lines = path.read_text().splitlines()
    path.write_text(lines[1] + "\n")
    assert run("verify").out.strip() == "opened: 1; refused: 0"


def test_a_tenants_app_that_cannot_be_opened_is_named(run: Run, database: Database, path: Path) -> None:
    give_app(database, path)
    path.unlink()
    add_key(path, "another")

    for command in ("rekey", "verify"):
        outcome = run(command)
        assert outcome.code == 1
        assert "app of acme: api_hash" in outcome.out
        assert "f" * 32 not in outcome.out


# -- an installation's own


def test_an_installation_makes_its_keyring_once(tmp_path: Path) -> None:
    home = Home.at(tmp_path, sandbox=True)

    path = home.keyring()
    made = path.read_bytes()

    assert path == home.path / "keyring"
    assert Keyring.read(path).names == ("first",)
    assert home.keyring().read_bytes() == made

"""The command line of backups, as an operator or a script uses it: what it says, and its exit codes."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trio

from actors.adapters.keeper import SealingKeeper
from actors.adapters.keyring import Keyring, add_key
from actors.adapters.postgres import open_postgres
from actors.adapters.sealing import Seals
from actors.bridge import open_loop
from actors.core.credential import Credential, Deposit, Keeping
from actors.core.record import to_record
from actors.core.states import Authorized
from actors.ports import Saved
from ops.backups.cli import EPILOGUE, app, main
from tests.backups.examples import ENVIRONMENT, KEY, NOW, OTHER, Shelf, login
from tests.stores import Database, run_sql

SCRIPT = Path(__file__).parents[2] / "ops" / "backup_scheduler.py"


@dataclass
class Shell:
    """Runs the command in this process, with an environment of its own."""

    shelf: Shelf
    capture: pytest.CaptureFixture[str]

    def run(self, *arguments: str) -> tuple[int, str, str]:
        """Exit code, standard output, standard error."""
        code = main(list(arguments))
        shown = self.capture.readouterr()
        return code, shown.out, shown.err

    def json(self, *arguments: str, code: int = 0) -> Any:
        found, out, err = self.run(*arguments, "--json")
        assert (found, err) == (code, "")
        return json.loads(out)


@pytest.fixture
def shell(shelf: Shelf, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shell:
    for name in list(os.environ):
        if name.startswith(
            ("BACKUP", "DATABASE", "SESSIONS", "ENVIRONMENT", "TELEGRAM", "REDIS", "SUPABASE")
        ):
            monkeypatch.delenv(name)
    monkeypatch.setenv("BACKUP_ENCRYPTION_KEY_PATH", str(shelf.keyring_file))
    monkeypatch.setenv("SESSIONS_BASE_PATH", str(shelf.base.parent / "sessions"))
    monkeypatch.setenv("ENVIRONMENT_NAME", ENVIRONMENT)
    return Shell(shelf, capsys)


# -- listing and verifying


def test_backups_are_listed_newest_first(shell: Shell) -> None:
    first, second = shell.shelf.back_up(login(), NOW), shell.shelf.back_up(login(), NOW + 60)

    told = shell.json("--list-backups", "tenant1:app1")
    code, out, err = shell.run("--list-backups", "tenant1:app1")

    assert [one["id"] for one in told["backups"]] == [second.id, first.id]
    assert told["backups"][1] == {
        "id": first.id,
        "created_at": "2027-01-15T08:00:00+00:00",
        "bytes": first.size,
        "account_id": 7000000001,
        "key": "first",
        "environment": ENVIRONMENT,
    }
    assert (code, err) == (0, "")
    assert out.index(second.id) < out.index(first.id)
    assert [line.split() for line in out.splitlines()[2:]] == [
        [entry.id, str(entry.size), "7000000001", "first"] for entry in (second, first)
    ]


def test_listing_needs_neither_key_nor_database(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    shell.shelf.back_up(login())
    monkeypatch.delenv("BACKUP_ENCRYPTION_KEY_PATH")

    assert len(shell.json("--list-backups", "tenant1:app1")["backups"]) == 1
    assert shell.json("--list-backups", "nobody:app1")["backups"] == []


def test_all_good_backups_verify_and_a_bad_one_is_named(shell: Shell) -> None:
    good, bad = shell.shelf.back_up(login()), shell.shelf.back_up(login(), key=OTHER)
    assert shell.json("--verify", "all") == {"checked": 2, "good": 2, "bad": []}
    bad.path.write_bytes(bad.path.read_bytes()[:-1])

    told = shell.json("--verify", "all", code=1)
    code, out, _ = shell.run("--verify", "tenant2:app1")

    assert (told["checked"], told["good"]) == (2, 1)
    assert [(one["session"], one["backup"], one["code"]) for one in told["bad"]] == [
        ("tenant2/app1", bad.id, "backup_damaged")
    ]
    assert code == 1
    assert f"BAD tenant2/app1 {bad.id}" in out
    assert shell.run("--verify", "tenant1:app1")[0] == 0
    assert good.id not in out


def test_a_key_that_was_removed_is_named_by_verify(shell: Shell) -> None:
    shell.shelf.back_up(login())
    shell.shelf.keyring_file.unlink()
    add_key(shell.shelf.keyring_file, "second")

    code, out, _ = shell.run("--verify", "all")

    assert code == 1
    assert "'first', which is not in the keyring" in out


# -- what is not even tried


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--list-backups", "tenant1"], "write it as tenant:app"),
        (["--list-backups", "../..:app"], "tenant_id must match"),
        (["--list-backups", "a:b", "--verify", "all"], "give one of"),
        (["--backup", "x", "--verify", "all"], "--backup goes with --restore"),
        (["--nonsense"], "--nonsense"),
        (["--retention-days", "0"], "--retention-days"),
        (["--manual-backup", "a:b"], "DATABASE_URL is missing"),
        ([], "DATABASE_URL is missing"),
    ],
)
def test_wrong_arguments_are_named_and_exit_with_2(shell: Shell, arguments: list[str], sentence: str) -> None:
    code, out, err = shell.run(*arguments)

    assert (code, out) == (2, "")
    assert sentence in err
    assert shell.json(*arguments, code=2)["error"]["code"] == "usage"


def test_a_missing_keyring_is_named_with_the_fix(shell: Shell) -> None:
    shell.shelf.keyring_file.unlink()

    told = shell.json("--verify", "all", code=2)

    assert told["error"]["code"] == "keyring_unusable"
    assert "python -m ops.keys add" in told["error"]["message"]


def test_a_database_that_is_down_is_said(shell: Shell) -> None:
    url = "postgresql://usm_app:hidden-word@127.0.0.1:1/postgres"
    told = shell.json("--manual-backup", "a:b", "--database-url", url, code=2)

    assert told["error"]["code"] == "store_unavailable"
    assert "DATABASE_URL" in told["error"]["message"]
    assert "hidden-word" not in json.dumps(told)


def test_a_profile_that_there_is_not_is_said(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OWNERSHIP_PROFILE", "huge")

    told = shell.json(
        "--restore", "a:b", "--database-url", "postgresql://usm_app@127.0.0.1:1/postgres", code=2
    )

    assert told["error"]["code"] == "usage"
    assert "OWNERSHIP_PROFILE" in told["error"]["message"]


# -- against a database

OWNED_ELSEWHERE = """
insert into nodes (node_id, node_epoch, boot_id, public_key) values ('far-away', 1, 'boot', '');
insert into session_owners (tenant_id, app_id, epoch, owner_node, owner_node_epoch, is_clean)
values ('tenant1', 'app1', 1, 'far-away', 1, true)
"""


@pytest.fixture
def keep(shell: Shell, database: Database) -> Callable[[Credential, Keeping], None]:
    """Save one version after another of the session."""
    versions = iter(range(1, 100))
    seals = Seals(ENVIRONMENT, lambda: Keyring.read(shell.shelf.keyring_file))

    async def save(credential: Credential, keeping: Keeping) -> None:
        async with (
            open_loop("fast"),
            open_postgres(database.app_url, on_denied=lambda: None, keeper=SealingKeeper(seals)) as store,
        ):
            saved = Saved(to_record(Authorized(credential.account_id)), next(versions), NOW)
            await store.save(KEY, saved, None, keeping)

    return lambda credential, keeping: trio.run(save, credential, keeping)


def test_a_backup_by_hand_and_back_again(
    shell: Shell, database: Database, keep: Callable[[Credential, Keeping], None]
) -> None:
    credential = login()
    url = ("--database-url", database.app_url, "--redis-url", "redis://localhost:6379")
    assert shell.json("--manual-backup", "tenant1:app1", *url, code=1)["error"]["code"] == "no_credential"
    keep(credential, Deposit(credential))

    made = shell.json("--manual-backup", "tenant1:app1", *url)
    assert shell.shelf.ids() == [made["backup"]["id"]]
    assert shell.run("--manual-backup", "tenant1:app1", *url)[0] == 0
    assert shell.json("--restore", "tenant1:app1", *url, code=1)["error"]["code"] == "nothing_to_restore"

    run_sql(database.admin_url, "update telegram_credentials set sealed = '\\x00'")
    run_sql(database.admin_url, OWNED_ELSEWHERE)
    refused = shell.json("--restore", "tenant1:app1", *url, code=1)
    assert refused["error"]["code"] == "session_owned"
    assert "belongs to the supervisor far-away" in refused["error"]["message"]
    run_sql(database.admin_url, "update session_owners set owner_node = null, owner_node_epoch = null")
    restored = shell.json("--restore", "tenant1:app1", "--backup", made["backup"]["id"], *url)

    assert restored == {
        "session": "tenant1/app1",
        "backup": made["backup"]["id"],
        "account_id": 7000000001,
        "state": "STALE",
        "version": 2,
    }
    assert shell.json("--restore", "tenant1:app1", *url, code=1)["error"]["code"] == "nothing_to_restore"


def test_the_script_runs_from_any_folder(shell: Shell, tmp_path: Path) -> None:
    shell.shelf.back_up(login())
    for command in ([str(SCRIPT)], ["-m", "ops.backup_scheduler"]):
        done = subprocess.run(
            [sys.executable, *command, "--list-backups", "tenant1:app1", "--json"],
            cwd=tmp_path if command == [str(SCRIPT)] else SCRIPT.parents[1],
            capture_output=True,
            text=True,
            check=True,
        )
        assert len(json.loads(done.stdout)["backups"]) == 1


def test_the_schedule_runs_until_it_is_told_to_stop(
    shell: Shell, database: Database, keep: Callable[[Credential, Keeping], None]
) -> None:
    credential = login()
    keep(credential, Deposit(credential))
    command = [sys.executable, str(SCRIPT), "--database-url", database.app_url]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as scheduler:
        assert scheduler.stderr is not None
        line = json.loads(scheduler.stderr.readline())
        assert (line["event"], line["folder"]) == ("backups are scheduled", str(shell.shelf.base))
        scheduler.terminate()
        assert scheduler.wait(20) == 0


def test_help_shows_examples_and_exit_codes(shell: Shell) -> None:
    code, out, _ = shell.run("--help")

    assert code == 0
    examples = re.findall(r"python ops/backup_scheduler.py .*", EPILOGUE)
    assert len(examples) == 5
    assert all(" ".join(example.split()) in " ".join(out.split()) for example in examples)
    assert "Exit codes" in out


def test_every_documented_command_is_one_that_is_taken() -> None:
    page = (SCRIPT.parent / "docs" / "backups.md").read_text()
    commands = re.findall(r"^\$ python ops/backup_scheduler\.py (.*)$", page, flags=re.MULTILINE)

    assert len(commands) >= 8
    for command in commands:
        app.parse_args(shlex.split(command), exit_on_error=False, print_error=False)

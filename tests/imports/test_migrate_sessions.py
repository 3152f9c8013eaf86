"""The command line of an import, on a real database: what it writes, what it says, and that it can be repeated."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import trio

from actors.adapters.census import Census
from actors.adapters.keeper import SealingKeeper
from actors.adapters.keyring import Keyring, add_key
from actors.adapters.postgres import PostgresStore, open_postgres
from actors.adapters.sealing import Seals
from actors.adapters.vault import PostgresVault
from actors.bridge import open_loop
from actors.core.credential import Bury, Credential, Deposit, Owe
from actors.core.foreign import TELEGRAM
from actors.core.import_plan import Outcome, Verdict
from actors.core.names import SessionKey
from actors.core.record import to_record
from actors.core.secret import Secret
from actors.core.states import Absent, Authorized, Reason, Revoked
from actors.errors import StoreUnavailable
from actors.ports import Saved
from ops.imports.cli import main
from supervisor.imports import Imports, Wishes
from supervisor.standings import Standings
from tests.imports.makers import (
    ACCOUNT,
    Made,
    key_bytes,
    pyrogram,
    pyrogram_string,
    telethon,
    telethon_string,
)
from tests.imports.test_hostile_files import contents
from tests.stores import Database, run_sql

ROOT = Path(__file__).parents[2]
ROWS = """
select tenant_id, app_id, state, s.telegram_user_id, desired_state, s.version, status, sealed is not null as is_sealed
  from telegram_sessions s left join telegram_credentials c using (tenant_id, app_id)
 order by tenant_id, app_id
"""


@dataclass(frozen=True)
class Shown:
    """What a run said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        return dict(json.loads(self.out))

    @property
    def outcomes(self) -> dict[str, str]:
        return {file["file"]: file["outcome"] for file in self.json["files"]}


class Operator:
    """Somebody who imports a folder into a database."""

    def __init__(self, database: Database, base: Path, keyring: Path, capture: Any) -> None:
        self.database = database
        self.base = base
        self.keyring = keyring
        self._capture = capture

    @property
    def arguments(self) -> list[str]:
        return [
            *("--sessions-dir", str(self.base)),
            *("--database-url", self.database.app_url),
            *("--keyring", str(self.keyring)),
        ]

    def run(self, *more: str) -> Shown:
        self._capture.readouterr()
        code = main([*self.arguments, *more])
        shown = self._capture.readouterr()
        return Shown(code, shown.out, shown.err)

    def json(self, *more: str) -> Shown:
        return self.run("--json", *more)

    def rows(self, sql: str = ROWS) -> list[dict[str, Any]]:
        async def ask() -> list[dict[str, Any]]:
            connection: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(self.database.admin_url)
            try:
                return [dict(row) for row in await connection.fetch(sql)]
            finally:
                await connection.close()

        return asyncio.run(ask())

    def journal(self) -> list[tuple[str, ...]]:
        lines = self.rows("select * from session_journal order by tenant_id, app_id, version")
        return [
            tuple(line[name] for name in ("app_id", "message", "from_state", "to_state")) for line in lines
        ]

    def seals(self) -> Seals:
        return Seals("production", lambda: Keyring.read(self.keyring))

    def kept(self, key: SessionKey) -> Credential | None:
        async def look() -> Credential | None:
            async with open_loop(), open_postgres(self.database.app_url, on_denied=lambda: None) as store:
                return await PostgresVault(store.database, self.seals()).current(key)

        return trio.run(look)

    def save(self, key: SessionKey, *steps: tuple[Any, Any]) -> None:
        """Write states on top of what is there, each with what becomes of the credential."""

        async def write() -> None:
            keeper = SealingKeeper(self.seals())
            async with (
                open_loop(),
                open_postgres(self.database.app_url, on_denied=lambda: None, keeper=keeper) as store,
            ):
                for state, keeping in steps:
                    saved = await store.load(key)
                    version = saved.version + 1 if saved else 1
                    await store.save(key, Saved(to_record(state), version, 1.0), None, keeping)

        trio.run(write)


@pytest.fixture
def operator(database: Database, base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Operator:
    keyring = tmp_path / "keyring"
    add_key(keyring, "first")
    return Operator(database, base, keyring, capsys)


def numbered(number: int, **fields: Any) -> Made:
    return Made(key=key_bytes(number), **{"account_id": ACCOUNT + number, **fields})


def put(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)


# -- what is written


def test_every_format_becomes_a_session_that_is_stopped(operator: Operator) -> None:
    telethon(operator.base / "acme" / "crm.session", 8, numbered(1))
    telethon(operator.base / "acme" / "old.session", 3, numbered(2))
    pyrogram(operator.base / "acme" / "pyro.session", "kurigram 7", numbered(3))
    put(operator.base / "acme" / "text.string", telethon_string(numbered(4)))
    put(operator.base / "flat.string", pyrogram_string(made=numbered(5)))
    accounts = operator.base.parent / "whose.csv"
    accounts.write_text(f"acme/old.session,{ACCOUNT + 2}\nacme/text.string, {ACCOUNT + 4}\n")

    shown = operator.run("--accounts", str(accounts), "--tenant", "beta")

    assert shown.code == 0, shown
    assert "5 files: 5 imported." in shown.out
    names = [
        ("acme", "crm", 1),
        ("acme", "old", 2),
        ("acme", "pyro", 3),
        ("acme", "text", 4),
        ("beta", "flat", 5),
    ]
    assert operator.rows() == [
        {
            "tenant_id": tenant,
            "app_id": app,
            "state": "AUTHORIZED",
            "telegram_user_id": ACCOUNT + number,
            "desired_state": "stopped",
            "version": 1,
            "status": "current",
            "is_sealed": True,
        }
        for tenant, app, number in names
    ]
    assert operator.journal() == [(app, "ImportLogin", "ABSENT", "AUTHORIZED") for _, app, _ in names]


def test_what_is_sealed_is_what_was_in_the_file(operator: Operator) -> None:
    telethon(operator.base / "acme" / "crm.session", 8)

    operator.run()

    kept = operator.kept(SessionKey("acme", "crm"))
    assert kept is not None
    assert bytes.fromhex(kept.auth_key.reveal()) == key_bytes()
    assert (kept.account_id, kept.dc_id, len(kept.updates)) == (ACCOUNT, 2, 2)


def test_sessions_are_started_only_if_that_is_said(operator: Operator) -> None:
    telethon(operator.base / "acme" / "crm.session", 8)

    operator.run("--start")

    assert operator.rows()[0]["desired_state"] == "running"


def test_a_second_run_finds_everything_there_and_writes_nothing(operator: Operator) -> None:
    telethon(operator.base / "acme" / "crm.session", 8)
    operator.run()
    before = everything(operator)

    shown = operator.json()

    assert (shown.code, shown.outcomes) == (0, {"acme/crm.session": "present"})
    assert everything(operator) == before


def test_a_dry_run_writes_nothing_and_says_the_same(operator: Operator) -> None:
    telethon(operator.base / "acme" / "crm.session", 8, numbered(1))
    put(operator.base / "broken.session", "x")
    empty = everything(operator)

    dry = operator.json("--dry-run")

    assert everything(operator) == empty
    assert dry.json["dry_run"] is True
    wet = operator.json()
    assert (dry.code, dry.outcomes) == (wet.code, wet.outcomes)
    assert everything(operator) != empty


def everything(operator: Operator) -> list[Any]:
    tables = operator.rows("select tablename from pg_tables where schemaname = 'public' order by 1")
    return [operator.rows(f"select t::text from {table['tablename']} t order by 1") for table in tables]  # noqa: S608


def test_source_files_stay_as_they_are(operator: Operator) -> None:
    telethon(operator.base / "acme" / "crm.session", 2, numbered(1))
    pyrogram(operator.base / "acme" / "pyro.session", "pyrogram 1", numbered(2))
    put(operator.base / "a.string", pyrogram_string(made=numbered(3)))
    before = contents(operator.base)

    operator.run()

    assert contents(operator.base) == before


# -- what stands in the way


def test_every_kind_of_trouble_is_a_row_and_the_rest_is_imported(operator: Operator) -> None:
    base = operator.base
    telethon(base / "acme" / "good.session", 8, numbered(1))
    telethon(base / "acme" / "twin1.session", 8, numbered(2))
    telethon(base / "acme" / "twin2.session", 8, numbered(2))
    telethon(base / "acme" / "same1.session", 8, numbered(3))
    telethon(base / "acme" / "same2.session", 8, Made(key=key_bytes(33), account_id=ACCOUNT + 3))
    telethon(base / "acme" / "my bot.session", 8, numbered(4))
    telethon(base / "acme" / "whose.session", 3, numbered(5))
    put(base / "junk.session", "junk")

    shown = operator.json()

    assert shown.code == 1
    assert shown.outcomes == {
        "acme/good.session": "imported",
        "acme/my bot.session": "refused",
        "acme/same1.session": "duplicate_account",
        "acme/same2.session": "duplicate_account",
        "acme/twin1.session": "duplicate_key",
        "acme/twin2.session": "duplicate_key",
        "acme/whose.session": "refused",
        "junk.session": "refused",
    }
    why = {file["file"]: file["why"] for file in shown.json["files"]}
    assert "rename it to acme/my-bot.session" in why["acme/my bot.session"]
    assert "acme/whose.session,USER_ID" in why["acme/whose.session"]
    assert [row["app_id"] for row in operator.rows()] == ["good"]


def test_the_newest_of_two_is_imported_if_that_is_said(operator: Operator) -> None:
    for number, name in enumerate(("older", "newer"), 1):
        path = telethon(operator.base / "acme" / f"{name}.session", 8)
        os.utime(path, (number, number))

    shown = operator.json("--prefer", "newest")

    assert shown.outcomes == {"acme/older.session": "duplicate_key", "acme/newer.session": "imported"}
    assert operator.json("--prefer", "newest").outcomes["acme/newer.session"] == "present"
    assert [row["app_id"] for row in operator.rows()] == ["newer"]


def test_a_key_moves_to_no_second_name_and_no_second_tenant(operator: Operator) -> None:
    path = telethon(operator.base / "acme" / "crm.session", 8)
    operator.run()
    path.rename(operator.base / "acme" / "renamed.session")

    shown = operator.json("--same-account")
    elsewhere = operator.base / "other"
    elsewhere.mkdir()
    (operator.base / "acme" / "renamed.session").rename(elsewhere / "crm.session")
    moved = operator.json("--same-account")

    assert shown.outcomes == {"acme/renamed.session": "duplicate_key"}
    assert moved.outcomes == {"other/crm.session": "duplicate_key"}
    assert len(operator.rows()) == 1


def test_another_login_under_the_same_name_is_a_collision(operator: Operator) -> None:
    path = telethon(operator.base / "acme" / "crm.session", 8, numbered(1))
    operator.run()
    path.unlink()
    telethon(path, 8, numbered(2))

    assert operator.json().outcomes == {"acme/crm.session": "collision"}
    kept = operator.kept(SessionKey("acme", "crm"))
    assert kept is not None
    assert kept.account_id == ACCOUNT + 1


def test_a_second_key_of_an_account_is_imported_only_if_that_is_said(operator: Operator) -> None:
    telethon(operator.base / "acme" / "one.session", 8)
    operator.run()
    telethon(operator.base / "acme" / "two.session", 8, Made(key=key_bytes(2)))

    assert operator.json().outcomes["acme/two.session"] == "duplicate_account"
    assert operator.json("--same-account").outcomes["acme/two.session"] == "imported"


@pytest.mark.parametrize(
    ("state", "keeping"),
    [
        (Revoked(ACCOUNT, Reason.AUTH_KEY_DUPLICATED), Bury(Reason.AUTH_KEY_DUPLICATED)),
        (Revoked(ACCOUNT, Reason.REQUESTED), Owe()),
        (Absent(), Owe()),
    ],
)
def test_a_key_that_was_given_up_stays_given_up(operator: Operator, state: Any, keeping: Any) -> None:
    key = SessionKey("acme", "crm")
    telethon(operator.base / "acme" / "crm.session", 8)
    operator.run()
    operator.save(key, (state, keeping))

    shown = operator.json()

    assert shown.outcomes == {"acme/crm.session": "refused"}
    assert shown.json["files"][0]["why"].startswith("ended: ")
    assert operator.kept(key) is None


def test_the_account_of_a_session_that_has_ended_is_free_for_another_one(operator: Operator) -> None:
    path = telethon(operator.base / "acme" / "old.session", 8)
    operator.run()
    operator.save(SessionKey("acme", "old"), (Revoked(ACCOUNT, Reason.REQUESTED), Owe()))
    path.unlink()
    telethon(operator.base / "acme" / "new.session", 8, Made(key=key_bytes(2)))

    assert operator.json().outcomes == {"acme/new.session": "imported"}


def test_a_session_without_a_login_takes_the_files(operator: Operator) -> None:
    operator.save(SessionKey("acme", "crm"), (Absent(), None))
    telethon(operator.base / "acme" / "crm.session", 8)

    assert operator.json().outcomes == {"acme/crm.session": "imported"}
    (row,) = operator.rows()
    assert (row["state"], row["version"]) == ("AUTHORIZED", 2)


def test_what_a_file_says_of_its_account_is_not_overruled(operator: Operator) -> None:
    telethon(operator.base / "a.session", 8)
    accounts = operator.base.parent / "whose.csv"
    accounts.write_text("a.session,1\n")

    shown = operator.json("--accounts", str(accounts))

    assert shown.outcomes == {"a.session": "refused"}
    assert operator.rows() == []


# -- what happens between the look and the import


async def plan_then(operator: Operator, meanwhile: Callable[[], Awaitable[None]]) -> list[Verdict]:
    """Plan an import, let something happen, and carry the import out."""
    seals, verdicts = operator.seals(), list[Verdict]()
    async with (
        open_loop(),
        open_postgres(
            operator.database.app_url, on_denied=lambda: None, keeper=SealingKeeper(seals)
        ) as store,
    ):
        standings = Standings(PostgresVault(store.database, seals), Census(store.database))
        imports = Imports(operator.base, TELEGRAM, store, standings, Wishes())
        planned = await imports.plan()
        await meanwhile()
        await imports.carry_out(planned, verdicts.append)
    return verdicts


def test_a_file_that_is_replaced_after_the_look_is_not_imported(operator: Operator) -> None:
    path = telethon(operator.base / "a.session", 8, numbered(1))

    async def replace() -> None:
        path.unlink()
        telethon(path, 8, numbered(2))

    (verdict,) = trio.run(plan_then, operator, replace)

    assert (verdict.outcome, verdict.sentence.partition(":")[0]) == (Outcome.REFUSED, "in_use")
    assert operator.rows() == []


@pytest.mark.usefixtures("at_once")
def test_a_database_that_is_busy_is_asked_again_and_a_lost_answer_is_no_conflict(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    telethon(operator.base / "acme" / "crm.session", 8)
    really, calls = PostgresStore.save, list[None]()

    async def save_and_lose_the_answer(store: PostgresStore, *args: Any) -> None:
        calls.append(None)
        if len(calls) == 1:
            raise StoreUnavailable("busy")
        await really(store, *args)
        if len(calls) == 2:
            raise StoreUnavailable("the answer was lost")

    monkeypatch.setattr(PostgresStore, "save", save_and_lose_the_answer)

    assert operator.json().outcomes == {"acme/crm.session": "imported"}
    assert len(calls) == 3
    assert len(operator.journal()) == 1


@pytest.mark.usefixtures("at_once")
def test_a_database_that_stays_away_ends_the_import_and_the_next_run_goes_on(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(6):
        telethon(operator.base / "acme" / f"app{number}.session", 8, numbered(number))
    really, calls = PostgresStore.save, list[None]()

    async def save_three(store: PostgresStore, *args: Any) -> None:
        calls.append(None)
        if len(calls) > 3:
            raise StoreUnavailable("the database cannot be reached")
        await really(store, *args)

    with monkeypatch.context() as broken:
        broken.setattr(PostgresStore, "save", save_three)
        shown = operator.run()

    assert shown.code == 2
    assert "3 imported" in shown.out
    assert "the next run goes on" in shown.err
    assert len(operator.rows()) == 3
    assert sorted(operator.json().outcomes.values()) == ["imported"] * 3 + ["present"] * 3


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting takes no time."""
    monkeypatch.setattr("supervisor.imports.backoff", lambda _: 0.0)


def test_a_file_that_is_removed_after_the_look_is_refused(operator: Operator) -> None:
    path = telethon(operator.base / "a.session", 8, numbered(1))

    async def remove() -> None:
        path.unlink()

    (verdict,) = trio.run(plan_then, operator, remove)

    assert (verdict.outcome, operator.rows()) == (Outcome.REFUSED, [])


def test_a_session_that_logs_in_after_the_look_is_left_alone(operator: Operator) -> None:
    telethon(operator.base / "acme" / "crm.session", 8, numbered(1))
    other = Credential(ACCOUNT + 2, 2, "149.154.167.51", 443, Secret(key_bytes(2).hex()))

    async def log_in() -> None:
        await trio.to_thread.run_sync(
            lambda: operator.save(SessionKey("acme", "crm"), (Authorized(ACCOUNT + 2), Deposit(other)))
        )

    (verdict,) = trio.run(plan_then, operator, log_in)

    assert verdict.outcome is Outcome.COLLISION
    assert operator.kept(SessionKey("acme", "crm")) == other


def test_a_session_that_a_supervisor_takes_after_the_look_is_left_alone(operator: Operator) -> None:
    telethon(operator.base / "acme" / "crm.session", 8, numbered(1))

    async def take() -> None:
        own = """
        insert into nodes (node_id, node_epoch, boot_id, public_key) values ('node-a', 1, 'boot', '');
        insert into session_owners (tenant_id, app_id, epoch, owner_node, owner_node_epoch, is_clean)
        values ('acme', 'crm', 1, 'node-a', 1, true)
        """
        await trio.to_thread.run_sync(run_sql, operator.database.admin_url, own)

    (verdict,) = trio.run(plan_then, operator, take)

    assert verdict.outcome is Outcome.COLLISION
    assert verdict.sentence.endswith("stop that one, or the session, and run it again")
    assert operator.rows() == []


# -- what cannot run


def test_an_empty_folder_is_nothing_to_do(operator: Operator) -> None:
    shown = operator.run()

    assert (shown.code, shown.out) == (0, "0 files: nothing to import.\n")


def test_what_is_missing_or_down_is_named_and_nothing_is_tried(
    operator: Operator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("DATABASE_URL", "REDIS_URL", "BACKUP_ENCRYPTION_KEY_PATH", "SESSIONS_BASE_PATH"):
        monkeypatch.delenv(name, raising=False)
    telethon(operator.base / "a.session", 8)
    arguments = dict(zip(operator.arguments[::2], operator.arguments[1::2], strict=True))
    down = "postgresql://usm_app:hidden-word@127.0.0.1:1/db"
    loose = tmp_path / "loose"
    add_key(loose, "first")
    loose.chmod(0o644)
    broken: list[tuple[dict[str, str | None], str, str]] = [
        ({"--sessions-dir": None}, "usage", "--sessions-dir"),
        ({"--sessions-dir": "/nowhere"}, "no_folder", "/nowhere"),
        ({"--database-url": None}, "usage", "DATABASE_URL"),
        ({"--database-url": down}, "store_unavailable", "DATABASE_URL"),
        ({"--database-url": "hidden-word://x"}, "store_refused", "DATABASE_URL"),
        (
            {"--database-url": operator.database.app_url.replace("usm_app", "nobody")},
            "store_refused",
            "DATABASE_URL",
        ),
        ({"--redis-url": "redis://:hidden-word@127.0.0.1:1/0"}, "store_unavailable", "REDIS_URL"),
        ({"--keyring": None}, "usage", "BACKUP_ENCRYPTION_KEY_PATH"),
        ({"--keyring": "/nowhere"}, "keyring_unusable", "/nowhere"),
        ({"--keyring": str(loose)}, "keyring_unusable", "chmod 600"),
        ({"--sandbox": "/nowhere"}, "usage", "TELEGRAM_SANDBOX"),
        ({"--accounts": "/nowhere"}, "usage", "--accounts"),
        ({"--metrics-file": "/nowhere/x.prom"}, "no_folder", "--metrics-file"),
    ]
    for change, code, named in broken:
        said = [
            word
            for option, value in (arguments | change).items()
            if value is not None
            for word in (option, value)
        ]
        operator._capture.readouterr()
        assert main([*said, "--json"]) == 2, change
        shown = operator._capture.readouterr()
        error = json.loads(shown.out)["error"]
        assert (error["code"], named in error["message"]) == (code, True), (change, error)
        assert "hidden-word" not in shown.out + shown.err
        assert "Traceback" not in shown.err
    assert operator.rows() == []


@pytest.mark.parametrize(
    "line", ["a.session", "a.session,x", "a.session,0", "a.session,-1", "a,b,1", "a.session,٣"]
)
def test_a_wrong_line_of_accounts_is_named(operator: Operator, line: str) -> None:
    accounts = operator.base.parent / "whose.csv"
    accounts.write_text(f"fine.session,1\n{line}\n")

    shown = operator.run("--accounts", str(accounts))

    assert shown.code == 2
    assert "line 2" in shown.err


def test_a_redis_that_answers_is_fine(operator: Operator, redis_url: str) -> None:
    assert operator.run("--redis-url", redis_url).code == 0


# -- metrics


def test_the_metrics_file_counts_what_became_of_files(operator: Operator, tmp_path: Path) -> None:
    telethon(operator.base / "a.session", 8)
    put(operator.base / "junk.session", "junk")
    file = tmp_path / "import.prom"

    operator.run("--dry-run", "--metrics-file", str(file))
    assert not file.exists()
    operator.run("--metrics-file", str(file))

    lines = file.read_text().splitlines()
    assert 'session_conversion_total{outcome="imported"} 1.0' in lines
    assert 'session_conversion_total{outcome="refused"} 1.0' in lines
    assert 'session_conversion_total{outcome="collision"} 0.0' in lines


# -- secrets, crowds, crashes


def test_no_byte_of_a_key_is_shown(operator: Operator, tmp_path: Path) -> None:
    keys = [key_bytes(number) for number in range(1, 5)]
    telethon(operator.base / "a.session", 8, numbered(1))
    telethon(operator.base / "b.session", 3, numbered(2))
    pyrogram(operator.base / "c.session", "pyrogram 3", Made(key=keys[2][:255]))
    put(operator.base / "d.string", telethon_string(numbered(4)))
    put(operator.base / "e.string", telethon_string(numbered(4))[:-9])
    metrics = tmp_path / "m.prom"

    shown = [operator.run("--dry-run"), operator.run("--metrics-file", str(metrics)), operator.json()]

    told = "".join(run.out + run.err for run in shown) + metrics.read_text() + str(everything(operator))
    for key in keys:
        assert key[:8].hex() not in told.lower()
        assert repr(key[:8])[2:-1] not in told
    assert telethon_string(numbered(4))[:30] not in told


@pytest.mark.timeout(900)  # the machine may have much else to do
def test_a_thousand_files_take_seconds_and_no_memory(
    operator: Operator, thousand: Callable[[], None], record_property: Callable[[str, object], None]
) -> None:
    thousand()
    command = [sys.executable, "-c", MEASURED, *operator.arguments, "--json"]

    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)

    *_, seconds, peak = done.stderr.split()
    assert json.loads(done.stdout)["summary"]["imported"] == 1000
    record_property("cpu_seconds", float(seconds))
    record_property("peak_mb", int(peak) / 1024)
    assert float(seconds) < 60  # of computing: what else the machine does makes no difference
    assert int(peak) < 300 * 1024  # kB; the libraries alone take more than 100 MB
    assert len(operator.rows()) == 1000


MEASURED = """
import resource, sys
from ops.imports.cli import main
code = main(sys.argv[1:])
used = resource.getrusage(resource.RUSAGE_SELF)
print(used.ru_utime + used.ru_stime, used.ru_maxrss, file=sys.stderr)
sys.exit(code)
"""


@pytest.fixture
def thousand(base: Path) -> Callable[[], None]:
    """Puts a thousand sessions of ten tenants into the folder."""

    def make() -> None:
        for number in range(1000):
            telethon(base / f"tenant{number % 10}" / f"app{number}.session", 8, numbered(number))

    return make


@pytest.mark.timeout(900)
def test_an_import_that_is_killed_leaves_no_half_of_a_session_and_can_be_resumed(
    operator: Operator, base: Path
) -> None:
    for number in range(80):
        telethon(base / "acme" / f"app{number:03}.session", 8, numbered(number))
    kills = 0
    for _ in range(20):
        had = len(operator.rows())
        if had == 80:
            break
        with subprocess.Popen(
            [sys.executable, str(ROOT / "ops" / "migrate_sessions.py"), *operator.arguments],
            cwd=base,
            stdout=subprocess.DEVNULL,
        ) as process:
            while process.poll() is None and len(operator.rows()) < had + 10:
                time.sleep(0.01)
            process.send_signal(signal.SIGKILL)
            kills += process.wait() == -signal.SIGKILL
        rows = operator.rows()
        assert all(
            (row["state"], row["status"], row["is_sealed"]) == ("AUTHORIZED", "current", True) for row in rows
        )
        assert len(operator.journal()) == len(rows)

    assert kills >= 3
    assert operator.json().code == 0
    assert len(operator.rows()) == 80
    for number in (0, 40, 79):
        kept = operator.kept(SessionKey("acme", f"app{number:03}"))
        assert kept is not None
        assert bytes.fromhex(kept.auth_key.reveal()) == key_bytes(number)


def test_it_runs_as_a_script_from_anywhere_and_as_a_module(operator: Operator, tmp_path: Path) -> None:
    script = [sys.executable, str(ROOT / "ops" / "migrate_sessions.py")]
    module = [sys.executable, "-m", "ops.migrate_sessions"]
    environment = {name: value for name, value in os.environ.items() if "URL" not in name}
    for command, folder in ((script, tmp_path), (module, ROOT)):
        done = subprocess.run(
            [*command, *operator.arguments],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
            env=environment,
        )
        assert (done.returncode, done.stdout) == (0, "0 files: nothing to import.\n"), done.stderr
        told = subprocess.run([*command, "--help"], cwd=folder, capture_output=True, text=True, check=True)
        assert "Exit codes:" in told.stdout

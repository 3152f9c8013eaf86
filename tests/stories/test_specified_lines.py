"""The specification's command lines, word for word but for the folder of the scripts, which is ours."""

from __future__ import annotations

import shlex
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from supervisor.settings import Settings
from tests.imports.makers import telethon
from tests.sandbox.clients import BORIS_PASSWORD
from tests.stories.conftest import ANNA, BORIS, SERVICE_KEY, RunningSandbox, running
from tests.stories.shell import Done, Shell, read_until, scanned, ticket_in
from tests.stories.terminal import ROOT

STORES = '--database-url "postgresql://user:pass@localhost/db" --redis-url "redis://localhost:6379"'
SUPABASE = '--supabase-url "https://your-project.supabase.co" --supabase-key "your-service-key"'

LIST = f"ops/session_cli.py {STORES} list"
STATUS = f"ops/session_cli.py {STORES} status --tenant-id tenant1 --app-id app1"
QR_LOGIN = f"ops/session_cli.py {STORES} qr-login --tenant-id tenant1 --app-id app1"
FINALIZE = f"ops/session_cli.py {STORES} finalize --ticket your-ticket --password 2fa_password"
HEALTH = f"ops/session_cli.py {STORES} health"
E2E_QR_LOGIN = "ops/session_cli.py qr-login --tenant-id tenant1 --app-id app1"
E2E_FINALIZE = "ops/session_cli.py finalize --ticket your-ticket"
TROUBLE_HEALTH = "ops/session_cli.py health"
SCHEDULE = f"ops/backup_scheduler.py {STORES} {SUPABASE}"
BACK_UP = f'ops/backup_scheduler.py --manual-backup "tenant1:app1" {STORES}'
LIST_BACKUPS = f'ops/backup_scheduler.py --list-backups "tenant1:app1" {STORES}'
MIGRATE = f"ops/migrate_sessions.py --sessions-dir /app/sessions {STORES}"
DRY_RUN = f"{MIGRATE} --dry-run"


@dataclass(frozen=True, slots=True)
class Typist:
    """Types the specification's lines, with what its made-up values stand for here."""

    shell: Shell
    real: dict[str, str]

    def knowing(self, made_up: str, real: str) -> Typist:
        return replace(self, real=self.real | {made_up: real})

    def program(self, line: str) -> tuple[Shell, list[str]]:
        script, *words = shlex.split(line)
        return replace(self.shell, program=(str(ROOT / script),)), [
            self.real.get(word, word) for word in words
        ]

    async def run(self, line: str) -> Done:
        shell, words = self.program(line)
        return await shell.run(*words)


@pytest.fixture
def typist(settings: Settings, tmp_path: Path) -> Typist:
    real = {
        "postgresql://user:pass@localhost/db": settings.database_url.get_secret_value(),
        "redis://localhost:6379": settings.redis_url.get_secret_value(),
        "/app/sessions": str(tmp_path / "old"),
        "2fa_password": BORIS_PASSWORD,
    }
    variables = {
        "SESSIONCTL_KEY": "",
        "SUPABASE_SERVICE_ROLE_KEY": SERVICE_KEY,
        "BACKUP_ENCRYPTION_KEY_PATH": str(settings.backup_encryption_key_path),
        "SESSIONS_BASE_PATH": str(tmp_path / "sessions"),
        "ENVIRONMENT_NAME": "sandbox",
    }
    return Typist(Shell("http://127.0.0.1:1", folder=tmp_path, more=variables), real)


@pytest.fixture
async def served(typist: Typist, settings: Settings) -> AsyncIterator[Typist]:
    """The same beside a running service."""
    async with running(settings) as service:
        yield replace(typist, shell=replace(typist.shell, url=str(service.http.base_url)))


async def test_an_account_with_a_password_is_linked_shown_and_backed_up(
    served: Typist, sandbox: RunningSandbox
) -> None:
    shown = await served.run(QR_LOGIN)
    await sandbox.accept(scanned(shown.out), BORIS)
    done = await served.knowing("your-ticket", ticket_in(shown.out)).run(FINALIZE)
    assert (done.code, done.out[:10]) == (0, "AUTHORIZED"), done.err

    for line, expected in (
        (LIST, "AUTHORIZED"),
        (STATUS, "tenant1/app1 is AUTHORIZED"),
        (HEALTH, "ok      redis"),
        (BACK_UP, "tenant1/app1 is backed up"),
        (LIST_BACKUPS, "Backups of tenant1/app1"),
    ):
        done = await served.run(line)
        assert (done.code, expected in done.out) == (0, True), (line, done)


async def test_the_end_to_end_test_links_an_account(served: Typist, sandbox: RunningSandbox) -> None:
    shown = await served.run(E2E_QR_LOGIN)
    await sandbox.accept(scanned(shown.out), ANNA)
    done = await served.knowing("your-ticket", ticket_in(shown.out)).run(E2E_FINALIZE)
    health = await served.run(TROUBLE_HEALTH)

    assert (done.code, done.out[:10]) == (0, "AUTHORIZED"), done.err
    assert health.code == 0


async def test_sessions_are_migrated_after_a_dry_run(typist: Typist, tmp_path: Path) -> None:
    telethon(tmp_path / "old" / "tenant1" / "app1.session", 8)
    before = await typist.run(LIST)
    dry = await typist.run(DRY_RUN)
    between = await typist.run(LIST)
    done = await typist.run(MIGRATE)
    after = await typist.run(STATUS)

    assert [run.code for run in (before, dry, between, done, after)] == [0] * 5, (dry, done)
    assert before.out == between.out
    assert "tenant1/app1 is AUTHORIZED" in after.out


async def test_the_schedule_starts_and_ends(typist: Typist) -> None:
    shell, words = typist.program(SCHEDULE)
    async with shell.begin(*words) as schedule:
        said = await read_until(schedule.stderr, b"\n")
        schedule.process.terminate()
        assert await schedule.ended() == 0

    assert "backups are scheduled" in said

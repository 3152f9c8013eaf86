"""The restore drill: a login is backed up while it is in use, everything is lost, and the session speaks again."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import trio

from supervisor.settings import Settings
from tests.stores import Database, run_sql
from tests.stories.conftest import ANNA, RunningSandbox, qr_url, running
from tests.stories.test_login import connected, fetch, key_of

SCRIPT = Path(__file__).parents[2] / "ops" / "backup_scheduler.py"
SESSION = "drill:main"
ROW = "select state, reason from telegram_sessions"


async def command(settings: Settings, *arguments: str, code: int = 0) -> Any:
    """What the command answers, run as an operator does: in a process of its own, from another folder."""
    environment = {
        **os.environ,
        "DATABASE_URL": settings.database_url.get_secret_value(),
        "SESSIONS_BASE_PATH": str(settings.sessions_base_path),
        "BACKUP_ENCRYPTION_KEY_PATH": str(settings.backup_encryption_key_path),
        "TELEGRAM_SANDBOX": str(settings.telegram_sandbox),
    }
    done = await trio.run_process(
        [sys.executable, str(SCRIPT), *arguments, "--json"],
        env=environment,
        cwd="/",
        capture_stdout=True,
        capture_stderr=True,
        check=False,
    )
    assert done.returncode == code, done.stdout.decode() + done.stderr.decode()
    return json.loads(done.stdout)


async def online(sandbox: RunningSandbox) -> None:
    with trio.fail_after(30):
        while not any(await connected(sandbox)):
            await trio.sleep(0.1)


async def test_what_is_backed_up_in_use_and_then_lost_speaks_again_without_a_new_login(
    settings: Settings, sandbox: RunningSandbox, database: Database
) -> None:
    async with running(settings) as service:
        started = await service.start("drill", "main")
        await sandbox.accept(qr_url(started), ANNA)
        await service.wait_for(started["ticket"], "AUTHORIZED")
        key = await key_of(settings, "drill", "main")
        made = await command(settings, "--manual-backup", SESSION)
        refused = await command(settings, "--restore", SESSION, code=1)
        assert refused["error"]["code"] == "session_owned"

    shutil.rmtree(settings.sessions_base_path)
    await lose(
        database, "update telegram_credentials set sealed = set_byte(sealed, 40, 255 - get_byte(sealed, 40))"
    )
    async with running(settings) as service:
        await service.wait_for(started["ticket"], "STALE")
    assert await fetch(database.admin_url, ROW) == [("STALE", "credential_sealed")]

    restored = await command(settings, "--restore", SESSION, "--backup", made["backup"]["id"])
    assert (restored["account_id"], restored["state"]) == (7000000001, "STALE")
    assert await connected(sandbox) == []

    async with running(settings) as service:
        back = await service.wait_for(started["ticket"], "AUTHORIZED")
        await online(sandbox)
        assert back["telegram_user_id"] == 7000000001
        again = await service.http.post("/api/qr/start", json={"tenant_id": "drill", "app_id": "main"})
        assert (again.status_code, again.json()["code"]) == (409, "already_authorized")
        assert await key_of(settings, "drill", "main") == key
    assert sandbox.control("GET", "/duplicates") == []
    journal = await fetch(
        database.admin_url,
        "select message, from_state, to_state, reason from session_journal order by version",
    )
    assert ("RestoreBackup", "STALE", "STALE", "restored") in journal
    assert journal[-1][:3] == ("Online", "STALE", "AUTHORIZED")


async def test_the_schedule_is_a_child_of_the_process_if_it_is_wanted(settings: Settings) -> None:
    for wanted in (True, False):
        async with running(settings.model_copy(update={"enable_session_backup": wanted})) as service:
            tree = (await service.http.get("/api/v1/tree")).json()
            children = [child["name"] for child in tree["children"]]
            assert ("backups" in children) is wanted
            assert (await service.http.get("/readyz")).status_code == 200


async def lose(database: Database, statement: str) -> None:
    await trio.to_thread.run_sync(run_sql, database.admin_url, statement)

"""Sessions that a plain Telethon client has made are taken over, and go on without a new login."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import trio
from telethon import TelegramClient
from telethon.sessions import SQLiteSession, StringSession

from actors.core import messages as m
from actors.core.names import SessionKey
from actors.core.states import Authorized, Substate
from ops.sandbox.client import home, trust
from supervisor.process import Process
from supervisor.settings import Settings
from tests.imports.test_hostile_files import contents
from tests.sandbox.clients import log_in_by_qr
from tests.stores import Database
from tests.stories.conftest import ANNA, CLARA, RunningSandbox, make_settings, running
from tests.stories.terminal import ROOT
from tests.stories.test_login import fetch

ANNA_ID, CLARA_ID = 7000000001, 7000000003
CRM, SHOP = SessionKey("acme", "crm"), SessionKey("acme", "shop")


async def test_plain_telethons_sessions_go_on_here_without_a_new_login(
    settings: Settings, sandbox: RunningSandbox, tmp_path: Path
) -> None:
    old = tmp_path / "old"
    await trio.to_thread.run_sync(make_sessions, old, sandbox)
    before, logins = contents(old), await logins_so_far(sandbox)
    (tmp_path / "whose.csv").write_text(f"acme/shop.string,{CLARA_ID}\n")

    shown = await trio.to_thread.run_sync(migrate, settings, old, "--accounts", str(tmp_path / "whose.csv"))

    assert [file["outcome"] for file in shown["files"]] == ["imported", "imported"]
    assert contents(old) == before
    assert await ours(sandbox) == []
    process = Process(settings)
    async with process.running():
        assert await ours(sandbox) == []  # stopped until somebody says otherwise
        for key, account_id in ((CRM, ANNA_ID), (SHOP, CLARA_ID)):
            await process.sessions.ask(key, m.StartSession(), within=20)
            state = (await process.sessions.look(key)).state
            assert state == Authorized(account_id, Substate.ONLINE, validate_at=state.deadline)
        assert await ours(sandbox) == [CLARA, ANNA]
    assert await logins_so_far(sandbox) == logins
    assert sandbox.control("GET", "/duplicates") == []
    assert (settings.sessions_base_path / "acme" / "shop.session").exists()


async def test_a_wrong_account_is_noticed_at_the_first_connect_and_its_login_kept(
    settings: Settings, sandbox: RunningSandbox, tmp_path: Path
) -> None:
    old = tmp_path / "old"
    await trio.to_thread.run_sync(make_sessions, old, sandbox)
    (tmp_path / "whose.csv").write_text("acme/shop.string,4242\n")
    await trio.to_thread.run_sync(migrate, settings, old, "--accounts", str(tmp_path / "whose.csv"))

    process = Process(settings)
    async with process.running():
        await process.sessions.ask(SHOP, m.StartSession(), within=20)
        state = (await process.sessions.look(SHOP)).state

    assert (state.name, state.reason) == ("STALE", "account_mismatch")


async def test_a_service_that_may_discover_takes_over_what_lies_in_its_own_folder(
    database: Database, redis_url: str, sandbox: RunningSandbox, tmp_path: Path
) -> None:
    base = tmp_path / "sessions"
    await trio.to_thread.run_sync(make_sessions, base, sandbox)
    plain = make_settings(database.app_url, redis_url, sandbox.file, base)
    process = Process(plain)
    async with process.running():
        assert await process.imports().discover() == 1
    assert await fetch(database.admin_url, "select app_id from telegram_sessions") == []

    async with running(plain.model_copy(update={"discover_sessions": True})) as service:
        with trio.fail_after(20):
            while not await service.metric('session_conversion_total{outcome="imported"}'):
                await trio.sleep(0.05)
        assert await service.metric('session_conversion_total{outcome="refused"}') == 1
        assert await ours(sandbox) == []
    rows = await fetch(database.admin_url, "select app_id, state, desired_state from telegram_sessions")
    assert rows == [("crm", "AUTHORIZED", "stopped")]
    process = Process(plain)
    async with process.running():
        await process.sessions.ask(CRM, m.StartSession(), within=20)
        assert await ours(sandbox) == [ANNA]
    assert sandbox.control("GET", "/duplicates") == []


async def ours(sandbox: RunningSandbox) -> list[str]:
    """Whose sessions the service is connected with, as the sandbox sees it."""
    lines = await trio.to_thread.run_sync(sandbox.control, "GET", "/connections")
    return sorted(line["phone"] for line in lines if line["device_model"] == "UnifiedSessionManager")


async def logins_so_far(sandbox: RunningSandbox) -> dict[str, int]:
    """How many keys were made, and how often each way to log in was used."""
    counts = await trio.to_thread.run_sync(sandbox.control, "GET", "/counts")
    ways = {method: count for method, count in counts["calls"].items() if method.startswith("auth.")}
    return ways | {f"keys of {dc}": count for dc, count in counts["key_exchanges"].items()}


def make_sessions(folder: Path, sandbox: RunningSandbox) -> None:
    """Log Anna in with a file, and Clara, of another data centre, with a string."""
    (folder / "acme").mkdir(parents=True)
    trust(sandbox.description)
    asyncio.run(_make_sessions(folder / "acme", sandbox))


async def _make_sessions(folder: Path, sandbox: RunningSandbox) -> None:
    await _log_in(SQLiteSession(str(folder / "crm.session")), ANNA, sandbox)
    string = await _log_in(StringSession(), CLARA, sandbox)
    (folder / "shop.string").write_text(string)


async def _log_in(session: Any, phone: str, sandbox: RunningSandbox) -> str:
    description = sandbox.description
    client = TelegramClient(
        home(session, description), description.api_id, description.api_hash, connection_retries=2
    )
    await client.connect()
    try:

        async def accept(url: str) -> None:
            await asyncio.to_thread(sandbox.control, "POST", "/accept", {"url": url, "phone": phone})

        await log_in_by_qr(client, accept)
        return str(client.session.save())
    finally:
        await client.disconnect()


def migrate(settings: Settings, folder: Path, *more: str) -> dict[str, Any]:
    """Run the command as an operator does; what it says."""
    environment = {
        "PATH": os.environ["PATH"],
        "DATABASE_URL": settings.database_url.get_secret_value(),
        "REDIS_URL": settings.redis_url.get_secret_value(),
        "BACKUP_ENCRYPTION_KEY_PATH": str(settings.backup_encryption_key_path),
        "TELEGRAM_SANDBOX": str(settings.telegram_sandbox),
    }
    command = [
        sys.executable,
        str(ROOT / "ops" / "migrate_sessions.py"),
        "--json",
        "--sessions-dir",
        str(folder),
    ]
    done = subprocess.run([*command, *more], capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return dict(json.loads(done.stdout))

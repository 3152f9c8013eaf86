"""An account holder links an account: HTTP, the supervisor, a real Telethon and the sandbox DC, end to end."""

from __future__ import annotations

import json
import sqlite3
import stat
from contextlib import closing
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import trio

from actors.bridge import in_asyncio, open_loop
from supervisor.settings import Settings
from tests.stores import Database
from tests.stories.conftest import (
    ANNA,
    BORIS,
    CLARA,
    RunningSandbox,
    make_settings,
    qr_url,
    running,
)


async def test_a_scanned_qr_makes_an_authorized_session(settings: Settings, sandbox: RunningSandbox) -> None:
    async with running(settings) as service:
        started = await service.start()
        assert started["tenant_id"] == "demo"
        assert started["app_id"] == "main"
        assert 595 <= started["ttl"] <= 600

        await sandbox.accept(qr_url(started), ANNA)
        status = await service.wait_for(started["ticket"], "AUTHORIZED")

        assert status["telegram_user_id"] == 7000000001
        assert status["requires_password"] is False


async def test_the_login_is_a_private_telethon_file_a_row_and_a_journal(
    settings: Settings, sandbox: RunningSandbox, database: Database
) -> None:
    async with running(settings) as service:
        started = await service.start("acme", "crm")
        await sandbox.accept(qr_url(started), ANNA)
        await service.wait_for(started["ticket"], "AUTHORIZED")

    file = settings.sessions_base_path / "acme" / "crm.session"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    with closing(sqlite3.connect(file)) as telethon:
        (key,) = telethon.execute("select auth_key from sessions").fetchone()
    assert len(key) == 256
    rows = await fetch(database.admin_url, "select state, telegram_user_id from telegram_sessions")
    assert rows == [("AUTHORIZED", 7000000001)]
    journal = await fetch(
        database.admin_url, "select from_state, to_state from session_journal order by version"
    )
    assert journal == [("ABSENT", "PENDING_QR"), ("PENDING_QR", "AUTHORIZED")]


async def test_a_2fa_account_goes_by_way_of_its_password(settings: Settings, sandbox: RunningSandbox) -> None:
    async with running(settings) as service:
        started = await service.start()
        await sandbox.accept(qr_url(started), BORIS)
        asked = await service.wait_for(started["ticket"], "PENDING_PASSWORD")
        assert asked["requires_password"] is True
        assert asked["hint"] == "the word sandbox, a dash, 2fa"

        wrong = await service.http.post(
            "/api/qr/password", json={"ticket": started["ticket"], "password": "wrong"}
        )
        assert (wrong.status_code, wrong.json()["code"]) == (401, "password_invalid")
        still = await service.status(started["ticket"])
        assert (still["state"], still["attempts_left"]) == ("PENDING_PASSWORD", 4)

        right = await service.http.post(
            "/api/qr/password", json={"ticket": started["ticket"], "password": "sandbox-2fa"}
        )
        assert right.json() == {"status": "success", "message": "Password verified successfully"}
        assert (await service.status(started["ticket"]))["telegram_user_id"] == 7000000002


async def test_an_account_of_another_data_centre_is_followed_there(
    settings: Settings, sandbox: RunningSandbox
) -> None:
    async with running(settings) as service:
        started = await service.start()
        await sandbox.accept(qr_url(started), CLARA)
        status = await service.wait_for(started["ticket"], "AUTHORIZED")

        assert status["telegram_user_id"] == 7000000003


async def test_a_qr_is_renewed_for_as_long_as_its_ticket_lives(
    hasty_sandbox: RunningSandbox, database: Database, redis_url: str, tmp_path: Path
) -> None:
    settings = make_settings(database.app_url, redis_url, hasty_sandbox.file, tmp_path)
    async with running(settings) as service:
        started = await service.start()
        seen = {qr_url(started)}
        status = await service.status(started["ticket"])
        while len(seen) < 3:
            status = await service.status(started["ticket"], wait=10, since=status["sequence"])
            assert status["state"] == "PENDING_QR"
            seen.add(qr_url(status))
        assert await service.metric("qr_token_rotations_total") >= 2

        await hasty_sandbox.accept(qr_url(status), ANNA)
        await service.wait_for(started["ticket"], "AUTHORIZED")


async def test_starting_again_shows_the_live_login_again(settings: Settings) -> None:
    async with running(settings) as service:
        first = await service.start()
        second = await service.start()

        assert second["ticket"] == first["ticket"]
        assert qr_url(second) == qr_url(first)


async def test_a_login_survives_an_orderly_restart_without_a_new_login(
    settings: Settings, sandbox: RunningSandbox
) -> None:
    async with running(settings) as service:
        started = await service.start()
        await sandbox.accept(qr_url(started), ANNA)
        await service.wait_for(started["ticket"], "AUTHORIZED")
    keys_before = await key_of(settings)

    async with running(settings) as service:
        status = await service.status(started["ticket"])
        assert status["state"] == "AUTHORIZED"
        with trio.fail_after(20):
            while not any(await connected(sandbox)):
                await trio.sleep(0.1)
        again = await service.http.post("/api/qr/start", json={"tenant_id": "demo", "app_id": "main"})
        assert (again.status_code, again.json()["code"]) == (409, "already_authorized")
    assert await key_of(settings) == keys_before
    assert sandbox.control("GET", "/duplicates") == []


async def test_a_live_qr_survives_a_restart_with_the_same_ticket(
    settings: Settings, sandbox: RunningSandbox
) -> None:
    async with running(settings) as service:
        started = await service.start()

    async with running(settings) as service:
        again = await service.start()
        assert again["ticket"] == started["ticket"]
        await sandbox.accept(qr_url(again), ANNA)
        await service.wait_for(started["ticket"], "AUTHORIZED")


async def test_a_session_that_is_ended_on_another_device_is_revoked(
    settings: Settings, sandbox: RunningSandbox
) -> None:
    async with running(settings) as service:
        started = await service.start()
        await sandbox.accept(qr_url(started), CLARA)
        await service.wait_for(started["ticket"], "AUTHORIZED")

        await trio.to_thread.run_sync(sandbox.control, "POST", "/revoke", {"phone": CLARA})
        status = await service.wait_for(started["ticket"], "REVOKED")

        assert status["reason"] in {"session_revoked", "auth_key_unregistered"}
        assert status["user_action"] == "relogin"


async def test_logging_in_again_in_place_keeps_one_device_only(
    settings: Settings, sandbox: RunningSandbox
) -> None:
    async with running(settings) as service:
        first = await service.start("acme", "again")
        await sandbox.accept(qr_url(first), CLARA)
        await service.wait_for(first["ticket"], "AUTHORIZED")
        old_key = await key_of(settings, "acme", "again")
        await trio.to_thread.run_sync(sandbox.control, "POST", "/revoke", {"phone": CLARA})
        await service.wait_for(first["ticket"], "REVOKED")

        second = await service.start("acme", "again")
        await sandbox.accept(qr_url(second), CLARA)
        await service.wait_for(second["ticket"], "AUTHORIZED")

        assert await key_of(settings, "acme", "again") != old_key
        assert (await service.status(first["ticket"]))["state"] == "AUTHORIZED"


async def test_two_tenants_logins_do_not_touch(settings: Settings, sandbox: RunningSandbox) -> None:
    async with running(settings) as service:
        one, other = await service.start("one"), await service.start("other")
        await sandbox.accept(qr_url(one), ANNA)

        await service.wait_for(one["ticket"], "AUTHORIZED")
        assert (await service.status(other["ticket"]))["state"] == "PENDING_QR"


HOSTILE = [
    pytest.param("GET", "/nowhere", None, 404, id="unknown route"),
    pytest.param("DELETE", "/api/qr/start", None, 405, id="wrong method"),
    pytest.param("POST", "/api/qr/start", b"{", 400, id="broken JSON"),
    pytest.param("POST", "/api/qr/start", b"[]", 400, id="not an object"),
    pytest.param("POST", "/api/qr/start", b'{"tenant_id": 1, "app_id": true}', 400, id="wrong types"),
    pytest.param(
        "POST", "/api/qr/start", b'{"tenant_id": "../../etc", "app_id": "x"}', 400, id="a climbing id"
    ),
    pytest.param("POST", "/api/qr/start", b'{"tenant_id": "a", "app_id": "b\\u0000"}', 400, id="a NUL"),
    pytest.param("POST", "/api/qr/start", b"x" * 40_000, 413, id="a huge body"),
    pytest.param("GET", "/api/qr/status?ticket=guess", None, 404, id="a guessed ticket"),
]


@pytest.mark.parametrize(("method", "path", "body", "expected"), HOSTILE)
async def test_bad_input_gets_a_problem_and_harms_nothing(
    settings: Settings, method: str, path: str, body: bytes | None, expected: int
) -> None:
    async with running(settings) as service:
        started = await service.start()
        reply = await service.http.request(
            method, path, content=body, headers={"Content-Type": "application/json"}
        )

        assert reply.status_code == expected
        assert reply.headers["content-type"] == "application/problem+json"
        problem = json.loads(reply.text)
        assert problem["status"] == expected
        assert problem["code"]
        assert "Traceback" not in reply.text
        assert (await service.status(started["ticket"]))["state"] == "PENDING_QR"
        assert {path.name for path in settings.sessions_base_path.iterdir()} <= {".nodes"}


async def connected(sandbox: RunningSandbox) -> list[Any]:
    return list(await trio.to_thread.run_sync(sandbox.control, "GET", "/connections"))


async def key_of(settings: Settings, tenant: str = "demo", app: str = "main") -> bytes:
    """The auth key in a session's file, which is written when the session first connects."""
    file = settings.sessions_base_path / tenant / f"{app}.session"
    with trio.fail_after(10):
        while not file.exists():
            await trio.sleep(0.02)
    with closing(sqlite3.connect(f"{file.as_uri()}?immutable=1", uri=True)) as telethon:  # it is in use
        (key,) = telethon.execute("select auth_key from sessions").fetchone()
    return bytes(key)


async def fetch(url: str, query: str) -> list[tuple[Any, ...]]:
    async def ask() -> list[tuple[Any, ...]]:
        connection = await asyncpg.connect(url)
        try:
            return [tuple(row) for row in await connection.fetch(query)]
        finally:
            await connection.close()

    async with open_loop():
        return await in_asyncio(ask)

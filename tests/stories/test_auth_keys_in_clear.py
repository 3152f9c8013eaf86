"""After logins in every way, the auth keys are in the session files, and nowhere else that outlives the process."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import redis
import trio

from actors.adapters.telegram.session_file import SessionFiles
from actors.bridge import in_asyncio, open_loop
from actors.core.credential import Credential
from actors.core.names import SessionKey
from ops.sandbox.accounts import code_of
from supervisor.settings import Settings
from tests.contracts.test_sealed_rows import pieces
from tests.stores import Database
from tests.stories.conftest import ANNA, BORIS, RunningSandbox, Service, qr_url
from tests.stories.served import served
from tests.stories.test_backups import command

TENANT = "canary"
WAYS = ("qr", "code", "bot")
PASSWORD = "sandbox-2fa"
MARKS = {"Valkey": b"usm:", "PostgreSQL": TENANT.encode(), "the log": b"session changed"}
"""What is known to be in each place, so that it is the right one."""

SLICE = 24
"""Bytes of a key that are searched for at a time."""


# -- what is searched for


def forms(key: bytes) -> list[bytes]:
    """How a part of a key may be written down, for parts all along the key."""
    return [form for at in range(0, len(key) - SLICE, SLICE) for form in _forms(key[at : at + SLICE])]


def _forms(part: bytes) -> Iterator[bytes]:
    yield part
    yield part[::-1]  # as a number of the other byte order
    yield part.hex().encode()
    yield part.hex().upper().encode()
    yield repr(part)[2:-1].encode()
    for skipped in range(3):  # base64 is another text at each of three places
        whole = part[skipped : skipped + 18]
        yield base64.b64encode(whole)
        yield base64.urlsafe_b64encode(whole)


def hits(needles: list[bytes], hay: bytes) -> int:
    return sum(needle in hay for needle in needles)


def test_the_search_finds_a_key_however_it_is_written() -> None:
    key = bytes(range(256))
    for text in (
        key,
        key[7:90],
        key.hex().encode(),
        key.hex().upper().encode(),
        base64.b64encode(key),
        base64.urlsafe_b64encode(b"x" + key),
        base64.b64encode(b"xy" + key),
        repr(key).encode(),
        f"{{'auth_key': {key!r}}}".encode(),
        key[::-1],
    ):
        assert hits(forms(key), b"before" + text + b"after")
    assert not hits(forms(key), os.urandom(1 << 20))


# -- the logins


async def log_in_by_qr(service: Service, sandbox: RunningSandbox) -> str:
    started = await service.start(TENANT, "qr")
    await sandbox.accept(qr_url(started), ANNA)
    return str(started["ticket"])


async def step(service: Service, ticket: str, kind: str, value: str) -> None:
    body = {"txn_id": kind, "type": kind, kind: value}
    reply = await service.http.post("/api/v1/login/current/step", json=body, headers={"X-Ticket": ticket})
    assert reply.status_code == 200, reply.text


async def begin(service: Service, way: str, **more: str) -> str:
    body = {"tenant_id": TENANT, "app_id": way, **more}
    reply = await service.http.post(f"/api/v1/login/start/{way}", json=body)
    assert reply.status_code == 200, reply.text
    return str(reply.json()["login"]["ticket"])


async def log_in_by_code(service: Service) -> str:
    ticket = await begin(service, "code", phone=f"+{BORIS}")
    await step(service, ticket, "code", code_of(BORIS))
    await service.wait_for(ticket, "PENDING_PASSWORD")
    await step(service, ticket, "password", PASSWORD)
    return ticket


async def log_in_as_bot(service: Service, sandbox: RunningSandbox) -> str:
    robot = {"first_name": "Robot", "is_bot": True}
    made = await trio.to_thread.run_sync(sandbox.control, "POST", "/accounts", robot)
    return await begin(service, "bot", bot_token=made["bot_token"])


# -- the places


async def postgres(url: str) -> tuple[bytes, bytes]:
    """Every row of every table, as text in which bytes are hexadecimal; and the database's files, with its log."""

    async def ask() -> tuple[list[str], str, int]:
        connection = await asyncpg.connect(url)
        try:
            tables = await connection.fetch(
                """select format('%I.%I', schemaname, tablename) from pg_tables
                   where schemaname not in ('pg_catalog', 'information_schema')"""
            )
            found = [await connection.fetch(f"select t::text from {table[0]} t") for table in tables]  # noqa: S608 - from the catalogue
            await connection.execute("checkpoint")
            folder = await connection.fetchval("show data_directory")
            oid = await connection.fetchval("select oid from pg_database where datname = current_database()")
            return [row[0] for table in found for row in table], folder, oid
        finally:
            await connection.close()

    async with open_loop():
        texts, folder, oid = await in_asyncio(ask)
    files = contents(Path(folder, "base", str(oid))) + contents(Path(folder, "pg_wal"))
    return "\n".join(texts).encode(), files


def valkey(url: str) -> bytes:
    """Every key with its value, and the files that the server keeps."""
    with redis.Redis.from_url(url) as client:
        found = b"\n".join(key + b" " + (client.dump(key) or b"") for key in client.scan_iter())
        folder: Any = client.config_get("dir")
    return found + contents(Path(folder["dir"]))


def contents(folder: Path) -> bytes:
    """What is in all files that can be read under this folder; nothing if they are on another machine."""
    found = []
    for path in folder.rglob("*"):
        try:
            if path.is_file():
                found.append(path.read_bytes())
        except OSError:  # removed meanwhile
            continue
    return b"\n".join(found)


@pytest.mark.timeout(600)
async def test_no_part_of_an_auth_key_is_in_clear_anywhere_but_in_the_session_files(
    settings: Settings, sandbox: RunningSandbox, database: Database, redis_url: str, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    async with served(settings, log, {"LOG_LEVEL": "debug"}) as running:
        service = running.service
        tickets = [
            await log_in_by_qr(service, sandbox),
            await log_in_by_code(service),
            await log_in_as_bot(service, sandbox),
        ]
        for ticket in tickets:
            await service.wait_for(ticket, "AUTHORIZED")
        for way in WAYS:
            await command(settings, "--manual-backup", f"{TENANT}:{way}")
        kept = await kept_in(settings)
        places = {
            "the metrics": (await service.metrics()).encode(),
            "Valkey": await trio.to_thread.run_sync(valkey, redis_url),
        }
    places["PostgreSQL"], places["PostgreSQL's files"] = await postgres(database.admin_url)
    places["the log"] = log.read_bytes()
    places["the backups"] = contents(settings.backups_folder)
    sessions = contents(settings.sessions_base_path)

    # The places are the right ones, and the search would find something.
    assert b"session_lock_acquired_total 3.0" in places["the metrics"]
    assert all(mark in places[place] for place, mark in MARKS.items())
    assert len(places["the backups"]) > len(WAYS) * 256
    for credential in kept:
        key = bytes.fromhex(credential.auth_key.reveal())
        assert hits(forms(key), sessions)
        assert {place for place, text in places.items() if hits(forms(key), text)} == set()
        assert not any(piece.encode() in places["PostgreSQL"] for piece in pieces(credential))


async def kept_in(settings: Settings) -> list[Credential]:
    """What is in the files of all sessions, each another key, once they have their files."""
    files, names = SessionFiles(settings.sessions_base_path), [SessionKey(TENANT, way) for way in WAYS]
    with trio.fail_after(20):
        while not all(files.path(name).exists() for name in names):
            await trio.sleep(0.05)
    found = [files.read(name) for name in names]
    kept = [credential for credential in found if credential is not None]
    assert len({credential.auth_key.reveal() for credential in kept}) == len(WAYS)
    return kept

"""What only the real line to Telegram shows: its session file, and other data centres."""

from __future__ import annotations

import asyncio
import hashlib
import os
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import pytest
import trio
from telethon import TelegramClient, events
from telethon.sessions import SQLiteSession
from telethon.tl import types

from actors.adapters.telegram.app import TelegramApp, new_client
from actors.adapters.telegram.client import GuardedClient
from actors.adapters.telegram.live_session import LiveSession
from actors.adapters.telegram.session_file import SessionFiles
from actors.bridge import in_asyncio
from actors.core import messages as m
from actors.core.credential import Deposit, Owe
from actors.core.secret import Secret
from actors.core.states import Reason
from actors.events import FileQuarantined, FileUnwritten, FingerprintComputed, FingerprintDrifted
from actors.guard import Guard
from actors.ports import Telegram
from tests.contracts.telegram_bench import KEY, SandboxBench
from tests.contracts.telegram_steps import be_online, let_in, log_in, of, scanned

pytestmark = pytest.mark.parametrize("kind", ["fast"], indirect=True)
elsewhere = pytest.mark.parametrize("who", ["elsewhere"], indirect=True)


# -- the session file


async def test_the_file_appears_with_the_first_connect_and_goes_with_the_logout(
    sandbox_bench: SandboxBench, line: Telegram
) -> None:
    file = sandbox_bench.file
    await log_in(sandbox_bench, line)
    assert not file.exists()

    of(m.Online, await line.connect())
    assert list(file.parent.iterdir()) == [file]
    assert file.stat().st_mode & 0o777 == 0o600

    sandbox_bench.vault.keep(KEY, Owe())
    assert await line.log_out() == m.LoggedOut()
    assert list(file.parent.iterdir()) == []


async def test_a_file_goes_with_its_credential_whatever_telegram_says(
    sandbox_bench: SandboxBench, line: Telegram
) -> None:
    await be_online(sandbox_bench, line)

    await line.forget()

    assert not sandbox_bench.file.exists()


async def test_plain_telethon_is_logged_in_with_the_file(sandbox_bench: SandboxBench, line: Telegram) -> None:
    await be_online(sandbox_bench, line)
    await line.disconnect()
    described = sandbox_bench.sandbox.description

    async def name_of_the_account() -> tuple[bool, int]:
        session = SQLiteSession(str(sandbox_bench.file))
        client = TelegramClient(session, described.api_id, described.api_hash)
        await client.connect()
        try:
            return await client.is_user_authorized(), (await client.get_me()).id
        finally:
            await client.disconnect()
            await asyncio.gather(client.disconnected, return_exceptions=True)

    assert await in_asyncio(name_of_the_account) == (True, sandbox_bench.person.id)
    of(m.Online, await line.connect())


@pytest.mark.parametrize("damage", [b"", b"not what SQLite writes" * 100, b"SQLite format 3\0" + b"\0" * 84])
async def test_a_damaged_file_is_put_aside_and_written_anew(
    damage: bytes, sandbox_bench: SandboxBench, line: Telegram
) -> None:
    credential = await log_in(sandbox_bench, line)
    file = sandbox_bench.file
    file.parent.mkdir()
    file.write_bytes(damage)

    of(m.Online, await line.connect())

    (quarantined,) = sandbox_bench.troubles
    assert isinstance(quarantined, FileQuarantined)
    assert (file.parent / quarantined.name).read_bytes() == damage
    written = SessionFiles(file.parent.parent).read(KEY)
    assert written is not None
    assert written.auth_key == credential.auth_key


async def test_a_key_that_was_never_the_session_s_is_put_aside_and_not_used(
    sandbox_bench: SandboxBench, line: Telegram
) -> None:
    credential = await log_in(sandbox_bench, line)
    files = SessionFiles(sandbox_bench.file.parent.parent)
    files.write(KEY, replace(credential, auth_key=Secret("ab" * 256)))

    assert await line.connect() == m.CredentialUnusable(Reason.CREDENTIAL_TAMPERED)

    assert sandbox_bench.connections == 0
    assert [type(event) for event in sandbox_bench.troubles] == [FileQuarantined]
    of(m.Online, await line.connect())  # once a person has looked: the vault has the right one
    assert (files.read(KEY) or credential).auth_key == credential.auth_key


async def test_an_older_key_of_the_session_s_gives_way_without_a_fuss(
    sandbox_bench: SandboxBench, line: Telegram
) -> None:
    await be_online(sandbox_bench, line)
    new = await log_in(sandbox_bench, line)

    of(m.Online, await line.connect())

    written = SessionFiles(sandbox_bench.file.parent.parent).read(KEY)
    assert written is not None
    assert written.auth_key == new.auth_key
    assert sandbox_bench.troubles == []


async def test_a_file_that_cannot_be_written_stops_nobody(
    sandbox_bench: SandboxBench, line: Telegram
) -> None:
    await log_in(sandbox_bench, line)
    sandbox_bench.file.parent.write_text("a file where the folder should be")

    of(m.Online, await line.connect())

    assert {type(event) for event in sandbox_bench.troubles} == {FileUnwritten}


# -- its fingerprint


async def test_a_file_that_is_as_it_was_written_is_no_drift(
    sandbox_bench: SandboxBench, line: Telegram
) -> None:
    await be_online(sandbox_bench, line)
    for _ in range(2):
        await line.disconnect()
        of(m.Online, await line.connect())

    assert sandbox_bench.troubles == []
    noted = await sandbox_bench.vault.file_fingerprint(KEY)
    status = sandbox_bench.file.stat()
    digest = hashlib.sha256(sandbox_bench.file.read_bytes()).hexdigest()
    assert noted == f"{digest}:{status.st_size}:{int(status.st_mtime)}"
    computed = [event for event in sandbox_bench.events if isinstance(event, FingerprintComputed)]
    assert computed
    assert all(0 < event.seconds < 5 for event in computed)


async def test_a_file_that_somebody_has_touched_is_told_once_and_used(
    sandbox_bench: SandboxBench, line: Telegram
) -> None:
    await be_online(sandbox_bench, line)
    await line.disconnect()
    os.utime(sandbox_bench.file, (1_700_000_000, 1_700_000_000))

    for _ in range(2):
        of(m.Online, await line.connect())
        await line.disconnect()

    assert sandbox_bench.troubles == [FingerprintDrifted(KEY)]


async def test_a_file_that_plain_telethon_has_written_to_is_told(
    sandbox_bench: SandboxBench, line: Telegram
) -> None:
    await be_online(sandbox_bench, line)
    await line.disconnect()
    with closing(SQLiteSession(str(sandbox_bench.file))) as session:
        session.process_entities([types.User(5, access_hash=6, username="somebody")])
        session.save()

    of(m.Online, await line.connect())

    assert sandbox_bench.troubles == [FingerprintDrifted(KEY)]


# -- updates


async def test_how_far_the_updates_are_known_is_kept_in_the_file_and_in_the_vault(
    sandbox_bench: SandboxBench, line: Telegram
) -> None:
    credential = await log_in(sandbox_bench, line)
    assert credential.updates == ()
    of(m.Online, await line.connect())

    await line.disconnect()

    in_file = SessionFiles(sandbox_bench.file.parent.parent).read(KEY)
    in_vault = await sandbox_bench.vault.current(KEY)
    assert in_file is not None
    assert in_file == in_vault
    assert [point.entity_id for point in in_file.updates] == [0]
    assert in_file.updates[0].pts > 0


async def test_what_happened_while_nobody_was_connected_is_caught_up_on(
    sandbox_bench: SandboxBench, line: Telegram, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[str] = []
    await be_online(sandbox_bench, line)
    await line.disconnect()
    await sandbox_bench.write_to_the_person("while you were away")

    def listening(app: TelegramApp, session: LiveSession, guard: Guard) -> GuardedClient:
        client = new_client(app, session, guard)
        client.add_event_handler(lambda event: listen(event, heard), events.NewMessage)
        return client

    monkeypatch.setattr("actors.adapters.telegram.wire.new_client", listening)
    async with sandbox_bench.open() as after_a_restart:
        of(m.Online, await after_a_restart.connect())
        with trio.fail_after(5):
            while not heard:
                await trio.sleep(0.01)

    assert heard == ["while you were away"]


async def test_a_connect_that_fails_forgets_nothing_of_what_is_to_be_caught_up_on(
    sandbox_bench: SandboxBench, line: Telegram, monkeypatch: pytest.MonkeyPatch
) -> None:
    await be_online(sandbox_bench, line)
    await line.disconnect()
    before = await sandbox_bench.vault.current(KEY)

    async def away(*_: object) -> NoReturn:
        raise ConnectionRefusedError

    monkeypatch.setattr("actors.adapters.telegram.guarded.dial", away)
    of(m.Unreachable, await line.connect())
    await line.disconnect()

    assert before is not None
    assert before.updates
    assert await sandbox_bench.vault.current(KEY) == before


async def listen(event: events.NewMessage.Event, heard: list[str]) -> None:
    heard.append(event.raw_text)


# -- an account of another data centre


def dc_in(file: Path) -> int:
    with closing(sqlite3.connect(f"{file.as_uri()}?immutable=1", uri=True)) as telethon:  # it is in use
        return int(telethon.execute("select dc_id from sessions").fetchone()[0])


@elsewhere
async def test_a_scanned_qr_leads_to_the_accounts_own_data_centre(
    sandbox_bench: SandboxBench, line: Telegram
) -> None:
    await be_online(sandbox_bench, line)

    assert dc_in(sandbox_bench.file) == 1
    await sandbox_bench.wait_connections(1)
    assert sandbox_bench.told.unheard == 0


@elsewhere
async def test_a_code_leads_to_the_accounts_own_data_centre(
    sandbox_bench: SandboxBench, line: Telegram
) -> None:
    person = sandbox_bench.person
    of(m.CodeSent, await line.send_code(person.phone))
    sandbox_bench.vault.keep(KEY, Deposit(let_in(sandbox_bench, await line.sign_in(person.code))))

    of(m.Online, await line.connect())
    assert dc_in(sandbox_bench.file) == 1
    await sandbox_bench.wait_connections(1)


@elsewhere
async def test_a_connection_lost_after_the_move_is_told_too(
    sandbox_bench: SandboxBench, line: Telegram
) -> None:
    of(m.SignedIn, await scanned(sandbox_bench, line))

    await sandbox_bench.drop()

    of(m.ConnectionLost, await sandbox_bench.told.next())
    let_in(sandbox_bench, await line.export_token())

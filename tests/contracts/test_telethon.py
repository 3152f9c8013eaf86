"""What only the real line to Telegram shows: its session file, and other data centres."""

from __future__ import annotations

import asyncio
import gc
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from telethon import TelegramClient
from telethon.sessions import SQLiteSession

from actors.bridge import in_asyncio
from actors.core import messages as m
from actors.ports import Telegram
from tests.contracts.telegram_bench import SandboxBench
from tests.contracts.telegram_steps import be_online, log_in, of, scanned

pytestmark = pytest.mark.parametrize("kind", ["fast"], indirect=True)
elsewhere = pytest.mark.parametrize("who", ["elsewhere"], indirect=True)


# -- the session file


async def test_the_file_appears_with_the_adoption_and_goes_with_the_logout(
    sandbox_bench: SandboxBench, line: Telegram
) -> None:
    file = sandbox_bench.file
    of(m.SignedIn, await scanned(sandbox_bench, line))
    assert not file.exists()

    await line.adopt(sandbox_bench.person.id)
    assert list(file.parent.iterdir()) == [file]
    assert file.stat().st_mode & 0o777 == 0o600

    await line.log_out()
    assert list(file.parent.iterdir()) == []


async def test_plain_telethon_is_logged_in_with_the_file(sandbox_bench: SandboxBench, line: Telegram) -> None:
    await log_in(sandbox_bench, line)
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


@pytest.mark.filterwarnings("ignore:unclosed database:ResourceWarning")  # Telethon's, from Python 3.13 on
async def test_a_file_that_is_no_session_is_an_error_and_stays(
    sandbox_bench: SandboxBench, line: Telegram
) -> None:
    file, garbage = sandbox_bench.file, b"not what SQLite writes" * 100
    file.parent.mkdir()
    file.write_bytes(garbage)

    for touch in (line.connect, line.log_out):
        with pytest.raises(sqlite3.DatabaseError):
            await touch()

    assert file.read_bytes() == garbage
    assert sandbox_bench.connections == 0

    file.unlink()
    assert await line.connect() == m.CredentialMissing()
    gc.collect()  # what Telethon left open has to end in this test and not in the next


# -- an account of another data centre


def dc_in(file: Path) -> int:
    with closing(SQLiteSession(str(file))) as session:
        return int(session.dc_id)


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
    assert await line.sign_in(person.code) == m.SignedIn(person.id)
    await line.adopt(person.id)

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
    assert await line.export_token() == m.SignedIn(sandbox_bench.person.id)

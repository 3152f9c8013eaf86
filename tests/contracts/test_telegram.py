"""What every line to Telegram does: the fake, and Telethon against a sandbox of Telegram."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import TypeVar

import pytest
from telethon import TelegramClient
from telethon.crypto import rsa
from telethon.network import authenticator
from telethon.sessions import SQLiteSession

from actors.bridge import in_asyncio
from actors.core import messages as m
from actors.core.secret import Secret
from actors.core.states import QrToken, Reason
from actors.ports import Telegram
from tests.contracts.benches import open_engine
from tests.contracts.telegram_bench import (
    SandboxBench,
    TelegramBench,
    Who,
    open_fake_bench,
    open_sandbox_bench,
)

ENDS = {Reason.SESSION_REVOKED, Reason.AUTH_KEY_UNREGISTERED}
"""What a login that was ended on another device meets: the one if it was connected then, later the other."""

Kind = TypeVar("Kind")

guarded = pytest.mark.parametrize("who", ["guarded"], indirect=True)
elsewhere = pytest.mark.parametrize("who", ["elsewhere"], indirect=True)
bot = pytest.mark.parametrize("who", ["bot"], indirect=True)
every_engine = pytest.mark.parametrize("kind", ["fake", "fast", "stock"], indirect=True)
telethon_only = pytest.mark.parametrize("kind", ["fast"], indirect=True)


@pytest.fixture(params=["plain"])
def who(request: pytest.FixtureRequest) -> Who:
    """Whose account it is about."""
    who: Who = request.param
    return who


@pytest.fixture(autouse=True)
def telethon_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the next test the Telethon that this one found."""
    monkeypatch.setattr(authenticator, "pow", pow, raising=False)
    monkeypatch.setattr(rsa, "_server_keys", dict(rsa._server_keys))
    monkeypatch.setattr(TelegramClient, "_config", None)


@pytest.fixture
async def bench(kind: str, who: Who, tmp_path: Path) -> AsyncIterator[TelegramBench]:
    """The line's surroundings."""
    if kind == "fake":
        async with open_fake_bench(who) as fake:
            yield fake
        return
    async with open_engine(kind), open_sandbox_bench(who, tmp_path) as real:
        yield real


@pytest.fixture
def sandbox_bench(bench: TelegramBench) -> SandboxBench:
    """The same bench, where it must be a real one."""
    assert isinstance(bench, SandboxBench)
    return bench


@pytest.fixture
async def line(bench: TelegramBench) -> AsyncIterator[Telegram]:
    """What is tested."""
    async with bench.open() as line:
        yield line


def of(kind: type[Kind], signal: object) -> Kind:
    """The signal, which has to be of this kind."""
    assert isinstance(signal, kind)
    return signal


async def shown(line: Telegram) -> QrToken:
    return of(m.TokenIssued, await line.export_token()).token


async def scanned(bench: TelegramBench, line: Telegram) -> m.Signal:
    """What the line says once the person has scanned the QR."""
    await bench.accept(await shown(line))
    assert await bench.told.next() == m.TokenAccepted()
    return await line.export_token()


async def log_in(bench: TelegramBench, line: Telegram) -> None:
    assert await scanned(bench, line) == m.SignedIn(bench.person.id)
    assert await line.adopt(bench.person.id) == m.Adopted(bench.person.id)


async def be_online(bench: TelegramBench, line: Telegram) -> None:
    await log_in(bench, line)
    assert of(m.Online, await line.connect()).account_id == bench.person.id


# -- a login by QR


async def test_a_login_begins_with_a_qr_that_works_for_a_while(bench: TelegramBench, line: Telegram) -> None:
    before = bench.clock.now()

    issued = of(m.TokenIssued, await line.export_token())

    assert issued.token.url.reveal().startswith("tg://login?token=")
    assert before <= issued.at <= bench.clock.now() < issued.token.expires_at


async def test_within_its_life_a_qr_stays_the_same(line: Telegram) -> None:
    assert (await shown(line)).url == (await shown(line)).url


@every_engine
async def test_a_scanned_qr_is_told_and_signs_in(bench: TelegramBench, line: Telegram) -> None:
    assert await scanned(bench, line) == m.SignedIn(bench.person.id)

    assert bench.authorizations == 1


async def test_a_login_that_lost_its_connection_shows_the_same_qr(
    bench: TelegramBench, line: Telegram
) -> None:
    first = await shown(line)

    await bench.drop()
    of(m.ConnectionLost, await bench.told.next())

    assert (await shown(line)).url == first.url


async def test_a_login_after_one_that_was_given_up_shows_another_qr(line: Telegram) -> None:
    first = await shown(line)
    await line.abandon_login(log_out=True)
    second = await shown(line)
    await line.disconnect()
    third = await shown(line)

    assert len({first.url, second.url, third.url}) == 3


# -- a password


@guarded
async def test_a_password_is_asked_for_until_it_is_right(bench: TelegramBench, line: Telegram) -> None:
    password = bench.person.password
    assert password is not None
    assert bench.person.hint is not None

    assert of(m.PasswordNeeded, await scanned(bench, line)).hint == bench.person.hint
    assert await line.check_password(Secret("wrong")) == m.PasswordRejected()
    assert bench.authorizations == 0
    assert await line.check_password(password) == m.SignedIn(bench.person.id)

    assert await line.adopt(bench.person.id) == m.Adopted(bench.person.id)
    of(m.Online, await line.connect())


@guarded
async def test_a_password_may_follow_a_code(bench: TelegramBench, line: Telegram) -> None:
    password = bench.person.password
    assert password is not None
    of(m.CodeSent, await line.send_code(bench.person.phone))

    assert of(m.PasswordNeeded, await line.sign_in(bench.person.code)).hint == bench.person.hint
    assert await line.check_password(password) == m.SignedIn(bench.person.id)


# -- a code, a bot's token


async def test_a_code_is_sent_and_the_right_one_signs_in(bench: TelegramBench, line: Telegram) -> None:
    sent = of(m.CodeSent, await line.send_code(bench.person.phone))
    assert (sent.delivery, sent.length) == ("app", len(bench.person.code.reveal()))

    assert await line.sign_in(Secret("00000")) == m.CodeRejected()
    assert await line.sign_in(bench.person.code) == m.SignedIn(bench.person.id)


async def test_a_code_is_sent_again_by_the_next_way(bench: TelegramBench, line: Telegram) -> None:
    sent = of(m.CodeSent, await line.send_code(bench.person.phone))

    again = of(m.CodeSent, await line.send_code_again())

    assert again.delivery == sent.next_delivery
    assert await line.sign_in(bench.person.code) == m.SignedIn(bench.person.id)


@bot
async def test_a_bot_signs_in_with_its_token_only(bench: TelegramBench, line: Telegram) -> None:
    assert await line.import_bot(Secret("1:wrong")) == m.LoginFailed(Reason.BOT_TOKEN_INVALID)
    assert await line.import_bot(bench.person.bot_token) == m.SignedIn(bench.person.id)


# -- what becomes of a login


async def test_what_was_adopted_is_online_on_a_line_opened_afresh(bench: TelegramBench) -> None:
    async with bench.open() as first:
        await log_in(bench, first)

    async with bench.open() as second:
        before = bench.clock.now()
        online = of(m.Online, await second.connect())

    assert online.account_id == bench.person.id
    assert before <= online.at <= bench.clock.now()
    assert bench.authorizations == 1


async def test_a_login_that_was_not_adopted_leaves_no_credential(bench: TelegramBench) -> None:
    async with bench.open() as first:
        of(m.SignedIn, await scanned(bench, first))

    async with bench.open() as second:
        assert await second.connect() == m.CredentialMissing()


async def test_an_abandoned_login_is_logged_out(bench: TelegramBench, line: Telegram) -> None:
    of(m.SignedIn, await scanned(bench, line))

    await line.abandon_login(log_out=True)

    assert bench.authorizations == 0
    await bench.wait_connections(0)
    assert await line.connect() == m.CredentialMissing()
    assert bench.told.unheard == 0


async def test_an_abandoned_login_costs_the_session_nothing(bench: TelegramBench, line: Telegram) -> None:
    await be_online(bench, line)
    of(m.SignedIn, await scanned(bench, line))
    assert bench.authorizations == 2

    await line.abandon_login(log_out=True)

    assert bench.authorizations == 1
    of(m.Online, await line.connect())


async def test_there_may_be_no_login_to_abandon(bench: TelegramBench, line: Telegram) -> None:
    await line.abandon_login(log_out=True)
    await be_online(bench, line)

    await line.abandon_login(log_out=True)

    of(m.Online, await line.connect())
    assert bench.authorizations == 1


async def test_the_key_that_a_login_replaced_is_logged_out(bench: TelegramBench, line: Telegram) -> None:
    await be_online(bench, line)
    await log_in(bench, line)
    of(m.Online, await line.connect())
    assert bench.authorizations == 2

    await line.log_out_old_key()
    await line.log_out_old_key()

    assert bench.authorizations == 1
    of(m.Online, await line.connect())


async def test_a_first_login_has_no_old_key_to_log_out(bench: TelegramBench, line: Telegram) -> None:
    await log_in(bench, line)

    await line.log_out_old_key()

    assert bench.authorizations == 1
    of(m.Online, await line.connect())


# -- the session's connection


async def test_without_a_credential_there_is_no_connection(bench: TelegramBench, line: Telegram) -> None:
    assert await line.connect() == m.CredentialMissing()

    assert bench.connections == 0


async def test_a_second_connect_uses_the_connection_that_is_open(
    bench: TelegramBench, line: Telegram
) -> None:
    await be_online(bench, line)

    of(m.Online, await line.connect())

    await bench.wait_connections(1)
    assert bench.told.unheard == 0


async def test_a_connection_that_was_closed_is_opened_again(bench: TelegramBench, line: Telegram) -> None:
    await be_online(bench, line)

    await line.disconnect()
    await line.disconnect()
    await bench.wait_connections(0)

    of(m.Online, await line.connect())
    assert bench.told.unheard == 0


@every_engine
async def test_a_dropped_connection_is_told_and_opened_again(bench: TelegramBench, line: Telegram) -> None:
    await be_online(bench, line)
    before = bench.clock.now()

    await bench.drop()

    assert before <= of(m.ConnectionLost, await bench.told.next()).at <= bench.clock.now()
    of(m.Online, await line.connect())
    await bench.wait_connections(1)
    assert bench.told.unheard == 0


async def test_leaving_the_line_closes_its_connection(bench: TelegramBench) -> None:
    async with bench.open() as first:
        await be_online(bench, first)
        await bench.wait_connections(1)
    await bench.wait_connections(0)

    async with bench.open() as second:
        await shown(second)
        await bench.wait_connections(1)
    await bench.wait_connections(0)
    assert bench.told.unheard == 0


# -- what may happen to it


@every_engine
async def test_a_session_ended_on_another_device_is_told(bench: TelegramBench, line: Telegram) -> None:
    await be_online(bench, line)

    await bench.revoke()

    assert of(m.CredentialLost, await bench.told.next()).reason in ENDS
    assert of(m.CredentialLost, await line.connect()).reason in ENDS
    assert bench.told.unheard == 0


async def test_a_session_ended_while_it_was_away_cannot_connect(bench: TelegramBench, line: Telegram) -> None:
    await log_in(bench, line)

    await bench.revoke()

    assert of(m.CredentialLost, await line.connect()).reason in ENDS


async def test_a_banned_account_is_told(bench: TelegramBench, line: Telegram) -> None:
    await be_online(bench, line)

    await bench.ban()

    assert await bench.told.next() == m.CredentialLost(Reason.ACCOUNT_BANNED)
    assert await line.connect() == m.CredentialLost(Reason.ACCOUNT_BANNED)


async def test_after_a_lost_credential_another_login_works(bench: TelegramBench, line: Telegram) -> None:
    await be_online(bench, line)
    await bench.revoke()
    of(m.CredentialLost, await bench.told.next())

    await be_online(bench, line)
    await line.log_out_old_key()

    assert bench.authorizations == 1
    of(m.Online, await line.connect())


async def test_a_wait_that_telegram_asks_of_a_login_is_passed_on(
    bench: TelegramBench, line: Telegram
) -> None:
    before = bench.clock.now()

    with bench.flooded(3):
        until = of(m.FloodWaited, await line.export_token()).until

    assert before + 3 <= until <= bench.clock.now() + 3
    of(m.TokenIssued, await line.export_token())


async def test_a_wait_that_telegram_asks_of_a_session_is_passed_on(
    bench: TelegramBench, line: Telegram
) -> None:
    await log_in(bench, line)
    before = bench.clock.now()

    with bench.flooded(3):
        until = of(m.FloodWaited, await line.connect()).until

    assert before + 3 <= until <= bench.clock.now() + 3
    of(m.Online, await line.connect())


# -- logging out


async def test_logging_out_leaves_no_credential_on_either_side(bench: TelegramBench, line: Telegram) -> None:
    await be_online(bench, line)

    assert await line.log_out() == m.LoggedOut()

    assert bench.authorizations == 0
    await bench.wait_connections(0)
    assert await line.connect() == m.CredentialMissing()
    assert bench.told.unheard == 0


async def test_logging_out_needs_no_open_connection(bench: TelegramBench, line: Telegram) -> None:
    await log_in(bench, line)

    assert await line.log_out() == m.LoggedOut()

    assert bench.authorizations == 0


async def test_logging_out_again_is_harmless(bench: TelegramBench, line: Telegram) -> None:
    assert await line.log_out() == m.LoggedOut()
    await log_in(bench, line)

    assert await line.log_out() == m.LoggedOut()
    assert await line.log_out() == m.LoggedOut()


async def test_what_telegram_has_ended_already_counts_as_logged_out(
    bench: TelegramBench, line: Telegram
) -> None:
    await log_in(bench, line)
    await bench.revoke()

    assert await line.log_out() == m.LoggedOut()
    assert await line.connect() == m.CredentialMissing()


async def test_a_logout_that_telegram_puts_off_keeps_the_credential(
    bench: TelegramBench, line: Telegram
) -> None:
    await log_in(bench, line)

    with bench.flooded(3):
        of(m.FloodWaited, await line.log_out())

    assert bench.authorizations == 1
    assert await line.log_out() == m.LoggedOut()
    assert bench.authorizations == 0


# -- the session file


@telethon_only
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


@telethon_only
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


@telethon_only
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


# -- an account of another data centre


def dc_in(file: Path) -> int:
    with closing(SQLiteSession(str(file))) as session:
        return int(session.dc_id)


@elsewhere
@telethon_only
async def test_a_scanned_qr_leads_to_the_accounts_own_data_centre(
    sandbox_bench: SandboxBench, line: Telegram
) -> None:
    await be_online(sandbox_bench, line)

    assert dc_in(sandbox_bench.file) == 1
    await sandbox_bench.wait_connections(1)
    assert sandbox_bench.told.unheard == 0


@elsewhere
@telethon_only
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
@telethon_only
async def test_a_connection_lost_after_the_move_is_told_too(
    sandbox_bench: SandboxBench, line: Telegram
) -> None:
    of(m.SignedIn, await scanned(sandbox_bench, line))

    await sandbox_bench.drop()

    of(m.ConnectionLost, await sandbox_bench.told.next())
    assert await line.export_token() == m.SignedIn(sandbox_bench.person.id)

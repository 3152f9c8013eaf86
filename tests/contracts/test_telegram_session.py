"""How every line to Telegram keeps a session, and loses it: the fake, and Telethon against a sandbox."""

from __future__ import annotations

import pytest

from actors.core import messages as m
from actors.core.credential import Owe
from actors.core.states import Reason
from actors.ports import Telegram
from tests.contracts.telegram_bench import KEY, TelegramBench
from tests.contracts.telegram_steps import be_online, log_in, of, shown

ENDS = {Reason.SESSION_REVOKED, Reason.AUTH_KEY_UNREGISTERED}
"""What a login that was ended on another device meets: the one if it was connected then, later the other."""

every_engine = pytest.mark.parametrize("kind", ["fake", "fast", "stock"], indirect=True)


# -- the session's connection


async def test_without_a_credential_there_is_no_connection(telegram: TelegramBench, line: Telegram) -> None:
    assert await line.connect() == m.CredentialUnusable(Reason.CREDENTIAL_MISSING)

    assert telegram.connections == 0


async def test_a_second_connect_uses_the_connection_that_is_open(
    telegram: TelegramBench, line: Telegram
) -> None:
    await be_online(telegram, line)

    of(m.Online, await line.connect())

    await telegram.wait_connections(1)
    assert telegram.told.unheard == 0


async def test_a_connection_that_was_closed_is_opened_again(telegram: TelegramBench, line: Telegram) -> None:
    await be_online(telegram, line)

    await line.disconnect()
    await line.disconnect()
    await telegram.wait_connections(0)

    of(m.Online, await line.connect())
    assert telegram.told.unheard == 0


@every_engine
async def test_a_dropped_connection_is_told_and_opened_again(telegram: TelegramBench, line: Telegram) -> None:
    await be_online(telegram, line)
    before = telegram.clock.now()

    await telegram.drop()

    assert before <= of(m.ConnectionLost, await telegram.told.next()).at <= telegram.clock.now()
    of(m.Online, await line.connect())
    await telegram.wait_connections(1)
    assert telegram.told.unheard == 0


async def test_leaving_the_line_closes_its_connection(telegram: TelegramBench) -> None:
    async with telegram.open() as first:
        await be_online(telegram, first)
        await telegram.wait_connections(1)
    await telegram.wait_connections(0)

    async with telegram.open() as second:
        await shown(second)
        await telegram.wait_connections(1)
    await telegram.wait_connections(0)
    assert telegram.told.unheard == 0


# -- what may happen to it


@every_engine
async def test_a_session_ended_on_another_device_is_told(telegram: TelegramBench, line: Telegram) -> None:
    await be_online(telegram, line)

    await telegram.revoke()

    assert of(m.CredentialLost, await telegram.told.next()).reason in ENDS
    assert of(m.CredentialLost, await line.connect()).reason in ENDS
    assert telegram.told.unheard == 0


async def test_a_session_ended_while_it_was_away_cannot_connect(
    telegram: TelegramBench, line: Telegram
) -> None:
    await log_in(telegram, line)

    await telegram.revoke()

    assert of(m.CredentialLost, await line.connect()).reason in ENDS


async def test_a_banned_account_is_told(telegram: TelegramBench, line: Telegram) -> None:
    await be_online(telegram, line)

    await telegram.ban()

    assert await telegram.told.next() == m.CredentialLost(Reason.ACCOUNT_BANNED)
    assert await line.connect() == m.CredentialLost(Reason.ACCOUNT_BANNED)


async def test_after_a_lost_credential_another_login_works(telegram: TelegramBench, line: Telegram) -> None:
    await be_online(telegram, line)
    await telegram.revoke()
    of(m.CredentialLost, await telegram.told.next())

    await be_online(telegram, line)

    assert telegram.authorizations == 1
    of(m.Online, await line.connect())


async def test_a_wait_that_telegram_asks_of_a_login_is_passed_on(
    telegram: TelegramBench, line: Telegram
) -> None:
    before = telegram.clock.now()

    with telegram.flooded(3):
        until = of(m.FloodWaited, await line.export_token()).until

    assert before + 3 <= until <= telegram.clock.now() + 3
    of(m.TokenIssued, await line.export_token())


async def test_a_wait_that_telegram_asks_of_a_session_is_passed_on(
    telegram: TelegramBench, line: Telegram
) -> None:
    await log_in(telegram, line)
    before = telegram.clock.now()

    with telegram.flooded(3):
        until = of(m.FloodWaited, await line.connect()).until

    assert before + 3 <= until <= telegram.clock.now() + 3
    of(m.Online, await line.connect())


# -- logging out


async def owe(telegram: TelegramBench) -> None:
    """What is saved before a session's logout: it has no credential any more, and owes Telegram a word."""
    telegram.vault.keep(KEY, Owe())


async def test_logging_out_leaves_no_credential_on_either_side(
    telegram: TelegramBench, line: Telegram
) -> None:
    await be_online(telegram, line)
    await owe(telegram)

    assert await line.log_out() == m.LoggedOut()

    assert telegram.authorizations == 0
    await telegram.wait_connections(0)
    assert await line.connect() == m.CredentialUnusable(Reason.CREDENTIAL_MISSING)
    assert telegram.told.unheard == 0


async def test_logging_out_needs_no_open_connection(telegram: TelegramBench, line: Telegram) -> None:
    await be_online(telegram, line)
    await line.disconnect()
    await owe(telegram)

    assert await line.log_out() == m.LoggedOut()

    assert telegram.authorizations == 0


async def test_where_there_is_nothing_to_log_out_with_the_logout_stays_owed(
    telegram: TelegramBench, line: Telegram
) -> None:
    of(m.Unreachable, await line.log_out())
    assert telegram.connections == 0


async def test_what_telegram_has_ended_already_counts_as_logged_out(
    telegram: TelegramBench, line: Telegram
) -> None:
    await be_online(telegram, line)
    await line.disconnect()
    await telegram.revoke()
    await owe(telegram)

    assert isinstance(await line.log_out(), m.LoggedOut | m.CredentialLost)
    assert await line.connect() == m.CredentialUnusable(Reason.CREDENTIAL_MISSING)


async def test_a_logout_that_telegram_puts_off_stays_owed(telegram: TelegramBench, line: Telegram) -> None:
    await be_online(telegram, line)
    await owe(telegram)

    with telegram.flooded(3):
        of(m.FloodWaited, await line.log_out())

    assert telegram.authorizations == 1
    await telegram.wait_connections(0)


async def test_a_credential_that_is_good_for_nothing_is_forgotten(
    telegram: TelegramBench, line: Telegram
) -> None:
    await be_online(telegram, line)

    await line.forget()

    await telegram.wait_connections(0)
    assert telegram.told.unheard == 0


# -- where credentials are kept


async def test_a_keyring_that_opens_nothing_is_not_telegram_s_word(
    telegram: TelegramBench, line: Telegram
) -> None:
    credential = await log_in(telegram, line)
    telegram.vault.sealed.add((credential.dc_id, credential.auth_key.reveal()))

    assert await line.connect() == m.CredentialUnusable(Reason.CREDENTIAL_SEALED)

    telegram.vault.sealed.clear()
    of(m.Online, await line.connect())


async def test_a_vault_that_is_down_only_delays(telegram: TelegramBench, line: Telegram) -> None:
    await log_in(telegram, line)
    telegram.vault.down = True

    of(m.Unreachable, await line.connect())

    telegram.vault.down = False
    of(m.Online, await line.connect())

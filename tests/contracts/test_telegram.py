"""How every line to Telegram logs in: the fake, and Telethon against a sandbox of Telegram."""

from __future__ import annotations

import pytest

from actors.core import messages as m
from actors.core.credential import Deposit
from actors.core.secret import Secret
from actors.core.states import Reason
from actors.ports import Telegram
from tests.contracts.telegram_bench import KEY, TelegramBench
from tests.contracts.telegram_steps import be_online, let_in, log_in, of, scanned, shown

guarded = pytest.mark.parametrize("who", ["guarded"], indirect=True)
bot = pytest.mark.parametrize("who", ["bot"], indirect=True)
every_engine = pytest.mark.parametrize("kind", ["fake", "fast", "stock"], indirect=True)


# -- a login by QR


async def test_a_login_begins_with_a_qr_that_works_for_a_while(
    telegram: TelegramBench, line: Telegram
) -> None:
    before = telegram.clock.now()

    issued = of(m.TokenIssued, await line.export_token())

    assert issued.token.url.reveal().startswith("tg://login?token=")
    assert before <= issued.at <= telegram.clock.now() < issued.token.expires_at


async def test_within_its_life_a_qr_stays_the_same(line: Telegram) -> None:
    assert (await shown(line)).url == (await shown(line)).url


@every_engine
async def test_a_scanned_qr_is_told_and_signs_in(telegram: TelegramBench, line: Telegram) -> None:
    let_in(telegram, await scanned(telegram, line))

    assert telegram.authorizations == 1


async def test_a_login_that_lost_its_connection_shows_the_same_qr(
    telegram: TelegramBench, line: Telegram
) -> None:
    first = await shown(line)

    await telegram.drop()
    of(m.ConnectionLost, await telegram.told.next())

    assert (await shown(line)).url == first.url


async def test_a_login_after_one_that_was_given_up_shows_another_qr(line: Telegram) -> None:
    first = await shown(line)
    await line.abandon_login()
    second = await shown(line)
    await line.disconnect()
    third = await shown(line)

    assert len({first.url, second.url, third.url}) == 3


# -- a password


@guarded
async def test_a_password_is_asked_for_until_it_is_right(telegram: TelegramBench, line: Telegram) -> None:
    password = telegram.person.password
    assert password is not None
    assert telegram.person.hint is not None

    assert of(m.PasswordNeeded, await scanned(telegram, line)).hint == telegram.person.hint
    assert await line.check_password(Secret("wrong")) == m.PasswordRejected()
    assert telegram.authorizations == 0
    credential = let_in(telegram, await line.check_password(password))

    telegram.vault.keep(KEY, Deposit(credential))
    of(m.Online, await line.connect())


@guarded
async def test_a_password_may_follow_a_code(telegram: TelegramBench, line: Telegram) -> None:
    password = telegram.person.password
    assert password is not None
    of(m.CodeSent, await line.send_code(telegram.person.phone))

    assert of(m.PasswordNeeded, await line.sign_in(telegram.person.code)).hint == telegram.person.hint
    let_in(telegram, await line.check_password(password))


# -- a code, a bot's token


async def test_a_code_is_sent_and_the_right_one_signs_in(telegram: TelegramBench, line: Telegram) -> None:
    sent = of(m.CodeSent, await line.send_code(telegram.person.phone))
    assert (sent.delivery, sent.length) == ("app", len(telegram.person.code.reveal()))

    assert await line.sign_in(Secret("00000")) == m.CodeRejected()
    let_in(telegram, await line.sign_in(telegram.person.code))


async def test_a_code_is_sent_again_by_the_next_way(telegram: TelegramBench, line: Telegram) -> None:
    sent = of(m.CodeSent, await line.send_code(telegram.person.phone))

    again = of(m.CodeSent, await line.send_code_again())

    assert again.delivery == sent.next_delivery
    let_in(telegram, await line.sign_in(telegram.person.code))


@bot
async def test_a_bot_signs_in_with_its_token_only(telegram: TelegramBench, line: Telegram) -> None:
    assert await line.import_bot(Secret("1:wrong")) == m.LoginFailed(Reason.BOT_TOKEN_INVALID)
    let_in(telegram, await line.import_bot(telegram.person.bot_token))


# -- what becomes of a login


async def test_what_was_kept_is_online_on_a_line_opened_afresh(telegram: TelegramBench) -> None:
    async with telegram.open() as first:
        await log_in(telegram, first)

    async with telegram.open() as second:
        before = telegram.clock.now()
        online = of(m.Online, await second.connect())

    assert online.account_id == telegram.person.id
    assert before <= online.at <= telegram.clock.now()
    assert telegram.authorizations == 1


async def test_a_login_that_was_not_kept_leaves_no_credential(telegram: TelegramBench) -> None:
    async with telegram.open() as first:
        of(m.SignedIn, await scanned(telegram, first))

    async with telegram.open() as second:
        assert await second.connect() == m.CredentialUnusable(Reason.CREDENTIAL_MISSING)


async def test_an_abandoned_login_is_logged_out(telegram: TelegramBench, line: Telegram) -> None:
    of(m.SignedIn, await scanned(telegram, line))

    await line.abandon_login()

    assert telegram.authorizations == 0
    await telegram.wait_connections(0)
    assert await line.connect() == m.CredentialUnusable(Reason.CREDENTIAL_MISSING)
    assert telegram.told.unheard == 0


async def test_an_abandoned_login_costs_the_session_nothing(telegram: TelegramBench, line: Telegram) -> None:
    await be_online(telegram, line)
    of(m.SignedIn, await scanned(telegram, line))
    assert telegram.authorizations == 2

    await line.abandon_login()

    assert telegram.authorizations == 1
    of(m.Online, await line.connect())


async def test_there_may_be_no_login_to_abandon(telegram: TelegramBench, line: Telegram) -> None:
    await line.abandon_login()
    await be_online(telegram, line)

    await line.abandon_login()

    of(m.Online, await line.connect())
    assert telegram.authorizations == 1


async def test_a_login_that_nobody_was_let_in_with_is_abandoned_without_a_word(
    telegram: TelegramBench, line: Telegram
) -> None:
    await shown(line)

    await line.abandon_login()

    await telegram.wait_connections(0)
    assert telegram.authorizations == 0
    assert telegram.told.unheard == 0


async def test_a_login_replaces_the_key_that_the_session_had(telegram: TelegramBench, line: Telegram) -> None:
    old = await log_in(telegram, line)
    of(m.Online, await line.connect())

    new = await log_in(telegram, line)
    of(m.Online, await line.connect())

    assert new.auth_key != old.auth_key
    assert telegram.authorizations == 2
    assert telegram.vault.status(KEY, old) == "owed"
    await telegram.wait_connections(1)

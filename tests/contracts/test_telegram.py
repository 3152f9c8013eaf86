"""How every line to Telegram logs in: the fake, and Telethon against a sandbox of Telegram."""

from __future__ import annotations

import pytest

from actors.core import messages as m
from actors.core.secret import Secret
from actors.core.states import Reason
from actors.ports import Telegram
from tests.contracts.telegram_bench import TelegramBench
from tests.contracts.telegram_steps import be_online, log_in, of, scanned, shown

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
    assert await scanned(telegram, line) == m.SignedIn(telegram.person.id)

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
    await line.abandon_login(log_out=True)
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
    assert await line.check_password(password) == m.SignedIn(telegram.person.id)

    assert await line.adopt(telegram.person.id) == m.Adopted(telegram.person.id)
    of(m.Online, await line.connect())


@guarded
async def test_a_password_may_follow_a_code(telegram: TelegramBench, line: Telegram) -> None:
    password = telegram.person.password
    assert password is not None
    of(m.CodeSent, await line.send_code(telegram.person.phone))

    assert of(m.PasswordNeeded, await line.sign_in(telegram.person.code)).hint == telegram.person.hint
    assert await line.check_password(password) == m.SignedIn(telegram.person.id)


# -- a code, a bot's token


async def test_a_code_is_sent_and_the_right_one_signs_in(telegram: TelegramBench, line: Telegram) -> None:
    sent = of(m.CodeSent, await line.send_code(telegram.person.phone))
    assert (sent.delivery, sent.length) == ("app", len(telegram.person.code.reveal()))

    assert await line.sign_in(Secret("00000")) == m.CodeRejected()
    assert await line.sign_in(telegram.person.code) == m.SignedIn(telegram.person.id)


async def test_a_code_is_sent_again_by_the_next_way(telegram: TelegramBench, line: Telegram) -> None:
    sent = of(m.CodeSent, await line.send_code(telegram.person.phone))

    again = of(m.CodeSent, await line.send_code_again())

    assert again.delivery == sent.next_delivery
    assert await line.sign_in(telegram.person.code) == m.SignedIn(telegram.person.id)


@bot
async def test_a_bot_signs_in_with_its_token_only(telegram: TelegramBench, line: Telegram) -> None:
    assert await line.import_bot(Secret("1:wrong")) == m.LoginFailed(Reason.BOT_TOKEN_INVALID)
    assert await line.import_bot(telegram.person.bot_token) == m.SignedIn(telegram.person.id)


# -- what becomes of a login


async def test_what_was_adopted_is_online_on_a_line_opened_afresh(telegram: TelegramBench) -> None:
    async with telegram.open() as first:
        await log_in(telegram, first)

    async with telegram.open() as second:
        before = telegram.clock.now()
        online = of(m.Online, await second.connect())

    assert online.account_id == telegram.person.id
    assert before <= online.at <= telegram.clock.now()
    assert telegram.authorizations == 1


async def test_a_login_that_was_not_adopted_leaves_no_credential(telegram: TelegramBench) -> None:
    async with telegram.open() as first:
        of(m.SignedIn, await scanned(telegram, first))

    async with telegram.open() as second:
        assert await second.connect() == m.CredentialMissing()


async def test_an_abandoned_login_is_logged_out(telegram: TelegramBench, line: Telegram) -> None:
    of(m.SignedIn, await scanned(telegram, line))

    await line.abandon_login(log_out=True)

    assert telegram.authorizations == 0
    await telegram.wait_connections(0)
    assert await line.connect() == m.CredentialMissing()
    assert telegram.told.unheard == 0


async def test_an_abandoned_login_costs_the_session_nothing(telegram: TelegramBench, line: Telegram) -> None:
    await be_online(telegram, line)
    of(m.SignedIn, await scanned(telegram, line))
    assert telegram.authorizations == 2

    await line.abandon_login(log_out=True)

    assert telegram.authorizations == 1
    of(m.Online, await line.connect())


async def test_there_may_be_no_login_to_abandon(telegram: TelegramBench, line: Telegram) -> None:
    await line.abandon_login(log_out=True)
    await be_online(telegram, line)

    await line.abandon_login(log_out=True)

    of(m.Online, await line.connect())
    assert telegram.authorizations == 1


async def test_the_key_that_a_login_replaced_is_logged_out(telegram: TelegramBench, line: Telegram) -> None:
    await be_online(telegram, line)
    await log_in(telegram, line)
    of(m.Online, await line.connect())
    assert telegram.authorizations == 2

    await line.log_out_old_key()
    await line.log_out_old_key()

    assert telegram.authorizations == 1
    of(m.Online, await line.connect())


async def test_a_first_login_has_no_old_key_to_log_out(telegram: TelegramBench, line: Telegram) -> None:
    await log_in(telegram, line)

    await line.log_out_old_key()

    assert telegram.authorizations == 1
    of(m.Online, await line.connect())

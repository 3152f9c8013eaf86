"""A login by phone code, and the 2FA password that any login may ask for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from actors.core import effects as e
from actors.core import messages as m
from actors.core.credential import Deposit, Owe
from actors.core.decide import decide
from actors.core.decision import Decision
from actors.core.secret import Secret
from actors.core.states import (
    CODE_ATTEMPTS,
    PASSWORD_ATTEMPTS,
    PASSWORD_WINDOW,
    Absent,
    PastLogin,
    PendingBot,
    PendingCode,
    PendingPassword,
    PendingQr,
    Reason,
)
from actors.core.transitions import AnotherLogin, MustWait
from tests.core.examples import (
    ANNA,
    BERT,
    BOT_TOKEN,
    CODE,
    END,
    LOGIN,
    NOW,
    PASSWORD,
    PHONE,
    STALE,
    after,
    credential,
    signed_in,
    token,
)

ASKED = PendingCode(LOGIN, PHONE)
SENT = PendingCode(LOGIN, PHONE, "app")
RESENDABLE = PendingCode(LOGIN, PHONE, "app", length=5, next_delivery="sms", resend_at=NOW + 60)
AS_BOT = PendingBot(LOGIN, BOT_TOKEN)
LOCKED = PendingPassword(LOGIN, "a colour")


def test_a_sent_code_is_said_to_be_sent() -> None:
    assert after(ASKED, m.CodeSent("app")) == SENT
    assert after(SENT, m.Unreachable(NOW), m.CodeSent("app")) == SENT
    assert after(ASKED, m.CodeSent("app", 5, "sms", NOW + 60)) == RESENDABLE


def test_a_typed_code_is_handed_in() -> None:
    assert decide(SENT, m.SubmitCode("login-1", CODE)) == Decision(SENT, (e.SignIn(CODE),))


def test_a_wrong_code_keeps_the_place_and_is_counted() -> None:
    assert after(SENT, m.CodeRejected(), m.CodeRejected()) == replace(SENT, rejected=2)


def test_a_wrong_code_ends_the_trouble_that_was_told_before() -> None:
    assert after(SENT, m.Unreachable(NOW), m.CodeRejected()).reason is None


def test_the_last_wrong_code_ends_the_login() -> None:
    last = after(SENT, *[m.CodeRejected()] * (CODE_ATTEMPTS - 1))
    assert isinstance(last, PendingCode)

    decision = decide(last, m.CodeRejected())

    ended = Absent(PastLogin("login-1", Reason.CODE_ATTEMPTS_USED))
    assert decision == Decision(ended, (e.AbandonLogin(),))


def test_an_expired_code_ends_the_login() -> None:
    decision = decide(SENT, m.LoginFailed(Reason.CODE_EXPIRED))

    assert decision == Decision(Absent(PastLogin("login-1", Reason.CODE_EXPIRED)), (e.AbandonLogin(),))


def test_a_code_can_be_sent_by_the_next_way_once_its_wait_is_over() -> None:
    assert RESENDABLE.deadline == NOW + 60
    ready = decide(RESENDABLE, m.TimePassed(NOW + 60))
    assert ready == Decision(replace(RESENDABLE, resend_at=None))

    decision = decide(ready.state, m.ResendCode("login-1"))

    assert decision == Decision(ready.state, (e.SendCodeAgain(),))
    assert after(decision.state, m.CodeSent("sms", 5)) == replace(SENT, delivery="sms", length=5)


def test_a_code_is_not_sent_again_before_telegram_allows_it() -> None:
    with pytest.raises(MustWait) as refused:
        decide(RESENDABLE, m.ResendCode("login-1"))

    assert refused.value.retry_at == NOW + 60
    assert decide(RESENDABLE, m.SubmitCode("login-1", CODE)).effects == (e.SignIn(CODE),)


def test_a_code_that_knows_no_next_way_is_not_sent_again() -> None:
    assert decide(SENT, m.ResendCode("login-1")) == Decision(SENT)


@pytest.mark.parametrize("flood_wait", [20.0, 90.0])
def test_each_of_two_waits_ends_in_its_own_time(flood_wait: float) -> None:
    waiting = after(RESENDABLE, m.FloodWaited(NOW + flood_wait))
    assert isinstance(waiting, PendingCode)
    assert waiting.deadline == NOW + min(flood_wait, 60)

    first = after(waiting, m.TimePassed(NOW + min(flood_wait, 60)))
    assert isinstance(first, PendingCode)
    assert first.deadline == NOW + max(flood_wait, 60)

    assert after(first, m.TimePassed(NOW + max(flood_wait, 60))) == replace(RESENDABLE, resend_at=None)


def test_a_wait_that_ends_by_a_hair_too_early_still_ends() -> None:
    assert after(RESENDABLE, m.TimePassed(NOW + 59.999_999)) == replace(RESENDABLE, resend_at=None)


def test_the_same_number_again_keeps_the_login_and_sends_no_second_code() -> None:
    assert decide(RESENDABLE, m.StartCode("login-2", END + 60, PHONE)) == Decision(RESENDABLE)


def test_the_token_of_a_bot_is_handed_in() -> None:
    assert decide(Absent(), m.StartBot("login-1", END, BOT_TOKEN)) == Decision(
        AS_BOT, (e.ImportBot(BOT_TOKEN),)
    )


def test_a_wrong_token_ends_the_login() -> None:
    decision = decide(AS_BOT, m.LoginFailed(Reason.BOT_TOKEN_INVALID))

    assert decision == Decision(Absent(PastLogin("login-1", Reason.BOT_TOKEN_INVALID)), (e.AbandonLogin(),))


@pytest.mark.parametrize(
    ("trouble", "until", "reason"),
    [
        (m.Unreachable(NOW), NOW + 2, Reason.UNREACHABLE),
        (m.FloodWaited(NOW + 40), NOW + 40, Reason.FLOOD_WAIT),
    ],
    ids=repr,
)
def test_a_token_that_met_trouble_is_handed_in_again(
    trouble: m.Message, until: float, reason: Reason
) -> None:
    waiting = after(AS_BOT, trouble, m.ConnectionLost(NOW))
    assert (waiting.deadline, waiting.reason) == (until, reason)

    assert decide(waiting, m.TimePassed(until)) == Decision(AS_BOT, (e.ImportBot(BOT_TOKEN),))


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        (m.TimePassed(END), Reason.TICKET_EXPIRED),
        (m.Woken(NOW), Reason.RESTARTED),
        (m.CancelLogin("login-1"), Reason.CANCELLED),
    ],
    ids=repr,
)
def test_a_login_of_a_bot_ends_like_any_other(end: m.Message, reason: Reason) -> None:
    assert decide(AS_BOT, end) == Decision(Absent(PastLogin("login-1", reason)), (e.AbandonLogin(),))


def test_a_bot_is_kept_only_if_it_is_the_one_that_was_expected() -> None:
    assert decide(AS_BOT, signed_in(BERT)).keeping == Deposit(credential(BERT))
    expecting = replace(AS_BOT, login=replace(LOGIN, expected_account_id=ANNA))

    assert decide(expecting, signed_in(BERT)).effects == (e.AbandonLogin(),)


@pytest.mark.parametrize(
    "late", [m.SubmitCode("login-0", CODE), m.ResendCode("login-0"), m.CancelLogin("login-0")], ids=repr
)
def test_a_page_of_an_older_code_login_cannot_meddle(late: m.Message) -> None:
    with pytest.raises(AnotherLogin):
        decide(SENT, late)


@pytest.mark.parametrize("late", [m.SubmitPassword("login-0", PASSWORD), m.CancelLogin("login-0")], ids=repr)
def test_a_page_of_an_older_password_login_cannot_meddle(late: m.Message) -> None:
    with pytest.raises(AnotherLogin):
        decide(LOCKED, late)


def test_a_code_that_could_not_be_asked_for_is_asked_for_again() -> None:
    waiting = after(ASKED, m.Unreachable(NOW))
    assert (waiting.deadline, waiting.reason) == (NOW + 2, Reason.UNREACHABLE)

    assert decide(waiting, m.TimePassed(NOW + 2)) == Decision(ASKED, (e.SendCode(PHONE),))


def test_trouble_with_a_sent_code_leaves_the_next_try_to_the_person() -> None:
    troubled = after(SENT, m.Unreachable(NOW))
    assert (troubled.deadline, troubled.reason) == (END, Reason.UNREACHABLE)

    assert decide(troubled, m.SubmitCode("login-1", CODE)).effects == (e.SignIn(CODE),)


def test_a_sent_code_is_not_sent_again_after_a_flood_wait() -> None:
    waiting = after(SENT, m.FloodWaited(NOW + 90))
    assert (waiting.deadline, waiting.reason) == (NOW + 90, Reason.FLOOD_WAIT)

    assert decide(waiting, m.TimePassed(NOW + 90)) == Decision(SENT)


@pytest.mark.parametrize(
    ("state", "command"),
    [
        (ASKED, m.SubmitCode("login-1", CODE)),
        (SENT, m.SubmitCode("login-1", CODE)),
        (replace(SENT, next_delivery="sms"), m.ResendCode("login-1")),
        (LOCKED, m.SubmitPassword("login-1", PASSWORD)),
    ],
    ids=repr,
)
def test_nobody_may_try_before_a_flood_wait_is_over(
    state: PendingCode | PendingPassword, command: m.Message
) -> None:
    waiting = after(state, m.FloodWaited(NOW + 90))

    with pytest.raises(MustWait) as refused:
        decide(waiting, command)

    assert refused.value.retry_at == NOW + 90
    assert decide(after(waiting, m.TimePassed(NOW + 90)), command).effects != ()


def test_a_lost_connection_leaves_a_sent_code_and_an_open_password_alone() -> None:
    assert after(SENT, m.ConnectionLost(NOW)) == SENT
    assert after(LOCKED, m.ConnectionLost(NOW)) == LOCKED


def test_another_number_supersedes_the_login_by_code() -> None:
    other = Secret("+15550002222")

    decision = decide(SENT, m.StartCode("login-2", END + 60, other))

    assert decision.effects == (e.AbandonLogin(), e.SendCode(other))
    assert decision.state == PendingCode(replace(LOGIN, login_id="login-2", expires_at=END + 60), other)


@pytest.mark.parametrize("pending", [SENT, LOCKED], ids=["code", "password"])
def test_a_qr_supersedes_a_login_by_code(pending: PendingCode | PendingPassword) -> None:
    in_place = replace(pending, login=replace(LOGIN, fallback=STALE))

    decision = decide(in_place, m.StartQr("login-2", END + 60))

    assert decision.effects == (e.AbandonLogin(), e.ExportToken())
    assert isinstance(decision.state, PendingQr)
    assert decision.state.login.fallback == STALE


@pytest.mark.parametrize("pending", [SENT, LOCKED], ids=["code", "password"])
def test_a_restart_forgets_what_lived_in_memory_only_and_says_so(
    pending: PendingCode | PendingPassword,
) -> None:
    decision = decide(pending, m.Woken(NOW))

    assert decision == Decision(Absent(PastLogin("login-1", Reason.RESTARTED)), (e.AbandonLogin(),))


@pytest.mark.parametrize("pending", [SENT, PendingQr(LOGIN, token())], ids=["code", "qr"])
def test_the_password_gets_a_window_of_its_own(pending: PendingCode | PendingQr) -> None:
    almost_over = END - 1

    state = after(pending, m.PasswordNeeded(almost_over, None))

    assert isinstance(state, PendingPassword)
    assert (state.deadline, state.attempts_left) == (almost_over + PASSWORD_WINDOW, PASSWORD_ATTEMPTS)


def test_a_typed_password_is_checked() -> None:
    decision = decide(LOCKED, m.SubmitPassword("login-1", PASSWORD))

    assert decision == Decision(LOCKED, (e.CheckPassword(PASSWORD),))


def test_a_wrong_password_keeps_the_place_and_costs_an_attempt() -> None:
    decision = decide(LOCKED, m.PasswordRejected())

    assert decision == Decision(replace(LOCKED, attempts_left=PASSWORD_ATTEMPTS - 1))


def test_the_last_wrong_password_ends_the_login() -> None:
    last = after(LOCKED, *[m.PasswordRejected()] * (PASSWORD_ATTEMPTS - 1))
    assert isinstance(last, PendingPassword)

    decision = decide(last, m.PasswordRejected())

    ended = Absent(PastLogin("login-1", Reason.PASSWORD_ATTEMPTS_USED))
    assert decision == Decision(ended, (e.AbandonLogin(),))


def test_trouble_costs_no_password_attempt() -> None:
    troubled = after(LOCKED, m.Unreachable(NOW), m.ConnectionLost(NOW))

    assert troubled == replace(LOCKED, reason=Reason.UNREACHABLE)
    assert decide(troubled, m.SubmitPassword("login-1", PASSWORD)).effects == (e.CheckPassword(PASSWORD),)


def test_a_wrong_password_ends_the_trouble_that_was_told_before() -> None:
    assert after(LOCKED, m.Unreachable(NOW), m.PasswordRejected()).reason is None


def test_a_flood_wait_moves_the_password_window_on() -> None:
    waiting = after(LOCKED, m.FloodWaited(END + 3600))
    assert (waiting.deadline, waiting.reason) == (END + 3600, Reason.FLOOD_WAIT)

    ready = after(waiting, m.TimePassed(END + 3600))
    assert isinstance(ready, PendingPassword)
    assert (ready.deadline, ready.reason) == (END + 3600 + PASSWORD_WINDOW, None)


def test_a_short_flood_wait_does_not_shorten_the_password_window() -> None:
    waiting = after(LOCKED, m.FloodWaited(NOW + 5))

    assert isinstance(waiting, PendingPassword)
    assert waiting.login.expires_at == END


@pytest.mark.parametrize("pending", [SENT, LOCKED], ids=["code", "password"])
def test_a_code_or_password_of_somebody_else_than_expected_is_logged_out_again(
    pending: PendingCode | PendingPassword,
) -> None:
    expecting = replace(pending, login=replace(LOGIN, expected_account_id=ANNA))

    decision = decide(expecting, signed_in(BERT))

    mismatch = Absent(PastLogin("login-1", Reason.ACCOUNT_MISMATCH))
    assert decision == Decision(mismatch, (e.AbandonLogin(),), Owe(credential(BERT)))

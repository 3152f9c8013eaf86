"""A login by QR: tokens that die every half minute, inside a ticket that lives for ten."""

from __future__ import annotations

from dataclasses import replace

import pytest

from actors.core import effects as e
from actors.core import messages as m
from actors.core.credential import Deposit
from actors.core.decide import decide
from actors.core.decision import Decision
from actors.core.record import from_record, to_record
from actors.core.states import ROTATE_BEFORE_EXPIRY, Absent, PendingCode, PendingQr, QrToken, Reason
from tests.core.examples import (
    ANNA,
    BERT,
    END,
    FALLBACKS,
    LOGIN,
    NOW,
    PHONE,
    STALE,
    after,
    credential,
    signed_in,
    token,
)

FETCHING = PendingQr(LOGIN)
SHOWN = PendingQr(LOGIN, token(), issued=1)


def pending_qr(state: object) -> PendingQr:
    assert isinstance(state, PendingQr)
    return state


def test_a_token_is_shown_and_replaced_before_it_dies() -> None:
    shown = pending_qr(after(FETCHING, m.TokenIssued(NOW, token())))

    assert shown.token == token()
    assert shown.deadline == token().expires_at - ROTATE_BEFORE_EXPIRY
    assert decide(shown, m.TimePassed(shown.deadline)).effects == (e.ExportToken(),)


def test_the_old_token_stays_on_screen_while_a_new_one_is_fetched() -> None:
    assert pending_qr(after(SHOWN, m.TimePassed(SHOWN.deadline))).token == token()


def test_a_new_token_is_counted() -> None:
    rotated = pending_qr(after(SHOWN, m.TokenIssued(NOW + 27, token(2, dies_in=57))))

    assert (rotated.issued, rotated.token) == (2, token(2, dies_in=57))


def test_a_repeated_token_is_asked_for_again_only_after_its_end() -> None:
    repeated = pending_qr(after(SHOWN, m.TokenIssued(NOW + 27, token())))

    assert repeated.issued == 1
    assert repeated.deadline == token().expires_at + 0.5


def test_a_repeated_token_that_should_be_dead_is_asked_for_again_a_second_later() -> None:
    late = NOW + 100

    assert after(SHOWN, m.TokenIssued(late, token())).deadline == late + 1.0


def test_a_new_token_that_is_almost_dead_on_arrival_makes_no_tight_loop() -> None:
    dying = QrToken(token().url, NOW + 1.0)

    assert after(FETCHING, m.TokenIssued(NOW, dying)).deadline == NOW + 1.0


def test_a_repeated_token_ends_the_trouble_that_was_told_before() -> None:
    troubled = after(SHOWN, m.Unreachable(NOW + 27))
    assert troubled.reason is Reason.UNREACHABLE

    assert after(troubled, m.TokenIssued(NOW + 29, token())).reason is None


def test_an_accepted_token_is_followed_by_one_more_export() -> None:
    assert decide(SHOWN, m.TokenAccepted()) == Decision(SHOWN, (e.ExportToken(),))


def test_a_second_start_shows_the_login_that_is_under_way() -> None:
    assert decide(SHOWN, m.StartQr("login-2", END + 60)) == Decision(SHOWN)


def test_a_start_by_phone_supersedes_the_qr_and_keeps_its_fallback() -> None:
    in_place = replace(SHOWN, login=replace(LOGIN, fallback=STALE))

    decision = decide(in_place, m.StartCode("login-2", END + 60, PHONE))

    assert isinstance(decision.state, PendingCode)
    assert (decision.state.login.login_id, decision.state.login.fallback) == ("login-2", STALE)
    assert decision.effects == (e.AbandonLogin(), e.SendCode(PHONE))


def test_no_deadline_of_a_qr_lies_beyond_its_ticket() -> None:
    last = PendingQr(LOGIN, QrToken(token().url, END + 20))

    assert last.deadline == END


def test_a_failed_fetch_is_tried_again_and_keeps_a_token_that_still_lives() -> None:
    state = pending_qr(after(SHOWN, m.Unreachable(NOW + 27)))

    assert (state.token, state.deadline, state.reason) == (token(), NOW + 29, Reason.UNREACHABLE)


def test_a_failed_fetch_takes_a_dead_token_off_the_screen() -> None:
    assert pending_qr(after(SHOWN, m.Unreachable(NOW + 30))).token is None


def test_a_lost_connection_fetches_anew_at_once() -> None:
    state = pending_qr(after(SHOWN, m.ConnectionLost(NOW + 5)))

    assert (state.token, state.deadline) == (None, NOW + 5)


def test_a_lost_connection_does_not_wait_for_a_repeated_token_to_end() -> None:
    repeated = after(SHOWN, m.TokenIssued(NOW + 27, token()))

    assert after(repeated, m.ConnectionLost(NOW + 28)).deadline == NOW + 28


def test_a_loss_that_follows_a_failed_fetch_does_not_cut_the_wait_short() -> None:
    state = pending_qr(after(SHOWN, m.Unreachable(NOW + 27), m.ConnectionLost(NOW + 27)))

    assert (state.token, state.deadline) == (None, NOW + 29)


def test_a_lost_connection_does_not_cut_a_flood_wait_short() -> None:
    state = after(SHOWN, m.FloodWaited(NOW + 120), m.ConnectionLost(NOW + 5))

    assert (state.deadline, state.reason) == (NOW + 120, Reason.FLOOD_WAIT)


def test_a_flood_wait_takes_the_token_off_the_screen_and_is_waited_out() -> None:
    waiting = pending_qr(after(SHOWN, m.FloodWaited(NOW + 120)))
    assert (waiting.token, waiting.deadline, waiting.reason) == (None, NOW + 120, Reason.FLOOD_WAIT)

    fetching = decide(waiting, m.TimePassed(NOW + 120))
    assert fetching.effects == (e.ExportToken(),)
    assert pending_qr(fetching.state).retry_at is None

    shown = after(fetching.state, m.TokenIssued(NOW + 120, token(2, dies_in=150)))
    assert shown.reason is None


def test_a_restart_goes_on_with_the_same_ticket() -> None:
    assert decide(FETCHING, m.Woken(NOW + 30)) == Decision(FETCHING, (e.ExportToken(),))


def test_a_restart_does_not_shorten_a_flood_wait() -> None:
    waiting = pending_qr(after(SHOWN, m.FloodWaited(NOW + 120)))
    restarted = from_record(to_record(waiting))

    assert decide(restarted, m.Woken(NOW + 30)) == Decision(restarted)
    assert restarted.deadline == NOW + 120


def test_a_restart_after_the_ticket_ended_finds_it_expired() -> None:
    assert after(FETCHING, m.Woken(END)).reason is Reason.TICKET_EXPIRED


@pytest.mark.parametrize("fallback", FALLBACKS, ids=repr)
def test_somebody_else_than_expected_is_logged_out_again(fallback: Absent) -> None:
    expecting = replace(SHOWN, login=replace(LOGIN, expected_account_id=ANNA, fallback=fallback))

    decision = decide(expecting, signed_in(BERT))

    assert type(decision.state) is type(fallback)
    assert decision.effects == (e.AbandonLogin(),)


def test_the_reason_of_a_mismatch_is_readable() -> None:
    expecting = replace(SHOWN, login=replace(LOGIN, expected_account_id=ANNA))

    assert after(expecting, signed_in(BERT)).reason is Reason.ACCOUNT_MISMATCH


def test_the_expected_account_is_adopted() -> None:
    expecting = replace(SHOWN, login=replace(LOGIN, expected_account_id=ANNA))

    assert decide(expecting, signed_in(ANNA)).keeping == Deposit(credential(ANNA))

"""Life after the login: trouble that passes, trouble that stays, and the end."""

from __future__ import annotations

from dataclasses import replace

import pytest

from actors.core import effects as e
from actors.core import messages as m
from actors.core.decide import decide
from actors.core.decision import Decision, backoff
from actors.core.states import (
    Absent,
    Authorized,
    Reason,
    Revoked,
    Stale,
    State,
    Substate,
    UserAction,
    user_action,
)
from tests.core.examples import ANNA, BERT, NOW, after, unscheduled

ONLINE = Authorized(ANNA, Substate.ONLINE)
RETRYING = Stale(ANNA, Reason.UNREACHABLE, NOW + 60)
LEFT_TO_A_PERSON = Stale(ANNA, Reason.CREDENTIAL_MISSING)
LOGGING_OUT = Revoked(ANNA, Reason.REQUESTED, NOW)
GONE = Revoked(ANNA, Reason.REQUESTED)

HELD: list[State] = [ONLINE, RETRYING, LEFT_TO_A_PERSON]


@pytest.mark.parametrize(
    ("failed", "seconds"), [(0, 2), (1, 4), (2, 8), (3, 16), (4, 32), (5, 60), (6, 60), (10_000, 60)]
)
def test_retries_back_off_from_two_seconds_to_a_minute(failed: int, seconds: float) -> None:
    assert backoff(failed) == seconds


def test_a_session_connects_when_it_wakes() -> None:
    assert decide(ONLINE, m.Woken(NOW)) == Decision(Authorized(ANNA), (e.Connect(),))


def test_a_session_that_wakes_in_a_flood_wait_waits_it_out() -> None:
    waiting = Authorized(ANNA, Substate.FLOOD_WAIT, NOW + 60)

    assert decide(waiting, m.Woken(NOW)) == Decision(waiting)
    assert decide(waiting, m.Woken(NOW + 60)) == Decision(Authorized(ANNA), (e.Connect(),))


def test_a_lost_connection_is_won_back_at_once() -> None:
    lost = after(ONLINE, m.ConnectionLost(NOW))

    assert lost == Authorized(ANNA, Substate.RECONNECTING, NOW, troubled_since=NOW, attempts=1)
    assert decide(lost, m.TimePassed(NOW)) == Decision(replace(lost, retry_at=None), (e.Connect(),))


def test_failed_tries_to_connect_come_less_and_less_often() -> None:
    state, now, waits = after(ONLINE, m.ConnectionLost(NOW)), NOW, []
    for _ in range(4):
        state = after(state, m.TimePassed(now), m.Unreachable(now))
        assert state.deadline is not None
        waits.append(state.deadline - now)
        now = state.deadline

    assert waits == [4, 8, 16, 32]


def test_a_loss_that_follows_a_failed_try_does_not_cut_the_wait_short() -> None:
    failed = after(ONLINE, m.ConnectionLost(NOW), m.TimePassed(NOW), m.Unreachable(NOW))

    assert after(failed, m.ConnectionLost(NOW)) == failed


def test_losses_do_not_make_trouble_younger() -> None:
    state, now = after(ONLINE, m.ConnectionLost(NOW)), NOW
    for _ in range(9):
        state = after(state, m.TimePassed(now), m.Unreachable(now), m.ConnectionLost(now))
        assert state.deadline is not None
        now = state.deadline

    assert isinstance(state, Stale)


def test_a_lost_connection_does_not_cut_a_flood_wait_short() -> None:
    waiting = after(ONLINE, m.FloodWaited(NOW + 300))

    assert waiting == Authorized(ANNA, Substate.FLOOD_WAIT, NOW + 300)
    assert after(waiting, m.ConnectionLost(NOW + 1)) == waiting


def test_coming_online_ends_the_trouble() -> None:
    state = after(ONLINE, m.Unreachable(NOW), m.Unreachable(NOW + 2), m.Online(ANNA, NOW + 3))

    assert unscheduled(state) == ONLINE


def test_validation_goes_over_the_session_s_own_connection() -> None:
    assert decide(ONLINE, m.Validate()) == Decision(ONLINE, (e.Connect(),))
    assert decide(RETRYING, m.Validate()) == Decision(RETRYING, (e.Connect(),))


@pytest.mark.parametrize("held", HELD, ids=repr)
@pytest.mark.parametrize(
    "trouble",
    [
        m.Unreachable(NOW),
        m.Unreachable(NOW, Reason.UNKNOWN_ERROR),
        m.Unreachable(NOW, Reason.APP_REFUSED),
        m.ConnectionLost(NOW),
        m.FloodWaited(NOW + 40),
        m.AccountFrozen(),
        m.CredentialMissing(),
        m.Online(BERT, NOW),
    ],
    ids=repr,
)
def test_trouble_never_drops_a_credential(held: State, trouble: m.Message) -> None:
    state = held
    for _ in range(200):
        decision = decide(state, trouble)
        state = decision.state

        assert isinstance(state, Authorized | Stale)
        assert state.account_id == ANNA
        assert not {type(effect) for effect in decision.effects} - {e.Connect, e.Disconnect}


def test_a_stale_session_goes_on_trying_every_minute() -> None:
    trying = decide(RETRYING, m.TimePassed(NOW + 60))
    assert trying == Decision(replace(RETRYING, retry_at=NOW + 120), (e.Connect(),))

    failed = after(trying.state, m.Unreachable(NOW + 61, Reason.APP_REFUSED))
    assert (failed.deadline, failed.reason) == (NOW + 121, Reason.APP_REFUSED)


def test_a_stale_session_waits_as_long_as_telegram_says() -> None:
    assert after(RETRYING, m.FloodWaited(NOW + 900), m.ConnectionLost(NOW)).deadline == NOW + 900


def test_a_stale_session_asks_nobody_for_help_while_it_tries_by_itself() -> None:
    for begin in (m.TimePassed(NOW + 60), m.Woken(NOW + 60), m.Validate()):
        assert user_action(after(RETRYING, begin)) is UserAction.WAIT


def test_a_session_without_its_file_waits_for_a_person() -> None:
    stale = after(ONLINE, m.CredentialMissing())

    assert stale == after(RETRYING, m.CredentialMissing()) == LEFT_TO_A_PERSON
    assert stale.deadline is None
    assert user_action(stale) is UserAction.RELOGIN
    assert decide(stale, m.Woken(NOW)) == Decision(stale, (e.Connect(),))


def test_a_file_of_somebody_else_is_left_alone() -> None:
    decision = decide(ONLINE, m.Online(BERT, NOW))

    assert decision == Decision(Stale(ANNA, Reason.ACCOUNT_MISMATCH), (e.Disconnect(),))
    assert decision.state.deadline is None


def test_a_frozen_account_stays_logged_in_and_is_not_asked_again() -> None:
    frozen = after(RETRYING, m.AccountFrozen())

    assert frozen == Authorized(ANNA, Substate.FROZEN)
    assert frozen.deadline is None


def test_a_revoked_session_retries_its_logout_until_telegram_confirms() -> None:
    state: State = LOGGING_OUT
    now, waits = NOW, []
    for _ in range(7):
        trying = decide(state, m.TimePassed(now))
        assert trying.effects == (e.LogOut(),)
        state = after(trying.state, m.Unreachable(now))
        assert state.deadline is not None
        waits.append(state.deadline - now)
        now = state.deadline

    assert waits == [2, 4, 8, 16, 32, 60, 60]
    assert after(state, m.LoggedOut()).deadline is None


@pytest.mark.parametrize(
    "answer", [m.LoggedOut(), m.CredentialMissing(), m.CredentialLost(Reason.SESSION_REVOKED)], ids=repr
)
def test_a_logout_is_over_when_there_is_nothing_left_to_log_out(answer: m.Message) -> None:
    state = after(LOGGING_OUT, answer)

    assert (state.deadline, state.reason) == (None, Reason.REQUESTED)
    assert decide(state, m.Woken(NOW)).effects == ()


def test_a_restart_in_the_middle_of_a_logout_asks_again() -> None:
    assert decide(LOGGING_OUT, m.Woken(NOW + 5)).effects == (e.LogOut(),)


def test_a_flood_wait_delays_the_logout() -> None:
    assert after(LOGGING_OUT, m.FloodWaited(NOW + 300)).deadline == NOW + 300


def test_an_answer_that_tells_a_logout_nothing_makes_no_tight_loop() -> None:
    trying = after(LOGGING_OUT, m.TimePassed(NOW))

    assert trying.deadline is not None
    assert trying.deadline > NOW


def test_a_logout_is_tried_again_after_its_login_in_place_was_given_up() -> None:
    state = after(LOGGING_OUT, m.StartQr("login-1", NOW + 600), m.CancelLogin("login-1"))

    assert decide(state, m.TimePassed(NOW)).effects == (e.LogOut(),)


def test_a_revoked_session_does_nothing_by_itself() -> None:
    assert GONE.deadline is None
    assert decide(GONE, m.Woken(NOW)) == Decision(GONE)


def test_a_session_that_seems_well_is_asked_again_after_a_quarter_of_an_hour() -> None:
    state = after(Authorized(ANNA), m.Online(ANNA, NOW))

    assert state.deadline is not None
    assert 900 <= state.deadline - NOW < 900 + 181
    assert decide(state, m.TimePassed(state.deadline)).effects == (e.Connect(),)


def test_neighbours_are_not_all_asked_at_the_same_moment() -> None:
    moments = {after(Authorized(account), m.Online(account, NOW)).deadline for account in range(1000)}

    assert len(moments) == 181


def test_trouble_and_waits_take_the_place_of_the_next_validation() -> None:
    well = after(Authorized(ANNA), m.Online(ANNA, NOW))

    assert after(well, m.ConnectionLost(NOW + 5)).deadline == NOW + 5
    assert after(well, m.FloodWaited(NOW + 5000)).deadline == NOW + 5000


def test_a_login_in_place_logs_the_old_key_out_once_the_new_one_is_adopted() -> None:
    pending = after(RETRYING, m.StartQr("login-1", NOW + 600), m.SignedIn(ANNA))

    assert decide(pending, m.Adopted(ANNA)).effects == (e.Connect(), e.LogOutOldKey())


def test_a_first_login_has_no_old_key() -> None:
    pending = after(Absent(), m.StartQr("login-1", NOW + 600), m.SignedIn(ANNA))

    assert decide(pending, m.Adopted(ANNA)).effects == (e.Connect(),)

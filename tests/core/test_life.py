"""Life after the login: trouble that passes, trouble that stays, and the end."""

from __future__ import annotations

from dataclasses import replace

import pytest

from actors.core import effects as e
from actors.core import messages as m
from actors.core.credential import Deposit, Owe, Settle
from actors.core.decide import decide
from actors.core.decision import Decision, backoff
from actors.core.life import validation_interval
from actors.core.states import (
    Authorized,
    Reason,
    Revoked,
    Stale,
    State,
    Substate,
    UserAction,
    user_action,
)
from actors.core.transitions import MustWait
from tests.core.examples import ANNA, BERT, NOW, after, credential, signed_in, unscheduled

ONLINE = Authorized(ANNA, Substate.ONLINE)
RETRYING = Stale(ANNA, Reason.UNREACHABLE, NOW + 60)
LEFT_TO_A_PERSON = Stale(ANNA, Reason.CREDENTIAL_MISSING)
STOPPED = Authorized(ANNA, Substate.STOPPED)
GONE = Revoked(ANNA, Reason.REQUESTED)

HELD: list[State] = [ONLINE, RETRYING, LEFT_TO_A_PERSON]


@pytest.mark.parametrize(
    ("failed", "seconds"), [(0, 2), (1, 4), (2, 8), (3, 16), (4, 32), (5, 60), (6, 60), (10_000, 60)]
)
def test_retries_back_off_from_two_seconds_to_a_minute(failed: int, seconds: float) -> None:
    assert backoff(failed) == seconds


def test_a_session_connects_when_it_wakes() -> None:
    assert decide(Authorized(ANNA), m.Woken(NOW)) == Decision(Authorized(ANNA), (e.Connect(),))


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
        m.AccountFrozen(NOW),
        m.CredentialUnusable(Reason.CREDENTIAL_MISSING),
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
    stale = after(ONLINE, m.CredentialUnusable(Reason.CREDENTIAL_MISSING))

    assert stale == after(RETRYING, m.CredentialUnusable(Reason.CREDENTIAL_MISSING)) == LEFT_TO_A_PERSON
    assert stale.deadline is None
    assert user_action(stale) is UserAction.RELOGIN
    assert decide(stale, m.Woken(NOW)) == Decision(stale, (e.Connect(),))


def test_a_file_of_somebody_else_is_left_alone() -> None:
    decision = decide(ONLINE, m.Online(BERT, NOW))

    assert decision == Decision(Stale(ANNA, Reason.ACCOUNT_MISMATCH), (e.Disconnect(),))
    assert decision.state.deadline is None


def test_a_frozen_account_stays_logged_in_and_is_asked_again_later() -> None:
    frozen = after(RETRYING, m.AccountFrozen(NOW))

    assert unscheduled(frozen) == Authorized(ANNA, Substate.FROZEN)
    assert frozen.deadline == NOW + validation_interval(ANNA)
    assert decide(frozen, m.TimePassed(NOW + 900)).effects == (e.Connect(),)
    assert unscheduled(after(frozen, m.Online(ANNA, NOW + 900))) == ONLINE


def test_a_revoked_session_owes_its_logout_before_it_tries() -> None:
    assert decide(ONLINE, m.Revoke()) == Decision(GONE, (e.LogOut(),), Owe())


@pytest.mark.parametrize("answer", [m.LoggedOut(), m.CredentialLost(Reason.SESSION_REVOKED)], ids=repr)
def test_a_logout_is_settled_when_telegram_no_longer_knows_the_key(answer: m.Message) -> None:
    assert decide(GONE, answer) == Decision(GONE, keeping=Settle())


@pytest.mark.parametrize("trouble", [m.Unreachable(NOW), m.FloodWaited(NOW + 300)], ids=repr)
def test_a_logout_that_failed_stays_owed_and_is_no_longer_the_session_s_business(trouble: m.Message) -> None:
    assert decide(GONE, trouble) == Decision(GONE)


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


def test_a_login_in_place_deposits_the_new_credential_over_the_old_one() -> None:
    pending = after(RETRYING, m.StartQr("login-1", NOW + 600))

    assert decide(pending, signed_in(ANNA)).keeping == Deposit(credential(ANNA))


# -- stopped, and started again


def test_a_stopped_session_is_disconnected_and_stays_so() -> None:
    assert decide(ONLINE, m.StopSession()) == Decision(STOPPED, (e.Disconnect(),))
    for message in (m.Woken(NOW), m.TimePassed(NOW), m.Validate(), m.ConnectionLost(NOW), m.StopSession()):
        assert decide(STOPPED, message) == Decision(STOPPED)


def test_a_stale_session_that_is_stopped_is_not_tried_again() -> None:
    decision = decide(RETRYING, m.StopSession())

    assert decision == Decision(Stale(ANNA, Reason.UNREACHABLE, stopped=True), (e.Disconnect(),))
    assert decide(decision.state, m.Woken(NOW)) == Decision(decision.state)
    assert user_action(decision.state) is UserAction.NONE


def test_a_stopped_session_connects_when_it_is_started() -> None:
    assert decide(STOPPED, m.StartSession()) == Decision(Authorized(ANNA), (e.Connect(),))

    stale = Stale(ANNA, Reason.UNREACHABLE, stopped=True)
    assert decide(stale, m.StartSession()) == Decision(replace(stale, stopped=False), (e.Connect(),))


def test_a_stopped_session_can_still_be_revoked_and_still_be_lost() -> None:
    assert isinstance(after(STOPPED, m.Revoke()), Revoked)
    assert isinstance(after(STOPPED, m.CredentialLost(Reason.SESSION_REVOKED)), Revoked)


def test_what_a_closing_connection_still_tells_does_not_start_a_stopped_session() -> None:
    for late in (m.Online(ANNA, NOW), m.Unreachable(NOW), m.FloodWaited(NOW + 9), m.AccountFrozen(NOW)):
        assert decide(STOPPED, late) == Decision(STOPPED)


def test_starting_a_session_that_runs_tries_at_once() -> None:
    lost = after(ONLINE, m.ConnectionLost(NOW), m.TimePassed(NOW), m.Unreachable(NOW))

    assert decide(lost, m.StartSession()).effects == (e.Connect(),)
    assert decide(RETRYING, m.StartSession()).effects == (e.Connect(),)


@pytest.mark.parametrize("command", [m.Validate(), m.StartSession()], ids=repr)
def test_nobody_can_call_before_a_flood_wait_is_over(command: m.Command) -> None:
    with pytest.raises(MustWait) as refused:
        decide(Authorized(ANNA, Substate.FLOOD_WAIT, NOW + 60), command)

    assert refused.value.retry_at == NOW + 60


# -- asleep, and woken


def test_an_idle_session_goes_to_sleep_and_wakes_within_a_day() -> None:
    decision = decide(ONLINE, m.Idle(NOW))

    asleep = decision.state
    assert unscheduled(asleep) == Authorized(ANNA, Substate.ASLEEP)
    assert decision.effects == (e.Disconnect(),)
    assert asleep.deadline is not None
    assert 12 * 3600 <= asleep.deadline - NOW < 24 * 3600
    assert decide(asleep, m.TimePassed(asleep.deadline)) == Decision(Authorized(ANNA), (e.Connect(),))


def test_a_sleeping_session_that_is_taken_up_sleeps_on_until_somebody_needs_it() -> None:
    asleep = after(ONLINE, m.Idle(NOW))

    assert decide(asleep, m.Woken(NOW + 60)) == Decision(asleep)
    assert decide(asleep, m.ConnectionLost(NOW + 60)) == Decision(asleep)
    assert decide(asleep, m.Validate()).effects == (e.Connect(),)
    assert decide(asleep, m.StartSession()) == Decision(Authorized(ANNA), (e.Connect(),))


def test_only_a_session_that_is_online_goes_to_sleep() -> None:
    for state in (Authorized(ANNA), Authorized(ANNA, Substate.FROZEN), RETRYING, STOPPED):
        assert decide(state, m.Idle(NOW)) == Decision(state)

"""The specification's state diagram: each of its arrows, and the arrows that must not exist."""

from __future__ import annotations

from dataclasses import replace

import pytest

from actors.core import effects as e
from actors.core import messages as m
from actors.core.credential import Bury, Deposit, Owe
from actors.core.decide import decide
from actors.core.decision import Decision
from actors.core.states import (
    Absent,
    Authorized,
    Login,
    PastLogin,
    Pending,
    PendingCode,
    PendingPassword,
    PendingQr,
    Reason,
    Revoked,
    Stale,
    State,
    Substate,
)
from actors.core.transitions import TRANSITIONS, Refused
from tests.core.examples import (
    ANNA,
    BERT,
    END,
    EVERY_STATE,
    LOGIN,
    NOW,
    PHONE,
    REVOKED,
    STALE,
    after,
    credential,
    signed_in,
    token,
    unscheduled,
)

START_QR = m.StartQr("login-1", END)
START_CODE = m.StartCode("login-1", END, PHONE)

PENDING: list[Pending] = [
    PendingQr(LOGIN, token()),
    PendingCode(LOGIN, PHONE, "app"),
    PendingPassword(LOGIN),
]
OLD: list[Stale | Revoked] = [STALE, Stale(ANNA, Reason.CREDENTIAL_MISSING), REVOKED]


def in_place(pending: Pending, old: Absent | Stale | Revoked) -> Pending:
    return replace(pending, login=replace(pending.login, fallback=old))


def of_name(value: State) -> str:
    return str(value.name)


def test_absent_becomes_pending_qr_and_a_token_is_fetched() -> None:
    assert decide(Absent(), START_QR) == Decision(PendingQr(LOGIN), (e.ExportToken(),))


def test_absent_becomes_pending_code_and_a_code_is_asked_for() -> None:
    assert decide(Absent(), START_CODE) == Decision(PendingCode(LOGIN, PHONE), (e.SendCode(PHONE),))


def test_absent_takes_over_a_login_and_does_not_connect_with_it() -> None:
    past = PastLogin("login-0", Reason.CANCELLED)

    taken = decide(Absent(past), m.ImportLogin(credential(ANNA)))

    stopped = Authorized(ANNA, Substate.STOPPED, last_login=past)
    assert taken == Decision(stopped, (), Deposit(credential(ANNA)))


def test_absent_takes_over_a_login_that_nobody_else_uses_and_connects() -> None:
    taken = decide(Absent(), m.ImportLogin(credential(ANNA), stopped=False))

    assert taken == Decision(Authorized(ANNA), (e.Connect(),), Deposit(credential(ANNA)))


@pytest.mark.parametrize("state", [state for state in EVERY_STATE if not isinstance(state, Absent)], ids=repr)
def test_a_login_is_taken_over_only_where_there_is_none(state: State) -> None:
    with pytest.raises(Refused):
        decide(state, m.ImportLogin(credential(BERT)))


@pytest.mark.parametrize("pending", PENDING[:2], ids=of_name)
def test_a_login_becomes_pending_password_if_the_account_has_one(pending: Pending) -> None:
    state = after(pending, m.PasswordNeeded(NOW, "a colour"))

    assert isinstance(state, PendingPassword)
    assert state.hint == "a colour"
    assert state.login.login_id == "login-1"


@pytest.mark.parametrize("pending", PENDING, ids=of_name)
def test_a_login_becomes_authorized_together_with_the_deposit_of_its_credential(pending: Pending) -> None:
    let_in = decide(pending, signed_in(ANNA))

    online = Authorized(ANNA, last_login=PastLogin("login-1"))
    assert let_in == Decision(online, (e.Connect(),), Deposit(credential(ANNA)))


@pytest.mark.parametrize("pending", PENDING, ids=of_name)
def test_a_first_login_that_expires_leaves_absent_with_a_readable_reason(pending: Pending) -> None:
    decision = decide(pending, m.TimePassed(END))

    over = Reason.PASSWORD_WINDOW_OVER if isinstance(pending, PendingPassword) else Reason.TICKET_EXPIRED
    assert decision == Decision(Absent(PastLogin("login-1", over)), (e.AbandonLogin(),))
    assert decision.state.reason is over


@pytest.mark.parametrize("pending", PENDING, ids=of_name)
def test_a_first_login_that_is_cancelled_leaves_absent_with_a_readable_reason(pending: Pending) -> None:
    decision = decide(pending, m.CancelLogin("login-1"))

    assert decision == Decision(Absent(PastLogin("login-1", Reason.CANCELLED)), (e.AbandonLogin(),))


@pytest.mark.parametrize("old", [Absent(), *OLD], ids=repr)
@pytest.mark.parametrize("start", [START_QR, START_CODE], ids=["qr", "code"])
def test_a_login_in_place_keeps_the_old_session_as_its_fallback(
    start: m.StartQr | m.StartCode, old: Absent | Stale | Revoked
) -> None:
    state = after(old, start)

    assert isinstance(state, PendingQr | PendingCode)
    assert state.login == Login("login-1", END, fallback=old)


@pytest.mark.parametrize("old", OLD, ids=repr)
@pytest.mark.parametrize("pending", PENDING, ids=of_name)
@pytest.mark.parametrize(
    ("end", "reason"),
    [
        (m.CancelLogin("login-1"), Reason.CANCELLED),
        (m.LoginFailed(Reason.PHONE_NUMBER_BANNED), Reason.PHONE_NUMBER_BANNED),
    ],
    ids=["cancelled", "failed"],
)
def test_a_login_in_place_that_ends_early_falls_back_to_the_old_session(
    pending: Pending, old: Stale | Revoked, end: m.Message, reason: Reason
) -> None:
    decision = decide(in_place(pending, old), end)

    assert decision.state == replace(old, last_login=PastLogin("login-1", reason))
    assert decision.effects == (e.AbandonLogin(),)


@pytest.mark.parametrize("old", OLD, ids=repr)
@pytest.mark.parametrize("pending", PENDING, ids=of_name)
def test_a_login_in_place_that_expires_falls_back_to_the_old_session(
    pending: Pending, old: Stale | Revoked
) -> None:
    state = after(in_place(pending, old), m.TimePassed(END))

    assert isinstance(state, Stale | Revoked)
    assert replace(state, last_login=None) == old


@pytest.mark.parametrize("old", OLD, ids=repr)
@pytest.mark.parametrize("pending", PENDING, ids=of_name)
def test_a_login_in_place_that_succeeds_replaces_the_old_session(
    pending: Pending, old: Stale | Revoked
) -> None:
    state = after(in_place(pending, old), signed_in(ANNA), m.Online(ANNA, NOW))

    assert unscheduled(state) == Authorized(ANNA, Substate.ONLINE, last_login=PastLogin("login-1"))


def test_authorized_becomes_stale_and_keeps_its_credential_when_trouble_lasts() -> None:
    state: State = Authorized(ANNA, Substate.ONLINE)
    for moment in (0, 60, 120, 179):
        state = after(state, m.Unreachable(NOW + moment))
        assert isinstance(state, Authorized)

    decision = decide(state, m.Unreachable(NOW + 180))

    assert isinstance(decision.state, Stale)
    assert (decision.state.account_id, decision.state.reason) == (ANNA, Reason.UNREACHABLE)
    assert decision.effects == ()


@pytest.mark.parametrize("stale", [STALE, *OLD[1:2]], ids=repr)
def test_stale_becomes_authorized_when_telegram_answers_again(stale: Stale) -> None:
    assert unscheduled(after(stale, m.Online(ANNA, NOW))) == Authorized(ANNA, Substate.ONLINE)


@pytest.mark.parametrize("held", [Authorized(ANNA, Substate.ONLINE), STALE], ids=of_name)
def test_a_credential_becomes_revoked_on_request(held: Authorized | Stale) -> None:
    decision = decide(held, m.Revoke())

    assert decision == Decision(Revoked(ANNA, Reason.REQUESTED), (e.LogOut(),), Owe())


@pytest.mark.parametrize("held", [Authorized(ANNA, Substate.ONLINE), STALE], ids=of_name)
def test_a_credential_becomes_revoked_by_a_definitive_error(held: Authorized | Stale) -> None:
    decision = decide(held, m.CredentialLost(Reason.AUTH_KEY_DUPLICATED))

    ended = Reason.AUTH_KEY_DUPLICATED
    assert decision == Decision(Revoked(ANNA, ended), (e.Forget(),), Bury(ended))


def test_only_a_request_or_a_definitive_error_leads_a_credential_to_revoked() -> None:
    ways = {
        message
        for state in (Authorized, Stale)
        for message, reached in TRANSITIONS[state].items()
        if Revoked in reached
    }

    assert ways == {m.Revoke, m.CredentialLost}


def test_a_credential_never_becomes_absent() -> None:
    for state in (Authorized, Stale, Revoked):
        assert not any(Absent in reached for reached in TRANSITIONS[state].values())


@pytest.mark.parametrize("start", [START_QR, START_CODE], ids=["qr", "code"])
def test_a_session_that_is_logged_in_takes_no_login(start: m.Message) -> None:
    with pytest.raises(Refused):
        decide(Authorized(ANNA, Substate.ONLINE), start)


@pytest.mark.parametrize("state", [state for state in EVERY_STATE if state.name != "AUTHORIZED"], ids=repr)
def test_nothing_but_a_stored_credential_or_a_validation_makes_a_session_authorized(state: State) -> None:
    ways = {message for message, reached in TRANSITIONS[type(state)].items() if Authorized in reached}

    assert ways <= {m.SignedIn, m.ImportLogin, m.Online, m.AccountFrozen}

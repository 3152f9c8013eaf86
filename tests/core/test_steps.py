"""Steps: what the person who logs in is told next, in every state and after every end."""

from __future__ import annotations

from dataclasses import replace

import pytest

from actors.core.states import (
    Absent,
    Authorized,
    PastLogin,
    PendingBot,
    PendingCode,
    PendingPassword,
    PendingQr,
    Reason,
    Revoked,
    Stale,
    State,
    Substate,
    UserAction,
    account_of,
    login_of,
    user_action,
)
from actors.core.steps import AwaitBot, Complete, EnterCode, EnterPassword, Failed, ShowQr, Step, step_for
from tests.core.examples import ANNA, BOT_TOKEN, END, EVERY_STATE, LOGIN, NOW, PHONE, REVOKED, STALE, token

DONE = PastLogin("login-1")
CANCELLED = PastLogin("login-1", Reason.CANCELLED)


@pytest.mark.parametrize(
    ("state", "step"),
    [
        (PendingQr(LOGIN), ShowQr(None, END)),
        (PendingQr(LOGIN, token()), ShowQr(token(), END)),
        (
            PendingQr(LOGIN, retry_at=NOW + 20, reason=Reason.FLOOD_WAIT),
            ShowQr(None, END, NOW + 20, Reason.FLOOD_WAIT),
        ),
        (PendingCode(LOGIN, PHONE), EnterCode(None, 0, END)),
        (PendingCode(LOGIN, PHONE, "sms", rejected=2), EnterCode("sms", 2, END)),
        (
            PendingCode(LOGIN, PHONE, "app", retry_at=NOW + 20, reason=Reason.FLOOD_WAIT),
            EnterCode("app", 0, END, NOW + 20, Reason.FLOOD_WAIT),
        ),
        (
            PendingCode(LOGIN, PHONE, "app", length=5, next_delivery="sms", resend_at=NOW + 60),
            EnterCode("app", 0, END, length=5, next_delivery="sms", resend_at=NOW + 60),
        ),
        (PendingBot(LOGIN, BOT_TOKEN), AwaitBot(END)),
        (
            PendingBot(LOGIN, BOT_TOKEN, NOW + 20, Reason.FLOOD_WAIT),
            AwaitBot(END, NOW + 20, Reason.FLOOD_WAIT),
        ),
        (PendingPassword(LOGIN, "a colour", attempts_left=3), EnterPassword("a colour", 3, END)),
        (
            PendingPassword(LOGIN, retry_at=NOW + 20, reason=Reason.FLOOD_WAIT),
            EnterPassword(None, 5, END, NOW + 20, Reason.FLOOD_WAIT),
        ),
        (Absent(CANCELLED), Failed(Reason.CANCELLED)),
        (Authorized(ANNA, last_login=DONE), Complete(ANNA)),
        (Stale(ANNA, Reason.UNREACHABLE, last_login=DONE), Complete(ANNA)),
        (Stale(ANNA, Reason.UNREACHABLE, last_login=CANCELLED), Failed(Reason.CANCELLED)),
        (Revoked(ANNA, Reason.SESSION_REVOKED, last_login=DONE), Failed(Reason.SESSION_REVOKED)),
        (Revoked(ANNA, Reason.SESSION_REVOKED, last_login=CANCELLED), Failed(Reason.CANCELLED)),
    ],
    ids=repr,
)
def test_a_login_stands_where_its_session_stands(state: State, step: Step) -> None:
    assert step_for(state, "login-1") == step


@pytest.mark.parametrize("state", EVERY_STATE, ids=repr)
def test_every_other_login_is_superseded(state: State) -> None:
    assert step_for(state, "login-of-yesterday") == Failed(Reason.SUPERSEDED)


@pytest.mark.parametrize("state", EVERY_STATE, ids=repr)
def test_every_state_has_a_step_for_its_own_login(state: State) -> None:
    login_id = login_of(state)

    if login_id is not None:
        assert step_for(state, login_id) != Failed(Reason.SUPERSEDED)


@pytest.mark.parametrize(
    ("state", "action"),
    [
        (Absent(), UserAction.NONE),
        (PendingQr(LOGIN), UserAction.WAIT),
        (PendingQr(LOGIN, token()), UserAction.SCAN_QR),
        (PendingCode(LOGIN, PHONE), UserAction.ENTER_CODE),
        (PendingBot(LOGIN, BOT_TOKEN), UserAction.WAIT),
        (PendingPassword(LOGIN), UserAction.ENTER_PASSWORD),
        (Authorized(ANNA), UserAction.WAIT),
        (Authorized(ANNA, Substate.ONLINE), UserAction.NONE),
        (Authorized(ANNA, Substate.RECONNECTING), UserAction.WAIT),
        (Authorized(ANNA, Substate.FLOOD_WAIT), UserAction.WAIT),
        (Authorized(ANNA, Substate.FROZEN), UserAction.CONTACT_ADMIN),
        (STALE, UserAction.WAIT),
        (Stale(ANNA, Reason.CREDENTIAL_MISSING), UserAction.RELOGIN),
        (REVOKED, UserAction.RELOGIN),
        (Revoked(ANNA, Reason.REQUESTED), UserAction.RELOGIN),
        (Revoked(ANNA, Reason.AUTH_KEY_UNREGISTERED), UserAction.RELOGIN),
        (Revoked(ANNA, Reason.ACCOUNT_BANNED), UserAction.CONTACT_ADMIN),
        (Revoked(ANNA, Reason.ACCOUNT_DELETED), UserAction.CONTACT_ADMIN),
        (Revoked(ANNA, Reason.AUTH_KEY_DUPLICATED), UserAction.CONTACT_ADMIN),
    ],
    ids=repr,
)
def test_a_person_is_told_what_to_do(state: State, action: UserAction) -> None:
    assert user_action(state) is action


@pytest.mark.parametrize("state", EVERY_STATE, ids=repr)
def test_every_state_has_an_action(state: State) -> None:
    assert user_action(state) in UserAction


@pytest.mark.parametrize("reason", Reason)
def test_every_end_of_a_session_has_an_action(reason: Reason) -> None:
    ends = {UserAction.RELOGIN, UserAction.CONTACT_ADMIN}

    assert user_action(Revoked(ANNA, reason)) in ends
    assert user_action(Stale(ANNA, reason)) in ends


@pytest.mark.parametrize("reason", [Reason.CREDENTIAL_TAMPERED, Reason.CREDENTIAL_SEALED])
def test_what_only_an_operator_can_mend_is_not_put_upon_the_account_holder(reason: Reason) -> None:
    assert user_action(Stale(ANNA, reason)) is UserAction.CONTACT_ADMIN


@pytest.mark.parametrize("fallback", [STALE, REVOKED], ids=repr)
def test_a_login_in_place_still_knows_the_old_account(fallback: Stale | Revoked) -> None:
    assert account_of(PendingQr(replace(LOGIN, fallback=fallback))) == ANNA
    assert account_of(PendingQr(LOGIN)) is None

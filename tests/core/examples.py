"""Representative states and messages: every type, and of each type every case that the rules tell apart."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

from actors.core import messages as m
from actors.core.credential import Credential
from actors.core.decide import decide
from actors.core.secret import Secret
from actors.core.states import (
    CODE_ATTEMPTS,
    Absent,
    Authorized,
    Login,
    PastLogin,
    PendingBot,
    PendingCode,
    PendingPassword,
    PendingQr,
    QrToken,
    Reason,
    Revoked,
    Stale,
    State,
    Substate,
)

NOW = 1_800_000_000.0
TICKET_LIFE = 600.0
END = NOW + TICKET_LIFE
ANNA, BERT = 4242, 777

PHONE = Secret("+15550001111")
CODE = Secret("12345")
PASSWORD = Secret("correct horse")
BOT_TOKEN = Secret("4242:made-up")

STATE_TYPES: tuple[type[Any], ...] = get_args(State)
COMMAND_TYPES: tuple[type[Any], ...] = get_args(m.Command)
SIGNAL_TYPES: tuple[type[Any], ...] = get_args(m.Signal)
MESSAGE_TYPES: tuple[type[Any], ...] = get_args(m.Message)


def signed_in(account_id: int) -> m.SignedIn:
    """Telegram let this account in."""
    return m.SignedIn(credential(account_id))


def credential(account_id: int) -> Credential:
    """A credential of this account."""
    return Credential(account_id, 2, "127.0.0.1", 443, Secret("ab" * 256))


def token(number: int = 1, *, dies_in: float = 30.0) -> QrToken:
    """A login token, told from others by its number."""
    return QrToken(Secret(f"tg://login?token=number-{number}"), NOW + dies_in)


STALE = Stale(ANNA, Reason.UNREACHABLE, NOW + 60)
REVOKED = Revoked(ANNA, Reason.SESSION_REVOKED)
FALLBACKS: tuple[Absent | Stale | Revoked, ...] = (Absent(), STALE, REVOKED)

LOGIN = Login("login-1", END)
LOGINS = (
    *(replace(LOGIN, fallback=fallback) for fallback in FALLBACKS),
    *(replace(LOGIN, fallback=fallback, expected_account_id=ANNA) for fallback in FALLBACKS),
)

EVERY_STATE: tuple[State, ...] = (
    Absent(),
    Absent(PastLogin("login-0", Reason.CANCELLED)),
    *(PendingQr(login) for login in LOGINS),
    PendingQr(LOGIN, token(), issued=1),
    PendingQr(LOGIN, token(), retry_at=NOW + 30.5, issued=1),
    PendingQr(LOGIN, token(), retry_at=NOW + 2, issued=1, reason=Reason.UNREACHABLE),
    PendingQr(LOGIN, retry_at=NOW + 20, reason=Reason.FLOOD_WAIT),
    *(PendingCode(login, PHONE, "app") for login in LOGINS),
    PendingCode(LOGIN, PHONE),
    PendingCode(LOGIN, PHONE, "sms", rejected=2),
    PendingCode(LOGIN, PHONE, retry_at=NOW + 20, reason=Reason.FLOOD_WAIT),
    *(PendingCode(login, PHONE, "app", rejected=CODE_ATTEMPTS - 1) for login in LOGINS),
    PendingCode(LOGIN, PHONE, "app", length=5, next_delivery="sms"),
    PendingCode(LOGIN, PHONE, "app", length=5, next_delivery="sms", resend_at=NOW + 60),
    *(PendingBot(login, BOT_TOKEN) for login in LOGINS),
    PendingBot(LOGIN, BOT_TOKEN, NOW + 20, Reason.FLOOD_WAIT),
    *(PendingPassword(login, "a colour") for login in LOGINS),
    *(PendingPassword(login, attempts_left=1) for login in LOGINS),
    PendingPassword(LOGIN, retry_at=NOW + 20, reason=Reason.FLOOD_WAIT),
    *(Authorized(ANNA, substate) for substate in Substate),
    Authorized(ANNA, Substate.FLOOD_WAIT, NOW + 3600),
    Authorized(ANNA, Substate.RECONNECTING, NOW + 4, troubled_since=NOW - 2, attempts=1),
    Authorized(ANNA, Substate.RECONNECTING, NOW + 60, troubled_since=NOW - 200, attempts=9),
    Authorized(ANNA, Substate.ONLINE, last_login=PastLogin("login-0"), validate_at=NOW + 900),
    Authorized(ANNA, Substate.ASLEEP, validate_at=NOW + 40_000),
    STALE,
    Stale(ANNA, Reason.CREDENTIAL_MISSING),
    Stale(ANNA, Reason.ACCOUNT_MISMATCH, last_login=PastLogin("login-0")),
    Stale(ANNA, Reason.UNREACHABLE, stopped=True),
    REVOKED,
    Revoked(ANNA, Reason.REQUESTED, last_login=PastLogin("login-0")),
)

EVERY_MESSAGE: tuple[m.Message, ...] = (
    m.StartQr("login-2", END + 5),
    m.StartQr("login-2", END + 5, expected_account_id=ANNA),
    m.StartCode("login-2", END + 5, PHONE),
    m.StartBot("login-2", END + 5, BOT_TOKEN),
    m.ImportLogin(credential(ANNA)),
    m.ImportLogin(credential(BERT), stopped=False),
    m.SubmitCode("login-1", CODE),
    m.SubmitCode("login-0", CODE),
    m.ResendCode("login-1"),
    m.ResendCode("login-0"),
    m.SubmitPassword("login-1", PASSWORD),
    m.SubmitPassword("login-0", PASSWORD),
    m.CancelLogin("login-1"),
    m.CancelLogin("login-0"),
    m.Validate(),
    m.StartSession(),
    m.StopSession(),
    m.Revoke(),
    m.Woken(NOW),
    m.Woken(END),
    m.TimePassed(NOW),
    m.TimePassed(END),
    m.TokenIssued(NOW, token()),
    m.TokenIssued(NOW, token(2)),
    m.TokenAccepted(),
    m.CodeSent("sms"),
    m.CodeSent("app", 5, "sms", NOW + 60),
    m.CodeRejected(),
    m.PasswordNeeded(NOW, "a colour"),
    m.PasswordNeeded(NOW, None),
    m.PasswordRejected(),
    signed_in(ANNA),
    signed_in(BERT),
    m.LoginFailed(Reason.LOGIN_REFUSED),
    m.Online(ANNA, NOW),
    m.Online(BERT, NOW),
    m.ConnectionLost(NOW),
    m.Unreachable(NOW),
    m.Unreachable(NOW, Reason.APP_REFUSED),
    m.FloodWaited(NOW + 40),
    m.AccountFrozen(NOW),
    m.Idle(NOW),
    m.CredentialUnusable(Reason.CREDENTIAL_MISSING),
    m.CredentialLost(Reason.AUTH_KEY_DUPLICATED),
    m.LoggedOut(),
)


def after(state: State, *messages: m.Message) -> State:
    """The state that these messages lead to, one after the other."""
    for message in messages:
        state = decide(state, message).state
    return state


def unscheduled(state: State) -> State:
    """The state but for the moment of its next validation."""
    return replace(state, validate_at=None) if isinstance(state, Authorized) else state

"""What each state does with each lawful message: pure functions from a state and a message to a Decision."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from actors.core import effects as e
from actors.core import messages as m
from actors.core.states import (
    PASSWORD_WINDOW,
    ROTATE_BEFORE_EXPIRY,
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
from actors.core.transitions import TRANSITIONS, AnotherLogin, MustWait, Refused

FIRST_RETRY = 2.0
LONGEST_RETRY = 60.0
SAME_TOKEN_PAUSE = 0.5
SHORTEST_FETCH = 1.0
"""Seconds between two fetches of a QR token, however short the lives of Telegram's tokens are."""
STALE_AFTER = 180.0
"""A session whose connection has been in trouble this long is called STALE. It goes on trying."""


@dataclass(frozen=True, slots=True)
class Decision:
    """The next state, and what is to be done about it, in order."""

    state: State
    effects: tuple[e.Effect, ...] = ()


def decide(state: State, message: m.Message) -> Decision:
    """Answer a message with a Decision. Raises Refused, and so changes nothing, when it is out of turn."""
    lawful = TRANSITIONS[type(state)].get(type(message))
    if lawful is None:
        raise Refused(state, message)
    decision = _RULES[type(state)](state, message)
    if type(decision.state) not in lawful:
        raise AssertionError(f"{state.name} + {type(message).__name__} led to {decision.state.name}")
    return decision


def backoff(attempts: int) -> float:
    """Seconds before the next try after this many failed ones: 2, 4, 8 … 60."""
    return min(FIRST_RETRY * 2.0 ** min(attempts, 10), LONGEST_RETRY)


# -- logging in


def _start_login(state: State, message: m.StartQr | m.StartCode) -> Decision:
    """A new login. One that is under way gives up its place but passes on what it would fall back to."""
    under_way = isinstance(state, PendingQr | PendingCode | PendingPassword)
    fallback = state.login.fallback if isinstance(state, PendingQr | PendingCode | PendingPassword) else state
    login = Login(message.login_id, message.expires_at, _settled(fallback), message.expected_account_id)
    abandon: tuple[e.Effect, ...] = (e.AbandonLogin(),) if under_way else ()
    match message:
        case m.StartQr():
            return Decision(PendingQr(login), (*abandon, e.ExportToken()))
        case m.StartCode():
            return Decision(PendingCode(login, message.phone), (*abandon, e.SendCode(message.phone)))


def _settled(state: State) -> Absent | Stale | Revoked:
    match state:
        case Stale() | Revoked():
            return state
        case _:
            return Absent()


def _end_login(state: Pending, reason: Reason, *, log_out: bool = False) -> Decision:
    """Back to where the login began: a first login leaves nothing, one in place leaves the old session."""
    back = replace(state.login.fallback, last_login=PastLogin(state.login.login_id, reason))
    return Decision(back, (e.AbandonLogin(log_out=log_out),))


def _signed_in(state: Pending, account_id: int) -> Decision:
    """Telegram let somebody in. Keep the key only if it is the person who was expected."""
    expected = state.login.expected_account_id
    if expected is not None and expected != account_id:
        return _end_login(state, Reason.ACCOUNT_MISMATCH, log_out=True)
    return Decision(state, (e.Adopt(account_id),))


def _ask_password(state: Pending, message: m.PasswordNeeded) -> Decision:
    login = replace(state.login, expires_at=message.at + PASSWORD_WINDOW)
    return Decision(PendingPassword(login, message.hint))


def _any_pending(state: Pending, message: m.Message) -> Decision:
    """What is the same in every state of a login."""
    match message:
        case m.SignedIn():
            return _signed_in(state, message.account_id)
        case m.Adopted():
            online = Authorized(message.account_id, last_login=PastLogin(state.login.login_id))
            return Decision(online, (e.Connect(),))
        case m.LoginFailed():
            return _end_login(state, message.reason)
        case m.CancelLogin():
            _same_login(state, message, message.login_id)
            return _end_login(state, Reason.CANCELLED)
        case m.StartQr() | m.StartCode():
            return _start_login(state, message)
        case m.PasswordNeeded():
            return _ask_password(state, message)
        case m.Woken():
            # Codes, passwords and half-finished keys live in memory only: after a restart they are gone.
            return _end_login(state, Reason.RESTARTED)
        case _:
            raise Refused(state, message)


def _same_login(state: Pending, message: m.Message, login_id: str) -> None:
    if login_id != state.login.login_id:
        raise AnotherLogin(state, message)


def _absent(state: Absent, message: m.Message) -> Decision:
    match message:
        case m.StartQr() | m.StartCode():
            return _start_login(state, message)
        case _:
            return Decision(state)


def _pending_qr(state: PendingQr, message: m.Message) -> Decision:
    match message:
        case m.TimePassed(at) | m.Woken(at):
            if at >= state.login.expires_at:
                return _end_login(state, Reason.TICKET_EXPIRED)
            return Decision(replace(state, retry_at=None), (e.ExportToken(),))
        case m.TokenAccepted():
            return Decision(state, (e.ExportToken(),))
        case m.TokenIssued(at, token) if token == state.token:
            # Telegram repeats a token until its very end: ask again right after that, never in a tight loop.
            after_its_end = max(token.expires_at + SAME_TOKEN_PAUSE, at + SHORTEST_FETCH)
            return Decision(replace(state, retry_at=after_its_end, reason=None))
        case m.TokenIssued(at, token):
            dying = token.expires_at - ROTATE_BEFORE_EXPIRY < at + SHORTEST_FETCH
            again = at + SHORTEST_FETCH if dying else None
            return Decision(replace(state, token=token, retry_at=again, reason=None, issued=state.issued + 1))
        case m.StartQr():
            return Decision(state)  # a double tap, or the page was opened again: the same login goes on
        case m.Unreachable(at, reason):
            return Decision(_without_dead_token(state, at, reason))
        case m.ConnectionLost(at):
            # A token belongs to the connection's key; the push about it would come on a new connection only
            # after we have asked again. But a wait that trouble has begun goes on: a failed call often comes
            # together with the loss of its connection.
            waits = state.reason is not None and state.retry_at is not None
            return Decision(replace(state, token=None, retry_at=state.retry_at if waits else at))
        case m.FloodWaited(until):
            return Decision(replace(state, token=None, retry_at=until, reason=Reason.FLOOD_WAIT))
        case _:
            return _any_pending(state, message)


def _without_dead_token(state: PendingQr, at: float, reason: Reason) -> PendingQr:
    alive = state.token if state.token and state.token.expires_at > at else None
    return replace(state, token=alive, retry_at=at + FIRST_RETRY, reason=reason)


def _pending_code(state: PendingCode, message: m.Message) -> Decision:
    match message:
        case m.TimePassed(at):
            if at >= state.login.expires_at:
                return _end_login(state, Reason.TICKET_EXPIRED)
            return Decision(replace(state, retry_at=None, reason=None), _code_again(state))
        case m.CodeSent(delivery):
            return Decision(replace(state, delivery=delivery, reason=None))
        case m.SubmitCode(login_id, code):
            _same_login(state, message, login_id)
            _not_too_early(state, message)
            return Decision(state, (e.SignIn(code),))
        case m.ResendCode(login_id):
            _same_login(state, message, login_id)
            _not_too_early(state, message)
            return Decision(state, (e.SendCodeAgain(),))
        case m.CodeRejected():
            return Decision(replace(state, rejected=state.rejected + 1, reason=None))
        case m.Unreachable(at, reason):
            retry = at + FIRST_RETRY if state.delivery is None else None
            return Decision(replace(state, reason=reason, retry_at=retry))
        case m.ConnectionLost():
            return Decision(state)
        case m.FloodWaited(until):
            return Decision(replace(state, retry_at=until, reason=Reason.FLOOD_WAIT))
        case _:
            return _any_pending(state, message)


def _code_again(state: PendingCode) -> tuple[e.Effect, ...]:
    """After a wait: ask for the code, unless it is already on its way."""
    return (e.SendCode(state.phone),) if state.delivery is None else ()


def _pending_password(state: PendingPassword, message: m.Message) -> Decision:
    match message:
        case m.TimePassed(at):
            if at >= state.login.expires_at:
                return _end_login(state, Reason.PASSWORD_WINDOW_OVER)
            return Decision(replace(state, retry_at=None, reason=None))
        case m.SubmitPassword(login_id, password):
            _same_login(state, message, login_id)
            _not_too_early(state, message)
            return Decision(state, (e.CheckPassword(password),))
        case m.PasswordRejected():
            if state.attempts_left <= 1:
                return _end_login(state, Reason.PASSWORD_ATTEMPTS_USED)
            return Decision(replace(state, attempts_left=state.attempts_left - 1, reason=None))
        case m.Unreachable(_, reason):
            return Decision(replace(state, reason=reason))
        case m.ConnectionLost():
            return Decision(state)
        case m.FloodWaited(until):
            # The person keeps the place: the window is moved on by as long as Telegram makes them wait.
            login = replace(state.login, expires_at=max(state.login.expires_at, until + PASSWORD_WINDOW))
            return Decision(replace(state, login=login, retry_at=until, reason=Reason.FLOOD_WAIT))
        case _:
            return _any_pending(state, message)


def _not_too_early(state: PendingCode | PendingPassword, message: m.Message) -> None:
    """A wait ends by TimePassed, which clears `retry_at`: while it is set, the wait is on."""
    if state.retry_at is not None:
        raise MustWait(state, message, state.retry_at)


# -- life after login


def _authorized(state: Authorized, message: m.Message) -> Decision:
    match message:
        case m.Woken(at):
            if state.retry_at is not None and state.retry_at > at:
                return Decision(state)
            return Decision(replace(state, substate=Substate.CONNECTING, retry_at=None), (e.Connect(),))
        case m.TimePassed() | m.Validate():
            return Decision(replace(state, retry_at=None), (e.Connect(),))
        case m.Unreachable(at, reason):
            since = at if state.troubled_since is None else state.troubled_since
            if at - since >= STALE_AFTER:
                return Decision(
                    Stale(state.account_id, reason, at + LONGEST_RETRY, state.attempts, state.last_login)
                )
            return Decision(_reconnecting(state, at, since))
        case m.ConnectionLost() if state.retry_at is not None:
            # Being won back already, or waiting as Telegram asked. A failed try often comes together with the loss
            # of its connection: that must neither cut the wait short nor make the trouble look younger.
            return Decision(state)
        case m.ConnectionLost(at):
            # The first try is at once: most losses are one dropped connection.
            return Decision(replace(_reconnecting(state, at, at), retry_at=at))
        case m.FloodWaited(until):
            return Decision(replace(state, substate=Substate.FLOOD_WAIT, retry_at=until))
        case m.CredentialMissing():
            return Decision(Stale(state.account_id, Reason.CREDENTIAL_MISSING, last_login=state.last_login))
        case _:
            return _any_credential(state, message)


def _reconnecting(state: Authorized, at: float, since: float) -> Authorized:
    return replace(
        state,
        substate=Substate.RECONNECTING,
        troubled_since=since,
        attempts=state.attempts + 1,
        retry_at=at + backoff(state.attempts),
    )


def _stale(state: Stale, message: m.Message) -> Decision:
    match message:
        case m.StartQr() | m.StartCode():
            return _start_login(state, message)
        case m.Woken(at) | m.TimePassed(at):
            # A session that tries by itself keeps a next try while it does: it needs no person.
            again = None if state.retry_at is None else at + LONGEST_RETRY
            return Decision(replace(state, retry_at=again), (e.Connect(),))
        case m.Validate():
            return Decision(state, (e.Connect(),))
        case m.Unreachable(at, reason):
            return Decision(replace(state, reason=reason, retry_at=at + LONGEST_RETRY))
        case m.ConnectionLost():
            return Decision(state)
        case m.FloodWaited(until):
            return Decision(replace(state, retry_at=until))
        case m.CredentialMissing():
            return Decision(replace(state, reason=Reason.CREDENTIAL_MISSING, retry_at=None))
        case _:
            return _any_credential(state, message)


def _any_credential(state: Authorized | Stale, message: m.Message) -> Decision:
    """What is the same in both states that hold a credential."""
    match message:
        case m.Online(account_id) if account_id != state.account_id:
            # The file holds somebody else's login: hands off, keep it, and let a person look.
            mixed_up = Stale(state.account_id, Reason.ACCOUNT_MISMATCH, last_login=state.last_login)
            return Decision(mixed_up, (e.Disconnect(),))
        case m.Online(account_id):
            return Decision(Authorized(account_id, Substate.ONLINE, last_login=state.last_login))
        case m.AccountFrozen():
            return Decision(Authorized(state.account_id, Substate.FROZEN, last_login=state.last_login))
        case m.CredentialLost(reason):
            return Decision(Revoked(state.account_id, reason, last_login=state.last_login), (e.Disconnect(),))
        case m.Revoke(at):
            # retry_at is set until Telegram has confirmed: a crash in between asks again.
            gone = Revoked(state.account_id, Reason.REQUESTED, at, last_login=state.last_login)
            return Decision(gone, (e.LogOut(),))
        case _:
            raise Refused(state, message)


def _revoked(state: Revoked, message: m.Message) -> Decision:
    match message:
        case m.StartQr() | m.StartCode():
            return _start_login(state, message)
        case m.Woken() | m.TimePassed() if state.retry_at is None:
            return Decision(state)
        case m.Woken(at) | m.TimePassed(at):
            # The next try is noted first, so that an answer which means nothing here makes no tight loop.
            return Decision(replace(state, retry_at=at + LONGEST_RETRY), (e.LogOut(),))
        case m.Unreachable(at):
            retry = at + backoff(state.attempts)
            return Decision(replace(state, retry_at=retry, attempts=state.attempts + 1))
        case m.FloodWaited(until):
            return Decision(replace(state, retry_at=until))
        case m.LoggedOut() | m.CredentialMissing() | m.CredentialLost():
            return Decision(replace(state, retry_at=None))
        case _:
            raise Refused(state, message)


_RULES: Mapping[type[State], Callable[[Any, m.Message], Decision]] = {
    Absent: _absent,
    PendingQr: _pending_qr,
    PendingCode: _pending_code,
    PendingPassword: _pending_password,
    Authorized: _authorized,
    Stale: _stale,
    Revoked: _revoked,
}

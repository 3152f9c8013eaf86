"""The rules of logging in: ABSENT and the three PENDING states."""

from __future__ import annotations

from dataclasses import replace

from actors.core import effects as e
from actors.core import messages as m
from actors.core.credential import Credential, Deposit, Keeping, Owe
from actors.core.decision import FIRST_RETRY, Decision
from actors.core.states import (
    CODE_ATTEMPTS,
    PASSWORD_WINDOW,
    ROTATE_BEFORE_EXPIRY,
    Absent,
    Authorized,
    Login,
    PastLogin,
    Pending,
    PendingBot,
    PendingCode,
    PendingPassword,
    PendingQr,
    Reason,
    Revoked,
    Stale,
    State,
    Substate,
)
from actors.core.transitions import AnotherLogin, MustWait, Refused

SAME_TOKEN_PAUSE = 0.5
SHORTEST_FETCH = 1.0
"""Seconds between two fetches of a QR token, however short the lives of Telegram's tokens are."""


def start_login(state: State, message: m.Start) -> Decision:
    """A new login. One that is under way gives up its place but passes on what it would fall back to."""
    under_way = isinstance(state, Pending)
    fallback = state.login.fallback if isinstance(state, Pending) else state
    login = Login(message.login_id, message.expires_at, _settled(fallback), message.expected_account_id)
    abandon: tuple[e.Effect, ...] = (e.AbandonLogin(),) if under_way else ()
    match message:
        case m.StartQr():
            return Decision(PendingQr(login), (*abandon, e.ExportToken()))
        case m.StartCode():
            return Decision(PendingCode(login, message.phone), (*abandon, e.SendCode(message.phone)))
        case m.StartBot():
            return Decision(PendingBot(login, message.token), (*abandon, e.ImportBot(message.token)))


def _settled(state: State) -> Absent | Stale | Revoked:
    match state:
        case Stale() | Revoked():
            return state
        case _:
            return Absent()


def _end_login(state: Pending, reason: Reason, keeping: Keeping | None = None) -> Decision:
    """Back to where the login began: a first login leaves nothing, one in place leaves the old session."""
    back = replace(state.login.fallback, last_login=PastLogin(state.login.login_id, reason))
    return Decision(back, (e.AbandonLogin(),), keeping)


def _signed_in(state: Pending, credential: Credential) -> Decision:
    """Telegram let somebody in. Keep the key only if it is the person who was expected."""
    expected = state.login.expected_account_id
    if expected is not None and expected != credential.account_id:
        return _end_login(state, Reason.ACCOUNT_MISMATCH, Owe(credential))
    online = Authorized(credential.account_id, last_login=PastLogin(state.login.login_id))
    return Decision(online, (e.Connect(),), Deposit(credential))


def _ask_password(state: Pending, message: m.PasswordNeeded) -> Decision:
    login = replace(state.login, expires_at=message.at + PASSWORD_WINDOW)
    return Decision(PendingPassword(login, message.hint))


def _any_pending(state: Pending, message: m.Message) -> Decision:
    """What is the same in every state of a login."""
    match message:
        case m.SignedIn():
            return _signed_in(state, message.credential)
        case m.LoginFailed():
            return _end_login(state, message.reason)
        case m.CancelLogin():
            _same_login(state, message, message.login_id)
            return _end_login(state, Reason.CANCELLED)
        case m.StartQr() | m.StartCode() | m.StartBot():
            return start_login(state, message)
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


def absent(state: Absent, message: m.Message) -> Decision:
    """No credential: a login may start, or one that another program has made may be taken over."""
    match message:
        case m.StartQr() | m.StartCode() | m.StartBot():
            return start_login(state, message)
        case m.ImportLogin(credential, stopped):
            substate = Substate.STOPPED if stopped else Substate.CONNECTING
            connect = () if stopped else (e.Connect(),)
            taken_over = Authorized(credential.account_id, substate, last_login=state.last_login)
            return Decision(taken_over, connect, Deposit(credential))
        case _:
            return Decision(state)


def pending_qr(state: PendingQr, message: m.Message) -> Decision:
    """A QR is shown, renewed, and accepted or given up."""
    match message:
        case m.TimePassed(at) | m.Woken(at):
            if at >= state.login.expires_at:
                return _end_login(state, Reason.TICKET_EXPIRED)
            if isinstance(message, m.Woken) and at < (state.retry_at or 0.0):
                return Decision(state)  # a restart does not shorten what Telegram asked for
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


def pending_code(state: PendingCode, message: m.Message) -> Decision:
    """A login code is sent, typed, and right or wrong."""
    match message:
        case m.TimePassed(at):
            if at >= state.login.expires_at:
                return _end_login(state, Reason.TICKET_EXPIRED)
            return _waited(state, at)
        case m.StartCode(phone=phone) if phone == state.phone:
            return Decision(
                state
            )  # a double tap: another code would only cost one of the few that Telegram sends
        case m.CodeSent(delivery, length, next_delivery, resend_at):
            sent = replace(state, delivery=delivery, length=length, next_delivery=next_delivery)
            return Decision(replace(sent, resend_at=resend_at, reason=None))
        case m.SubmitCode(login_id, code):
            _same_login(state, message, login_id)
            _not_too_early(state, message)
            return Decision(state, (e.SignIn(code),))
        case m.ResendCode(login_id):
            _same_login(state, message, login_id)
            _not_too_early(state, message)
            if state.resend_at is not None:
                raise MustWait(state, message, state.resend_at)
            return Decision(state, (e.SendCodeAgain(),) if state.next_delivery is not None else ())
        case m.CodeRejected() if state.rejected + 1 >= CODE_ATTEMPTS:
            return _end_login(state, Reason.CODE_ATTEMPTS_USED)
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


def _waited(state: PendingCode, at: float) -> Decision:
    """A wait is over. If it was for the code, and that is not on its way yet, ask for it again."""
    now = max(at, state.deadline)
    if state.resend_at is not None and state.resend_at <= now:
        state = replace(state, resend_at=None)
    if state.retry_at is not None and state.retry_at > now:
        return Decision(state)
    again = (e.SendCode(state.phone),) if state.delivery is None else ()
    return Decision(replace(state, retry_at=None, reason=None), again)


def pending_bot(state: PendingBot, message: m.Message) -> Decision:
    """A bot's token is taken, or not."""
    match message:
        case m.TimePassed(at):
            if at >= state.login.expires_at:
                return _end_login(state, Reason.TICKET_EXPIRED)
            return Decision(replace(state, retry_at=None, reason=None), (e.ImportBot(state.token),))
        case m.Unreachable(at, reason):
            return Decision(replace(state, retry_at=at + FIRST_RETRY, reason=reason))
        case m.ConnectionLost():
            return Decision(state)
        case m.FloodWaited(until):
            return Decision(replace(state, retry_at=until, reason=Reason.FLOOD_WAIT))
        case _:
            return _any_pending(state, message)


def pending_password(state: PendingPassword, message: m.Message) -> Decision:
    """The 2FA password is typed, and right or wrong."""
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

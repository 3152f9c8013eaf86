"""The rules of life after login: AUTHORIZED, STALE and REVOKED."""

from __future__ import annotations

from dataclasses import replace

from actors.core import effects as e
from actors.core import messages as m
from actors.core.credential import Bury, Owe, Settle
from actors.core.decision import LONGEST_RETRY, Decision, backoff
from actors.core.login import start_login
from actors.core.states import Authorized, Reason, Revoked, Stale, Substate
from actors.core.transitions import MustWait, Refused

STALE_AFTER = 180.0
"""A session whose connection has been in trouble this long is called STALE. It goes on trying."""
VALIDATE_EVERY = 900.0
VALIDATE_SPREAD = 181
KEEP_ALIVE_EVERY = 12 * 3600.0
KEEP_ALIVE_SPREAD = 3607
"""A sleeping session shows itself to Telegram this often. Sessions and accounts that nobody uses are ended, after a
day at the earliest (core.telegram.org/constructor/account.authorizations, `authorization_ttl_days`)."""


def authorized(state: Authorized, message: m.Message) -> Decision:
    """A credential that works, and a connection that is kept, won back, or put to sleep."""
    if state.substate is Substate.STOPPED:
        return _held_still(state, message)
    match message:
        case m.Woken(at):
            return Decision(state) if _has_time(state, at) else _connect(state)
        case m.TimePassed():
            return _connect(state)
        case m.Validate() | m.StartSession():
            if state.substate is Substate.FLOOD_WAIT and state.retry_at is not None:
                raise MustWait(state, message, state.retry_at)
            return _connect(state)
        case m.Unreachable(at, reason):
            since = at if state.troubled_since is None else state.troubled_since
            if at - since >= STALE_AFTER:
                return Decision(
                    Stale(state.account_id, reason, at + LONGEST_RETRY, state.attempts, state.last_login)
                )
            return Decision(_reconnecting(state, at, since))
        case m.ConnectionLost() if state.retry_at is not None or state.substate is Substate.ASLEEP:
            # Being won back already, or waiting as Telegram asked. A failed try often comes together with the loss
            # of its connection: that must neither cut the wait short nor make the trouble look younger.
            return Decision(state)
        case m.ConnectionLost(at):
            # The first try is at once: most losses are one dropped connection.
            return Decision(replace(_reconnecting(state, at, at), retry_at=at))
        case m.FloodWaited(until):
            return Decision(replace(state, substate=Substate.FLOOD_WAIT, retry_at=until, validate_at=None))
        case m.Idle(at) if state.substate is Substate.ONLINE:
            wake_at = at + KEEP_ALIVE_EVERY + state.account_id % KEEP_ALIVE_SPREAD
            asleep = Authorized(state.account_id, Substate.ASLEEP, last_login=state.last_login)
            return Decision(replace(asleep, validate_at=wake_at), (e.Disconnect(),))
        case m.Idle():
            return Decision(state)
        case m.StopSession():
            stopped = Authorized(state.account_id, Substate.STOPPED, last_login=state.last_login)
            return Decision(stopped, (e.Disconnect(),))
        case _:
            return _any_credential(state, message)


def _has_time(state: Authorized, at: float) -> bool:
    """Whether a session that was taken up again has nothing to do yet: it waits as Telegram asked, or sleeps."""
    return state.deadline is not None and state.deadline > at


def _connect(state: Authorized) -> Decision:
    """Connect, or ask through the connection that is open. Who is online stays so while it is asked."""
    at_work = Substate.ONLINE, Substate.FROZEN, Substate.RECONNECTING
    substate = state.substate if state.substate in at_work else Substate.CONNECTING
    return Decision(replace(state, substate=substate, retry_at=None, validate_at=None), (e.Connect(),))


def _reconnecting(state: Authorized, at: float, since: float) -> Authorized:
    return replace(
        state,
        substate=Substate.RECONNECTING,
        troubled_since=since,
        attempts=state.attempts + 1,
        retry_at=at + backoff(state.attempts),
        validate_at=None,
    )


def validation_interval(account_id: int) -> float:
    """Seconds until a session that seems well is asked again; spread out, so that neighbours do not all ask at once.

    Telegram tells of most ends by itself, at once; this finds the rest.
    """
    return VALIDATE_EVERY + account_id % VALIDATE_SPREAD


def stale(state: Stale, message: m.Message) -> Decision:
    """A credential that is kept and tried again."""
    match message:
        case m.StartQr() | m.StartCode() | m.StartBot():
            return start_login(state, message)
        case _ if state.stopped:
            return _held_still(state, message)
        case m.Woken(at) | m.TimePassed(at):
            # A session that tries by itself keeps a next try while it does: it needs no person.
            again = None if state.retry_at is None else at + LONGEST_RETRY
            return Decision(replace(state, retry_at=again), (e.Connect(),))
        case m.Validate() | m.StartSession():
            return Decision(state, (e.Connect(),))
        case m.Unreachable(at, reason):
            return Decision(replace(state, reason=reason, retry_at=at + LONGEST_RETRY))
        case m.ConnectionLost() | m.Idle():
            return Decision(state)
        case m.FloodWaited(until):
            return Decision(replace(state, retry_at=until))
        case m.StopSession():
            return Decision(replace(state, retry_at=None, stopped=True), (e.Disconnect(),))
        case _:
            return _any_credential(state, message)


def _held_still(state: Authorized | Stale, message: m.Message) -> Decision:
    """A session that people have stopped. What its connection still told while it was closed means nothing."""
    match message:
        case m.StartSession():
            return Decision(_freed(state), (e.Connect(),))
        case m.CredentialLost() | m.Revoke():
            return _any_credential(state, message)
        case _:
            return Decision(state)


def _freed(state: Authorized | Stale) -> Authorized | Stale:
    match state:
        case Authorized():
            return replace(state, substate=Substate.CONNECTING)
        case Stale():
            return replace(state, stopped=False)


def _any_credential(state: Authorized | Stale, message: m.Message) -> Decision:
    """What is the same in both states that hold a credential."""
    match message:
        case m.Online(account_id, _) if account_id != state.account_id:
            # This is somebody else's login: hands off, keep it, and let a person look.
            mixed_up = Stale(state.account_id, Reason.ACCOUNT_MISMATCH, last_login=state.last_login)
            return Decision(mixed_up, (e.Disconnect(),))
        case m.Online(account_id, at):
            return Decision(_well(state, Substate.ONLINE, at))
        case m.AccountFrozen(at):
            return Decision(_well(state, Substate.FROZEN, at))
        case m.CredentialUnusable(reason):
            return Decision(Stale(state.account_id, reason, last_login=state.last_login))
        case m.CredentialLost(reason):
            return Decision(Revoked(state.account_id, reason, state.last_login), (e.Forget(),), Bury(reason))
        case m.Revoke():
            # The logout is owed until Telegram has confirmed it, whatever becomes of this session or process.
            gone = Revoked(state.account_id, Reason.REQUESTED, state.last_login)
            return Decision(gone, (e.LogOut(),), Owe())
        case _:
            raise Refused(state, message)


def _well(state: Authorized | Stale, substate: Substate, at: float) -> Authorized:
    """Telegram has answered for this account, and is asked again after a while, frozen or not."""
    well = Authorized(state.account_id, substate, last_login=state.last_login)
    return replace(well, validate_at=at + validation_interval(state.account_id))


def revoked(state: Revoked, message: m.Message) -> Decision:
    """A credential that is gone, and news of its logout."""
    match message:
        case m.StartQr() | m.StartCode() | m.StartBot():
            return start_login(state, message)
        case m.LoggedOut() | m.CredentialLost():
            return Decision(state, keeping=Settle())
        case m.Woken() | m.Unreachable() | m.FloodWaited():
            return Decision(state)  # what is owed is paid by somebody else, with patience
        case _:
            raise Refused(state, message)

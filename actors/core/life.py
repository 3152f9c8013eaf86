"""The rules of life after login: AUTHORIZED, STALE and REVOKED."""

from __future__ import annotations

from dataclasses import replace

from actors.core import effects as e
from actors.core import messages as m
from actors.core.decision import LONGEST_RETRY, Decision, backoff
from actors.core.login import start_login
from actors.core.states import Authorized, Reason, Revoked, Stale, Substate
from actors.core.transitions import Refused

STALE_AFTER = 180.0
"""A session whose connection has been in trouble this long is called STALE. It goes on trying."""
VALIDATE_EVERY = 900.0
VALIDATE_SPREAD = 181


def authorized(state: Authorized, message: m.Message) -> Decision:
    """A credential that works, and a connection that is kept or won back."""
    match message:
        case m.Woken(at):
            if state.retry_at is not None and state.retry_at > at:
                return Decision(state)
            return Decision(replace(state, substate=Substate.CONNECTING, retry_at=None), (e.Connect(),))
        case m.TimePassed() | m.Validate():
            return Decision(replace(state, retry_at=None, validate_at=None), (e.Connect(),))
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
            return Decision(replace(state, substate=Substate.FLOOD_WAIT, retry_at=until, validate_at=None))
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
        case m.Online(account_id, _) if account_id != state.account_id:
            # The file holds somebody else's login: hands off, keep it, and let a person look.
            mixed_up = Stale(state.account_id, Reason.ACCOUNT_MISMATCH, last_login=state.last_login)
            return Decision(mixed_up, (e.Disconnect(),))
        case m.Online(account_id, at):
            well = Authorized(account_id, Substate.ONLINE, last_login=state.last_login)
            return Decision(replace(well, validate_at=at + validation_interval(account_id)))
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


def revoked(state: Revoked, message: m.Message) -> Decision:
    """A credential that is gone, and a logout that may still be owed."""
    match message:
        case m.StartQr() | m.StartCode() | m.StartBot():
            return start_login(state, message)
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

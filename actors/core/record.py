"""What of a state is written down: enough to go on after a restart, and nothing secret.

QR tokens, codes, passwords and phone numbers never reach a record: after a restart they are asked for again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from actors.core.secret import Secret
from actors.core.states import (
    Absent,
    Authorized,
    Login,
    PastLogin,
    PendingBot,
    PendingCode,
    PendingPassword,
    PendingQr,
    Reason,
    Revoked,
    SessionState,
    Stale,
    State,
    Substate,
    account_of,
    is_stopped,
)


@dataclass(frozen=True, slots=True)
class Record:
    """A state as one row: its name, its reason, its account, `details`, plain JSON values, and what is desired."""

    state: SessionState
    reason: Reason | None = None
    account_id: int | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    stopped: bool = False


def to_record(state: State) -> Record:
    """The row of a state."""
    return Record(state.name, state.reason, account_of(state), _details(state), is_stopped(state))


def _details(state: State) -> dict[str, Any]:
    match state:
        case Absent():
            return _past(state.last_login)
        case Authorized():
            waits = state.retry_at if state.substate is Substate.FLOOD_WAIT else None
            sleeps = state.validate_at if state.substate is Substate.ASLEEP else None
            return _past(state.last_login) | _present(flood_wait_until=waits, wake_at=sleeps)
        case Stale():
            return _past(state.last_login) | _present(retry_at=state.retry_at)
        case Revoked():
            return _past(state.last_login)
        case PendingQr():
            waits = state.retry_at if state.reason is Reason.FLOOD_WAIT else None
            return _login(state.login) | _present(flood_wait_until=waits)
        case PendingBot():
            return _login(state.login)
        case PendingCode():
            return _login(state.login) | _present(delivery=state.delivery)
        case PendingPassword():
            return _login(state.login) | _present(hint=state.hint, attempts_left=state.attempts_left)


def _present(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _past(login: PastLogin | None) -> dict[str, Any]:
    return {} if login is None else {"last_login": _present(login_id=login.login_id, ended=login.ended)}


def _login(login: Login) -> dict[str, Any]:
    back = to_record(login.fallback)
    fallback = _present(
        state=back.state,
        reason=back.reason,
        account_id=back.account_id,
        details=back.details,
        stopped=back.stopped or None,
    )
    return _present(
        login_id=login.login_id,
        expires_at=login.expires_at,
        expected_account_id=login.expected_account_id,
        fallback=fallback,
    )


def from_record(record: Record) -> State:
    """The state of a row. Raises ValueError for a row that no version of this program wrote."""
    try:
        return _state(record)
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"a {record.state} record cannot be read: {error!r}") from error


def _state(record: Record) -> State:
    details = record.details
    past = _read_past(details)
    match record.state:
        case SessionState.ABSENT:
            return Absent(past)
        case SessionState.AUTHORIZED:
            return _read_authorized(record, past)
        case SessionState.STALE:
            reason = record.reason or Reason.UNKNOWN_ERROR
            retry_at = details.get("retry_at")
            return Stale(_account(record), reason, retry_at, last_login=past, stopped=record.stopped)
        case SessionState.REVOKED:
            reason = record.reason or Reason.UNKNOWN_ERROR
            return Revoked(_account(record), reason, last_login=past)
        case SessionState.PENDING_QR:
            until = details.get("flood_wait_until")
            return PendingQr(_read_login(details), retry_at=until, reason=record.reason)
        case SessionState.PENDING_CODE:
            login = _read_login(details)
            return PendingCode(login, Secret(""), details.get("delivery"), reason=record.reason)
        case SessionState.PENDING_PASSWORD:
            login, left = _read_login(details), details["attempts_left"]
            return PendingPassword(login, details.get("hint"), left, reason=record.reason)


def _read_authorized(record: Record, past: PastLogin | None) -> Authorized:
    until, wake_at = record.details.get("flood_wait_until"), record.details.get("wake_at")
    account_id = _account(record)
    if record.stopped:
        return Authorized(account_id, Substate.STOPPED, last_login=past)
    if wake_at is not None:
        return Authorized(account_id, Substate.ASLEEP, last_login=past, validate_at=wake_at)
    substate = Substate.CONNECTING if until is None else Substate.FLOOD_WAIT
    return Authorized(account_id, substate, until, last_login=past)


def _read_past(details: Mapping[str, Any]) -> PastLogin | None:
    if "last_login" not in details:
        return None
    saved = details["last_login"]
    return PastLogin(saved["login_id"], Reason(saved["ended"]) if "ended" in saved else None)


def _account(record: Record) -> int:
    if record.account_id is None:
        raise KeyError("account_id")
    return record.account_id


def _read_login(details: Mapping[str, Any]) -> Login:
    saved = details["fallback"]
    reason = Reason(saved["reason"]) if "reason" in saved else None
    stopped = saved.get("stopped", False)
    back = _state(
        Record(SessionState(saved["state"]), reason, saved.get("account_id"), saved["details"], stopped)
    )
    if not isinstance(back, Absent | Stale | Revoked):
        raise TypeError(f"a login cannot fall back to {back.name}")
    return Login(details["login_id"], details["expires_at"], back, details.get("expected_account_id"))

"""What the person who logs in does next, read off the state: one vocabulary for page, CLI and API."""

from __future__ import annotations

from dataclasses import dataclass

from actors.core.states import (
    Absent,
    Authorized,
    PendingBot,
    PendingCode,
    PendingPassword,
    PendingQr,
    QrToken,
    Reason,
    Revoked,
    Stale,
    State,
    login_of,
)


@dataclass(frozen=True, slots=True)
class ShowQr:
    """Display this QR and wait. `token` is None while the first one is being fetched."""

    token: QrToken | None
    expires_at: float
    retry_at: float | None = None
    reason: Reason | None = None


@dataclass(frozen=True, slots=True)
class EnterCode:
    """Ask for the login code, which Telegram sent by `delivery` (None while it is being asked for).

    It can be sent by `next_delivery`, if that is set; not before `resend_at`, if that is set.
    """

    delivery: str | None
    rejected: int
    expires_at: float
    retry_at: float | None = None
    reason: Reason | None = None
    length: int | None = None
    next_delivery: str | None = None
    resend_at: float | None = None


@dataclass(frozen=True, slots=True)
class AwaitBot:
    """Wait while the bot's token is handed in."""

    expires_at: float
    retry_at: float | None = None
    reason: Reason | None = None


@dataclass(frozen=True, slots=True)
class EnterPassword:
    """Ask for the 2FA password; `hint` is the account's own."""

    hint: str | None
    attempts_left: int
    expires_at: float
    retry_at: float | None = None
    reason: Reason | None = None


@dataclass(frozen=True, slots=True)
class Complete:
    """The account is linked."""

    account_id: int


@dataclass(frozen=True, slots=True)
class Failed:
    """The login ended; `reason` says why."""

    reason: Reason


LiveStep = ShowQr | EnterCode | AwaitBot | EnterPassword
Step = LiveStep | Complete | Failed


def step_for(state: State, login_id: str) -> Step:
    """Where the login `login_id` stands, given the session's state now."""
    if login_of(state) != login_id:
        return Failed(Reason.SUPERSEDED)
    match state:
        case PendingQr():
            return ShowQr(state.token, state.login.expires_at, state.retry_at, state.reason)
        case PendingCode():
            return _enter_code(state)
        case PendingBot():
            return AwaitBot(state.login.expires_at, state.retry_at, state.reason)
        case PendingPassword():
            return EnterPassword(
                state.hint, state.attempts_left, state.login.expires_at, state.retry_at, state.reason
            )
        case Absent() | Authorized() | Stale() | Revoked():
            return _past_step(state)


def _enter_code(state: PendingCode) -> EnterCode:
    return EnterCode(
        state.delivery,
        state.rejected,
        state.login.expires_at,
        state.retry_at,
        state.reason,
        state.length,
        state.next_delivery,
        state.resend_at,
    )


def _past_step(state: Absent | Authorized | Stale | Revoked) -> Complete | Failed:
    ended = state.last_login.ended if state.last_login else None
    if ended is not None:
        return Failed(ended)
    match state:
        case Authorized() | Stale():
            return Complete(state.account_id)
        case Revoked():
            return Failed(state.reason)
        case Absent():
            return Failed(Reason.LOGIN_REFUSED)

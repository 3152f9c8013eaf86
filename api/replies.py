"""What is answered: the bodies of the specification, in its order, and after them what we add."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import BaseModel

from actors.core.states import QrToken, Reason, SessionState, UserAction, user_action
from actors.core.steps import AwaitBot, Complete, EnterCode, EnterPassword, Failed, LiveStep, ShowQr, Step
from api.doors import Doors, Environment
from api.logins import Followed, Started


class Reply(BaseModel):
    """What all answers have in common. Moments are seconds since the epoch, waits are whole seconds."""


class StartQrReply(Reply):
    """A login that is under way. `qr_base64` is a PNG, or empty if the QR has already been scanned."""

    ticket: str
    qr_base64: str
    ttl: int
    tenant_id: str
    app_id: str
    state: SessionState
    qr_expires_at: float | None
    server_time: float
    environment: Environment


class StepReply(Reply):
    """What the person does next: look at a QR, type something, or nothing because it is over."""

    type: Literal["display_and_wait", "user_input", "complete", "failed"]
    kind: Literal["qr", "code", "bot", "password"] | None = None
    expires_at: float | None = None


class StatusReply(Reply):
    """Where a login stands. Members that do not apply to its step are null."""

    state: SessionState
    telegram_user_id: int | None
    requires_password: bool
    step: StepReply
    reason: Reason | None
    user_action: UserAction
    state_since: float
    sequence: int
    server_time: float
    environment: Environment
    qr_base64: str | None = None
    qr_expires_at: float | None = None
    hint: str | None = None
    attempts_left: int | None = None
    retry_after: int | None = None


class DoneReply(Reply):
    """It was done."""

    status: Literal["success"] = "success"
    message: str


class CallbackReply(Reply):
    """What our own connection says of the login: `success` once the account is linked."""

    status: Literal["success", "pending", "password_required"]
    message: str


class TokenReply(Reply):
    """A short session token, for Authorization: Bearer."""

    token: str
    tenant_id: str
    telegram_user_id: int | None
    expires_at: float
    server_time: float
    environment: Environment


class HealthReply(Reply):
    """The process answers, or the service takes work."""

    status: str
    environment: Environment


async def started(login: Started, step: LiveStep, doors: Doors) -> StartQrReply:
    """The answer to a started login, or to one that was live already."""
    now = doors.clock.now()
    token = _token(step)
    return StartQrReply(
        ticket=login.ticket.reveal(),
        qr_base64=await doors.pictures.qr(token.url) if token else "",
        ttl=seconds(step.expires_at - now),
        tenant_id=login.key.tenant_id,
        app_id=login.key.app_id,
        state=login.state.name,
        qr_expires_at=token.expires_at if token else None,
        server_time=now,
        environment=doors.environment,
    )


async def status(login: Followed, doors: Doors) -> StatusReply:
    """The answer to whoever follows a login. Of another login that took its place it tells the state only."""
    now = doors.clock.now()
    snapshot, step = login.snapshot, login.step
    token = _token(step)
    retry_at = None if isinstance(step, Complete | Failed) else step.retry_at
    entering = step if isinstance(step, EnterPassword) else None
    return StatusReply(
        state=snapshot.state.name,
        telegram_user_id=step.account_id if isinstance(step, Complete) else None,
        requires_password=entering is not None,
        step=_step(step),
        reason=None if isinstance(step, Complete) else step.reason,
        user_action=_action(login),
        state_since=snapshot.since,
        sequence=snapshot.sequence,
        server_time=now,
        environment=doors.environment,
        qr_base64=await doors.pictures.qr(token.url) if token else None,
        qr_expires_at=token.expires_at if token else None,
        hint=entering.hint if entering else None,
        attempts_left=entering.attempts_left if entering else None,
        retry_after=None if retry_at is None else seconds(retry_at - now),
    )


def seconds(length: float) -> int:
    """Whole seconds, rounded up, so that nobody is asked back too early."""
    return max(0, math.ceil(length))


def _token(step: Step) -> QrToken | None:
    return step.token if isinstance(step, ShowQr) else None


def _step(step: Step) -> StepReply:
    match step:
        case ShowQr(expires_at=expires_at):
            return StepReply(type="display_and_wait", kind="qr", expires_at=expires_at)
        case AwaitBot(expires_at=expires_at):
            return StepReply(type="display_and_wait", kind="bot", expires_at=expires_at)
        case EnterCode(expires_at=expires_at):
            return StepReply(type="user_input", kind="code", expires_at=expires_at)
        case EnterPassword(expires_at=expires_at):
            return StepReply(type="user_input", kind="password", expires_at=expires_at)
        case Complete():
            return StepReply(type="complete")
        case Failed():
            return StepReply(type="failed")


def _action(login: Followed) -> UserAction:
    """A login that failed can only be begun anew, unless not even that would help."""
    action = user_action(login.snapshot.state)
    if isinstance(login.step, Failed) and action is not UserAction.CONTACT_ADMIN:
        return UserAction.RELOGIN
    return action

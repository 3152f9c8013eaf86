"""The steps of a login as /api/v1/login tells them: one vocabulary for every way to log in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal
from uuid import uuid4

from pydantic import BaseModel

from actors.core.states import CODE_ATTEMPTS, QrToken, Reason
from actors.core.steps import AwaitBot, Complete, EnterCode, EnterPassword, Failed, ShowQr, Step
from api.replies import seconds

ErrorCode = Literal[
    "code_invalid",
    "password_invalid",
    "flood_wait",
    "resend_too_early",
    "resend_unavailable",
    "upstream_unavailable",
]


class StepError(BaseModel):
    """What went wrong at this step. The login keeps its place; `retry_after` is in seconds."""

    code: ErrorCode
    retry_after: int | None = None


class QrPart(BaseModel):
    """The QR to show: a PNG in base64, empty while a fresh one is being fetched."""

    png_base64: str
    expires_at: float | None


class CodePart(BaseModel):
    """How the login code was sent, as Telegram names it, and how it can be sent next, not before `resend_at`."""

    delivery: str
    length: int | None
    attempts_left: int
    next_delivery: str | None
    resend_at: float | None


class PasswordPart(BaseModel):
    """The account's own hint, and how many wrong passwords are left."""

    hint: str | None
    attempts_left: int


class LoginStep(BaseModel):
    """What the person does next. `txn_id` is a fresh one for the next POST to /step; another one would do as well.

    Of `qr`, `code`, `password`, `telegram_user_id` and `reason` only those that belong to the step are not null.
    """

    type: Literal["display_and_wait", "user_input", "complete", "failed"]
    step_id: Literal["qr", "sending_code", "code", "bot", "password", "complete", "failed"]
    txn_id: str | None = None
    instructions: str
    expires_at: float | None = None
    qr: QrPart | None = None
    code: CodePart | None = None
    password: PasswordPart | None = None
    telegram_user_id: int | None = None
    reason: Reason | None = None
    error: StepError | None = None


INSTRUCTIONS: Mapping[str, str] = {
    "qr": "On the phone open Telegram, Settings, Devices, Link Desktop Device, and scan this QR.",
    "sending_code": "Wait: Telegram is being asked for a login code.",
    "code": "Type the login code that Telegram has sent. Never send it in a chat: Telegram cancels it at once.",
    "bot": "Wait: the bot's token is being handed in.",
    "password": "Type the cloud password of the account's two-step verification.",
    "complete": "The account is linked.",
    "failed": "The login is over; reason says why. Start again.",
}


def login_step(step: Step, now: float, *, png: str = "", error: StepError | None = None) -> LoginStep:
    """The step in this vocabulary. `png` is the picture of its QR; without `error` its lasting trouble is told."""
    parts = _parts(step, png)
    error = error or trouble(step, now)
    return LoginStep(
        **parts,
        instructions=INSTRUCTIONS[parts["step_id"]],
        txn_id=uuid4().hex if parts["type"] == "user_input" else None,
        expires_at=None if isinstance(step, Complete | Failed) else step.expires_at,
        error=error,
    )


def _parts(step: Step, png: str) -> dict[str, Any]:
    match step:
        case ShowQr(token=token):
            qr = QrPart(png_base64=png, expires_at=token.expires_at if token else None)
            return {"type": "display_and_wait", "step_id": "qr", "qr": qr}
        case EnterCode(delivery=None):
            return {"type": "display_and_wait", "step_id": "sending_code"}
        case EnterCode():
            return {"type": "user_input", "step_id": "code", "code": _code(step)}
        case AwaitBot():
            return {"type": "display_and_wait", "step_id": "bot"}
        case EnterPassword(hint=hint, attempts_left=left):
            part = PasswordPart(hint=hint, attempts_left=left)
            return {"type": "user_input", "step_id": "password", "password": part}
        case Complete(account_id):
            return {"type": "complete", "step_id": "complete", "telegram_user_id": account_id}
        case Failed(reason):
            return {"type": "failed", "step_id": "failed", "reason": reason}


def _code(step: EnterCode) -> CodePart:
    return CodePart(
        delivery=step.delivery or "",
        length=step.length,
        attempts_left=CODE_ATTEMPTS - step.rejected,
        next_delivery=step.next_delivery,
        resend_at=step.resend_at,
    )


def trouble(step: Step, now: float) -> StepError | None:
    """What keeps this step from going on at the moment."""
    match step:
        case Complete() | Failed() | ShowQr(token=QrToken()):
            return None
        case (
            ShowQr(reason=reason)
            | EnterCode(reason=reason)
            | AwaitBot(reason=reason)
            | EnterPassword(reason=reason)
        ):
            if reason is None:
                return None
            wait = None if step.retry_at is None else seconds(step.retry_at - now)
            flood = reason is Reason.FLOOD_WAIT
            return StepError(code="flood_wait" if flood else "upstream_unavailable", retry_after=wait)

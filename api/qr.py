"""Routes for the page on which a person links an account by QR, all below /api/qr: views of `api.logins`."""

from __future__ import annotations

from typing import Any

from quart import Blueprint, request

from actors.bridge import in_trio
from actors.core.messages import SubmitPassword
from actors.core.secret import Secret
from actors.core.states import Reason
from actors.core.steps import AwaitBot, Complete, EnterCode, EnterPassword, Failed, LiveStep, ShowQr, Step
from api import bodies, logins, queries, replies
from api.caller import Caller, present_caller
from api.doors import Doors, doors, require_feature
from api.errors import (
    AlreadyAuthorized,
    FloodWait,
    InvalidRequest,
    LoginEnded,
    PasswordInvalid,
    UpstreamUnavailable,
)
from api.repeats import repeatable

qr = Blueprint("qr", __name__, url_prefix="/api/qr")
qr.before_request(require_feature)

Json = dict[str, Any]


@qr.post("/start")
async def start() -> Json:
    """Begin a login, or show the live one again."""
    caller = present_caller()
    body = await bodies.read(bodies.StartQrBody)
    key = caller.session(body.tenant_id, body.app_id)
    started = await in_trio(logins.start_qr, doors(), caller, key, None, repeatable(caller, body))
    step = _live(started.step, doors().clock.now())
    return (await replies.started(started, step, doors())).model_dump(mode="json")


@qr.get("/status")
async def status() -> Json:
    """Tell where a login stands, on request once that has changed."""
    caller = present_caller()
    query = queries.read(queries.StatusQuery)
    ticket = _ticket(query)
    login = await in_trio(logins.follow, doors(), caller, ticket, float(query.wait), query.since)
    return (await replies.status(login, doors())).model_dump(mode="json")


@qr.post("/password")
async def password() -> Json:
    """Hand in the 2FA password."""
    caller = present_caller()
    body = await bodies.read(bodies.PasswordBody)
    step = await in_trio(_submit_password, doors(), caller, body)
    _accepted(step, doors().clock.now())
    return replies.DoneReply(message="Password verified successfully").model_dump()


@qr.post("/cancel")
async def cancel() -> Json:
    """Give a login up."""
    caller = present_caller()
    body = await bodies.read(bodies.CancelBody)
    await in_trio(logins.cancel, doors(), caller, body.ticket)
    return replies.DoneReply(message="Login cancelled").model_dump()


async def _submit_password(here: Doors, caller: Caller, body: bodies.PasswordBody) -> Step:
    opens = await logins.open_ticket(here, caller, body.ticket)
    return await logins.hand_in(here, caller, opens, SubmitPassword(opens.login_id, body.password))


def _live(step: Step, now: float) -> LiveStep:
    """The step of a login that goes on. Here its trouble and its end are problems."""
    match step:
        case ShowQr(token=None, retry_at=retry_at, reason=Reason.FLOOD_WAIT) if retry_at is not None:
            raise FloodWait(retry_after=retry_at - now)
        case ShowQr(token=None):
            raise UpstreamUnavailable(retry_after=logins.TRY_AGAIN)
        case Complete(account_id):
            raise AlreadyAuthorized(telegram_user_id=account_id)
        case Failed(reason):
            raise LoginEnded(reason=reason)
        case ShowQr() | EnterCode() | AwaitBot() | EnterPassword():
            return step


def _accepted(step: Step, now: float) -> None:
    """Return if the password was accepted; raise what else became of it."""
    match step:
        case Complete():
            return
        case EnterPassword(retry_at=retry_at) if retry_at is not None:
            raise FloodWait(retry_after=retry_at - now)
        case EnterPassword(hint=hint, attempts_left=attempts_left, reason=None):
            raise PasswordInvalid(attempts_left=attempts_left, hint=hint)
        case Failed(reason):
            raise LoginEnded(reason=reason)
        case ShowQr() | EnterCode() | AwaitBot() | EnterPassword():
            raise UpstreamUnavailable(retry_after=logins.TRY_AGAIN)


def _ticket(query: queries.StatusQuery) -> Secret:
    """A header is better than the URL, which proxies log; the specification's clients use the URL."""
    header = request.headers.get("X-Ticket")
    if header is not None:
        return Secret(header)
    if query.ticket is None:
        raise InvalidRequest(errors=[{"field": "ticket", "message": "Field required, or send X-Ticket"}])
    return query.ticket

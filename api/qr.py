"""Routes for the page on which a person links an account by QR, all below /api/qr."""

from __future__ import annotations

from typing import Any

from quart import Blueprint, request

from actors.bridge import in_trio
from actors.core.secret import Secret
from api import bodies, logins, replies
from api.caller import Caller, identify
from api.doors import doors
from api.errors import FeatureDisabled, InvalidRequest

qr = Blueprint("qr", __name__, url_prefix="/api/qr")

Json = dict[str, Any]


@qr.before_request
async def only_if_enabled() -> None:
    """Let nobody in while the feature is off."""
    if not doors().feature_enabled:
        raise FeatureDisabled


@qr.post("/start")
async def start() -> Json:
    """Begin a login, or show the live one again."""
    caller = _caller()
    body = await bodies.read(bodies.StartQrBody)
    key = caller.session(body.tenant_id, body.app_id)
    login = await in_trio(logins.start_qr, doors(), key)
    return (await replies.started(login, doors())).model_dump(mode="json")


@qr.get("/status")
async def status() -> Json:
    """Tell where a login stands, on request once that has changed."""
    caller = _caller()
    query = bodies.read_query(bodies.StatusQuery)
    ticket = _ticket(query)
    login = await in_trio(logins.follow, doors(), caller, ticket, float(query.wait), query.since)
    return (await replies.status(login, doors())).model_dump(mode="json")


@qr.post("/password")
async def password() -> Json:
    """Hand in the 2FA password."""
    caller = _caller()
    body = await bodies.read(bodies.PasswordBody)
    await in_trio(logins.submit_password, doors(), caller, body.ticket, body.password)
    return replies.DoneReply(message="Password verified successfully").model_dump()


@qr.post("/cancel")
async def cancel() -> Json:
    """Give a login up."""
    caller = _caller()
    body = await bodies.read(bodies.CancelBody)
    await in_trio(logins.cancel, doors(), caller, body.ticket)
    return replies.DoneReply(message="Login cancelled").model_dump()


def _caller() -> Caller:
    return identify(request.headers.get("Authorization"), doors())


def _ticket(query: bodies.StatusQuery) -> Secret:
    """A header is better than the URL, which proxies log; the specification's clients use the URL."""
    header = request.headers.get("X-Ticket")
    if header is not None:
        return Secret(header)
    if query.ticket is None:
        raise InvalidRequest(errors=[{"field": "ticket", "message": "Field required, or send X-Ticket"}])
    return query.ticket

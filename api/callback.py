"""What a tenant's backend believes of a login, signed by it, and what our own connection says to that.

Telegram itself calls nobody back. So nothing comes of a callback but an answer: who was linked is known from our own
connection alone, and `tg_user_id` is only compared with that.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from quart import Blueprint, request

from actors.bridge import in_trio
from actors.core.steps import AwaitBot, Complete, EnterCode, EnterPassword, Failed, ShowQr, Step
from api import bodies, logins
from api.caller import Caller
from api.doors import Doors, doors, require_feature
from api.errors import (
    AccountDiffers,
    BadJson,
    InvalidRequest,
    LoginEnded,
    OutsideWindow,
    Replayed,
    SignatureInvalid,
    TicketUnknown,
)
from api.events import Callback, CallbackCompared, Webhook, WebhookCame
from api.once import first_time
from api.permissions import Role
from api.replies import CallbackReply
from api.signatures import FUTURE, Proved, Signed, prove, target

callback = Blueprint("callback", __name__, url_prefix="/api/qr")
callback.before_request(require_feature)

HEADERS = ("X-Miniapp-Signature", "X-Timestamp", "X-Request-Id", "X-Key-Id")

_WEBHOOKS: Mapping[type[Exception], Webhook] = {
    SignatureInvalid: Webhook.SIGNATURE_INVALID,
    OutsideWindow: Webhook.OUTSIDE_WINDOW,
    Replayed: Webhook.REPLAYED,
    BadJson: Webhook.BODY_INVALID,
    InvalidRequest: Webhook.BODY_INVALID,
}
_CALLBACKS: Mapping[type[Exception], Callback] = {
    AccountDiffers: Callback.ACCOUNT_DIFFERS,
    LoginEnded: Callback.ENDED,
    TicketUnknown: Callback.TICKET_UNKNOWN,
}
_REPLIES = {
    Callback.CONFIRMED: CallbackReply(status="success", message="Authorization completed successfully"),
    Callback.PENDING: CallbackReply(status="pending", message="The account is not linked yet"),
    Callback.PASSWORD_REQUIRED: CallbackReply(
        status="password_required", message="Telegram asks for the account's cloud password"
    ),
}


@callback.post("/callback")
async def confirm() -> dict[str, Any]:
    """Compare what a tenant's backend believes with what we know."""
    here = doors()
    try:
        proved, body = await _let_in(here)
    except Exception as error:
        here.tell(WebhookCame(_WEBHOOKS.get(type(error), Webhook.UNANSWERED)))
        raise
    here.tell(WebhookCame(Webhook.ACCEPTED))
    try:
        outcome = await in_trio(_compared, here, proved, body)
    except Exception as error:
        here.tell(CallbackCompared(_CALLBACKS.get(type(error), Callback.UNANSWERED)))
        raise
    here.tell(CallbackCompared(outcome))
    return _REPLIES[outcome].model_dump()


async def _let_in(here: Doors) -> tuple[Proved, bodies.CallbackBody]:
    """In this order, so that strangers cost us little: size, headers, time, signature; then the store, then JSON."""
    signed = _signed(await bodies.read_raw())
    proved = prove(signed, here.callback_keys, here.clock.now(), here.callback_tolerance)
    # By tenant and not by key: under another key's name the same request is the same request.
    scope = f"callback {proved.tenant_id}"
    # Longer than the signature is good, by as much as the clocks of nodes may differ.
    within = 2 * here.callback_tolerance + FUTURE
    if not await in_trio(first_time, here, scope, proved.request_id, within):
        raise Replayed
    return proved, bodies.parse(bodies.CallbackBody, signed.body)


def _signed(body: bytes) -> Signed:
    headers = [request.headers.getlist(name) for name in HEADERS]
    signature, timestamp, request_id, key_id = (given[0] if len(given) == 1 else "" for given in headers)
    at = target(request.path, request.query_string.decode("latin-1"))
    return Signed(request.method, at, signature, timestamp, request_id, key_id, body)


async def _compared(here: Doors, proved: Proved, body: bodies.CallbackBody) -> Callback:
    backend = Caller(role=Role.TENANT, tenant_id=proved.tenant_id, name=f"callback:{proved.tenant_id}")
    followed = await logins.follow(here, backend, body.ticket, 0.0, None)
    return _verdict(followed.step, body.tg_user_id)


def _verdict(step: Step, claimed: int) -> Callback:
    match step:
        case Complete(account_id) if account_id == claimed:
            return Callback.CONFIRMED
        case Complete():
            raise AccountDiffers
        case Failed(reason):
            raise LoginEnded(reason=reason)
        case EnterPassword():
            return Callback.PASSWORD_REQUIRED
        case ShowQr() | EnterCode() | AwaitBot():
            return Callback.PENDING

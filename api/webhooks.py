"""Routes by which a tenant says where it wants to be told what happens to its sessions."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from quart import Blueprint, Response, request

from actors.bridge import in_trio
from actors.core.webhook import check_webhook_url
from actors.webhooks import DeliveryStatus, Resent, Webhook, Webhooks, WebhookStatus
from api import bodies, queries
from api.caller import present_caller
from api.doors import doors
from api.errors import DeliveryDue, DeliveryUnknown, TooManyWebhooks, WebhookUnknown
from api.webhook_replies import (
    DeliveriesReply,
    PingReply,
    RecoverReply,
    ResendReply,
    WebhooksReply,
    delivery_reply,
    new_webhook_reply,
    webhook_reply,
)

webhooks = Blueprint("webhooks", __name__, url_prefix="/api/v1/tenants/<tenant_id>/webhooks")

AT_MOST = 10
"""Webhooks of one tenant."""

RECOVERED_AT_ONCE = 1000
"""Deliveries that one request has sent anew at most."""

OVERLAP = 86_400.0
"""Seconds for which the secret before goes on to sign too."""

Json = dict[str, Any]


@webhooks.get("")
async def list_webhooks(tenant_id: str) -> Json:
    """Show all of them."""
    tenant = present_caller().tenant(tenant_id)
    found = await in_trio(doors().webhooks.all, tenant)
    return WebhooksReply(webhooks=[webhook_reply(each) for each in found]).model_dump(mode="json")


@webhooks.post("")
async def add_webhook(tenant_id: str) -> tuple[Json, int]:
    """Make one, and tell its secret."""
    tenant = present_caller().tenant(tenant_id)
    body = await bodies.read(bodies.NewWebhookBody)
    made = await in_trio(doors().webhooks.add, tenant, _checked(body.url), AT_MOST, body.wanted())
    if made is None:
        raise TooManyWebhooks
    return new_webhook_reply(made).model_dump(mode="json"), HTTPStatus.CREATED


@webhooks.get("/<webhook_id>")
async def read_webhook(tenant_id: str, webhook_id: str) -> Json:
    """Show one."""
    tenant = present_caller().tenant(tenant_id)
    found = await in_trio(_known, doors().webhooks, tenant, webhook_id)
    return webhook_reply(found).model_dump(mode="json")


@webhooks.put("/<webhook_id>")
async def change_webhook(tenant_id: str, webhook_id: str) -> Json:
    """Give it another URL or choice, disable it, or enable it again."""
    tenant = present_caller().tenant(tenant_id)
    body = await bodies.read(bodies.WebhookBody)
    status = WebhookStatus.ENABLED if body.enabled else WebhookStatus.DISABLED
    url = _checked(body.url)
    changed = await in_trio(doors().webhooks.change, tenant, webhook_id, url, status, body.wanted())
    if changed is None:
        raise WebhookUnknown
    doors().ring_webhooks()
    return webhook_reply(changed).model_dump(mode="json")


@webhooks.delete("/<webhook_id>")
async def delete_webhook(tenant_id: str, webhook_id: str) -> Response:
    """Forget it, and what it was yet to be told."""
    tenant = present_caller().tenant(tenant_id)
    if not await in_trio(doors().webhooks.remove, tenant, webhook_id):
        raise WebhookUnknown
    return Response(status=HTTPStatus.NO_CONTENT)


@webhooks.post("/<webhook_id>/rotate")
async def rotate_webhook(tenant_id: str, webhook_id: str) -> Json:
    """Make another secret, and tell it; the one before signs too for a day."""
    tenant = present_caller().tenant(tenant_id)
    made = await in_trio(doors().webhooks.rotate, tenant, webhook_id, OVERLAP)
    if made is None:
        raise WebhookUnknown
    return new_webhook_reply(made).model_dump(mode="json")


@webhooks.post("/<webhook_id>/ping")
async def ping_webhook(tenant_id: str, webhook_id: str) -> tuple[Json, int]:
    """Send a test; its delivery shows how it went."""
    tenant = present_caller().tenant(tenant_id)
    message_id = await in_trio(doors().webhooks.ping, tenant, webhook_id)
    if message_id is None:
        raise WebhookUnknown
    doors().ring_webhooks()
    return PingReply(message_id=message_id).model_dump(mode="json"), HTTPStatus.ACCEPTED


@webhooks.get("/<webhook_id>/deliveries")
async def list_deliveries(tenant_id: str, webhook_id: str) -> Response:
    """Show what it was told, and is yet to be told."""
    tenant = present_caller().tenant(tenant_id)
    query = queries.read(queries.DeliveriesQuery)
    reply = await in_trio(_listed, doors().webhooks, tenant, webhook_id, query)
    response = Response(reply.model_dump_json(), content_type="application/json")
    if reply.next_cursor is not None:
        more = query.model_dump(include={"limit", "status"}, exclude_none=True) | {
            "cursor": reply.next_cursor
        }
        response.headers["Link"] = f'<{request.path}?{urlencode(more)}>; rel="next"'
    return response


@webhooks.post("/<webhook_id>/deliveries/<message_id>/resend")
async def resend_delivery(tenant_id: str, webhook_id: str, message_id: str) -> tuple[Json, int]:
    """Send it anew at once, under the same id, as if it had never been tried."""
    tenant = present_caller().tenant(tenant_id)
    await in_trio(_resent, doors().webhooks, tenant, webhook_id, message_id)
    doors().ring_webhooks()
    return ResendReply(message_id=message_id).model_dump(mode="json"), HTTPStatus.ACCEPTED


@webhooks.post("/<webhook_id>/recover")
async def recover_webhook(tenant_id: str, webhook_id: str) -> tuple[Json, int]:
    """Send anew what was given up since a moment, so many at a time."""
    tenant = present_caller().tenant(tenant_id)
    body = await bodies.read(bodies.RecoverBody)
    here = doors().webhooks
    await in_trio(_known, here, tenant, webhook_id)
    resent = await in_trio(here.recover, tenant, webhook_id, body.since, RECOVERED_AT_ONCE)
    doors().ring_webhooks()
    reply = RecoverReply(resent=resent, more=resent == RECOVERED_AT_ONCE)
    return reply.model_dump(mode="json"), HTTPStatus.ACCEPTED


async def _listed(
    here: Webhooks, tenant: str, webhook_id: str, query: queries.DeliveriesQuery
) -> DeliveriesReply:
    await _known(here, tenant, webhook_id)
    status = None if query.status is None else DeliveryStatus(query.status)
    found = await here.deliveries(tenant, webhook_id, query.limit + 1, status=status, before=query.before())
    page = found[: query.limit]
    return DeliveriesReply(
        deliveries=[delivery_reply(each) for each in page],
        next_cursor=str(page[-1].place) if len(found) > len(page) else None,
    )


async def _resent(here: Webhooks, tenant: str, webhook_id: str, message_id: str) -> None:
    await _known(here, tenant, webhook_id)
    match await here.resend(tenant, webhook_id, message_id):
        case Resent.UNKNOWN:
            raise DeliveryUnknown
        case Resent.DUE_ALREADY:
            raise DeliveryDue
        case Resent.DUE_AGAIN:
            pass


async def _known(here: Webhooks, tenant: str, webhook_id: str) -> Webhook:
    """The webhook. Raises WebhookUnknown."""
    found = await here.read(tenant, webhook_id)
    if found is None:
        raise WebhookUnknown
    return found


def _checked(url: str) -> str:
    return check_webhook_url(url, allow_private=doors().webhooks_may_be_private)

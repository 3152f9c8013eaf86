"""What a tenant is told of its webhooks. A secret is told once, when it is made."""

from __future__ import annotations

from actors.webhooks import Delivery, DeliveryStatus, Sealed, Trouble, Webhook, WebhookStatus
from api.replies import Reply


class WebhookReply(Reply):
    """A webhook. `failing_since` is when the last thing arrived that did, while nothing does.

    `apps` and `states` are what it is told of, null for everything.
    """

    webhook_id: str
    tenant_id: str
    url: str
    status: WebhookStatus
    failing_since: float | None
    created_at: float
    previous_secret_until: float | None
    apps: list[str] | None
    states: list[str] | None


class NewWebhookReply(WebhookReply):
    """The same with its secret, which is never shown again."""

    secret: str


class WebhooksReply(Reply):
    """All of a tenant's webhooks, oldest first."""

    webhooks: list[WebhookReply]


class PingReply(Reply):
    """The test that is on its way."""

    message_id: str


class DeliveryReply(Reply):
    """What a webhook was told, or is yet to be told. `event_id` is null for a test.

    `attempts` counts the tries since it was put in, or resent.
    """

    message_id: str
    event_id: int | None
    status: DeliveryStatus
    attempts: int
    answer: int | None
    trouble: Trouble | None
    created_at: float
    settled_at: float | None
    next_at: float | None


class DeliveriesReply(Reply):
    """Some deliveries, newest first; settled ones are kept a week. With `next_cursor` the next request goes on."""

    deliveries: list[DeliveryReply]
    next_cursor: str | None


class ResendReply(Reply):
    """The message that is on its way once more."""

    message_id: str


class RecoverReply(Reply):
    """How many are on their way once more. With `more` there are others: ask again."""

    resent: int
    more: bool


def webhook_reply(webhook: Webhook) -> WebhookReply:
    """This webhook, as it is told."""
    return WebhookReply.model_validate(_members(webhook))


def new_webhook_reply(made: Sealed) -> NewWebhookReply:
    """The same, once, with the secret that was made."""
    return NewWebhookReply.model_validate(_members(made.webhook) | {"secret": made.secret.reveal()})


def delivery_reply(delivery: Delivery) -> DeliveryReply:
    """This delivery, as it is told."""
    return DeliveryReply.model_validate(
        {
            "message_id": delivery.message_id,
            "event_id": delivery.seq,
            "status": delivery.status,
            "attempts": delivery.attempts,
            "answer": delivery.answer,
            "trouble": None if delivery.trouble is None else Trouble(delivery.trouble),
            "created_at": delivery.created_at,
            "settled_at": delivery.settled_at,
            "next_at": delivery.next_at,
        }
    )


def _members(webhook: Webhook) -> dict[str, object]:
    chosen = {"apps": webhook.wanted.apps, "states": webhook.wanted.states}
    lists = {name: None if value is None else list(value) for name, value in chosen.items()}
    return {name: getattr(webhook, name) for name in WebhookReply.model_fields if name not in chosen} | lists

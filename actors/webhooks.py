"""Webhooks in their own words: where tenants want to be told what happens, and what they are yet to be told."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from actors.core.secret import Secret
from actors.ports import EVERYTHING, JournalLine, Wanted

WEBHOOK_ID_PATTERN = r"[a-z0-9]{12}"


class WebhookStatus(StrEnum):
    """Whether a webhook is told anything."""

    ENABLED = "enabled"
    DISABLED = "disabled"
    """By its people."""
    FAILED = "failed"
    """Given up, after nothing had arrived for long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """Where a tenant wants to be told what happens. Moments are seconds since the epoch.

    `position` is how far of the tenant's journal it has been put into the outbox, as far as it is wanted.
    """

    tenant_id: str
    webhook_id: str
    url: str
    status: WebhookStatus
    position: int
    failing_since: float | None
    created_at: float
    previous_secret_until: float | None = None
    wanted: Wanted = EVERYTHING


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """A secret that was made for a webhook, as it is told once."""

    webhook: Webhook
    secret: Secret


class DeliveryStatus(StrEnum):
    """How far a delivery is."""

    DUE = "due"
    DELIVERED = "delivered"
    DEAD = "dead"
    """Given up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What a webhook was told, or is yet to be told. `seq` is the event's id, None for a test.

    `attempts` counts the tries since it was put in, or resent.
    """

    message_id: str
    seq: int | None
    status: DeliveryStatus
    attempts: int
    answer: int | None
    trouble: str | None
    created_at: float
    settled_at: float | None
    next_at: float | None

    @property
    def place(self) -> DeliveryPlace:
        """Where it is in the list of all."""
        return DeliveryPlace(round(self.created_at * 1_000_000), self.seq or 0, self.message_id)


@dataclass(frozen=True, slots=True)
class DeliveryPlace:
    """Where a delivery is in the list of a webhook's: older ones have a smaller one. `at` is in microseconds."""

    at: int
    seq: int
    message_id: str

    def __str__(self) -> str:
        return f"{self.at}.{self.seq}.{self.message_id}"


class Resent(StrEnum):
    """What became of the wish to have a delivery sent anew."""

    DUE_AGAIN = "due_again"
    DUE_ALREADY = "due_already"
    UNKNOWN = "unknown"


class Webhooks(Protocol):
    """Tenants' webhooks. Every method may raise StoreUnavailable."""

    async def all(self, tenant_id: str) -> list[Webhook]:
        """The tenant's webhooks, oldest first."""
        ...

    async def read(self, tenant_id: str, webhook_id: str) -> Webhook | None:
        """One of them."""
        ...

    async def add(self, tenant_id: str, url: str, at_most: int, wanted: Wanted = EVERYTHING) -> Sealed | None:
        """A new one, told of what happens from now on; None if the tenant has so many already."""
        ...

    async def change(
        self, tenant_id: str, webhook_id: str, url: str, status: WebhookStatus, wanted: Wanted = EVERYTHING
    ) -> Webhook | None:
        """Another URL and status, and a choice for what is not in the outbox yet.

        Enabled anew, it goes on where it had stopped.
        """
        ...

    async def remove(self, tenant_id: str, webhook_id: str) -> bool:
        """Forget it, and what it was yet to be told; whether there was one."""
        ...

    async def rotate(self, tenant_id: str, webhook_id: str, overlap: float) -> Sealed | None:
        """A new secret; the one before signs too for so many seconds."""
        ...

    async def ping(self, tenant_id: str, webhook_id: str) -> str | None:
        """Put a test into the outbox; its message's id."""
        ...

    async def deliveries(
        self,
        tenant_id: str,
        webhook_id: str,
        limit: int,
        *,
        status: DeliveryStatus | None = None,
        before: DeliveryPlace | None = None,
    ) -> list[Delivery]:
        """The deliveries, of one status or all, from before this place or the newest; newest first."""
        ...

    async def resend(self, tenant_id: str, webhook_id: str, message_id: str) -> Resent:
        """Let it be due again at once, under the same id, as if it had never been tried."""
        ...

    async def recover(self, tenant_id: str, webhook_id: str, since: float, at_most: int) -> int:
        """The same for so many of those that died since this moment, the earliest first; how many that was."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """A delivery that this node, and nobody else for a while, is to try. The first secret is the newest.

    `attempt` counts this try, `tried_before` those from before it was resent. Without a `line` it is a test. Where
    the secrets cannot be opened there are none.
    """

    tenant_id: str
    webhook_id: str
    message_id: str
    attempt: int
    url: str = field(repr=False)
    secrets: tuple[Secret, ...]
    line: JournalLine | None
    sealed: str | None = None
    """Why the secrets cannot be opened."""
    tried_before: int = 0


class Trouble(StrEnum):
    """Why a try came to nothing."""

    REFUSED = "refused"
    """An answer that is no 2xx."""
    GONE = "gone"
    """410: they want no more."""
    UNREACHABLE = "unreachable"
    TOO_SLOW = "too_slow"
    ADDRESS_REFUSED = "address_refused"
    """The name leads to a private address, which is ours to refuse."""
    SECRET_SEALED = "secret_sealed"  # noqa: S105 - a trouble's name
    FAILED = "failed"
    """An error of ours."""


@dataclass(frozen=True, slots=True)
class Sent:
    """How a try went; without `trouble` it arrived. `answer` is the HTTP status, if there was one."""

    answer: int | None = None
    trouble: Trouble | None = None


class Outbox(Protocol):
    """What webhooks are yet to be told, for whichever node gets to it. Every method may raise StoreUnavailable."""

    async def feed(self) -> int:
        """Go on in the journals, and put in what is wanted; how many lines that was, wanted or not."""
        ...

    async def claim(self, limit: int) -> list[Due]:
        """At most so many whose time has come. Nobody else gets them for LEASE seconds."""
        ...

    async def delivered(self, due: Due, answer: int | None) -> None:
        """It arrived."""
        ...

    async def failed(self, due: Due, sent: Sent, again_in: float | None) -> bool:
        """It did not: again in so many seconds, or never. Whether the webhook was given up with it."""
        ...

    async def erase(self) -> int:
        """Forget what was settled some days ago; how much that was."""
        ...


class SendWebhook(Protocol):
    """Sends one message, signed."""

    async def __call__(self, due: Due, body: str) -> Sent:
        """How it went."""
        ...

"""A twin of where tenants' webhooks are kept, in a dict."""

from __future__ import annotations

from dataclasses import astuple, replace
from uuid import uuid4

import trio

from actors.core.secret import Secret
from actors.errors import StoreUnavailable
from actors.ports import EVERYTHING, Wanted
from actors.webhooks import (
    Delivery,
    DeliveryPlace,
    DeliveryStatus,
    Due,
    Resent,
    Sealed,
    Sent,
    Webhook,
    WebhookStatus,
)


class FakeWebhooks:
    """Webhooks in a dict. `down = True` is an outage."""

    def __init__(self) -> None:
        self.down = False
        self.kept: dict[tuple[str, str], Webhook] = {}
        self.told: dict[tuple[str, str], list[Delivery]] = {}

    async def all(self, tenant_id: str) -> list[Webhook]:
        await self._reach()
        return [webhook for (tenant, _), webhook in self.kept.items() if tenant == tenant_id]

    async def read(self, tenant_id: str, webhook_id: str) -> Webhook | None:
        await self._reach()
        return self.kept.get((tenant_id, webhook_id))

    async def add(self, tenant_id: str, url: str, at_most: int, wanted: Wanted = EVERYTHING) -> Sealed | None:
        if len(await self.all(tenant_id)) >= at_most:
            return None
        webhook = Webhook(
            tenant_id=tenant_id,
            webhook_id=uuid4().hex[:12],
            url=url,
            status=WebhookStatus.ENABLED,
            position=0,
            failing_since=None,
            created_at=1.0,
            wanted=wanted,
        )
        self.kept[tenant_id, webhook.webhook_id] = webhook
        return Sealed(webhook=webhook, secret=_secret())

    async def change(
        self, tenant_id: str, webhook_id: str, url: str, status: WebhookStatus, wanted: Wanted = EVERYTHING
    ) -> Webhook | None:
        webhook = await self.read(tenant_id, webhook_id)
        if webhook is not None:
            webhook = replace(webhook, url=url, status=status, wanted=wanted)
            self.kept[tenant_id, webhook_id] = webhook
        return webhook

    async def remove(self, tenant_id: str, webhook_id: str) -> bool:
        await self._reach()
        self.told.pop((tenant_id, webhook_id), None)
        return self.kept.pop((tenant_id, webhook_id), None) is not None

    async def rotate(self, tenant_id: str, webhook_id: str, overlap: float) -> Sealed | None:
        webhook = await self.read(tenant_id, webhook_id)
        if webhook is None:
            return None
        webhook = self.kept[tenant_id, webhook_id] = replace(webhook, previous_secret_until=overlap)
        return Sealed(webhook=webhook, secret=_secret())

    async def ping(self, tenant_id: str, webhook_id: str) -> str | None:
        if await self.read(tenant_id, webhook_id) is None:
            return None
        message_id = f"msg_ping_{uuid4().hex}"
        self.put(tenant_id, webhook_id, message_id, DeliveryStatus.DUE)
        return message_id

    def put(self, tenant_id: str, webhook_id: str, message_id: str, status: DeliveryStatus) -> None:
        """A delivery that is so far, put in a second after the one before."""
        told = self.told.setdefault((tenant_id, webhook_id), [])
        settled = status is not DeliveryStatus.DUE
        told.append(
            Delivery(
                message_id=message_id,
                seq=None,
                status=status,
                attempts=11 if settled else 0,
                answer=None,
                trouble=None,
                created_at=1.0 + len(told),
                settled_at=1.0 + len(told) if settled else None,
                next_at=None if settled else 1.0,
            )
        )

    async def deliveries(
        self,
        tenant_id: str,
        webhook_id: str,
        limit: int,
        *,
        status: DeliveryStatus | None = None,
        before: DeliveryPlace | None = None,
    ) -> list[Delivery]:
        await self._reach()
        found = [
            each
            for each in reversed(self.told.get((tenant_id, webhook_id), []))
            if status in (None, each.status) and (before is None or astuple(each.place) < astuple(before))
        ]
        return found[:limit]

    async def resend(self, tenant_id: str, webhook_id: str, message_id: str) -> Resent:
        await self._reach()
        told = self.told.get((tenant_id, webhook_id), [])
        for at, each in enumerate(told):
            if each.message_id == message_id:
                if each.status is DeliveryStatus.DUE:
                    return Resent.DUE_ALREADY
                told[at] = replace(each, status=DeliveryStatus.DUE, attempts=0, settled_at=None, next_at=1.0)
                return Resent.DUE_AGAIN
        return Resent.UNKNOWN

    async def recover(self, tenant_id: str, webhook_id: str, since: float, at_most: int) -> int:
        await self._reach()
        dead = [
            each.message_id
            for each in self.told.get((tenant_id, webhook_id), [])
            if each.status is DeliveryStatus.DEAD and (each.settled_at or 0.0) >= since
        ]
        for message_id in dead[:at_most]:
            await self.resend(tenant_id, webhook_id, message_id)
        return len(dead[:at_most])

    async def _reach(self) -> None:
        await trio.lowlevel.checkpoint()
        if self.down:
            raise StoreUnavailable("the fake store of webhooks is down")


class FakeOutbox:
    """An outbox of made-up messages, by trio's clock. `down = True` is an outage."""

    def __init__(self) -> None:
        self.down = False
        self.behind = 0
        """Lines of which nothing is wanted; one is passed over at a time."""
        self.fed = 0
        self._due: dict[str, tuple[float, int]] = {}

    def put(self, *names: str) -> None:
        self._due |= dict.fromkeys(names, (0.0, 0))

    async def feed(self) -> int:
        await self._reach()
        self.fed += 1
        self.behind, passed = max(self.behind - 1, 0), self.behind
        return min(passed, 1)

    async def claim(self, limit: int) -> list[Due]:
        await self._reach()
        now = trio.current_time()
        ready = [name for name, (not_before, _) in self._due.items() if not_before <= now][:limit]
        for name in ready:
            self._due[name] = (now + 60.0, self._due[name][1] + 1)
        return [
            Due(
                tenant_id="acme",
                webhook_id="w" * 12,
                message_id=name,
                attempt=self._due[name][1],
                url="https://hooks.example/",
                secrets=(),
                line=None,
            )
            for name in ready
        ]

    async def delivered(self, due: Due, answer: int | None) -> None:
        await self._reach()
        assert answer is not None
        del self._due[due.message_id]

    async def failed(self, due: Due, sent: Sent, again_in: float | None) -> bool:
        await self._reach()
        assert sent.trouble is not None
        if again_in is None:
            del self._due[due.message_id]
            return True
        self._due[due.message_id] = (trio.current_time() + again_in, due.attempt)
        return False

    async def erase(self) -> int:
        await self._reach()
        return 0

    async def _reach(self) -> None:
        await trio.lowlevel.checkpoint()
        if self.down:
            raise StoreUnavailable("the fake outbox is down")


def _secret() -> Secret:
    return Secret(f"whsec_{uuid4().hex}")

"""Webhooks and their outbox in PostgreSQL, and the sending of them. Secrets leave this process only sealed."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import astuple
from datetime import datetime
from uuid import uuid4

import asyncpg

from actors.adapters.journal import journal_line
from actors.adapters.postgres import Connection, Database, read_sql
from actors.adapters.sealing import Seals
from actors.core.secret import Secret
from actors.errors import CredentialSealed
from actors.ports import EVERYTHING, Wanted
from actors.webhooks import (
    Delivery,
    DeliveryPlace,
    DeliveryStatus,
    Due,
    Resent,
    Sealed,
    Sent,
    Trouble,
    Webhook,
    WebhookStatus,
)

LEASE = 60.0
"""Seconds for which a delivery is one node's alone: longer than any try lasts."""

FED_AT_ONCE = 50
LINES_AT_ONCE = 200
MOST_DUE = 1000
"""Of one webhook; beyond that the journal keeps the rest."""

OF_ONE_TENANT = 4
"""Deliveries under way at a time, so that one tenant's slow server holds up nobody else."""

HOLDS_UP = 5
"""Failures after which a delivery holds up its session's later ones no more."""

KEPT = 7 * 86_400.0
"""Seconds for which one can read what became of a delivery."""

NOTHING_ARRIVED = 86_400.0
"""Seconds after which a webhook is given up with the delivery that is."""

_SQL = {
    name: read_sql(f"webhooks/{name}")
    for name in (
        "add", "all", "change", "claim", "deliveries", "delivered", "erase", "failed", "feed", "list", "lock",
        "lock_one", "ping", "read", "recover", "remove", "reseal", "resend", "rotate", "to_reseal",
    )
}  # fmt: skip

Row = asyncpg.Record


def new_secret() -> Secret:
    """32 random bytes, as Standard Webhooks writes them."""
    return Secret("whsec_" + base64.b64encode(secrets.token_bytes(32)).decode())


class PostgresWebhooks:
    """The Webhooks and Outbox ports in PostgreSQL."""

    def __init__(self, database: Database, seals: Seals) -> None:
        self._database = database
        self._seals = seals

    # -- for tenants, each in its own name: it sees no other's rows

    async def all(self, tenant_id: str) -> list[Webhook]:
        """See the port."""
        return [_webhook(row) for row in await self._rows(tenant_id, "list", tenant_id)]

    async def read(self, tenant_id: str, webhook_id: str) -> Webhook | None:
        """See the port."""
        return _one(await self._rows(tenant_id, "read", tenant_id, webhook_id))

    async def add(self, tenant_id: str, url: str, at_most: int, wanted: Wanted = EVERYTHING) -> Sealed | None:
        """See the port."""
        webhook_id, secret = uuid4().hex[:12], new_secret()
        sealed = self._seal(secret, tenant_id, webhook_id, 1)
        row = (tenant_id, webhook_id, url, *sealed, at_most, wanted.apps, wanted.states)

        async def work(connection: Connection) -> list[Row]:
            await connection.fetch(_SQL["lock"], tenant_id)
            return await connection.fetch(_SQL["add"], *row)

        added = _one(await self._database.as_tenant(tenant_id, work))
        return None if added is None else Sealed(webhook=added, secret=secret)

    async def change(
        self, tenant_id: str, webhook_id: str, url: str, status: WebhookStatus, wanted: Wanted = EVERYTHING
    ) -> Webhook | None:
        """See the port."""
        row = (tenant_id, webhook_id, url, status, wanted.apps, wanted.states)
        return _one(await self._rows(tenant_id, "change", *row))

    async def remove(self, tenant_id: str, webhook_id: str) -> bool:
        """See the port."""
        return bool(await self._rows(tenant_id, "remove", tenant_id, webhook_id))

    async def rotate(self, tenant_id: str, webhook_id: str, overlap: float) -> Sealed | None:
        """See the port. It takes no secret to be opened."""
        secret = new_secret()

        async def work(connection: Connection) -> list[Row]:
            kept = await connection.fetchrow(_SQL["lock_one"], tenant_id, webhook_id)
            if kept is None:
                return []
            number = kept["secret_number"] + 1
            sealed = self._seal(secret, tenant_id, webhook_id, number)
            return await connection.fetch(_SQL["rotate"], tenant_id, webhook_id, *sealed, number, overlap)

        rotated = _one(await self._database.as_tenant(tenant_id, work))
        return None if rotated is None else Sealed(webhook=rotated, secret=secret)

    async def ping(self, tenant_id: str, webhook_id: str) -> str | None:
        """See the port."""
        message_id = f"msg_ping_{uuid4().hex}"
        return message_id if await self._rows(tenant_id, "ping", tenant_id, webhook_id, message_id) else None

    async def deliveries(
        self,
        tenant_id: str,
        webhook_id: str,
        limit: int,
        *,
        status: DeliveryStatus | None = None,
        before: DeliveryPlace | None = None,
    ) -> list[Delivery]:
        """See the port."""
        place = (None, None, None) if before is None else astuple(before)
        rows = await self._rows(tenant_id, "deliveries", tenant_id, webhook_id, limit, status, *place)
        return [Delivery(**dict(row) | {"status": DeliveryStatus(row["status"])}) for row in rows]

    async def resend(self, tenant_id: str, webhook_id: str, message_id: str) -> Resent:
        """See the port."""
        rows = await self._rows(tenant_id, "resend", tenant_id, webhook_id, message_id)
        if not rows:
            return Resent.UNKNOWN
        return Resent.DUE_ALREADY if rows[0]["status"] == DeliveryStatus.DUE else Resent.DUE_AGAIN

    async def recover(self, tenant_id: str, webhook_id: str, since: float, at_most: int) -> int:
        """See the port."""
        (row,) = await self._rows(tenant_id, "recover", tenant_id, webhook_id, since, at_most)
        return int(row["count"])

    # -- the outbox, across tenants

    async def feed(self) -> int:
        """See the port."""
        (row,) = await self._as_service("feed", FED_AT_ONCE, LINES_AT_ONCE, MOST_DUE)
        return int(row["count"])

    async def claim(self, limit: int) -> list[Due]:
        """See the port."""
        rows = await self._as_service("claim", limit, OF_ONE_TENANT, LEASE, HOLDS_UP)
        return [self._due(row) for row in rows]

    async def delivered(self, due: Due, answer: int | None) -> None:
        """See the port."""
        await self._as_service("delivered", *_this_try(due), answer)

    async def failed(self, due: Due, sent: Sent, again_in: float | None) -> bool:
        """See the port."""
        gone = sent.trouble is Trouble.GONE
        rows = await self._as_service(
            "failed", *_this_try(due), sent.answer, sent.trouble, again_in, gone, NOTHING_ARRIVED
        )
        return any(row["given_up"] for row in rows)

    async def erase(self) -> int:
        """See the port."""
        (row,) = await self._as_service("erase", KEPT)
        return int(row["count"])

    # -- for changing keys, across tenants

    async def to_reseal(self) -> list[tuple[str, str]]:
        """Tenant and id of the webhooks whose secrets another key than the current one seals."""
        return [tuple(row) for row in await self._as_service("to_reseal", self._seals.current)]

    async def every(self) -> list[tuple[str, str]]:
        """Tenant and id of every webhook."""
        return [tuple(row) for row in await self._as_service("all")]

    async def check(self, tenant_id: str, webhook_id: str) -> None:
        """Open its secrets. Raises CredentialSealed."""
        for row in await self._as_service("read", tenant_id, webhook_id):
            self._open(row)

    async def reseal(self, tenant_id: str, webhook_id: str) -> None:
        """Seal its secrets with the current key. Raises CredentialSealed. One transaction, or a rotation is lost."""

        async def work(connection: Connection) -> None:
            row = await connection.fetchrow(_SQL["lock_one"], tenant_id, webhook_id)
            if row is None:
                return
            number, opened = row["secret_number"], self._open(row)
            fresh = [self._seal(each, tenant_id, webhook_id, number - at) for at, each in enumerate(opened)]
            sealed, previous = fresh[0], fresh[1] if len(fresh) > 1 else (None, None)
            await connection.execute(_SQL["reseal"], tenant_id, webhook_id, *sealed, *previous)

        await self._database.as_service(work)

    # -- rows

    def _seal(self, secret: Secret, tenant_id: str, webhook_id: str, number: int) -> tuple[bytes, str]:
        return self._seals.seal_secret(secret, tenant_id, "webhook", webhook_id, str(number))

    def _open(self, row: Row) -> tuple[Secret, ...]:
        """The secret, and the one before it if it is there. Raises CredentialSealed."""
        place, number = (row["tenant_id"], "webhook", row["webhook_id"]), row["secret_number"]
        opened = self._seals.open_secret(row["secret_sealed"], row["secret_key"], *place, str(number))
        if row["previous_sealed"] is None:
            return (opened,)
        before = str(number - 1)
        return opened, self._seals.open_secret(row["previous_sealed"], row["previous_key"], *place, before)

    def _due(self, row: Row) -> Due:
        try:
            opened, sealed = self._open(row), None
        except CredentialSealed as why:
            opened, sealed = (), str(why)
        return Due(
            tenant_id=row["tenant_id"],
            webhook_id=row["webhook_id"],
            message_id=row["message_id"],
            attempt=row["attempts"],
            url=row["url"],
            secrets=opened,
            line=None if row["seq"] is None else journal_line(row),
            sealed=sealed,
            tried_before=row["tried_before"],
        )

    async def _rows(self, tenant_id: str, statement: str, *args: object) -> list[Row]:
        return await self._database.as_tenant(tenant_id, _fetching(_SQL[statement], args))

    async def _as_service(self, statement: str, *args: object) -> list[Row]:
        return await self._database.as_service(_fetching(_SQL[statement], args))


def _fetching(statement: str, args: Sequence[object]) -> Callable[[Connection], Awaitable[list[Row]]]:
    async def fetch(connection: Connection) -> list[Row]:
        return await connection.fetch(statement, *args)

    return fetch


def _this_try(due: Due) -> tuple[str, str, str, int]:
    """What names a try, and never another one: resent or not, a delivery's attempts only grow."""
    return due.tenant_id, due.webhook_id, due.message_id, due.tried_before + due.attempt


def _one(rows: Sequence[Row]) -> Webhook | None:
    return _webhook(rows[0]) if rows else None


def _webhook(row: Row) -> Webhook:
    return Webhook(
        tenant_id=row["tenant_id"],
        webhook_id=row["webhook_id"],
        url=row["url"],
        status=WebhookStatus(row["status"]),
        position=row["position"],
        failing_since=_seconds(row["failing_since"]),
        created_at=row["created_at"].timestamp(),
        previous_secret_until=_seconds(row["previous_until"]),
        wanted=Wanted(_texts(row["apps"]), _texts(row["states"])),
    )


def _texts(value: Sequence[str] | None) -> tuple[str, ...] | None:
    return None if value is None else tuple(value)


def _seconds(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()

"""The post between nodes in PostgreSQL: a row for each request, gone with its answer. What is asked is sealed."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import assert_never
from uuid import UUID

import asyncpg

from actors.adapters.postgres import Connection, Database
from actors.adapters.sealing import Seals
from actors.adapters.wire_format import read_answer, read_wish, write_answer, write_wish
from actors.core.names import SessionKey
from actors.core.owners import NodeEpoch
from actors.core.secret import Secret
from actors.errors import CredentialSealed, MailboxFull, NotUnderstood
from actors.post import (
    WAITING_FOR_NODE,
    WAITING_FOR_SESSION,
    Answer,
    Ask,
    Delivery,
    Illegible,
    Look,
    Request,
    WaitChange,
    Wish,
)

STATEMENTS = {
    path.stem: path.read_text(encoding="utf-8")
    for path in (Path(__file__).parent / "sql" / "inbox").glob("*.sql")
}
"""By name; each says for itself what it does."""


class PostgresPost:
    """A Post in PostgreSQL. All nodes need the same environment's name and a common keyring."""

    def __init__(
        self,
        database: Database,
        seals: Seals,
        *,
        for_session: int = WAITING_FOR_SESSION,
        for_node: int = WAITING_FOR_NODE,
    ) -> None:
        self._database = database
        self._seals = seals
        self._bounds = for_session, for_node

    async def post(self, request: Request) -> None:
        """See Post."""
        key, kind = request.key, _kind(request.wish)
        payload, sealed_by = self._seals.seal_secret(
            write_wish(request.wish), "request", str(request.id), key.tenant_id, key.app_id, kind
        )
        [row] = await self._rows(
            "post",
            request.id,
            key.tenant_id,
            key.app_id,
            request.from_node,
            request.to_node,
            kind,
            request.within,
            payload,
            *self._bounds,
            sealed_by,
        )
        if not row["is_there"]:
            raise MailboxFull("too many requests wait for this session", retry_after=1.0)

    async def take(self, me: NodeEpoch, limit: int) -> list[Delivery | Illegible]:
        """See Post."""
        rows = await self._rows("take", me.node_id, me.number, limit)
        return [self._delivery(row) for row in rows]

    async def take_over(self, me: NodeEpoch, limit: int) -> list[Delivery | Illegible]:
        """See Post."""
        rows = await self._rows("take_over", me.node_id, me.number, limit)
        return [self._delivery(row) for row in rows]

    def _delivery(self, row: asyncpg.Record) -> Delivery | Illegible:
        place = "request", str(row["id"]), row["tenant_id"], row["app_id"], row["kind"]
        try:
            wish = read_wish(self._open(row["payload"], row["payload_sealed_by"], *place))
        except NotUnderstood as why:
            return Illegible(row["id"], _key(row), why, row["from_node"])
        return Delivery(row["id"], _key(row), wish, row["from_node"], row["left"])

    async def answer(self, me: NodeEpoch, to: Delivery | Illegible, answer: Answer) -> bool:
        """See Post."""
        place = "answer", str(to.id), to.key.tenant_id, to.key.app_id
        sealed, sealed_by = self._seals.seal_secret(write_answer(answer), *place)
        return bool(await self._rows("answer", me.node_id, me.number, to.id, sealed, sealed_by))

    async def answers(self, request_ids: Collection[UUID]) -> dict[UUID, Answer]:
        """See Post."""
        rows = await self._rows("answers", list(request_ids))
        return {row["id"]: self._answer(row) for row in rows}

    def _answer(self, row: asyncpg.Record) -> Answer:
        place = "answer", str(row["id"]), row["tenant_id"], row["app_id"]
        try:
            return read_answer(self._open(row["answer"], row["answer_sealed_by"], *place))
        except NotUnderstood as why:
            return why

    async def withdraw(self, request_ids: Collection[UUID]) -> set[UUID]:
        """See Post."""
        return {row["id"] for row in await self._rows("withdraw", list(request_ids))}

    async def forget(self, request_ids: Collection[UUID]) -> None:
        """See Post."""
        await self._rows("forget", list(request_ids))

    async def sweep(self) -> int:
        """See Post."""
        [row] = await self._rows("sweep")
        return int(row["count"])

    def _open(self, sealed: bytes, sealed_by: str, *place: str) -> Secret:
        try:
            return self._seals.open_secret(sealed, sealed_by, *place)
        except CredentialSealed:
            raise NotUnderstood(
                "what another node has sealed cannot be opened here: give all nodes the same keyring"
                " (BACKUP_ENCRYPTION_KEY_PATH) and ENVIRONMENT_NAME",
                5.0,
            ) from None

    async def _rows(self, statement: str, *args: object) -> list[asyncpg.Record]:
        async def fetch(connection: Connection) -> list[asyncpg.Record]:
            return await connection.fetch(STATEMENTS[statement], *args)

        return await self._database.as_service(fetch)


def _kind(wish: Wish) -> str:
    match wish:
        case Ask():
            return "ask"
        case Look():
            return "look"
        case WaitChange():
            return "wait"
        case _:
            assert_never(wish)


def _key(row: asyncpg.Record) -> SessionKey:
    return SessionKey(row["tenant_id"], row["app_id"])

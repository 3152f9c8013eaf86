"""The arbiter of ownership in PostgreSQL: each operation is one statement that compares and sets."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg

from actors.adapters.postgres import RETRY_AFTER, Connection, Database
from actors.core.names import SessionKey
from actors.core.owners import Heartbeat, NodeEpoch, Ownership, Poll, Taken, Verdict
from actors.errors import StoreUnavailable

STATEMENTS = {
    path.stem: path.read_text(encoding="utf-8")
    for path in (Path(__file__).parent / "sql" / "ownership").glob("*.sql")
}
"""By name; each says for itself what it does."""


class PostgresArbiter:
    """An Arbiter in PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def boot(self, node_id: str, boot_id: str, public_key: bytes = b"", capacity: int = 0) -> NodeEpoch:
        """See Arbiter."""
        return NodeEpoch(node_id, await self._value("boot", node_id, boot_id, public_key, capacity))

    async def renew(self, me: NodeEpoch, load: int = 0) -> bool:
        """See Arbiter."""
        return await self._value("renew", *_life(me), load) is not None

    async def drain(self, me: NodeEpoch) -> bool:
        """See Arbiter."""
        return await self._value("drain", *_life(me)) is not None

    async def poll(self) -> Poll:
        """See Arbiter. A standby's answer is none: it tells of the past."""
        rows = await self._rows("poll")
        source: str | None = rows[0]["source"]
        if source is None:
            raise StoreUnavailable("the database that answers is a standby", RETRY_AFTER)
        beats = tuple(_heartbeat(row) for row in rows if row["node_id"] is not None)
        return Poll(beats, source, rows[0]["held"] or 0.0)

    async def look(self, key: SessionKey) -> Ownership | None:
        """See Arbiter."""
        rows = await self._rows("look", *_name(key))
        return _ownership(rows[0]) if rows else None

    async def unowned(self, limit: int) -> list[Ownership]:
        """See Arbiter."""
        return [_ownership(row) for row in await self._rows("unowned", limit)]

    async def owned(self, me: NodeEpoch) -> list[Taken]:
        """See Arbiter."""
        return [Taken(_key(row), row["epoch"]) for row in await self._rows("owned", *_life(me))]

    async def acquire(self, me: NodeEpoch, seen: Ownership) -> Taken | None:
        """See Arbiter."""
        epoch = await self._value("acquire", *_life(me), *_name(seen.key), seen.epoch, seen.is_clean)
        return None if epoch is None else Taken(seen.key, epoch)

    async def fence(self, me: NodeEpoch, silent: Heartbeat) -> bool:
        """See Arbiter."""
        return bool(await self._value("fence", *_life(me), *_life(silent.node), silent.beats))

    async def reassign(self, me: NodeEpoch, fenced: NodeEpoch, limit: int) -> list[Taken]:
        """See Arbiter."""
        rows = await self._rows("reassign", *_life(me), *_life(fenced), limit)
        return [Taken(_key(row), row["epoch"]) for row in rows]

    async def adopt(self, me: NodeEpoch, seen: Ownership) -> Taken | None:
        """See Arbiter."""
        epoch = await self._value("adopt", *_life(me), *_name(seen.key), seen.epoch)
        return None if epoch is None else Taken(seen.key, epoch)

    async def verify(self, me: NodeEpoch, key: SessionKey, epoch: int, *, is_clean: bool) -> Verdict:
        """See Arbiter."""
        [row] = await self._rows("verify", *_life(me), *_name(key), epoch, is_clean)
        if not row["is_alive"]:
            return Verdict.NODE_FENCED
        return Verdict.GRANTED if row["is_ours"] else Verdict.SESSION_LOST

    async def note_clean(self, me: NodeEpoch, sessions: Sequence[Taken]) -> None:
        """See Arbiter."""
        tenants = [session.key.tenant_id for session in sessions]
        apps = [session.key.app_id for session in sessions]
        await self._rows("note_clean", *_life(me), tenants, apps, [session.epoch for session in sessions])

    async def release(
        self, me: NodeEpoch, session: Taken, *, is_clean: bool, next_owner: str | None = None
    ) -> bool:
        """See Arbiter."""
        row = (*_life(me), *_name(session.key), session.epoch, is_clean, next_owner)
        return await self._value("release", *row) is not None

    async def attest(self, dead: NodeEpoch) -> int:
        """See Arbiter."""
        return int(await self._value("attest", *_life(dead)))

    async def hold(self, seconds: float) -> None:
        """See Arbiter."""
        await self._rows("hold", timedelta(seconds=seconds))

    async def next_generation(self) -> int:
        """See Arbiter."""
        return int(await self._value("next_generation"))

    async def _value(self, statement: str, *args: object) -> Any:
        """The first column of the first row; None if there is none."""
        rows = await self._rows(statement, *args)
        return rows[0][0] if rows else None

    async def _rows(self, statement: str, *args: object) -> list[asyncpg.Record]:
        async def fetch(connection: Connection) -> list[asyncpg.Record]:
            return await connection.fetch(STATEMENTS[statement], *args)

        return await self._database.as_service(fetch)


def _life(node: NodeEpoch) -> tuple[str, int]:
    return node.node_id, node.number


def _name(key: SessionKey) -> tuple[str, str]:
    return key.tenant_id, key.app_id


def _key(row: asyncpg.Record) -> SessionKey:
    return SessionKey(row["tenant_id"], row["app_id"])


def _heartbeat(row: asyncpg.Record) -> Heartbeat:
    life = NodeEpoch(row["node_id"], row["node_epoch"])
    return Heartbeat(life, row["hb"], row["is_draining"], row["load"], row["capacity"])


def _ownership(row: asyncpg.Record) -> Ownership:
    owner = None if row["owner_node"] is None else NodeEpoch(row["owner_node"], row["owner_node_epoch"])
    return Ownership(_key(row), row["epoch"], owner, row["is_clean"], row["next_owner"])

"""The journal of sessions in PostgreSQL, as whoever follows it reads it."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import asyncpg

from actors.adapters.postgres import Connection, Database, read_sql
from actors.core.names import SessionKey
from actors.ports import EVERYTHING, LONGEST_STRETCH, JournalLine, Stretch, Wanted

_AFTER = read_sql("journal_after")
_OF_SESSION = read_sql("journal_of_session")
_ENDS = read_sql("journal_ends")


class PostgresJournal:
    """The Journal port in PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def after(self, tenant_id: str, seq: int, limit: int, wanted: Wanted = EVERYTHING) -> Stretch:
        """See the port. It acts as the tenant, who sees no other's lines."""
        rows = await self._rows(
            tenant_id, _AFTER, tenant_id, seq, limit, wanted.apps, wanted.states, LONGEST_STRETCH
        )
        lines = [journal_line(row) for row in rows if row["seq"] is not None]
        # A full page may have stopped short of what was looked at.
        return Stretch(lines, lines[-1].seq if len(lines) == limit else rows[0]["reached"])

    async def of_session(self, key: SessionKey, before: int | None, limit: int) -> list[JournalLine]:
        """See the port."""
        rows = await self._rows(key.tenant_id, _OF_SESSION, key.tenant_id, key.app_id, before, limit)
        return [journal_line(row) for row in rows]

    async def ends(self, tenants: Collection[str]) -> Mapping[str, int]:
        """See the port."""

        async def fetch(connection: Connection) -> list[asyncpg.Record]:
            return await connection.fetch(_ENDS, list(tenants))

        return {row["tenant_id"]: row["seq"] for row in await self._database.as_service(fetch)}

    async def _rows(self, tenant_id: str, statement: str, *args: object) -> list[asyncpg.Record]:
        async def fetch(connection: Connection) -> list[asyncpg.Record]:
            return await connection.fetch(statement, *args)

        return await self._database.as_tenant(tenant_id, fetch)


def journal_line(row: asyncpg.Record) -> JournalLine:
    """The line in this row."""
    return JournalLine(
        row["seq"],
        SessionKey(row["tenant_id"], row["app_id"]),
        row["version"],
        row["at"],
        row["message"],
        row["from_state"],
        row["to_state"],
        row["reason"],
    )

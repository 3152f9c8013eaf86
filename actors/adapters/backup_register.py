"""What PostgreSQL knows for backups: whose turn it is to make them, and which sessions there are to back up."""

from __future__ import annotations

from collections.abc import Sequence

import asyncpg

from actors.adapters.postgres import Connection, Database, read_sql
from actors.core.names import SessionKey

_TAKE = read_sql("take_backup_turn")
_GIVE = read_sql("give_backup_turn")
_AFTER = read_sql("credentialed_sessions")
_AMONG = read_sql("credentialed_among")


class PostgresBackupRegister:
    """A BackupRegister in PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def take_turn(self, run: str, seconds: float) -> bool:
        """See BackupRegister. Only the server's clock judges how long a turn lasts."""

        async def take(connection: Connection) -> str | None:
            holder: str | None = await connection.fetchval(_TAKE, run, seconds)
            return holder

        return await self._database.as_service(take) is not None

    async def give_turn(self, run: str) -> None:
        """See BackupRegister."""

        async def give(connection: Connection) -> None:
            await connection.execute(_GIVE, run)

        await self._database.as_service(give)

    async def credentialed_after(self, last: SessionKey | None, limit: int) -> list[SessionKey]:
        """See BackupRegister."""
        # The empty text sorts before every name.
        after = ("", "") if last is None else (last.tenant_id, last.app_id)

        async def fetch(connection: Connection) -> list[asyncpg.Record]:
            return await connection.fetch(_AFTER, *after, limit)

        return [SessionKey(*row) for row in await self._database.as_service(fetch)]

    async def credentialed_among(self, keys: Sequence[SessionKey]) -> set[SessionKey]:
        """See BackupRegister."""
        tenants, apps = [key.tenant_id for key in keys], [key.app_id for key in keys]

        async def fetch(connection: Connection) -> list[asyncpg.Record]:
            return await connection.fetch(_AMONG, tenants, apps)

        return {SessionKey(*row) for row in await self._database.as_service(fetch)}

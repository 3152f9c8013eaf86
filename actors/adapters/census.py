"""Which sessions there are, of all tenants: what an import has to know before it adds one."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import asyncpg

from actors.adapters.postgres import Connection, Database, read_sql
from actors.core.names import SessionKey
from actors.core.states import SessionState

_KNOWN = read_sql("known_sessions")


@dataclass(frozen=True, slots=True)
class KnownSession:
    """A row of `telegram_sessions`."""

    key: SessionKey
    state: SessionState
    account_id: int | None


class Census:
    """Looks up sessions by name or account. For operators only: it sees every tenant."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def known(self, keys: Collection[SessionKey], accounts: Collection[int]) -> list[KnownSession]:
        """Those of these names, and those of these accounts. Raises StoreUnavailable."""
        tenants, apps = [key.tenant_id for key in keys], [key.app_id for key in keys]

        async def fetch(connection: Connection) -> list[asyncpg.Record]:
            return await connection.fetch(_KNOWN, tenants, apps, list(accounts))

        rows = await self._database.as_service(fetch)
        return [
            KnownSession(
                SessionKey(row["tenant_id"], row["app_id"]),
                SessionState(row["state"]),
                row["telegram_user_id"],
            )
            for row in rows
        ]

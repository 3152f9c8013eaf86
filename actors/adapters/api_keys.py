"""API keys in PostgreSQL: `usm.api_keys`, which only the service itself reads and writes."""

from __future__ import annotations

import asyncpg

from actors.adapters.postgres import Connection, Database
from actors.guards import ApiKey, KeyRole

_COLUMNS = """key_id, key_hash, role, tenant_id, label, extract(epoch from created_at)::float8 as created_at,
    extract(epoch from expires_at)::float8 as expires_at, extract(epoch from revoked_at)::float8 as revoked_at"""

_FIND = f"select {_COLUMNS} from usm.api_keys where key_id = $1"  # noqa: S608 - made of constants
_LIST = f"select {_COLUMNS} from usm.api_keys order by created_at, key_id"  # noqa: S608 - made of constants
_ADD = """
insert into usm.api_keys (key_id, key_hash, role, tenant_id, label, created_at, expires_at)
values ($1, $2, $3, $4, $5, to_timestamp($6), to_timestamp($7))"""
_REVOKE = """
update usm.api_keys set revoked_at = coalesce(revoked_at, now()) where key_id = $1 returning key_id"""


class PostgresApiKeys:
    """The ApiKeys of the service, and what the command line does with them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, key_id: str) -> ApiKey | None:
        """See ApiKeys."""

        async def fetch(connection: Connection) -> asyncpg.Record | None:
            return await connection.fetchrow(_FIND, key_id)

        row = await self._database.as_service(fetch)
        return None if row is None else _key(row)

    async def all(self) -> list[ApiKey]:
        """Every key that was ever given out, oldest first. Raises StoreUnavailable."""

        async def fetch(connection: Connection) -> list[asyncpg.Record]:
            return await connection.fetch(_LIST)

        return [_key(row) for row in await self._database.as_service(fetch)]

    async def add(self, key: ApiKey) -> None:
        """Keep a new key. Raises StoreUnavailable."""
        row = (
            key.key_id,
            key.key_hash,
            key.role,
            key.tenant_id,
            key.label,
            key.created_at,
            key.expires_at,
        )

        async def write(connection: Connection) -> None:
            await connection.execute(_ADD, *row)

        await self._database.as_service(write)

    async def revoke(self, key_id: str) -> bool:
        """Let this key work no longer; whether there is such a key. Raises StoreUnavailable."""

        async def write(connection: Connection) -> bool:
            return await connection.fetchval(_REVOKE, key_id) is not None

        return await self._database.as_service(write)


def _key(row: asyncpg.Record) -> ApiKey:
    return ApiKey(
        key_id=row["key_id"],
        key_hash=row["key_hash"],
        role=KeyRole(row["role"]),
        tenant_id=row["tenant_id"],
        label=row["label"],
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        revoked_at=row["revoked_at"],
    )

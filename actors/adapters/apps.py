"""Tenants' own apps in PostgreSQL. An api_hash and a proxy's URL leave this process only sealed."""

from __future__ import annotations

from collections.abc import Sequence

import asyncpg

from actors.adapters.postgres import Connection, Database, read_sql
from actors.adapters.sealing import Seals
from actors.core.app import InvalidApp, OwnApp, Proxy
from actors.core.secret import Secret
from actors.errors import AppSealed, CredentialSealed
from actors.ports import KeptApp

_READ = read_sql("read_app")
_WRITE = read_sql("write_app")
_REMOVE = read_sql("remove_app")
_LOCK = read_sql("lock_app")
_TO_RESEAL = read_sql("apps_to_reseal")
_WITH_SECRETS = read_sql("apps_with_secrets")

Sealed = tuple[bytes | None, str | None]
"""A sealed value and the name of its key; both are None where there is nothing to seal."""


class PostgresApps:
    """The Apps port in PostgreSQL."""

    def __init__(self, database: Database, seals: Seals) -> None:
        self._database = database
        self._seals = seals

    async def read(self, tenant_id: str) -> KeptApp | None:
        """See the port. It acts as the tenant, who sees no other's row."""

        async def fetch(connection: Connection) -> asyncpg.Record | None:
            return await connection.fetchrow(_READ, tenant_id)

        row = await self._database.as_tenant(tenant_id, fetch)
        return None if row is None else KeptApp(self._opened(tenant_id, row), row["version"])

    async def write(self, tenant_id: str, app: OwnApp) -> KeptApp:
        """See the port."""
        row = self._sealed(tenant_id, app)

        async def write(connection: Connection) -> int:
            version: int = await connection.fetchval(_WRITE, *row)
            return version

        return KeptApp(app, await self._database.as_service(write))

    async def remove(self, tenant_id: str) -> bool:
        """See the port. Nothing has to be opened for it."""

        async def remove(connection: Connection) -> bool:
            return await connection.fetchval(_REMOVE, tenant_id) is not None

        return await self._database.as_service(remove)

    # -- for changing keys, across tenants

    async def to_reseal(self) -> list[str]:
        """The tenants whose secrets another key than the current one seals."""
        return await self._tenants(_TO_RESEAL, self._seals.current)

    async def with_secrets(self) -> list[str]:
        """The tenants that have secrets."""
        return await self._tenants(_WITH_SECRETS)

    async def _tenants(self, statement: str, *args: object) -> list[str]:
        async def fetch(connection: Connection) -> list[asyncpg.Record]:
            return await connection.fetch(statement, *args)

        return [row["tenant_id"] for row in await self._database.as_service(fetch)]

    async def reseal(self, tenant_id: str) -> None:
        """Seal this tenant's secrets with the current key. Raises AppSealed.

        One transaction: a write in between would be lost.
        """

        async def work(connection: Connection) -> None:
            await connection.fetchrow(_LOCK, tenant_id)
            row = await connection.fetchrow(_READ, tenant_id)
            if row is not None:
                await connection.fetchval(_WRITE, *self._sealed(tenant_id, self._opened(tenant_id, row)))

        await self._database.as_service(work)

    # -- rows

    def _sealed(self, tenant_id: str, app: OwnApp) -> Sequence[object]:
        proxy = None if app.proxy is None else app.proxy.url()
        return (
            tenant_id,
            app.api_id,
            *self._close(tenant_id, "api_hash", app.api_hash),
            *self._close(tenant_id, "proxy", proxy),
            app.device_model,
            app.system_version,
            app.app_version,
        )

    def _opened(self, tenant_id: str, row: asyncpg.Record) -> OwnApp:
        api_hash = self._open(tenant_id, "api_hash", (row["api_hash_sealed"], row["api_hash_key"]))
        proxy = self._open(tenant_id, "proxy", (row["proxy_sealed"], row["proxy_key"]))
        device = {name: row[name] for name in ("device_model", "system_version", "app_version")}
        try:
            return OwnApp(row["api_id"], api_hash, None if proxy is None else Proxy.parse(proxy), **device)
        except InvalidApp as invalid:
            raise AppSealed(
                f"what is kept for tenant {tenant_id} is no app ({invalid}): write it anew"
            ) from None

    def _close(self, tenant_id: str, column: str, value: Secret | None) -> Sealed:
        return (None, None) if value is None else self._seals.seal_secret(value, tenant_id, column)

    def _open(self, tenant_id: str, column: str, sealed: Sealed) -> Secret | None:
        value, key = sealed
        if value is None or key is None:
            return None
        try:
            return self._seals.open_secret(value, key, tenant_id, column)
        except CredentialSealed as why:
            raise AppSealed(f"{column} of tenant {tenant_id}: {why}") from None

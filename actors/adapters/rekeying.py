"""The whole vault gone through: brought under the keyring's current key, or only opened to see that it can be.

Each row is a transaction of its own, and what is done already is not found again: it can be stopped, run again, and
run while the service works. Nothing is kept of what was opened.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import asyncpg

from actors.adapters.apps import PostgresApps
from actors.adapters.opening import open_current, open_row
from actors.adapters.postgres import Connection, Database, read_sql
from actors.adapters.sealing import Seals, WrappedKey
from actors.adapters.webhooks import PostgresWebhooks
from actors.core.names import SessionKey
from actors.errors import AppSealed, CredentialSealed

PAGE = 200

_KEYS = read_sql("keys_to_rewrap")
_REWRAP = read_sql("rewrap_key")
_SEALED = read_sql("sealed_credentials")
_ONE = read_sql("sealed_credential")
_RENAME = read_sql("rename_credential")
_LOCK = read_sql("lock_session")
_CURRENT = read_sql("current_credential")
_SESSIONS = read_sql("sessions_with_credentials")
_LEFT = read_sql("fingerprints_left")

Row = asyncpg.Record


@dataclass(slots=True)
class Rekeyed:
    """What was done, and what could not be: the reason by tenant or session."""

    data_keys: int = 0
    fingerprints: int = 0
    apps: int = 0
    """Tenants whose own api_hash or proxy was sealed anew."""
    webhooks: int = 0
    """Webhooks whose secrets were sealed anew."""
    left_behind: int = 0
    """Erased credentials: they are known by an older key for ever, for nothing is left to compute another from."""
    refused: dict[str, str] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """How much was brought under the current key."""
        return self.data_keys + self.fingerprints + self.apps + self.webhooks


@dataclass(slots=True)
class Verified:
    """How many credentials and apps were opened, and why the others could not be, by session or tenant."""

    opened: int = 0
    refused: dict[str, str] = field(default_factory=dict)


class Rekeying:
    """Goes through all tenants as the service. `tell` is told how far it is after each page."""

    def __init__(self, database: Database, seals: Seals, tell: Callable[[str], None]) -> None:
        self._database = database
        self._seals = seals
        self._tell = tell
        self._apps = PostgresApps(database, seals)
        self._webhooks = PostgresWebhooks(database, seals)

    async def rekey(self) -> Rekeyed:
        """Wrap every data key and know every credential by the keyring's current key. Raises StoreUnavailable.

        Gone through again until nothing new is found: a service that reads its keyring late writes with the old key.
        """
        done, before = Rekeyed(), -1
        while done.count > before:
            before = done.count
            done.refused.clear()
            await self._rewrap_all(done)
            await self._rename_all(done)
            await self._reseal_apps(done)
            await self._reseal_webhooks(done)
        done.left_behind = await self._database.as_service(self._count_left)
        return done

    async def verify(self) -> Verified:
        """Open every credential that is in use, owed, or kept for a while, as the service would.

        Raises StoreUnavailable.
        """
        seen = Verified()

        async def its_own(row: Row) -> None:
            await self._verify(seen, SessionKey(row["tenant_id"], row["app_id"]))

        async def another(row: Row) -> None:
            if row["status"] != "current":
                await self._verify(seen, SessionKey(row["tenant_id"], row["app_id"]), row["fingerprint"])

        await self._each(_SESSIONS, [], ["tenant_id", "app_id"], ["", ""], its_own)
        await self._each(_SEALED, [None], _CREDENTIAL, ["", "", ""], another)
        await self._verify_apps(seen)
        await self._verify_webhooks(seen)
        return seen

    # -- rekey

    async def _rewrap_all(self, done: Rekeyed) -> None:
        async def one(row: Row) -> None:
            wrapped = WrappedKey(row["tenant_id"], row["key_id"], row["wrapped"], row["wrapped_by"])
            try:
                fresh = self._seals.rewrap(wrapped)
            except CredentialSealed as sealed:
                done.refused[f"data key {wrapped.key_id} of {wrapped.tenant_id}"] = str(sealed)
                return
            done.data_keys += await self._write_key(fresh, wrapped.wrapped_by)

        await self._each(_KEYS, [self._seals.current], ["tenant_id", "key_id"], ["", 0], one)
        self._tell(f"{done.data_keys} data keys rewrapped")

    async def _write_key(self, fresh: WrappedKey, before: str) -> bool:
        async def write(connection: Connection) -> bool:
            row = (fresh.tenant_id, fresh.key_id, fresh.wrapped, fresh.wrapped_by, before)
            return await connection.fetchval(_REWRAP, *row) is not None

        return await self._database.as_service(write)

    async def _rename_all(self, done: Rekeyed) -> None:
        async def one(row: Row) -> None:
            key = SessionKey(row["tenant_id"], row["app_id"])
            try:
                renamed = await self._rename(key, row["fingerprint"])
            except CredentialSealed as sealed:
                done.refused[_named(key, row["fingerprint"])] = str(sealed)
                return
            done.fingerprints += renamed
            if renamed and done.fingerprints % PAGE == 0:
                self._tell(f"{done.fingerprints} fingerprints renewed")

        await self._each(_SEALED, [self._seals.current], _CREDENTIAL, ["", "", ""], one)

    async def _rename(self, key: SessionKey, fingerprint: str) -> bool:
        async def write(connection: Connection) -> bool:
            await connection.execute(_LOCK, key.tenant_id, key.app_id)
            row = await connection.fetchrow(_ONE, key.tenant_id, key.app_id, fingerprint)
            if row is None:
                return False
            fresh = self._seals.fingerprint(open_row(self._seals, key, row))
            await connection.execute(_RENAME, key.tenant_id, key.app_id, fingerprint, fresh)
            return True

        return await self._database.as_service(write)

    async def _reseal_apps(self, done: Rekeyed) -> None:
        for tenant_id in await self._apps.to_reseal():
            try:
                await self._apps.reseal(tenant_id)
            except AppSealed as sealed:
                done.refused[f"app of {tenant_id}"] = str(sealed)
            else:
                done.apps += 1

    async def _reseal_webhooks(self, done: Rekeyed) -> None:
        for name in await self._webhooks.to_reseal():
            try:
                await self._webhooks.reseal(*name)
            except CredentialSealed as sealed:
                done.refused["webhook {1} of {0}".format(*name)] = str(sealed)
            else:
                done.webhooks += 1

    async def _count_left(self, connection: Connection) -> int:
        count: int = await connection.fetchval(_LEFT, self._seals.current)
        return count

    # -- verify

    async def _verify(self, seen: Verified, key: SessionKey, fingerprint: str | None = None) -> None:
        """Open the session's own credential, or another one by its fingerprint."""

        async def fetch(connection: Connection) -> Row | None:
            if fingerprint is None:
                return await connection.fetchrow(_CURRENT, key.tenant_id, key.app_id)
            return await connection.fetchrow(_ONE, key.tenant_id, key.app_id, fingerprint)

        row = await self._database.as_service(fetch)
        try:
            if fingerprint is None:
                seen.opened += open_current(self._seals, key, row) is not None
            elif row is not None:
                open_row(self._seals, key, row)
                seen.opened += 1
        except CredentialSealed as sealed:
            seen.refused[_named(key, fingerprint)] = str(sealed)

    async def _verify_apps(self, seen: Verified) -> None:
        for tenant_id in await self._apps.with_secrets():
            try:
                await self._apps.read(tenant_id)
            except AppSealed as sealed:
                seen.refused[f"app of {tenant_id}"] = str(sealed)
            else:
                seen.opened += 1

    async def _verify_webhooks(self, seen: Verified) -> None:
        for name in await self._webhooks.every():
            try:
                await self._webhooks.check(*name)
            except CredentialSealed as sealed:
                seen.refused["webhook {1} of {0}".format(*name)] = str(sealed)
            else:
                seen.opened += 1

    # -- pages

    async def _each(
        self,
        statement: str,
        first: list[str | None],
        columns: list[str],
        after: list[object],
        work: Callable[[Row], Awaitable[None]],
    ) -> None:
        """Work on every row of a statement that takes, behind `first`, the last row seen and how many to read."""
        while True:
            page = await self._database.as_service(_fetch(statement, *first, *after, PAGE))
            for row in page:
                await work(row)
            if len(page) < PAGE:
                return
            after = [page[-1][column] for column in columns]


_CREDENTIAL = ["tenant_id", "app_id", "fingerprint"]


def _named(key: SessionKey, fingerprint: str | None) -> str:
    """The session, and which of its credentials if it is not its own."""
    return str(key) if fingerprint is None else f"{key} {fingerprint[:24]}…"


def _fetch(statement: str, *args: object) -> Callable[[Connection], Awaitable[list[Row]]]:
    async def fetch(connection: Connection) -> list[Row]:
        return await connection.fetch(statement, *args)

    return fetch

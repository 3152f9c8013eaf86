"""Sealed credentials in PostgreSQL, read and renewed. What becomes of them is written by the keeper of the store."""

from __future__ import annotations

from datetime import timedelta

import asyncpg

from actors.adapters.keeper import GRACE
from actors.adapters.opening import open_current, open_row, require_newest, wrapped_key
from actors.adapters.postgres import Connection, Database, read_sql
from actors.adapters.sealing import Place, Seals
from actors.core.credential import Credential
from actors.core.names import SessionKey
from actors.epochs import Epochs
from actors.errors import CredentialSealed
from actors.ports import Owed, OwedUnopened

CLAIM = timedelta(seconds=120)
"""For how long a key that is owed a logout is left to whoever claimed it first; the nth one has n times as long."""

_CURRENT = read_sql("current_credential")
_STATUSES = read_sql("credential_statuses")
_LOCK = read_sql("lock_session")
_RESEAL = read_sql("reseal_credential")
_FILE_FINGERPRINT = read_sql("file_fingerprint")
_CLAIM = read_sql("claim_owed_credentials")
_SETTLE = read_sql("settle_owed_credential")
_POSTPONE = read_sql("postpone_owed_credential")
_ERASE = read_sql("erase_credentials")


class PostgresVault:
    """A Vault, and the Farewells, in PostgreSQL. `grace` is how long a key that is logged out is kept.

    `epochs` are those at which this process owns sessions; only of these, or of sessions that nobody owns, anything
    is written. `file_place` names the folder that this process keeps its session files in.
    """

    def __init__(
        self,
        database: Database,
        seals: Seals,
        grace: timedelta = GRACE,
        epochs: Epochs | None = None,
        file_place: str | None = None,
    ) -> None:
        self._database = database
        self._seals = seals
        self._grace = grace
        self._epochs = epochs or Epochs()
        self._file_place = file_place

    # -- one session's

    async def current(self, key: SessionKey) -> Credential | None:
        """See Vault."""

        async def fetch(connection: Connection) -> asyncpg.Record | None:
            return await connection.fetchrow(_CURRENT, key.tenant_id, key.app_id)

        row = await self._database.as_tenant(key.tenant_id, fetch)
        return open_current(self._seals, key, row)

    async def knows(self, key: SessionKey, credential: Credential) -> bool:
        """See Vault."""
        known_by = self._seals.fingerprints(credential)

        async def fetch(connection: Connection) -> asyncpg.Record | None:
            return await connection.fetchrow(_STATUSES, key.tenant_id, key.app_id, known_by)

        return await self._database.as_tenant(key.tenant_id, fetch) is not None

    async def checkpoint(
        self, key: SessionKey, credential: Credential, file_fingerprint: str | None = None
    ) -> None:
        """See Vault."""
        known_by = self._seals.fingerprints(credential)

        async def write(connection: Connection) -> None:
            await connection.execute(_LOCK, key.tenant_id, key.app_id)
            row = await connection.fetchrow(_CURRENT, key.tenant_id, key.app_id)
            if row is None or row["fingerprint"] not in known_by:
                return
            require_newest(key, row)
            if (row["owned_at"] if row["is_owned"] else None) != self._epochs.of(key):
                return  # somebody else's by now
            place = Place(key, row["version"] + 1, row["owned_at"])
            sealed = self._seals.seal(credential, place, self._seals.unwrap(wrapped_key(key, row)))
            await connection.execute(
                _RESEAL,
                key.tenant_id,
                key.app_id,
                row["fingerprint"],
                place.version,
                sealed,
                file_fingerprint,
                place.epoch,
                self._file_place,
            )

        await self._database.as_tenant(key.tenant_id, write)

    async def file_fingerprint(self, key: SessionKey) -> str | None:
        """See Vault."""
        row = key.tenant_id, key.app_id, self._file_place

        async def fetch(connection: Connection) -> str | None:
            noted: str | None = await connection.fetchval(_FILE_FINGERPRINT, *row)
            return noted

        return await self._database.as_tenant(key.tenant_id, fetch)

    # -- farewells, across tenants

    async def owed(self, limit: int) -> list[Owed | OwedUnopened]:
        """See Farewells."""

        async def claim(connection: Connection) -> list[asyncpg.Record]:
            return await connection.fetch(_CLAIM, limit, CLAIM)

        return [self._owed(row) for row in await self._database.as_service(claim)]

    def _owed(self, row: asyncpg.Record) -> Owed | OwedUnopened:
        key = SessionKey(row["tenant_id"], row["app_id"])
        try:
            return Owed(key, row["fingerprint"], open_row(self._seals, key, row), row["attempts"] - 1)
        except CredentialSealed as sealed:
            return OwedUnopened(key, row["fingerprint"], str(sealed))

    async def settled(self, owed: Owed) -> None:
        """See Farewells."""
        await self._change(_SETTLE, owed, self._grace)

    async def postponed(self, owed: Owed, until: float) -> None:
        """See Farewells."""
        await self._change(_POSTPONE, owed, until)

    async def _change(self, statement: str, owed: Owed, value: object) -> None:
        # Its row may have got another fingerprint since it was claimed: keys are changed while we run.
        known_by = self._seals.fingerprints(owed.credential)

        async def write(connection: Connection) -> None:
            await connection.execute(statement, owed.key.tenant_id, owed.key.app_id, known_by, value)

        await self._database.as_service(write)

    async def erase_due(self) -> int:
        """See Farewells."""

        async def erase(connection: Connection) -> int:
            count: int = await connection.fetchval(_ERASE)
            return count

        return await self._database.as_service(erase)

"""What becomes of credentials, written in the transaction that saves the session's state."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

from actors.adapters.opening import open_current
from actors.adapters.postgres import Connection, read_sql
from actors.adapters.sealing import DataKey, Place, Seals, WrappedKey
from actors.core.credential import Bury, Credential, Deposit, Keeping, Owe, Settle
from actors.core.names import SessionKey
from actors.errors import CredentialSealed, CredentialSpent, VersionConflict

FAREWELL_AFTER = timedelta(seconds=60)
"""By then the connection that used the key is closed: telling Telegram takes one of its own."""
GRACE = timedelta(days=7)
"""For how long a key that is logged out is kept, unless something else is said."""
EVIDENCE = timedelta(days=30)
"""For how long a key is kept that Telegram has ended by itself."""

_STATUSES = read_sql("credential_statuses")
_LET_GO = read_sql("let_credential_go")
_NEXT = read_sql("next_credential")
_CURRENT = read_sql("current_credential")
_MEND = read_sql("mend_credential")
_ADD = read_sql("add_credential")
_SETTLE = read_sql("settle_credential")
_KEY = read_sql("tenant_key")
_ADD_KEY = read_sql("add_tenant_key")


class SealingKeeper:
    """The keeper of a PostgresStore: whatever it writes is sealed.

    `grace` is how long a key that is logged out is kept.
    """

    def __init__(self, seals: Seals, grace: timedelta = GRACE) -> None:
        self._seals = seals
        self._grace = grace

    async def keep(self, connection: Connection, key: SessionKey, keeping: Keeping) -> None:
        """See Keeper. Raises CredentialSealed, and CredentialSpent for a key that was given up before."""
        match keeping:
            case Deposit(credential):
                await self._deposit(connection, key, credential)
            case Owe(None):
                await _let_go(connection, key, "owed", "requested", not_before=FAREWELL_AFTER)
            case Owe(Credential() as credential):
                await self._owe(connection, key, credential)
            case Settle():
                await connection.execute(_SETTLE, key.tenant_id, key.app_id, self._grace)
            case Bury(reason):
                await _let_go(connection, key, "buried", reason, erase_after=EVIDENCE)

    async def has_kept(self, connection: Connection, key: SessionKey, keeping: Keeping) -> bool:
        """See Keeper. Another login's key is noticed; what else there is to keep has nothing to tell it by."""
        match keeping:
            case Deposit(credential):
                return await self._status(connection, key, credential) == "current"
            case Owe(Credential() as credential):
                return await self._status(connection, key, credential) is not None
            case _:
                return True

    async def _deposit(self, connection: Connection, key: SessionKey, credential: Credential) -> None:
        match await self._status(connection, key, credential):
            case None:
                pass
            case "current":
                await self._mend(connection, key, credential)
                return
            case status:
                raise CredentialSpent(f"{key}: this auth key was given up before, it is {status}")
        await _let_go(connection, key, "owed", "replaced", not_before=FAREWELL_AFTER)
        fingerprint = self._seals.fingerprint(credential)
        place = await _next(connection, key, fingerprint)
        await self._add(connection, place, credential)

    async def _mend(self, connection: Connection, key: SessionKey, credential: Credential) -> None:
        """Seal the session's own credential anew, if what is kept of it cannot be opened."""
        try:
            open_current(self._seals, key, await connection.fetchrow(_CURRENT, key.tenant_id, key.app_id))
        except CredentialSealed:
            fingerprint, known_by = self._seals.fingerprint(credential), self._seals.fingerprints(credential)
            place = await _next(connection, key, fingerprint)
            data_key = await self._data_key(connection, key.tenant_id)
            sealed = self._seals.seal(credential, place, data_key)
            found = key.tenant_id, key.app_id, known_by, fingerprint
            await connection.execute(_MEND, *found, place.version, data_key.key_id, sealed, place.epoch)

    async def _owe(self, connection: Connection, key: SessionKey, credential: Credential) -> None:
        match await self._status(connection, key, credential):
            case None:
                await self._add(connection, Place(key, 1), credential, "unwanted", FAREWELL_AFTER)
            case "current":
                await _let_go(connection, key, "owed", "requested", not_before=FAREWELL_AFTER)

    async def _status(self, connection: Connection, key: SessionKey, credential: Credential) -> str | None:
        known_by = self._seals.fingerprints(credential)
        row = await connection.fetchrow(_STATUSES, key.tenant_id, key.app_id, known_by)
        return None if row is None else row["status"]

    async def _add(
        self,
        connection: Connection,
        place: Place,
        credential: Credential,
        reason: str | None = None,
        not_before: timedelta | None = None,
    ) -> None:
        data_key = await self._data_key(connection, place.key.tenant_id)
        await connection.execute(
            _ADD,
            place.key.tenant_id,
            place.key.app_id,
            self._seals.fingerprint(credential),
            credential.account_id,
            place.version,
            place.epoch,
            data_key.key_id,
            self._seals.seal(credential, place, data_key),
            reason,
            not_before,
        )

    async def _data_key(self, connection: Connection, tenant_id: str) -> DataKey:
        """The key that seals for a tenant. A new one is made if there is none, or none that can be opened.

        A keyring that was lost, or not given to this node yet, must not keep anybody from logging in again.
        """
        newest = await self._newest(connection, tenant_id)
        if newest is not None:
            with suppress(CredentialSealed):
                return self._seals.unwrap(newest)
        fresh = self._seals.new_data_key(tenant_id, 1 if newest is None else newest.key_id + 1)
        await connection.execute(_ADD_KEY, tenant_id, fresh.key_id, fresh.wrapped, fresh.wrapped_by)
        written = await self._newest(
            connection, tenant_id
        )  # ours, or that of another session at the same moment
        return self._seals.unwrap(fresh if written is None else written)

    async def _newest(self, connection: Connection, tenant_id: str) -> WrappedKey | None:
        row = await connection.fetchrow(_KEY, tenant_id)
        if row is None:
            return None
        return WrappedKey(tenant_id, row["key_id"], row["wrapped"], row["wrapped_by"])


async def _next(connection: Connection, key: SessionKey, fingerprint: str) -> Place:
    """Where the session's next credential lies."""
    row = await connection.fetchrow(_NEXT, key.tenant_id, key.app_id, fingerprint)
    if row is None:
        raise VersionConflict(f"{key} has no row that could be seen")
    return Place(key, row["version"], row["epoch"])


async def _let_go(
    connection: Connection,
    key: SessionKey,
    status: str,
    reason: str,
    *,
    not_before: timedelta | None = None,
    erase_after: timedelta | None = None,
) -> None:
    await connection.execute(_LET_GO, key.tenant_id, key.app_id, status, reason, not_before, erase_after)

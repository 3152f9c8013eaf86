"""Opens sealed credentials as the rows of the database have them, for whoever reads or mends them."""

from __future__ import annotations

import asyncpg

from actors.adapters.sealing import Place, Seals, WrappedKey
from actors.core.credential import Credential
from actors.core.names import SessionKey
from actors.errors import CredentialSealed


def open_current(seals: Seals, key: SessionKey, row: asyncpg.Record | None) -> Credential | None:
    """The credential in a row of `current_credential.sql`, if there is one. Raises CredentialSealed."""
    if row is None or (row["fingerprint"] is None and row["credential_fingerprint"] is None):
        return None
    require_newest(key, row)
    require_owned_before(key, row)
    return open_row(seals, key, row)


def open_row(seals: Seals, key: SessionKey, row: asyncpg.Record) -> Credential:
    """The credential in a row of `telegram_credentials` with its data key. Raises CredentialSealed."""
    place = Place(key, row["version"], row["epoch"])
    try:
        credential = seals.open(row["sealed"], place, seals.unwrap(wrapped_key(key, row)))
    except CredentialSealed as sealed:
        raise CredentialSealed(f"{key}: {sealed}") from sealed
    if row["fingerprint"] not in seals.fingerprints(credential):
        raise CredentialSealed(
            f"{key}: what is sealed is not the key that the row names; log the session in again"
        )
    return credential


def require_newest(key: SessionKey, row: asyncpg.Record) -> None:
    """Refuse a credential that is not the one which the session's row was written with."""
    if (row["fingerprint"], row["version"]) != (row["credential_fingerprint"], row["credential_version"]):
        raise CredentialSealed(
            f"{key}: what is kept is older than what was written last, or not this session's own: "
            "a part of the database was put back; restore all of it, or log the session in again"
        )


def require_owned_before(key: SessionKey, row: asyncpg.Record) -> None:
    """Refuse a credential that was sealed under a later ownership than any that is known."""
    if row["epoch"] > row["owned_at"]:
        raise CredentialSealed(
            f"{key}: what is kept was sealed under an ownership that the database does not know any more: "
            "a part of it was put back; restore all of it, or log the session in again"
        )


def wrapped_key(key: SessionKey, row: asyncpg.Record) -> WrappedKey:
    """The data key that comes with a credential's row."""
    return WrappedKey(key.tenant_id, row["key_id"], row["wrapped"], row["wrapped_by"])

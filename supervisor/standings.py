"""Compares logins that were found in files with what the database has, tenants' walls aside."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

from actors.adapters.census import Census, KnownSession
from actors.core.credential import Credential
from actors.core.import_plan import Holding, Standing
from actors.core.names import SessionKey
from actors.core.states import SessionState
from actors.ports import Vault

_GONE = {SessionState.ABSENT, SessionState.REVOKED}
"""A session in these states has no login any more."""

Login = tuple[SessionKey, Credential]


class Standings:
    """What the database has to do with logins. Its methods raise StoreUnavailable and CredentialSealed."""

    def __init__(self, vault: Vault, census: Census) -> None:
        self._vault = vault
        self._census = census

    async def known(self, logins: Collection[Login]) -> Mapping[SessionKey | int, Sequence[KnownSession]]:
        """The sessions that have the names or the accounts of these logins, by name and by account."""
        rows = await self._census.known(
            [key for key, _ in logins], [credential.account_id for _, credential in logins]
        )
        known: dict[SessionKey | int, list[KnownSession]] = defaultdict(list)
        for row in rows:
            known[row.key].append(row)
            if row.account_id is not None:
                known[row.account_id].append(row)
        return known

    async def of(self, login: Login, known: Mapping[SessionKey | int, Sequence[KnownSession]]) -> Standing:
        """What `known` has to do with a login. The same auth key is only looked for where the account is the same."""
        key, credential = login
        own = known.get(key, ())
        others = [row for row in known.get(credential.account_id, ()) if row.key != key]
        return Standing(
            own[0].state if own else None,
            await self._holding(key, credential) if own else Holding.NEVER,
            tuple([row.key for row in others if await self._vault.knows(row.key, credential)]),
            tuple(row.key for row in others if row.state not in _GONE),
        )

    async def _holding(self, key: SessionKey, credential: Credential) -> Holding:
        if not await self._vault.knows(key, credential):
            return Holding.NEVER
        current = await self._vault.current(key)
        is_current = current is not None and current.auth_key == credential.auth_key
        return Holding.NOW if is_current else Holding.ONCE

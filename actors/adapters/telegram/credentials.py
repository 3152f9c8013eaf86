"""Where a line gets its session's credential: the vault decides which it is, the file is the copy at hand."""

from __future__ import annotations

from dataclasses import replace

import trio

from actors.adapters.telegram.session_file import DamagedFile, SessionFiles
from actors.core.credential import Credential, UpdatePoint
from actors.core.names import SessionKey
from actors.core.states import Reason
from actors.errors import CredentialSealed, StoreUnavailable
from actors.events import CredentialUnopened, FileQuarantined, FileUnwritten, Tell
from actors.ports import Vault


class Unusable(Exception):
    """There is no credential that may be used."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason = reason


class Credentials:
    """The credentials of all sessions of a process."""

    def __init__(self, files: SessionFiles, vault: Vault, tell: Tell) -> None:
        self._files = files
        self._vault = vault
        self._tell = tell

    async def take(self, key: SessionKey) -> Credential:
        """The session's credential, to connect with. Its file is mended if need be.

        A file that holds an auth key which was never this session's is put in quarantine: somebody has been here.
        Raises Unusable, and StoreUnavailable.
        """
        kept, found = await self._kept(key), await self._found(key)
        if found is not None and found.auth_key == kept.auth_key:
            return replace(kept, updates=max(kept.updates, found.updates, key=_progress))
        if found is not None and not await self._vault.knows(key, found):
            await self._quarantine(key)
            raise Unusable(Reason.CREDENTIAL_TAMPERED)
        await self._write(key, kept)
        return kept

    async def owed(self, key: SessionKey) -> Credential | None:
        """What lies in the file of a session that has no credential any more, if it once was the session's."""
        found = await self._found(key)
        return found if found is not None and await self._vault.knows(key, found) else None

    async def checkpoint(self, key: SessionKey, credential: Credential) -> None:
        """Keep how far the updates are known. If that cannot be done now, the next time will do."""
        await self._write(key, credential)
        try:
            await self._vault.checkpoint(key, credential)
        except StoreUnavailable:
            return
        except CredentialSealed as sealed:
            self._tell(CredentialUnopened(key, str(sealed)))

    async def erase(self, key: SessionKey) -> None:
        """Remove the file."""
        await trio.to_thread.run_sync(self._files.erase, key)

    async def _kept(self, key: SessionKey) -> Credential:
        try:
            kept = await self._vault.current(key)
        except CredentialSealed as sealed:
            self._tell(CredentialUnopened(key, str(sealed)))
            raise Unusable(Reason.CREDENTIAL_SEALED) from sealed
        if kept is None:
            raise Unusable(Reason.CREDENTIAL_MISSING)
        return kept

    async def _found(self, key: SessionKey) -> Credential | None:
        try:
            return await trio.to_thread.run_sync(self._files.read, key)
        except DamagedFile:
            await self._quarantine(key)
            return None

    async def _quarantine(self, key: SessionKey) -> None:
        aside = await trio.to_thread.run_sync(self._files.quarantine, key)
        self._tell(FileQuarantined(key, aside.name))

    async def _write(self, key: SessionKey, credential: Credential) -> None:
        try:
            await trio.to_thread.run_sync(self._files.write, key, credential)
        except (
            OSError
        ) as error:  # a full disk, say: the vault has it all, and the session can run without its file
            self._tell(FileUnwritten(key, error))


def _progress(updates: tuple[UpdatePoint, ...]) -> int:
    """How much a copy has seen: `pts` only ever grows (core.telegram.org/api/updates)."""
    return sum(point.pts for point in updates)

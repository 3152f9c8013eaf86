"""Where a line gets its session's credential: the vault decides which it is, the file is the copy at hand."""

from __future__ import annotations

from dataclasses import replace
from time import perf_counter

import trio

from actors.adapters.telegram.session_file import DamagedFile, SessionFiles
from actors.adapters.telegram.session_lock import FileInUse
from actors.core.credential import Credential, UpdatePoint
from actors.core.names import SessionKey
from actors.core.states import Reason
from actors.errors import CredentialSealed, StoreUnavailable
from actors.events import (
    CredentialUnopened,
    FileLocked,
    FileLockRefused,
    FileQuarantined,
    FileUnwritten,
    FingerprintComputed,
    FingerprintDrifted,
    Tell,
)
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
        self._behind: set[SessionKey] = set()

    async def take(self, key: SessionKey) -> Credential:
        """The session's credential, to connect with. Its file is mended if need be, and locked until `release`.

        A file that holds an auth key which was never this session's is put in quarantine: somebody has been here.
        Raises Unusable, FileInUse and StoreUnavailable.
        """
        kept = await self._kept(key)
        await self._claim(key)
        try:
            return await self._mended(key, kept)
        except BaseException:
            self.release(key)
            raise

    def release(self, key: SessionKey) -> None:
        """Let others have the session's file. Its auth key is in use no more."""
        self._behind.discard(key)
        self._files.release(key)

    async def _claim(self, key: SessionKey) -> None:
        try:
            is_new = await trio.to_thread.run_sync(self._files.claim, key)
        except FileInUse:
            self._tell(FileLockRefused(key))
            raise
        if is_new:
            self._tell(FileLocked(key))

    async def _mended(self, key: SessionKey, kept: Credential) -> Credential:
        found = await self._found(key)
        if found is not None and found.auth_key == kept.auth_key:
            await self._compare(key, kept)
            return replace(kept, updates=max(kept.updates, found.updates, key=_progress))
        if found is not None and not await self._vault.knows(key, found):
            await self._quarantine(key)
            raise Unusable(Reason.CREDENTIAL_TAMPERED)
        await self.checkpoint(key, kept)
        return kept

    async def _compare(self, key: SessionKey, kept: Credential) -> None:
        """Tell, once, if the file is not as it was when we wrote it last. Its auth key is the right one."""
        noted, fingerprint = await self._vault.file_fingerprint(key), await self._fingerprint(key)
        if fingerprint == noted:
            return
        if noted is not None:
            self._tell(FingerprintDrifted(key))
        await self._keep(key, kept, fingerprint)

    async def owed(self, key: SessionKey) -> Credential | None:
        """What lies in the file of a session that has no credential any more, if it once was the session's."""
        found = await self._found(key)
        return found if found is not None and await self._vault.knows(key, found) else None

    async def checkpoint(self, key: SessionKey, credential: Credential) -> None:
        """Keep how far the updates are known. If that cannot be done now, the next time will do."""
        await self._keep(key, credential, await self._write(key, credential))

    def is_behind(self, key: SessionKey) -> bool:
        """Whether the file of a session in use could not be written, and is owed a checkpoint."""
        return key in self._behind

    async def _keep(self, key: SessionKey, credential: Credential, fingerprint: str | None) -> None:
        try:
            await self._vault.checkpoint(key, credential, fingerprint)
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

    async def _write(self, key: SessionKey, credential: Credential) -> str | None:
        """Write the file; its fingerprint, or None if that cannot be: the vault has what the session runs on."""
        try:
            await trio.to_thread.run_sync(self._files.write, key, credential)
        except OSError as error:  # a full disk, say
            self._behind.add(key)
            self._tell(FileUnwritten(key, error))
            return None
        self._behind.discard(key)
        return await self._fingerprint(key)

    async def _fingerprint(self, key: SessionKey) -> str | None:
        def compute() -> tuple[str | None, float]:
            began = perf_counter()
            return self._files.fingerprint(key), perf_counter() - began

        fingerprint, seconds = await trio.to_thread.run_sync(compute)
        self._tell(FingerprintComputed(key, seconds))
        return fingerprint


def _progress(updates: tuple[UpdatePoint, ...]) -> int:
    """How much a copy has seen: `pts` only ever grows (core.telegram.org/api/updates)."""
    return sum(point.pts for point in updates)

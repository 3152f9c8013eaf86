"""Puts a session's login back from a backup: refused wherever it could become a second use of a key, or a spent one.

Nothing is connected here. The session is STALE afterwards, because nobody has asked Telegram yet; its next start
does, through its own connection.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from math import ceil

import trio

from actors.adapters.backups.folder import BackupFolder, Opened
from actors.arbiter import Arbiter
from actors.clock import Clock
from actors.core.credential import Credential, Deposit
from actors.core.names import SessionKey
from actors.core.owners import NodeEpoch
from actors.core.record import Record, from_record, to_record
from actors.core.states import Absent, Authorized, PastLogin, Reason, SessionState, Stale
from actors.epochs import Epochs
from actors.errors import CredentialSealed, CredentialSpent, NotOwner, VersionConflict
from actors.ports import Saved, Store, Transition, Vault
from supervisor.owner.watching import Witness

MESSAGE = "RestoreBackup"
"""What the journal says a restored session was told."""


class RestoreRefused(Exception):
    """A backup must not be put back. `code` says why for programs, the sentence for people, with the fix."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


@dataclass(frozen=True, slots=True)
class Restored:
    """What was put back, and the version of the session's row that says so."""

    opened: Opened
    version: int


@dataclass(frozen=True, slots=True)
class Owners:
    """Who owns sessions: the arbiter, whoever sees deaths on this machine, and what the store writes under."""

    arbiter: Arbiter
    witness: Witness
    epochs: Epochs

    @asynccontextmanager
    async def unowned(self, key: SessionKey) -> AsyncIterator[None]:
        """Write for a session that no living node has. Raises RestoreRefused, and StoreUnavailable.

        Should a node take it within the block, the store refuses the write, for the epoch is another then.
        """
        await self._tell_deaths()
        seen = await self.arbiter.look(key)
        if seen is None or seen.owner is None:
            yield
            return
        if seen.owner in {beat.node for beat in (await self.arbiter.poll()).heartbeats}:
            raise self._refusal(key, seen.owner)
        self.epochs.own(key, seen.epoch, lambda: None)  # of a life that is over, until somebody takes it
        try:
            yield
        finally:
            self.epochs.leave(key, seen.epoch)

    async def _tell_deaths(self) -> None:
        try:
            await self.witness.look()
        except OSError as error:
            raise RestoreRefused(
                "sessions_unusable",
                f"SESSIONS_BASE_PATH: {self.witness.base} cannot be looked at ({error.strerror}), so nobody knows "
                "who runs there: restore as the user that runs the supervisor",
            ) from error

    def _refusal(self, key: SessionKey, owner: NodeEpoch) -> RestoreRefused:
        left = self.witness.wait_for(owner)
        if left is None:
            sentence = (
                f"{key} belongs to the supervisor {owner.node_id}, and a key in use twice is destroyed: "
                "stop that supervisor, or the session; if its machine is lost, start another supervisor, "
                "which takes the session over within minutes, and stop that"
            )
        else:
            sentence = (
                f"{key} belonged to a supervisor that died a moment ago, and Telegram may not know yet: "
                f"try again in {max(1, ceil(left))} seconds"
            )
        return RestoreRefused("session_owned", sentence)


@dataclass(frozen=True, slots=True)
class Restorer:
    """Everything that a restore needs. `store` writes under the epochs of `owners`."""

    folder: BackupFolder
    store: Store
    vault: Vault
    clock: Clock
    owners: Owners

    async def restore(self, key: SessionKey, backup_id: str | None = None) -> Restored:
        """Put back the newest backup, or the one that is named.

        The row, the credential and the journal's line are written in one transaction. Raises RestoreRefused,
        BackupError, StoreUnavailable, and CredentialSealed where the vault cannot seal.
        """
        async with self.owners.unowned(key):
            opened = await trio.to_thread.run_sync(self.folder.open, key, backup_id)
            saved = await self.store.load(key)
            _refuse_ended(key, saved)
            await self._refuse_replacing(key, opened.credential)
            return await self._put_back(key, opened, saved)

    async def _refuse_replacing(self, key: SessionKey, credential: Credential) -> None:
        try:
            current = await self.vault.current(key)
        except CredentialSealed:
            return  # it is there and of no use: that is what backups are for
        if current is None:
            return
        if current.auth_key == credential.auth_key:
            raise RestoreRefused(
                "nothing_to_restore",
                f"{key} still has this login, sealed in the database: its next start writes the session file itself",
            )
        raise RestoreRefused(
            "newer_login",
            f"{key} has another login now, which a restore would end: revoke the session first if you want that",
        )

    async def _put_back(self, key: SessionKey, opened: Opened, saved: Saved | None) -> Restored:
        now = self.clock.now()
        row = Record(SessionState.ABSENT) if saved is None else saved.record
        # Due at once, so that it is among the sessions that a start takes up; but what people stopped stays stopped.
        due = None if row.stopped else now
        state = Stale(
            opened.header.account_id,
            Reason.RESTORED,
            retry_at=due,
            last_login=_last_login(row),
            stopped=row.stopped,
        )
        transition = Transition(MESSAGE, row.state, state.name, state.reason)
        version = 1 if saved is None else saved.version + 1
        try:
            await self.store.save(
                key, Saved(to_record(state), version, now), transition, Deposit(opened.credential)
            )
        except CredentialSpent as spent:
            raise RestoreRefused(
                "key_burned",
                f"{spent}: Telegram ends a session whose key is used after that; log the session in again",
            ) from spent
        except NotOwner as taken:
            raise RestoreRefused(
                "session_owned",
                f"{key} was taken by a supervisor while this ran: stop that supervisor, or the session",
            ) from taken
        except VersionConflict as conflict:
            raise RestoreRefused(
                "version_conflict", f"{key} was written while this ran: run it again"
            ) from conflict
        return Restored(opened, version)


def _last_login(row: Record) -> PastLogin | None:
    """The login whose page may still be open, if the row tells of one that is over."""
    match from_record(row):
        case Absent(last_login=past) | Authorized(last_login=past) | Stale(last_login=past):
            return past
        case _:
            return None


def _refuse_ended(key: SessionKey, saved: Saved | None) -> None:
    if saved is not None and saved.record.state is SessionState.REVOKED:
        raise RestoreRefused(
            "key_burned",
            f"{key} was ended after this backup was made, and its key with it; log the session in again",
        )

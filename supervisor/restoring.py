"""Puts a session's login back from a backup: refused wherever it could become a second use of a key, or a spent one.

Nothing is connected here. The session is STALE afterwards, because nobody has asked Telegram yet; its next start
does, through its own connection.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import trio

from actors.adapters.backups.folder import BackupFolder, Opened
from actors.clock import Clock
from actors.core.credential import Credential, Deposit
from actors.core.names import SessionKey
from actors.core.record import Record, from_record, to_record
from actors.core.states import Absent, Authorized, PastLogin, Reason, SessionState, Stale
from actors.errors import CredentialSealed, CredentialSpent
from actors.ports import Saved, Store, Transition, Vault
from supervisor.folder import claimed
from supervisor.settings import SettingsError

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
class Restorer:
    """Everything that a restore needs. `sessions` is the folder of session files."""

    folder: BackupFolder
    store: Store
    vault: Vault
    clock: Clock
    sessions: Path

    async def restore(self, key: SessionKey, backup_id: str | None = None) -> Restored:
        """Put back the newest backup, or the one that is named.

        The row, the credential and the journal's line are written in one transaction. Raises RestoreRefused,
        BackupError, StoreUnavailable, and CredentialSealed where the vault cannot seal.
        """
        with unowned(self.sessions, key):
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


@contextmanager
def unowned(sessions: Path, key: SessionKey) -> Iterator[None]:
    """Keep everybody from running the session for the length of the block.

    Raises RestoreRefused while somebody runs it, which here means: while a supervisor uses the folder of session
    files. This is the one place to ask whoever else knows of owners.
    """
    try:
        with claimed(sessions):
            yield
    except SettingsError as error:
        if error.__cause__ is not None:  # the folder cannot even be looked at
            raise RestoreRefused("sessions_unusable", str(error)) from error
        raise RestoreRefused(
            "session_owned",
            f"{key} may be running, and a key in use twice is destroyed: stop the supervisor that uses {sessions}",
        ) from error

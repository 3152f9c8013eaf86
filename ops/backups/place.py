"""Where everything is that a verb needs, as the arguments and the environment say it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from actors.adapters.backups.folder import BackupFolder
from actors.adapters.keyring import Keyring
from actors.core.names import InvalidName, SessionKey
from supervisor.ownership.timings import PROFILES, Timings

SANDBOX, PRODUCTION = "sandbox", "production"


class UsageError(Exception):
    """The arguments do not say what to do. The sentence names the fix."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where everything is. What is None was not said."""

    sessions: Path
    backups: Path | None
    keyring: Path | None
    named_environment: str | None
    database_url: str | None

    @property
    def environment(self) -> str:
        """What backups are bound to, as the service has it."""
        if self.named_environment is not None:
            return self.named_environment
        return SANDBOX if os.environ.get("TELEGRAM_SANDBOX") else PRODUCTION

    @property
    def timings(self) -> Timings:
        """How long a connection may outlive a supervisor, by the service's own setting. Raises UsageError."""
        profile = os.environ.get("OWNERSHIP_PROFILE", "small")
        try:
            return PROFILES[profile]
        except KeyError:
            raise UsageError(
                f"OWNERSHIP_PROFILE is {profile!r}: say small or large, as the service does"
            ) from None

    def folder(self) -> BackupFolder:
        """The folder of backups. The keyring is not looked at until a backup is opened or made."""
        base = self.backups or self.sessions.absolute().parent / "backups"
        return BackupFolder(base, self.read_keyring, self.environment)

    def read_keyring(self) -> Keyring:
        """The keyring as it is now. Raises KeyringError and UsageError."""
        if self.keyring is None:
            raise UsageError(
                "BACKUP_ENCRYPTION_KEY_PATH is missing: name the keyring's file, or give --keyring"
            )
        return Keyring.read(self.keyring)

    def database(self) -> str:
        """The database's URL. Raises UsageError."""
        if self.database_url is None:
            raise UsageError("DATABASE_URL is missing: give PostgreSQL's URL, or --database-url")
        return self.database_url


def session_named(text: str) -> SessionKey:
    """The session that `tenant:app` names. Raises UsageError."""
    tenant_id, colon, app_id = text.partition(":")
    if not colon:
        raise UsageError(f"{text!r} names no session: write it as tenant:app")
    try:
        return SessionKey(tenant_id, app_id)
    except InvalidName as error:
        raise UsageError(f"{text!r} names no session: {error}") from None

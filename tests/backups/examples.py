"""A login to back up, a keyring to seal it with, and a folder to keep it in."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path

from actors.adapters.backups.folder import BackupFolder, Entry
from actors.adapters.keyring import Keyring, add_key
from actors.adapters.telegram.sqlite_login import telethon_file
from actors.core.credential import Credential, UpdatePoint
from actors.core.names import SessionKey
from actors.core.secret import Secret

KEY = SessionKey("tenant1", "app1")
OTHER = SessionKey("tenant2", "app1")
ENVIRONMENT = "sandbox"
NOW = 1_800_000_000.0
"""2027-01-15 08:00 UTC."""
DAY = 86_400.0


def login(account_id: int = 7000000001, *points: UpdatePoint) -> Credential:
    """A login with a key of its own."""
    return Credential(account_id, 2, "149.154.167.51", 443, Secret(secrets.token_hex(256)), points)


@dataclass(frozen=True, slots=True)
class Shelf:
    """A folder of backups and the keyring's file beside it."""

    keyring_file: Path
    base: Path

    @property
    def keyring(self) -> Keyring:
        return Keyring.read(self.keyring_file)

    @property
    def folder(self) -> BackupFolder:
        """Anew each time, as every process would have it."""
        return BackupFolder(self.base, lambda: self.keyring, ENVIRONMENT)

    def back_up(self, credential: Credential, now: float = NOW, key: SessionKey = KEY) -> Entry:
        return self.folder.make(key, telethon_file(credential), credential, now)

    def ids(self, key: SessionKey = KEY) -> list[str]:
        return [entry.id for entry in self.folder.entries(key)]


def shelf_in(place: Path) -> Shelf:
    """An empty one, with the key `first`."""
    shelf = Shelf(place / "keys" / "keyring", place / "backups")
    add_key(shelf.keyring_file, "first")
    return shelf

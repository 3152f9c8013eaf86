"""The folder of backups: `<base>/<tenant>/<app>/<moment>-<random>.usmb`. Names sort by time, oldest first."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from actors.adapters.backups import files
from actors.adapters.backups.envelope import LONGEST, Header, Subject, read_header, seal, unseal
from actors.adapters.backups.errors import (
    BackupDamaged,
    BackupError,
    BackupForeign,
    BackupMissing,
)
from actors.adapters.backups.reading import credential_in
from actors.adapters.keyring import Keyring
from actors.adapters.sealing import Seals
from actors.core.credential import Credential
from actors.core.names import InvalidName, SessionKey

SUFFIX = ".usmb"
_RANDOM = re.compile(r"[0-9a-f]{8}", re.ASCII)
_MOMENT = "%Y%m%dT%H%M%S.%fZ"
_LONGEST_FILE = LONGEST + (1 << 17)
_HEADER_WITHIN = 1 << 13


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of the folder. `header` is what it says of itself, unproven, or None where it cannot be read."""

    id: str
    key: SessionKey
    path: Path
    size: int
    created_at: float
    """Seconds since the epoch, by the file's name."""
    header: Header | None

    @classmethod
    def of(cls, key: SessionKey, path: Path) -> Self:
        """This file's. Raises BackupError if it is gone or cannot be read."""
        with files.trouble(path):
            size = path.stat().st_size
        try:
            header = read_header(files.read(path, _HEADER_WITHIN))
        except BackupDamaged:
            header = None
        return cls(path.stem, key, path, size, _moment(path.stem), header)


@dataclass(frozen=True, slots=True)
class Opened:
    """A backup that was opened and found whole."""

    id: str
    header: Header
    credential: Credential


class BackupFolder:
    """All backups of one environment's sessions under one base path.

    `keyring` is asked every time, for the file may get a new key while the service runs.
    """

    def __init__(self, base: Path, keyring: Callable[[], Keyring], environment: str) -> None:
        self.base = base
        self._keyring = keyring
        self._environment = environment
        self._seals = Seals(environment, keyring)

    def make(self, key: SessionKey, content: bytes, credential: Credential, now: float) -> Entry:
        """Seal a session file with this login in it, and place it once it has been opened again.

        Raises BackupError; then nothing is left behind.
        """
        backup_id = f"{datetime.fromtimestamp(now, UTC).strftime(_MOMENT)}-{secrets.token_hex(4)}"
        fingerprint, account_id = self._seals.fingerprint(credential), credential.account_id
        subject = Subject(backup_id, key, self._environment, account_id, fingerprint, float(now))
        path = self._folder(key) / f"{backup_id}{SUFFIX}"

        def check(written: Path) -> None:
            if self._open(key, written, backup_id).credential != in_order(credential):
                raise BackupDamaged(f"what was written to {written.parent} reads back as another login")

        files.place(path, seal(subject, content, self._keyring()), check)
        return Entry.of(key, path)

    def is_up_to_date(self, key: SessionKey, credential: Credential) -> bool:
        """Whether the newest backup is good, is of this very login, and is sealed under the current key."""
        newest = next(iter(self.paths(key)), None)
        if newest is None:
            return False
        try:
            opened = self._open(key, newest, newest.stem)
        except BackupError:
            return False
        is_current = opened.header.key_name == self._keyring().current
        return is_current and opened.credential == in_order(credential)

    def entries(self, key: SessionKey) -> list[Entry]:
        """The session's backups, newest first. Raises BackupFolderUnusable."""
        found: list[Entry] = []
        for path in self.paths(key):
            with suppress(BackupMissing):  # removed while we looked
                found.append(Entry.of(key, path))
        return found

    def open(self, key: SessionKey, backup_id: str | None = None) -> Opened:
        """Open a backup, the newest if none is named. Raises BackupError."""
        paths = {path.stem: path for path in self.paths(key)}
        wanted = next(iter(paths), None) if backup_id is None else backup_id
        if wanted is None or wanted not in paths:
            what = "has no backup" if backup_id is None else f"has no backup {backup_id!r}"
            raise BackupMissing(
                f"{key} {what} in {self.base}: see --list-backups {key.tenant_id}:{key.app_id}, and BACKUPS_PATH"
            )
        return self._open(key, paths[wanted], wanted)

    def keys(self) -> Iterator[SessionKey]:
        """The sessions that have a folder here, in order."""
        with files.trouble(self.base / "any"):
            folders = sorted(path for path in self.base.glob("*/*") if path.is_dir())
        for folder in folders:
            with suppress(InvalidName):
                yield SessionKey(folder.parent.name, folder.name)

    def sweep(self, key: SessionKey) -> int:
        """Remove what a process left in the session's folder that died while it wrote; how many files."""
        folder = self._folder(key)
        with files.trouble(folder / "any"):
            return files.sweep(folder)

    def expire(self, key: SessionKey, before: float, *, is_wanted: bool) -> int:
        """Remove the session's backups from before a moment; how many that were.

        Of a session that is wanted, because it still has a login, the newest good backup stays, however old; and
        all stay as long as none is good.
        """
        paths = list(self.paths(key))
        expired = [path for path in paths if _moment(path.stem) < before]
        if expired and is_wanted:
            expired = self._without_newest_good(key, paths, expired)
        with files.trouble(self._folder(key) / "any"):
            for path in expired:
                path.unlink(missing_ok=True)
            if expired:
                files.sync_folder(self._folder(key))
        return len(expired)

    def _without_newest_good(self, key: SessionKey, paths: list[Path], expired: list[Path]) -> list[Path]:
        for path in paths:
            with suppress(BackupError):
                self._open(key, path, path.stem)
                return [other for other in expired if other != path]
        return []

    def paths(self, key: SessionKey) -> list[Path]:
        """The files of the session's backups, newest first. Raises BackupFolderUnusable."""
        folder = self._folder(key)
        with files.trouble(folder / "any"):
            if not folder.is_dir():
                return []
            found = [path for path in folder.iterdir() if path.suffix == SUFFIX and _is_id(path.stem)]
        return sorted(found, reverse=True)

    def _folder(self, key: SessionKey) -> Path:
        return self.base / key.tenant_id / key.app_id

    def _open(self, key: SessionKey, path: Path, backup_id: str) -> Opened:
        sealed = files.read(path, _LONGEST_FILE)
        header, content = unseal(sealed, self._keyring())
        if (header.environment, header.key) != (self._environment, key):
            raise BackupForeign(
                f"it is of {header.key} in the environment {header.environment!r}, "
                f"not of {key} in {self._environment!r}: use a backup of the session's own"
            )
        if header.id != backup_id:
            raise BackupForeign(f"it is not {backup_id} but {header.id}: give the file its own name back")
        credential = credential_in(content, header.account_id)
        if header.fingerprint not in self._seals.fingerprints(credential):
            raise BackupDamaged("its auth key is not the one that its header tells of")
        return Opened(backup_id, header, credential)


def in_order(credential: Credential) -> Credential:
    """The same login, its update states in the order in which they are read back."""
    return replace(credential, updates=tuple(sorted(credential.updates, key=lambda point: point.entity_id)))


def _is_id(text: str) -> bool:
    try:
        _moment(text)
    except ValueError:
        return False
    return _RANDOM.fullmatch(text.partition("-")[2]) is not None


def _moment(backup_id: str) -> float:
    moment = backup_id.partition("-")[0]
    return datetime.strptime(moment, _MOMENT).replace(tzinfo=UTC).timestamp()

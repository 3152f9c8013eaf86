"""The session file `<base>/<tenant>/<app>.session`: a Telethon SQLite session, only ever there whole.

Clients work in memory: an open SQLite costs 140 kB and two descriptors a session, and every commit would stop the
event loop. A file is written beside its place, synced and renamed, so that whenever the process dies, either the old
or the new login is there. All functions block: call them in a thread.
"""

from __future__ import annotations

import hashlib
import os
import re
import sqlite3
import tempfile
import time
from contextlib import closing
from pathlib import Path

from actors.adapters.telegram.session_lock import SessionLocks
from actors.adapters.telegram.sqlite_login import login_in, telethon_file
from actors.core.credential import Credential
from actors.core.names import SessionKey

_UNFINISHED = re.compile(r"\.[A-Za-z0-9][A-Za-z0-9_-]{0,63}\.[a-z0-9_]{8}\.session")
"""What a file is called while it is written."""


class DamagedFile(Exception):
    """There is a file, but no login can be read from it."""


class SessionFiles:
    """All session files under one base path."""

    def __init__(self, base: Path) -> None:
        self._base = base
        self._locks = SessionLocks()

    def path(self, key: SessionKey) -> Path:
        """Where the session's file is. A SessionKey cannot name anything outside the base path."""
        return self._base / key.tenant_id / f"{key.app_id}.session"

    def claim(self, key: SessionKey) -> bool:
        """Keep everybody else out of the session's file until `release`; False if we did so already.

        Raises FileInUse. Reading and writing here needs no claim.
        """
        return self._locks.take(self.path(key))

    def release(self, key: SessionKey) -> None:
        """Let others have the session's file, if it was claimed. Does not block noticeably."""
        self._locks.release(self.path(key))

    def fingerprint(self, key: SessionKey) -> str | None:
        """The file's SHA256:size:mtime, in hexadecimal, bytes and whole seconds; None if there is no file."""
        try:
            with self.path(key).open("rb") as file:
                digest, status = hashlib.file_digest(file, "sha256"), os.fstat(file.fileno())
        except FileNotFoundError:
            return None
        return f"{digest.hexdigest()}:{status.st_size}:{int(status.st_mtime)}"

    def sweep(self) -> int:
        """Remove what processes that died left unfinished; how many files. Nobody else may be writing here."""
        left = [path for path in self._base.glob("*/.*") if _UNFINISHED.fullmatch(path.name)]
        for path in left:
            path.unlink()
        return len(left)

    def read(self, key: SessionKey) -> Credential | None:
        """What is in the session's file; None if there is no file. Raises DamagedFile."""
        path = self.path(key)
        if not path.exists():
            return None
        try:
            # Immutable: nothing is locked, nothing is written, and no journal of somebody else's is played back.
            with closing(sqlite3.connect(f"{path.resolve().as_uri()}?immutable=1", uri=True)) as database:
                return login_in(database)
        except (sqlite3.Error, ValueError, TypeError) as error:
            raise DamagedFile(f"{key}: {type(error).__name__}") from error

    def write(self, key: SessionKey, credential: Credential) -> None:
        """Put the credential in its place: readable by us only, complete, and safe on disk on return."""
        path, content = self.path(key), telethon_file(credential)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=f".{key.app_id}.", suffix=".session", dir=path.parent)
        try:
            with os.fdopen(descriptor, "wb", closefd=False) as file:
                file.write(content)
            os.fsync(descriptor)
            self._locks.replace(Path(name), descriptor, path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        finally:
            os.close(descriptor)
        _sync_folder(path.parent)

    def erase(self, key: SessionKey) -> None:
        """Remove the session's file, if there is one."""
        self.path(key).unlink(missing_ok=True)

    def quarantine(self, key: SessionKey) -> Path:
        """Put the session's file aside, as evidence that is not used; where it is now."""
        path = self.path(key)
        aside = path.with_name(f"{key.app_id}.session.quarantined-{time.time_ns()}")
        path.replace(aside)
        _sync_folder(path.parent)
        return aside


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

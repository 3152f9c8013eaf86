"""The session file `<base>/<tenant>/<app>.session`: a Telethon SQLite session, only ever there whole.

Clients work in memory: an open SQLite costs 140 kB and three descriptors a session, and every commit would stop the
event loop. A file is written beside its place, synced and renamed, so that whenever the process dies, either the old
or the new login is there. All functions block: call them in a thread.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
import time
from contextlib import closing
from pathlib import Path

from telethon.sessions import SQLiteSession

from actors.adapters.telegram.sqlite_login import fill, login_in
from actors.core.credential import Credential
from actors.core.names import SessionKey


class DamagedFile(Exception):
    """There is a file, but no login can be read from it."""


class SessionFiles:
    """All session files under one base path."""

    def __init__(self, base: Path) -> None:
        self._base = base

    def path(self, key: SessionKey) -> Path:
        """Where the session's file is. A SessionKey cannot name anything outside the base path."""
        return self._base / key.tenant_id / f"{key.app_id}.session"

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
        path = self.path(key)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=f".{key.app_id}.", suffix=".session", dir=path.parent)
        try:
            with closing(SQLiteSession(name)) as stored:
                fill(stored, credential)
            os.fsync(descriptor)
            Path(name).replace(path)
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

"""The session file `<base>/<tenant>/<app>.session`: a Telethon SQLite session, only ever there whole.

Clients work on a copy in memory: an open SQLite costs 140 kB and three descriptors a session, and every commit
would stop the event loop. A file is written beside its place, synced and renamed, so that whenever the process
dies, either the old or the new login is there. All functions block: call them in a thread.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import closing
from pathlib import Path
from typing import TypeVar

from telethon.crypto import AuthKey
from telethon.sessions import MemorySession, SQLiteSession

from actors.core.names import SessionKey

Target = TypeVar("Target", bound=MemorySession)


class LiveSession(MemorySession):  # type: ignore[misc]  # telethon publishes no types
    """A session in memory. It keeps no entities: Telethon would never evict them."""

    def process_entities(self, tlo: object) -> None:
        """Forget them."""


class SessionFiles:
    """All session files under one base path."""

    def __init__(self, base: Path) -> None:
        self._base = base

    def path(self, key: SessionKey) -> Path:
        """Where the session's file is. A SessionKey cannot name anything outside the base path."""
        return self._base / key.tenant_id / f"{key.app_id}.session"

    def read(self, key: SessionKey) -> LiveSession | None:
        """A copy of the session's file in memory; None if there is no file or no login in it."""
        path = self.path(key)
        if not path.exists():
            return None
        with closing(SQLiteSession(str(path))) as stored:
            if stored.auth_key is None or not stored.auth_key.key:
                return None
            return _copy(stored, LiveSession())

    def write(self, key: SessionKey, session: MemorySession) -> None:
        """Put the session's login in its place: readable by us only, complete, and safe on disk on return."""
        path = self.path(key)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=f".{key.app_id}.", suffix=".session", dir=path.parent)
        try:
            with closing(SQLiteSession(name)) as stored:
                _copy(session, stored)
                stored.save()
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


def _copy(source: MemorySession, target: Target) -> Target:
    """The login and its update states; each session object hands out only what it has."""
    target.set_dc(source.dc_id, source.server_address, source.port)
    target.auth_key = AuthKey(source.auth_key.key)
    for entity_id, state in source.get_update_states():
        target.set_update_state(entity_id, state)
    return target


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

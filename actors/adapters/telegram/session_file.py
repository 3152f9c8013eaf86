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

from telethon import utils
from telethon.sessions import SQLiteSession
from telethon.tl import types

from actors.adapters.telegram.live_session import LiveSession
from actors.core.credential import Credential, UpdatePoint
from actors.core.names import SessionKey
from actors.core.secret import Secret

NEWEST_SCHEMA = 8
KEY_BYTES = 256


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
                return _credential(database)
        except (sqlite3.Error, ValueError, TypeError) as error:
            raise DamagedFile(f"{key}: {type(error).__name__}") from error

    def write(self, key: SessionKey, credential: Credential) -> None:
        """Put the credential in its place: readable by us only, complete, and safe on disk on return."""
        path = self.path(key)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=f".{key.app_id}.", suffix=".session", dir=path.parent)
        try:
            _fill(name, credential)
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


def _credential(database: sqlite3.Connection) -> Credential:
    (version,) = database.execute("select version from version").fetchone()
    ((dc_id, address, port, auth_key),) = database.execute(
        "select dc_id, server_address, port, auth_key from sessions"
    ).fetchall()
    if version > NEWEST_SCHEMA or len(auth_key) != KEY_BYTES:
        raise ValueError("not a session of ours")
    hashes = dict(database.execute("select id, hash from entities").fetchall())
    # Telethon notes its own id as the hash of an entity with the id 0.
    account_id = hashes.pop(0, 0)
    rows = database.execute("select id, pts, qts, date, seq from update_state order by id").fetchall()
    points = tuple(
        UpdatePoint(entity_id, pts, qts, date, seq, hashes.get(_marked(entity_id), 0))
        for entity_id, pts, qts, date, seq in rows
    )
    auth_key = Secret(auth_key.hex())
    return Credential(account_id, dc_id, address, port, auth_key, points, _noted_api_id(database))


def _fill(name: str, credential: Credential) -> None:
    """Have Telethon itself write the file, so that it is as plain Telethon wants it."""
    session = LiveSession.of(credential)
    with closing(SQLiteSession(name)) as stored:
        stored.set_dc(credential.dc_id, credential.address, credential.port)
        stored.auth_key = session.auth_key
        for entity_id, state in session.get_update_states():
            stored.set_update_state(entity_id, state)
        channels = [
            types.InputPeerChannel(point.entity_id, point.access_hash)
            for point in credential.updates
            if point.access_hash
        ]
        ourselves = types.InputPeerUser(0, credential.account_id)
        stored.process_entities(types.contacts.ResolvedPeer(None, channels, [ourselves]))
        stored.save()
    _note_api_id(name, credential.api_id)


def _marked(channel_id: int) -> int:
    return int(utils.get_peer_id(types.PeerChannel(channel_id)))


def _note_api_id(name: str, api_id: int | None) -> None:
    """In a table of our own, of which Telethon takes no notice, so that key and app cannot get separated."""
    if api_id is not None:
        with closing(sqlite3.connect(name)) as database, database:
            database.execute("create table usm_app (api_id integer not null)")
            database.execute("insert into usm_app values (?)", (api_id,))


def _noted_api_id(database: sqlite3.Connection) -> int | None:
    if database.execute("select 1 from sqlite_master where name = 'usm_app'").fetchone() is None:
        return None
    ((api_id,),) = database.execute("select api_id from usm_app").fetchall()
    return int(api_id)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

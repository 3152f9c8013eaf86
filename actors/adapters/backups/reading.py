"""Reads the content of a backup, a Telethon SQLite session, and makes sure that it is whole: in memory, by SQLite.

Source: Telethon 1.45, telethon/sessions/sqlite.py, `CURRENT_VERSION` and its tables.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing

from actors.adapters.backups.errors import BackupDamaged
from actors.core.credential import Credential, UpdatePoint
from actors.core.secret import Secret

SCHEMA_VERSION = 8
KEY_BYTES = 256


def credential_in(content: bytes, account_id: int) -> Credential:
    """The login in a session file. Raises BackupDamaged unless it is sound SQLite of Telethon's with one login."""
    with closing(sqlite3.connect(":memory:")) as database:
        try:
            database.deserialize(content)
            return _read(database, account_id)
        except sqlite3.Error as error:
            raise BackupDamaged(f"its content is no session file ({type(error).__name__})") from None


def _read(database: sqlite3.Connection, account_id: int) -> Credential:
    _require(database.execute("pragma integrity_check").fetchall() == [("ok",)], "SQLite finds it corrupt")
    versions = database.execute("select version from version").fetchall()
    _require(versions == [(SCHEMA_VERSION,)], f"its schema is not Telethon's version {SCHEMA_VERSION}")
    logins = database.execute("select dc_id, server_address, port, auth_key from sessions").fetchall()
    _require(len(logins) == 1, f"it holds {len(logins)} logins instead of one")
    dc_id, address, port, auth_key = logins[0]
    _require(isinstance(auth_key, bytes) and len(auth_key) == KEY_BYTES, "its auth key is not 256 bytes")
    points = database.execute("select id, pts, qts, date, seq from update_state order by id").fetchall()
    updates = tuple(UpdatePoint(*(int(number) for number in point)) for point in points)
    return Credential(account_id, dc_id, address, port, Secret(auth_key.hex()), updates)


def _require(sound: bool, otherwise: str) -> None:
    if not sound:
        raise BackupDamaged(f"its content is not what was backed up: {otherwise}")

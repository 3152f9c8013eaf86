"""Reads the content of a backup, a Telethon SQLite session, and makes sure that it is whole: in memory, by SQLite."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from actors.adapters.backups.errors import BackupDamaged
from actors.adapters.telegram.sqlite_login import login_in
from actors.core.credential import Credential


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
    try:
        login = login_in(database)
    except ValueError as fault:
        raise BackupDamaged(f"its content is not what was backed up: {fault}") from None
    _require(login.account_id == account_id, "it is of another account")
    return login


def _require(sound: bool, otherwise: str) -> None:
    if not sound:
        raise BackupDamaged(f"its content is not what was backed up: {otherwise}")

"""Opens the private copy of an SQLite session, and tells Telethon's from Pyrogram's by its tables."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from actors.adapters.imports.pyrogram_file import read_pyrogram
from actors.adapters.imports.telethon_file import read_telethon
from actors.core.foreign import Fault, ForeignLogin, Network, Unreadable

PATIENCE = 10.0
"""Seconds for all that is asked of one file. A hostile one could keep SQLite busy for ever."""

LONGEST_VALUE = 1 << 20
"""Bytes of one value; larger ones SQLite refuses to read."""

_STEPS = 10_000


def read_database(copy: Path, network: Network) -> ForeignLogin:
    """The login in a copy that nobody else has. Raises Unreadable."""
    try:
        with _open(copy) as database:
            _check_integrity(database)
            _check_length(database, copy)
            return _reader(database)(database, network)
    except (sqlite3.Error, UnicodeDecodeError) as error:  # the latter where SQLite quotes the damage
        raise Unreadable(Fault.CORRUPT, _sentence(error)) from error


def _sentence(error: Exception) -> str:
    name = getattr(error, "sqlite_errorname", type(error).__name__)
    if name == "SQLITE_INTERRUPT":
        return f"it could not be read within {PATIENCE:.0f} seconds"
    return f"it is damaged ({name}): restore it from a backup"


@contextmanager
def _open(copy: Path) -> Iterator[sqlite3.Connection]:
    """Writable, so that SQLite plays back what its writer had not finished: in the copy."""
    database = sqlite3.connect(copy, isolation_level=None)
    try:
        give_up = time.monotonic() + PATIENCE
        database.set_progress_handler(lambda: time.monotonic() > give_up, _STEPS)
        database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LONGEST_VALUE)
        # A view or a default in the file may call functions; none with effects.
        database.execute("pragma trusted_schema = off")
        database.execute("pragma cell_size_check = on")
        yield database
    finally:
        database.close()


def _check_integrity(database: sqlite3.Connection) -> None:
    ((verdict,),) = database.execute("pragma integrity_check(1)").fetchall()
    if verdict != "ok":
        raise Unreadable(
            Fault.CORRUPT, "it is damaged: SQLite's integrity check fails; restore it from a backup"
        )


def _check_length(database: sqlite3.Connection, copy: Path) -> None:
    """Where the last page is empty, SQLite does not mind that a part of it is missing."""
    ((mode,),) = database.execute("pragma journal_mode").fetchall()
    ((length,),) = database.execute("select page_count * page_size from pragma_page_count, pragma_page_size")
    if mode != "wal" and copy.stat().st_size < length:
        raise Unreadable(Fault.CORRUPT, "its end is missing: restore it from a backup")


def _reader(database: sqlite3.Connection) -> Callable[[sqlite3.Connection, Network], ForeignLogin]:
    tables = {name for (name,) in database.execute("select name from sqlite_schema where type = 'table'")}
    if not tables:
        raise Unreadable(Fault.EMPTY, "it is an empty database")
    if {"version", "sessions"} <= tables:
        columns = {name for (name,) in database.execute("select name from pragma_table_info('version')")}
        if "version" in columns:
            return read_telethon
        if "number" in columns:
            return read_pyrogram
    raise Unreadable(Fault.NOT_A_SESSION, "it is an SQLite database, but no session of Telethon or Pyrogram")

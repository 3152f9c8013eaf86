"""Reads Pyrogram's SQLite sessions, and those of its descendants Pyrofork and Kurigram: versions 1 to 7.

Source: pyrogram/storage/sqlite_storage.py and file_storage.py of Pyrogram up to 2.0.106 (versions 1 to 3), Pyrofork
(to 4) and Kurigram (to 7, which notes the address). The same number means different tables in different
descendants, but `sessions` has its columns by the same names in all. States of updates are not taken over: the
descendants do not agree on what their ids are.
"""

from __future__ import annotations

import sqlite3

from actors.adapters.imports.checks import account_of, key_of, number_of, pyrogram_address
from actors.core.foreign import Fault, ForeignLogin, Format, Network, Unreadable

NEWEST = 7
_WANTED = ("dc_id", "test_mode", "auth_key", "user_id")
_ADDRESS = ("server_address", "port")


def read_pyrogram(database: sqlite3.Connection, network: Network) -> ForeignLogin:
    """The login in it. Raises Unreadable and sqlite3.Error."""
    _check_version(database)
    (dc, is_test, key, user_id), noted = _session(database)
    auth_key, account_id = key_of(key), account_of(user_id)
    dc_id = number_of(dc, "the number of its data centre")
    address, port = pyrogram_address(dc_id, is_test, network)
    if noted is not None:
        address, port = str(noted[0]), number_of(noted[1], "its port")
    network.check(dc_id, address, port)
    return ForeignLogin(Format.PYROGRAM_FILE, dc_id, address, port, auth_key, account_id)


def _check_version(database: sqlite3.Connection) -> None:
    rows = database.execute("select number from version").fetchmany(2)
    if len(rows) != 1:
        raise Unreadable(Fault.CORRUPT, "it does not say which version of Pyrogram's schema it has")
    version = number_of(rows[0][0], "the version of its schema")
    if version > NEWEST:
        raise Unreadable(
            Fault.NEWER_SCHEMA,
            f"it has version {version} of Pyrogram's schema, and {NEWEST} is the newest that is known here",
        )


def _session(database: sqlite3.Connection) -> tuple[tuple[object, ...], tuple[object, ...] | None]:
    """What the one row says, and the address if there is one."""
    columns = {name for (name,) in database.execute("select name from pragma_table_info('sessions')")}
    if not columns.issuperset(_WANTED):
        raise Unreadable(Fault.CORRUPT, "its table of sessions lacks columns that Pyrogram's has")
    has_address = columns.issuperset(_ADDRESS)
    wanted = _WANTED + (_ADDRESS if has_address else ())
    rows = database.execute(f"select {', '.join(wanted)} from sessions").fetchmany(2)  # noqa: S608 - our own names
    if not rows:
        raise Unreadable(Fault.NO_LOGIN, "there is no login in it: nobody has connected with it yet")
    if len(rows) > 1:
        raise Unreadable(
            Fault.CORRUPT, "it holds keys of several data centres, and does not say which is in use"
        )
    row = tuple(rows[0])
    return row[: len(_WANTED)], (row[len(_WANTED) :] if has_address else None)

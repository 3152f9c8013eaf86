"""Reads Telethon's SQLite sessions, schema versions 1 to 8.

Source: telethon/sessions/sqlite.py of Telethon 1.45, and its history: the account since April 2023 (a row of
`entities` with the id 0, whose hash is the user id), access hashes that can be relied on since version 6, states of
updates in version 4 and later.
"""

from __future__ import annotations

import sqlite3

from telethon import utils
from telethon.tl import types

from actors.adapters.imports.checks import account_of, key_of, number_of
from actors.core.credential import UpdatePoint
from actors.core.foreign import Fault, ForeignLogin, Format, Network, Unreadable

NEWEST = 8
_STATES_SINCE = 4
_CHANNELS_SINCE = 7
"""Before, a channel's state was kept without what is needed to ask for it."""

MOST_CHANNELS = 1000
HIGHEST_CHANNEL = 1 << 40
"""Telegram's are below 10**12 (core.telegram.org/api/bots/ids); what is higher is damaged, and not missed."""


def read_telethon(database: sqlite3.Connection, network: Network) -> ForeignLogin:
    """The login in it. Raises Unreadable and sqlite3.Error."""
    version = _version(database)
    dc_id, address, port, key = _session(database)
    auth_key = key_of(key)
    dc_id, port = number_of(dc_id, "the number of its data centre"), number_of(port, "its port")
    network.check(dc_id, str(address), port)
    return ForeignLogin(
        Format.TELETHON_FILE,
        dc_id,
        str(address),
        port,
        auth_key,
        _account(database),
        _updates(database, version),
    )


def _version(database: sqlite3.Connection) -> int:
    rows = database.execute("select version from version").fetchmany(2)
    if len(rows) != 1:
        raise Unreadable(Fault.CORRUPT, "it does not say which version of Telethon's schema it has")
    version = number_of(rows[0][0], "the version of its schema")
    if version > NEWEST:
        raise Unreadable(
            Fault.NEWER_SCHEMA,
            f"it has version {version} of Telethon's schema, and {NEWEST} is the newest that is known here",
        )
    if version < 1:
        raise Unreadable(Fault.CORRUPT, "the version of its schema is damaged")
    return version


def _session(database: sqlite3.Connection) -> tuple[object, object, object, object]:
    """Its one row. Of the days before data centres were noted, there is nothing to connect with."""
    columns = {name for (name,) in database.execute("select name from pragma_table_info('sessions')")}
    if "dc_id" not in columns:
        raise Unreadable(
            Fault.CORRUPT, "it does not name its data centre, as files of December 2017: log in anew"
        )
    rows = database.execute("select dc_id, server_address, port, auth_key from sessions").fetchmany(2)
    if not rows:
        raise Unreadable(Fault.NO_LOGIN, "there is no login in it: nobody has connected with it yet")
    if len(rows) > 1:
        raise Unreadable(
            Fault.CORRUPT, "it holds keys of several data centres, and does not say which is in use"
        )
    return tuple(rows[0])


def _account(database: sqlite3.Connection) -> int | None:
    rows = database.execute("select hash from entities where id = 0").fetchall()
    return account_of(rows[0][0]) if rows else None


def _updates(database: sqlite3.Connection, version: int) -> tuple[UpdatePoint, ...]:
    """How far updates are known: the account's, and of channels those that can be asked for again."""
    if version < _STATES_SINCE:
        return ()
    rows = database.execute(
        "select id, pts, qts, date, seq from update_state where id = 0 or ? order by id limit ?",
        (version >= _CHANNELS_SINCE, MOST_CHANNELS),
    ).fetchall()
    points = (_point(database, row) for row in rows if all(isinstance(value, int) for value in row))
    return tuple(point for point in points if point is not None)


def _point(database: sqlite3.Connection, row: tuple[int, int, int, int, int]) -> UpdatePoint | None:
    entity_id, pts, qts, date, seq = row
    if pts < 1:
        return None
    if not entity_id:
        return UpdatePoint(0, pts, qts, date, seq)
    if not 0 < entity_id < HIGHEST_CHANNEL:
        return None
    marked = utils.get_peer_id(types.PeerChannel(entity_id))
    hashes = database.execute("select hash from entities where id = ?", (marked,)).fetchall()
    if not hashes or not isinstance(hashes[0][0], int):
        return None
    return UpdatePoint(entity_id, pts, qts, 0, seq, access_hash=hashes[0][0])

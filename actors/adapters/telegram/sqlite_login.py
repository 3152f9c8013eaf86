"""A login in Telethon's SQLite: written by Telethon itself, so that it is as plain Telethon wants it; read by SQL.

Source: Telethon 1.45, telethon/sessions/sqlite.py, `CURRENT_VERSION` and its tables.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing

from telethon import utils
from telethon.sessions import SQLiteSession
from telethon.tl import types

from actors.adapters.telegram.live_session import LiveSession
from actors.core.credential import Credential, UpdatePoint
from actors.core.secret import Secret

SCHEMA = 8
KEY_BYTES = 256


def telethon_file(credential: Credential) -> bytes:
    """The bytes of a Telethon SQLite session that holds this login and nothing else.

    Made in memory: on a disk, Telethon would sync a dozen times before there is anything to keep.
    """
    stored = SQLiteSession()  # without a name it lives in memory, and Telethon leaves it open
    with closing(stored._conn) as database:  # noqa: SLF001 - Telethon hands its database to nobody
        _fill(stored, credential)
        content: bytes = database.serialize()
        return content


def _fill(stored: SQLiteSession, credential: Credential) -> None:
    session = LiveSession.of(credential)
    stored.set_dc(credential.dc_id, credential.address, credential.port)
    stored.auth_key = session.auth_key
    for entity_id, state in session.get_update_states():
        stored.set_update_state(entity_id, state)
    channels = [
        types.InputPeerChannel(point.entity_id, point.access_hash)
        for point in credential.updates
        if point.access_hash
    ]
    # Telethon notes its own id as the hash of an entity with the id 0.
    ourselves = types.InputPeerUser(0, credential.account_id)
    stored.process_entities(types.contacts.ResolvedPeer(None, channels, [ourselves]))
    if credential.api_id is not None:
        # In a table of our own, of which Telethon takes no notice, so that key and app cannot get separated.
        database = stored._conn  # noqa: SLF001 - as above
        database.execute("create table usm_app (api_id integer not null)")
        database.execute("insert into usm_app values (?)", (credential.api_id,))
    stored.save()


def login_in(database: sqlite3.Connection) -> Credential:
    """The login in Telethon's tables; its account is 0 if Telethon has not noted it.

    Raises sqlite3.Error for what is no SQLite, and ValueError, in a few words, for what holds no login of ours.
    """
    versions = database.execute("select version from version").fetchall()
    if versions != [(SCHEMA,)]:
        raise ValueError(f"its schema is not Telethon's version {SCHEMA}")
    logins = database.execute("select dc_id, server_address, port, auth_key from sessions").fetchall()
    if len(logins) != 1:
        raise ValueError(f"it holds {len(logins)} logins instead of one")
    dc_id, address, port, auth_key = logins[0]
    if not isinstance(auth_key, bytes) or len(auth_key) != KEY_BYTES:
        raise ValueError(f"its auth key is not {KEY_BYTES} bytes")
    hashes = dict(database.execute("select id, hash from entities").fetchall())
    account_id, points = hashes.pop(0, 0), _points(database, hashes)
    key = Secret(auth_key.hex())
    return Credential(account_id, dc_id, address, port, key, points, _noted_api_id(database))


def _points(database: sqlite3.Connection, hashes: dict[int, int]) -> tuple[UpdatePoint, ...]:
    rows = database.execute("select id, pts, qts, date, seq from update_state order by id").fetchall()
    return tuple(
        UpdatePoint(
            int(entity_id), int(pts), int(qts), int(date), int(seq), hashes.get(_marked(entity_id), 0)
        )
        for entity_id, pts, qts, date, seq in rows
    )


def _noted_api_id(database: sqlite3.Connection) -> int | None:
    if database.execute("select 1 from sqlite_master where name = 'usm_app'").fetchone() is None:
        return None
    ((api_id,),) = database.execute("select api_id from usm_app").fetchall()
    return int(api_id)


def _marked(channel_id: int) -> int:
    return int(utils.get_peer_id(types.PeerChannel(channel_id)))

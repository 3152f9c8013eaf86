"""Makes the files that Telethon and Pyrogram have written over the years. The tables are theirs, by version."""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import sqlite3
import struct
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

ADDRESS, PORT = "149.154.167.51", 443
ACCOUNT = 7000000001
CHANNEL, CHANNEL_HASH = 1234567890, -987654321


def key_bytes(number: int = 1) -> bytes:
    """An auth key, told from others by its number."""
    return b"".join(hashlib.sha256(f"{number} {part}".encode()).digest() for part in range(8))


@dataclass(frozen=True)
class Made:
    """What is put into a file."""

    key: bytes | None = key_bytes()
    account_id: int | None = ACCOUNT
    dc_id: int = 2
    address: str = ADDRESS
    port: int = PORT


# -- Telethon's schema: the first version, and what each later one changed (telethon/sessions/sqlite.py)

_WITHOUT_ROWID = " without rowid"  # until May 2018, within version 4

_FIRST = (
    "create table version (version integer)",
    "create table sessions (dc_id integer primary key, server_address text, port integer, auth_key blob)"
    + _WITHOUT_ROWID,
    "create table entities (id integer primary key, hash integer not null, username text, phone integer, name text)"
    + _WITHOUT_ROWID,
)
_CHANGES: dict[int, tuple[str, ...]] = {
    2: (
        "create table sent_files (md5_digest blob, file_size integer, file_id integer, part_count integer, "
        "primary key(md5_digest, file_size))" + _WITHOUT_ROWID,
    ),
    3: (
        "drop table sent_files",
        "create table sent_files (md5_digest blob, file_size integer, type integer, id integer, hash integer, "
        "primary key(md5_digest, file_size, type))" + _WITHOUT_ROWID,
    ),
    4: (
        "create table update_state (id integer primary key, pts integer, qts integer, date integer, seq integer)",
    ),
    5: ("alter table sessions add column takeout_id integer",),
    6: ("delete from entities",),
    7: ("alter table entities add column date integer",),
    8: ("alter table sessions add column tmp_auth_key blob",),
}


def telethon(path: Path, version: int, made: Made = Made()) -> Path:
    """A Telethon session of this schema version. Only from 7 on is there an account to note (since April 2023)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as database:
        fill_telethon(database, version, made)
        database.commit()
    return path


def fill_telethon(database: sqlite3.Connection, version: int, made: Made) -> None:
    """The same, without a commit."""
    for statement in telethon_ddl(version):
        database.execute(statement)
    database.execute("insert into version values (?)", (version,))
    database.execute(
        "insert into sessions (dc_id, server_address, port, auth_key) values (?, ?, ?, ?)",
        (made.dc_id, made.address, made.port, made.key),
    )
    if version >= 7 and made.account_id is not None:
        database.execute("insert into entities (id, hash) values (0, ?)", (made.account_id,))
    if version >= 4:
        database.execute(
            "insert into entities (id, hash) values (?, ?)", (-1000000000000 - CHANNEL, CHANNEL_HASH)
        )
        states = [(0, 100, 5, 1_700_000_000, 9), (CHANNEL, 50, 0, 1_700_000_000, 0), (777, 50, 0, 1, 0)]
        database.executemany("insert into update_state values (?, ?, ?, ?, ?)", states)


def telethon_ddl(version: int) -> Sequence[str]:
    """The statements that made a file of this version what it is."""
    changes = [statement for number in range(2, version + 1) for statement in _CHANGES.get(number, ())]
    return [*_FIRST, *changes]


def telethon_string(made: Made = Made()) -> str:
    """As telethon.sessions.StringSession exports it."""
    packed = ipaddress.ip_address(made.address).packed
    layout = f">B{len(packed)}sH256s"
    return (
        "1" + base64.urlsafe_b64encode(struct.pack(layout, made.dc_id, packed, made.port, made.key)).decode()
    )


# -- Pyrogram's schema (pyrogram/storage/*.py), by descendant and version

_PEERS = (
    "create table peers (id integer primary key, access_hash integer, type integer not null, username text, "
    "phone_number text, last_update_on integer not null default (cast(strftime('%s', 'now') as integer)))"
)
_STATES = (
    "create table update_state (id integer primary key, pts integer, qts integer, date integer, seq integer)"
)
_NUMBER = "create table version (number integer primary key)"
_SESSIONS = (
    "dc_id integer primary key",
    "test_mode integer",
    "auth_key blob",
    "date integer not null",
    "user_id integer",
    "is_bot integer",
)
_API_ID = "api_id integer"
_WHERE = ("server_address text", "port integer")
_USERNAMES = "create table usernames (id integer, username text, foreign key (id) references peers(id))"

PYROGRAM: dict[str, tuple[int, tuple[str, ...], tuple[str, ...]]] = {
    "pyrogram 1": (1, _SESSIONS, ()),
    "pyrogram 2": (2, _SESSIONS, ()),
    "pyrogram 3": (3, (_SESSIONS[0], _API_ID, *_SESSIONS[1:]), ()),
    "pyrogram 3, upgraded": (3, (*_SESSIONS, _API_ID), ()),
    "pyrofork 4": (4, (_SESSIONS[0], _API_ID, *_SESSIONS[1:]), (_STATES,)),
    "kurigram 4": (4, (*_SESSIONS, _API_ID), (_USERNAMES,)),
    "kurigram 5": (5, (*_SESSIONS, _API_ID), (_USERNAMES, _STATES)),
    "kurigram 6": (6, (*_SESSIONS, _API_ID), (_USERNAMES, _STATES)),
    "kurigram 7": (7, (_SESSIONS[0], *_WHERE, _API_ID, *_SESSIONS[1:]), (_USERNAMES, _STATES)),
}


def pyrogram(path: Path, kind: str, made: Made = Made(), *, test: bool = False) -> Path:
    """A session of Pyrogram or one of its descendants."""
    version, columns, more = PYROGRAM[kind]
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as database:
        for statement in (f"create table sessions ({', '.join(columns)})", _PEERS, _NUMBER, *more):
            database.execute(statement)
        database.execute("insert into version values (?)", (version,))
        database.execute(
            "insert into sessions (dc_id, test_mode, auth_key, date, user_id, is_bot) values (?, ?, ?, 0, ?, 0)",
            (made.dc_id, test, made.key, made.account_id),
        )
        if _WHERE[0] in columns:
            database.execute("update sessions set server_address = ?, port = ?", (made.address, made.port))
        database.commit()
    return path


def pyrogram_string(layout: str = ">BI?256sQ?", made: Made = Made(), *, test: bool = False) -> str:
    """As Client.export_session_string gave it, in one of its three layouts."""
    api_id = (12345,) if "I?256" in layout else ()
    fields = (made.dc_id, *api_id, test, made.key, made.account_id, False)
    return base64.urlsafe_b64encode(struct.pack(layout, *fields)).decode().rstrip("=")

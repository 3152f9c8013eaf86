"""The content of a backup: a session file as Telethon itself writes it, made in memory, never in clear on a disk."""

from __future__ import annotations

from datetime import UTC, datetime

from telethon.crypto import AuthKey
from telethon.sessions import SQLiteSession
from telethon.tl.types.updates import State

from actors.core.credential import Credential, UpdatePoint


def telethon_file(credential: Credential) -> bytes:
    """The bytes of a Telethon SQLite session that holds this login and nothing else."""
    session = SQLiteSession()  # without a name it lives in memory
    # Telethon hands its database to nobody and closes only files.
    database = session._conn  # noqa: SLF001
    try:
        session.set_dc(credential.dc_id, credential.address, credential.port)
        session.auth_key = AuthKey(bytes.fromhex(credential.auth_key.reveal()))
        for point in credential.updates:
            session.set_update_state(point.entity_id, _state(point))
        session.save()
        content: bytes = database.serialize()
        return content
    finally:
        database.close()


def _state(point: UpdatePoint) -> State:
    return State(point.pts, point.qts, datetime.fromtimestamp(point.date, UTC), point.seq, unread_count=0)

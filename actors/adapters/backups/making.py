"""The content of a backup: a session file as Telethon itself writes it, made in memory, never in clear on a disk."""

from __future__ import annotations

from telethon.sessions import SQLiteSession

from actors.adapters.telegram.sqlite_login import fill
from actors.core.credential import Credential


def telethon_file(credential: Credential) -> bytes:
    """The bytes of a Telethon SQLite session that holds this login and nothing else."""
    session = SQLiteSession()  # without a name it lives in memory
    # Telethon hands its database to nobody and closes only files.
    database = session._conn  # noqa: SLF001
    try:
        fill(session, credential)
        content: bytes = database.serialize()
        return content
    finally:
        database.close()

"""Tells by its first bytes what a file is, and has it read accordingly."""

from __future__ import annotations

from pathlib import Path

from actors.adapters.imports.copies import copy_into
from actors.adapters.imports.database import read_database
from actors.adapters.imports.found import Found
from actors.adapters.imports.room import Room
from actors.adapters.imports.strings import LONGEST, read_string
from actors.core.foreign import Fault, ForeignLogin, Network, Unreadable

_SQLITE = b"SQLite format 3\0"
_HEAD = 4096
_SEALS = (b"Salted__", b"gAAAA", b"age-encryption.org/", b"-----BEGIN ", b"\x85\x02", b"\x8c\x0d")
"""How files begin that OpenSSL, Fernet, age and GnuPG have encrypted."""

_SMALLEST_PAGE = 512
_MANY_VALUES = 200
"""Of 1,024 random bytes about 251 values differ, of a page of a database far fewer."""


def read(room: Room, base: Path, found: Found, network: Network) -> ForeignLogin:
    """The login in a file under `base`. It is copied into the room and read there. Raises Unreadable."""
    try:
        return _read_copy(copy_into(room, base, found), network)
    finally:
        room.empty()


def _read_copy(copy: Path, network: Network) -> ForeignLogin:
    size = copy.stat().st_size
    with copy.open("rb") as file:
        head = file.read(_HEAD)
    if not head.strip():
        raise Unreadable(Fault.EMPTY, "it is empty")
    if head.startswith(_SQLITE):
        return read_database(copy, network)
    if _is_encrypted(head, size):
        raise Unreadable(
            Fault.ENCRYPTED,
            "it is encrypted, or nothing that we know: let the program that wrote it export a session string",
        )
    if size > LONGEST or not head.isascii():
        raise Unreadable(Fault.NOT_A_SESSION, "it is neither an SQLite database nor a session string")
    return read_string(head.decode("ascii").strip(), network)


def _is_encrypted(head: bytes, size: int) -> bool:
    """Whether it looks like it: SQLCipher leaves no mark at all, only whole pages of noise."""
    is_noise = size % _SMALLEST_PAGE == 0 and len(set(head[:1024])) > _MANY_VALUES
    return head.startswith(_SEALS) or is_noise

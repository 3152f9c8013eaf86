"""Takes a private copy of a session file, as it was at one moment. The file itself is only read, and never locked."""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import sys
from contextlib import suppress
from pathlib import Path

from actors.adapters.imports.found import Found, folder_of, opened
from actors.adapters.imports.room import Room
from actors.core.foreign import Fault, Unreadable

BIGGEST = 64 << 20
"""Bytes. A Telethon session with 100,000 remembered people and channels has about 10 million."""

SIDECARS = ("-journal", "-wal")
"""What SQLite keeps beside a database, and would play back on opening. Source: sqlite.org/tempfiles.html."""

ATTEMPTS = 3

_IN_USE = "another program is using it: stop that program, then run this again"
_LOCK_BYTES = (0x40000000, 512)
"""Where SQLite locks a database: first byte, and how many. Source: sqlite.org/src/file/src/os.h, PENDING_BYTE."""

_FLOCK = "hhqqi"
"""struct flock of Linux on 64 bits: type, whence, start, length, process."""

Signature = tuple[tuple[int, int, int] | None, ...]


def copy_into(room: Room, base: Path, found: Found) -> Path:
    """Copy the file, and what SQLite keeps beside it, into the room; where the copy is. Raises Unreadable."""
    room.empty()
    try:
        with folder_of(base, found) as folder:
            return _copy_steady(room, folder, found.parts[-1])
    except OSError as error:
        raise _unreadable(error) from error


def _unreadable(error: OSError) -> Unreadable:
    if error.errno == errno.ELOOP:
        return Unreadable(Fault.SYMLINK, "it is a symbolic link: give the folder that it points into")
    if error.errno is None:
        return Unreadable(Fault.NOT_A_FILE, "it is not a file")
    if error.errno == errno.ENOSPC:
        return Unreadable(Fault.UNREADABLE, "there is no room for a private copy of it: set TMPDIR")
    return Unreadable(Fault.UNREADABLE, f"it cannot be read ({os.strerror(error.errno)})")


def _copy_steady(room: Room, folder: int, name: str) -> Path:
    """Copy until nothing has changed in the meantime: parts of two moments would be no database, or a wrong one."""
    for _ in range(ATTEMPTS):
        before = _signature(folder, name)
        room.empty()
        copy = _copy_all(room, folder, name)
        if _signature(folder, name) == before:
            return copy
    raise Unreadable(Fault.IN_USE, _IN_USE)


def _copy_all(room: Room, folder: int, name: str) -> Path:
    copy = room.folder / "copy"
    with opened(name, folder) as source:
        if _is_locked(source):
            raise Unreadable(Fault.IN_USE, _IN_USE)
        _copy(source, copy)
    for suffix in SIDECARS:
        with suppress(FileNotFoundError), opened(name + suffix, folder) as source:
            _copy(source, copy.with_name(copy.name + suffix))
    return copy


def _copy(source: int, target: Path) -> None:
    size = os.fstat(source).st_size
    if size > BIGGEST:
        raise Unreadable(Fault.TOO_BIG, f"it has {size >> 20} MiB, and a session has at most {BIGGEST >> 20}")
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        left = size
        while left and (block := os.read(source, min(left, 1 << 20))):
            file.write(block)
            left -= len(block)


def _signature(folder: int, name: str) -> Signature:
    return tuple(_stat(folder, name + suffix) for suffix in ("", *SIDECARS))


def _stat(folder: int, name: str) -> tuple[int, int, int] | None:
    try:
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def _is_locked(descriptor: int) -> bool:
    """Whether a program is within a transaction on this database. Asking takes no lock.

    Only Linux says so for descriptors; elsewhere the changes that a writer makes are what gives it away.
    """
    if sys.platform != "linux":
        return False
    ours = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, *_LOCK_BYTES, 0)
    with suppress(OSError):  # a file system without locks
        theirs = fcntl.fcntl(descriptor, fcntl.F_OFD_GETLK, ours)
        return bool(struct.unpack(_FLOCK, theirs)[0] != fcntl.F_UNLCK)
    return False

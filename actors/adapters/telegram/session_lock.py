"""The locks on session files while their sessions are in use: on SQLite's own bytes, so that any SQLite is refused.

A lock of an open file description (Linux, F_OFD_SETLK) belongs to its descriptor: what else this process opens and
closes does not end it, as it would end SQLite's own locks, and the kernel ends it when the process dies. It costs one
descriptor a session. A program that waits for the lock, as Python's sqlite3 does for 5 seconds, is refused when its
wait is over. Elsewhere than on Linux there is no such lock, and only the claim on the whole folder keeps others of
us away.
"""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import struct
import sys
from pathlib import Path

LOCK_BYTES = (0x40000000, 512)
"""Where SQLite locks a database: first byte, and how many. Source: sqlite.org/src/file/src/os.h, PENDING_BYTE."""

_FLOCK = "hhqqi0q"
"""struct flock of Linux on 64 bits: type, whence, start, length, process (none, for a lock of a description)."""

_REFUSED = (errno.EAGAIN, errno.EACCES)


class FileInUse(Exception):
    """Another program has the session's file open."""


class SessionLocks:
    """The locks of one process, by path. Of one path, only one thread at a time may ask for anything."""

    def __init__(self) -> None:
        self._held: dict[Path, int | None] = {}  # None where there is no file yet

    def take(self, path: Path) -> bool:
        """Keep everybody else out of this file, and out of each that `replace` puts in its place.

        False if we did so already. Raises FileInUse.
        """
        held = self._held.get(path)
        if held is not None and _is_at(path, held):
            return False
        is_new = path not in self._held
        taken = _locked(path)
        self.release(path)
        self._held[path] = taken
        return is_new

    def replace(self, fresh: Path, descriptor: int, path: Path) -> None:
        """Rename `fresh`, open as `descriptor`, over `path`. What is locked is so before it can be found there."""
        if path not in self._held:
            fresh.replace(path)
            return
        ours = os.dup(descriptor)
        try:
            _lock(ours)
            fresh.replace(path)
        except BaseException:
            os.close(ours)
            raise
        self.release(path)
        self._held[path] = ours

    def release(self, path: Path) -> None:
        """Let others have the file, if it was locked."""
        held = self._held.pop(path, None)
        if held is not None:
            try:
                _empty_if_nameless(held)
            finally:
                os.close(held)


def _is_at(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except OSError:
        return False


def _locked(path: Path) -> int | None:
    """A descriptor that locks the file; None where there is none that could be opened. Raises FileInUse."""
    try:
        _refuse_if_open_for_writing(path)
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return None  # whoever reads it next will say what is wrong with it
    try:
        _lock(descriptor)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _lock(descriptor: int) -> None:
    if sys.platform != "linux":
        return
    ours = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, *LOCK_BYTES, 0)
    try:
        fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, ours)
    except OSError as error:
        if error.errno in _REFUSED:
            raise FileInUse from error
        # A file system without locks: neither would SQLite's own keep anybody out there.


def _refuse_if_open_for_writing(path: Path) -> None:
    """Raise FileInUse if anybody has the file open as SQLite opens it; a copy being made of it does no harm.

    SQLite locks a file only within transactions, and a Telethon that idles is in none. But the kernel grants a lease
    for reading only if nobody has the file open for writing (fcntl(2), F_SETLEASE). It is given back at once.
    """
    if sys.platform != "linux":
        return
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        # Who opens the file just now makes the kernel send a signal, which by default would end us.
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError as error:
        if error.errno == errno.EAGAIN:
            raise FileInUse from error
        # Not our file, or a file system without leases: the lock is all there is.
    finally:
        os.close(descriptor)


def _empty_if_nameless(descriptor: int) -> None:
    """Whoever waited for the lock of a file that was replaced would otherwise get the login out of it now."""
    if os.fstat(descriptor).st_nlink == 0:
        os.ftruncate(descriptor, 0)

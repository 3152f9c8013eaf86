"""A private folder for copies of session files, in memory where that can be, and gone when its process is."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

_PREFIX = "usm-import-"
_MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of ours in it is made closed to others, under a name nobody knows


@dataclass(frozen=True, slots=True)
class Room:
    """A folder that nobody else can look into, for the copy that is being read."""

    folder: Path

    @classmethod
    @contextmanager
    def open(cls, parent: Path | None = None) -> Iterator[Self]:
        """Have a room for the length of the block. Rooms that a killed process has left are cleared away first."""
        parent = parent or _parent()
        _clear_abandoned(parent)
        unnamed = Path(tempfile.mkdtemp(prefix=f".{_PREFIX}", dir=parent))  # 0700
        descriptor = os.open(unnamed, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        # Only what is locked already gets a name that others look for.
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        folder = unnamed.rename(parent / unnamed.name.removeprefix("."))
        try:
            yield cls(folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(descriptor)

    def empty(self) -> None:
        """Remove what was copied."""
        for entry in self.folder.iterdir():
            entry.unlink()


def _parent() -> Path:
    if _MEMORY.is_dir() and os.access(_MEMORY, os.W_OK | os.X_OK):
        return _MEMORY
    return Path(tempfile.gettempdir())


def _clear_abandoned(parent: Path) -> None:
    """Remove the rooms of ours whose process is gone: the kernel has dropped the lock on them."""
    for folder in parent.glob(f"{_PREFIX}*"):
        with suppress(OSError):
            _remove_unlocked(folder)


def _remove_unlocked(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if os.fstat(descriptor).st_uid == os.getuid():
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder)
    finally:
        os.close(descriptor)

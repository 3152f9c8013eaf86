"""Files that are there whole or not at all, in folders that are ours alone."""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from actors.adapters.backups.errors import BackupDiskFull, BackupFolderUnusable, BackupMissing

PART = ".part"
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


def place(path: Path, content: bytes, check: Callable[[Path], None]) -> None:
    """Write a file under a passing name, sync it, `check` it, and only then let it have its own.

    On return it is safe on disk. Whatever is raised, by `check` too, leaves no file behind. While it is written it
    is locked, which the kernel undoes when the process dies: see `sweep`.
    """
    with trouble(path):
        make_folder(path.parent)
        part = path.with_name(f".{path.name}.{secrets.token_hex(4)}{PART}")
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            with os.fdopen(descriptor, "wb", closefd=False) as file:
                file.write(content)
                file.flush()
                os.fsync(descriptor)
            check(part)
            part.rename(path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        finally:
            os.close(descriptor)
        sync_folder(path.parent)


def sweep(folder: Path) -> int:
    """Remove what writers left behind that died while they wrote; how many files that was."""
    swept = 0
    for part in folder.glob(f".*{PART}"):
        with suppress(FileNotFoundError, BlockingIOError):
            descriptor = os.open(part, os.O_WRONLY | os.O_NOFOLLOW)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                part.unlink()
                swept += 1
            finally:
                os.close(descriptor)
    return swept


def make_folder(folder: Path) -> None:
    """Make a folder and all above it that are missing, closed to others, and sync where they were made."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Make what was renamed, added or removed in a folder safe on disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read(path: Path, longest: int) -> bytes:
    """The file's bytes, at most `longest` and one more, by which a longer one is known. Raises BackupError."""
    with trouble(path):
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        with os.fdopen(descriptor, "rb") as file:
            return file.read(longest + 1)


@contextmanager
def trouble(path: Path) -> Iterator[None]:
    """Say what is wrong with a path in a BackupError, with the fix."""
    try:
        yield
    except FileNotFoundError:
        raise BackupMissing(f"there is no file {path}; it may just have been removed: list again") from None
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise BackupDiskFull(
                f"the disk of {path.parent} is full: make room there, or set BACKUPS_PATH to another disk"
            ) from error
        raise BackupFolderUnusable(
            f"{path.parent} cannot be used ({error.strerror}): "
            "give the service's user read and write rights there, or set BACKUPS_PATH to another folder"
        ) from error

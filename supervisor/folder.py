"""The folder of session files: private, and used by one supervisor at a time."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from supervisor.settings import SettingsError


@contextmanager
def claimed(base: Path) -> Iterator[None]:
    """Hold the folder for the length of the block. Raises SettingsError if that cannot be.

    The kernel drops the lock when the process dies, however it dies. Two processes on the same files would use
    the same auth keys, which Telegram answers by destroying them.
    """
    try:
        base.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(base / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise SettingsError(
            f"SESSIONS_BASE_PATH: {base} cannot be written ({error.strerror}); name a folder of ours"
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise SettingsError(
            f"SESSIONS_BASE_PATH: another supervisor is using {base}; stop it, or name another folder"
        ) from None
    finally:
        os.close(descriptor)

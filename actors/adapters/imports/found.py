"""What lies under a folder of sessions: files to read, and what only looks like one. No link is followed."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from actors.core.foreign import Fault

SUFFIXES = (".session", ".string")
DEEPEST = 2
"""`<tenant>/<app>.session`, or `<app>.session` without a tenant."""

_OPEN_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_OPEN_FOLDER = os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_CLOEXEC


@dataclass(frozen=True, slots=True, order=True)
class Found:
    """A file that may be a session: `parts` are its folders and its name, below the base folder."""

    parts: tuple[str, ...]
    modified: float
    """Seconds since the epoch."""

    def __str__(self) -> str:
        return printable("/".join(self.parts))


@dataclass(frozen=True, slots=True, order=True)
class Oddity:
    """Something that is called like a session and is none, so that it is not opened at all."""

    parts: tuple[str, ...]
    fault: Fault
    sentence: str

    def __str__(self) -> str:
        return printable("/".join(self.parts))


def find(base: Path) -> Iterator[Found | Oddity]:
    """Everything under `base` that is called like a session, in the order of names. Raises OSError for `base` itself.

    Files whose names begin with a dot are nobody's session: a service writes its own under such names first.
    """
    yield from _within(str(base.resolve(strict=True)), ())


def _within(folder: str, parts: tuple[str, ...]) -> Iterator[Found | Oddity]:
    try:
        with os.scandir(folder) as scan:
            entries = sorted(scan, key=lambda entry: entry.name)
    except OSError as error:
        if not parts:
            raise
        yield Oddity(parts, Fault.UNREADABLE, f"the folder cannot be read ({error.strerror})")
        return
    for entry in entries:
        if not entry.name.startswith("."):
            yield from _judge(entry, (*parts, entry.name))


def _judge(entry: os.DirEntry[str], parts: tuple[str, ...]) -> Iterator[Found | Oddity]:
    is_named = entry.name.endswith(SUFFIXES)
    if entry.is_symlink():
        if is_named or entry.is_dir():
            yield Oddity(parts, Fault.SYMLINK, "it is a symbolic link: give the folder that it points into")
    elif entry.is_dir(follow_symlinks=False):
        yield from _within(entry.path, parts)
    elif is_named and not entry.is_file(follow_symlinks=False):
        yield Oddity(parts, Fault.NOT_A_FILE, "it is not a file")
    elif is_named and len(parts) > DEEPEST:
        yield Oddity(parts, Fault.PLACE, "it lies too deep: move it to TENANT/APP.session")
    elif is_named:
        yield Found(parts, entry.stat(follow_symlinks=False).st_mtime)


@contextmanager
def folder_of(base: Path, found: Found) -> Iterator[int]:
    """A descriptor of the folder that the file lies in. Raises OSError, also if a link has taken a folder's place."""
    descriptor = os.open(base.resolve(strict=True), _OPEN_FOLDER)
    try:
        for part in found.parts[:-1]:
            inner = os.open(part, _OPEN_FOLDER, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = inner
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def opened(name: str, folder: int) -> Iterator[int]:
    """A descriptor to read a plain file with. Raises OSError, also for anything but a plain file."""
    descriptor = os.open(name, _OPEN_FILE, dir_fd=folder)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(None, "not a plain file")
        yield descriptor
    finally:
        os.close(descriptor)


def printable(name: str) -> str:
    """A name as it can be shown: what a terminal would obey is escaped."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape", "replace").decode() for char in name
    )

"""The keys that seal what is kept elsewhere: a file of them, outside of all that they seal.

Each line of the file is a key's name and its 32 bytes in base64; the last line is the key that seals from now on,
the others only open what they have sealed. A key is never used itself: every purpose has one derived from it.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
import secrets
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self, TextIO

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY_BYTES = 32
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,31}", re.ASCII)


class KeyringError(Exception):
    """The file of keys is missing, readable by others, or damaged. The sentence names the fix, never a key."""


class KeyUnknown(Exception):
    """Something was sealed with a key that is not in this keyring: it is from elsewhere, or the key was removed."""

    def __init__(self, name: str) -> None:
        super().__init__(f"sealed with the key {name!r}, which is not in the keyring")
        self.name = name


@dataclass(frozen=True, slots=True)
class Keyring:
    """All keys by name, oldest first. `current` seals."""

    _keys: Mapping[str, bytes] = field(repr=False)

    @property
    def current(self) -> str:
        """The name of the key that seals."""
        return list(self._keys)[-1]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all keys, oldest first."""
        return tuple(self._keys)

    def derive(self, name: str, purpose: str) -> bytes:
        """32 bytes for one purpose, from the key of this name (HKDF with SHA-256, RFC 5869). Raises KeyUnknown."""
        if name not in self._keys:
            raise KeyUnknown(name)
        kdf = HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=f"usm {purpose} v1".encode())
        return kdf.derive(self._keys[name])

    @classmethod
    def read(cls, path: Path) -> Self:
        """The keyring in this file. Raises KeyringError."""
        try:
            mode = path.stat().st_mode
            text = path.read_text(encoding="ascii")
        except FileNotFoundError:
            raise KeyringError(f"there is no keyring at {path}; make one with: {_fix(path)}") from None
        except (OSError, UnicodeDecodeError) as error:
            raise KeyringError(f"the keyring {path} cannot be read ({type(error).__name__})") from error
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise KeyringError(f"the keyring {path} is open to others; close it with: chmod 600 {path}")
        lines = [
            _line(path, number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()
        ]
        if not lines:
            raise KeyringError(f"the keyring {path} is empty; make one with: {_fix(path)}")
        _refuse_twins(path, lines)
        return cls(dict(lines))


def add_key(path: Path, name: str) -> None:
    """Add a fresh key, which seals from now on; the file is made if there is none. Raises KeyringError."""
    if not _NAME.fullmatch(name):
        raise KeyringError(f"a key's name is 1 to 32 letters, digits, '_', '.' or '-', not {name!r}")
    with _replacing(path) as file:
        if path.exists():
            if name in Keyring.read(path).names:
                raise KeyringError(
                    f"the keyring {path} has a key named {name!r} already; choose another name"
                )
            file.write(path.read_text(encoding="ascii").rstrip("\n") + "\n")
        file.write(f"{name} {base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()}\n")


class KeyringFile:
    """The keyring of a file that may get new keys while the process runs. Raises KeyringError if it cannot be read.

    Once read, it stays as it was for as long as the file is missing or damaged.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp = _stamp(path)
        self._keyring = Keyring.read(path)

    def __call__(self) -> Keyring:
        """The keyring as the file has it now. A look at the file's date is all that it costs."""
        stamp = _stamp(self._path)
        if stamp != self._stamp:
            with suppress(KeyringError):
                self._keyring = Keyring.read(self._path)
            self._stamp = stamp
        return self._keyring


def _stamp(path: Path) -> tuple[int, ...] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_size


@contextmanager
def _replacing(path: Path) -> Iterator[TextIO]:
    """Write the file anew, for us only: all of it is on disk, or nothing has changed. One writer at a time."""
    fresh = path.with_name(f".{path.name}.new")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise KeyringError(f"somebody else is adding a key; if not, remove {fresh} and try again") from None
    except OSError as error:
        raise KeyringError(f"the keyring {path} cannot be written ({type(error).__name__})") from error
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _refuse_twins(path: Path, lines: Sequence[tuple[str, bytes]]) -> None:
    for kind, values in (("name", [name for name, _ in lines]), ("key", [key for _, key in lines])):
        if len(set(values)) < len(values):
            raise KeyringError(
                f"the keyring {path} has the same {kind} twice: what it sealed could not be told apart; "
                "restore the file from where you keep a copy of it"
            )


def _line(path: Path, number: int, line: str) -> tuple[str, bytes]:
    name, _, encoded = line.strip().partition(" ")
    try:
        key = base64.b64decode(encoded, validate=True)
    except binascii.Error:
        key = b""
    if not _NAME.fullmatch(name) or len(key) != KEY_BYTES:
        raise KeyringError(
            f"line {number} of the keyring {path} is not a name and {KEY_BYTES} bytes in base64; "
            "restore the file from where you keep a copy of it"
        )
    return name, key


def _fix(path: Path) -> str:
    return f"python -m ops.keys add {path}"

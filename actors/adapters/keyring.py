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
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

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
        keys = dict(
            _line(path, number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()
        )
        if not keys:
            raise KeyringError(f"the keyring {path} is empty; make one with: {_fix(path)}")
        return cls(keys)


def add_key(path: Path, name: str) -> None:
    """Add a fresh key, which seals from now on; the file is made if there is none. Raises KeyringError."""
    if not _NAME.fullmatch(name):
        raise KeyringError(f"a key's name is 1 to 32 letters, digits, '_', '.' or '-', not {name!r}")
    kept = ""
    if path.exists():
        if name in Keyring.read(path).names:
            raise KeyringError(f"the keyring {path} has a key named {name!r} already; choose another name")
        kept = path.read_text(encoding="ascii").rstrip("\n") + "\n"
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(f"{kept}{name} {base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()}\n")
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


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

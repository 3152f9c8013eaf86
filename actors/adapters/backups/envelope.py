"""The format of a backup: a header that anybody can read and nobody can change, and what is sealed under it.

    magic "USMB" | format version, 1 byte | length of the header, 2 bytes, big-endian | header, JSON
    | nonce, 12 bytes | content, compressed with zlib, and tag, AES-256-GCM (NIST SP 800-38D)

Everything before the nonce is associated data. The key is derived from the keyring for backups alone; nonces are
random, which is safe for 2^32 backups under one key. An empty session file of Telethon's is 28 kB, nearly all zeros.
"""

from __future__ import annotations

import hmac
import json
import os
import struct
import zlib
from dataclasses import asdict, dataclass
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from actors.adapters.backups.errors import BackupDamaged, BackupKeyMissing
from actors.adapters.keyring import Keyring, KeyUnknown
from actors.core.names import InvalidName, SessionKey

MAGIC = b"USMB"
VERSION = 1
LONGEST = 4 << 20
"""Bytes of the longest backup that is read. A session with 30,000 channels' update states needs less."""

_LEAD = struct.Struct(">4sBH")
_NONCE_BYTES = 12
_TAG_BYTES = 16
_KEY_PURPOSE = "backup"
_CHECK_PURPOSE = "backup key check"


@dataclass(frozen=True, slots=True)
class Header:
    """What a backup says of itself. It is to be trusted only once the backup has been opened."""

    id: str
    """Its file's name, so that an old one cannot be passed off as the newest."""
    tenant_id: str
    app_id: str
    environment: str
    key_name: str
    key_check: str
    """Tells a wrong key under this name from damage."""
    created_at: float
    """Seconds since the epoch."""
    account_id: int
    fingerprint: str
    """By which the auth key is known, as in `telegram_credentials`: see `Seals.fingerprint`."""
    length: int
    """Bytes of the compressed content, before it was sealed."""

    @property
    def key(self) -> SessionKey:
        """Whose backup it is."""
        return SessionKey(self.tenant_id, self.app_id)


@dataclass(frozen=True, slots=True)
class Subject:
    """What a backup is made of, and where and when."""

    id: str
    key: SessionKey
    environment: str
    account_id: int
    fingerprint: str
    created_at: float


def seal(subject: Subject, content: bytes, keyring: Keyring) -> bytes:
    """The whole backup, under the keyring's current key."""
    name, packed = keyring.current, zlib.compress(content)
    header = Header(
        subject.id,
        subject.key.tenant_id,
        subject.key.app_id,
        subject.environment,
        name,
        _check(keyring, name),
        subject.created_at,
        subject.account_id,
        subject.fingerprint,
        len(packed),
    )
    text = json.dumps(asdict(header), separators=(",", ":"), sort_keys=True).encode()
    lead = _LEAD.pack(MAGIC, VERSION, len(text)) + text
    nonce = os.urandom(_NONCE_BYTES)
    return lead + nonce + AESGCM(keyring.derive(name, _KEY_PURPOSE)).encrypt(nonce, packed, lead)


def unseal(sealed: bytes, keyring: Keyring) -> tuple[Header, bytes]:
    """Header and content, both as they were written. Raises BackupDamaged and BackupKeyMissing."""
    header = read_header(sealed)
    start = _LEAD.size + _LEAD.unpack_from(sealed)[2]
    if len(sealed) != start + _NONCE_BYTES + header.length + _TAG_BYTES:
        raise BackupDamaged("its length is not what its header says")
    key = _key(header, keyring)
    nonce, packed = sealed[start : start + _NONCE_BYTES], sealed[start + _NONCE_BYTES :]
    try:
        content = AESGCM(key).decrypt(nonce, packed, sealed[:start])
        return header, zlib.decompressobj().decompress(content, LONGEST)
    except InvalidTag:
        raise BackupDamaged("its seal is broken: a byte of it was changed") from None


def read_header(sealed: bytes) -> Header:
    """What the beginning of a backup says, unproven. Raises BackupDamaged."""
    try:
        magic, version, length = _LEAD.unpack_from(sealed)
    except struct.error:
        raise BackupDamaged("it is cut off") from None
    if (magic, version) != (MAGIC, VERSION):
        raise BackupDamaged(f"it does not begin as a backup of format {VERSION} does")
    try:
        header = _header(json.loads(sealed[_LEAD.size : _LEAD.size + length]))
    except (ValueError, TypeError, RecursionError, InvalidName):
        raise BackupDamaged("its header cannot be read") from None
    return header


def _header(found: dict[str, Any]) -> Header:
    header = Header(**found)
    for name, kind in Header.__annotations__.items():
        if type(found[name]).__name__ != kind:
            raise TypeError(name)
    if not 0 <= header.length <= LONGEST:
        raise ValueError("length")
    SessionKey(header.tenant_id, header.app_id)  # or InvalidName
    return header


def _key(header: Header, keyring: Keyring) -> bytes:
    try:
        if hmac.compare_digest(_check(keyring, header.key_name), header.key_check):
            return keyring.derive(header.key_name, _KEY_PURPOSE)
    except KeyUnknown:
        raise BackupKeyMissing(
            f"it was sealed under the key {header.key_name!r}, which is not in the keyring: "
            "put that key's line back into the file of BACKUP_ENCRYPTION_KEY_PATH"
        ) from None
    raise BackupKeyMissing(
        f"it was sealed under another key of the name {header.key_name!r} than the keyring's: give the keyring "
        "that it was made with as BACKUP_ENCRYPTION_KEY_PATH (if that is the right one, the header is damaged)"
    )


def _check(keyring: Keyring, name: str) -> str:
    return keyring.derive(name, _CHECK_PURPOSE)[:8].hex()

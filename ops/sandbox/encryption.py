"""MTProto 2.0 encryption of one packet, the server's half (core.telegram.org/mtproto/description)."""

import hashlib
import hmac
import os
import struct
from dataclasses import dataclass, field

from telethon.crypto import AES

from ops.sandbox.errors import ProtocolViolation

_FROM_CLIENT = 0
_FROM_SERVER = 8
_HEAD = struct.Struct("<qqqii")
_SHORTEST_PADDING = 12
_LONGEST_PADDING = 1024


@dataclass(frozen=True, slots=True)
class Envelope:
    """What a client's packet says once it is opened."""

    salt: int
    session_id: int
    msg_id: int
    seq_no: int
    body: bytes = field(repr=False)


def opened(secret: bytes, packet: bytes) -> Envelope:
    """Decrypt a client's packet; ProtocolViolation if its `msg_key` or its lengths are wrong."""
    msg_key, sealed = packet[8:24], packet[24:]
    if len(sealed) < _HEAD.size or len(sealed) % 16:
        raise ProtocolViolation("a packet of impossible length")
    plain = AES.decrypt_ige(sealed, *_aes(secret, msg_key, _FROM_CLIENT))
    if not hmac.compare_digest(msg_key, _msg_key(secret, plain, _FROM_CLIENT)):
        raise ProtocolViolation("msg_key does not match")
    salt, session_id, msg_id, seq_no, length = _HEAD.unpack_from(plain)
    padding = len(plain) - _HEAD.size - length
    if length < 0 or length % 4 or not _SHORTEST_PADDING <= padding <= _LONGEST_PADDING:
        raise ProtocolViolation("padding out of range")
    return Envelope(salt, session_id, msg_id, seq_no, plain[_HEAD.size : _HEAD.size + length])


def sealed(secret: bytes, key_id: int, salt: int, session_id: int, message: bytes) -> bytes:
    """Encrypt one message (with its head) for the client."""
    plain = struct.pack("<qq", salt, session_id) + message
    plain += os.urandom(-(len(plain) + _SHORTEST_PADDING) % 16 + _SHORTEST_PADDING)
    msg_key = _msg_key(secret, plain, _FROM_SERVER)
    encrypted: bytes = AES.encrypt_ige(plain, *_aes(secret, msg_key, _FROM_SERVER))
    return struct.pack("<Q", key_id) + msg_key + encrypted


def _msg_key(secret: bytes, plain: bytes, x: int) -> bytes:
    return hashlib.sha256(secret[88 + x : 120 + x] + plain).digest()[8:24]


def _aes(secret: bytes, msg_key: bytes, x: int) -> tuple[bytes, bytes]:
    a = hashlib.sha256(msg_key + secret[x : x + 36]).digest()
    b = hashlib.sha256(secret[x + 40 : x + 76] + msg_key).digest()
    return a[:8] + b[8:24] + a[24:], b[:8] + a[8:24] + b[24:]

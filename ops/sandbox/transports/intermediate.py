"""The intermediate transport, plain and padded: a length in four bytes."""

import os
import secrets
import struct

from ops.sandbox.errors import ProtocolViolation
from ops.sandbox.transports.framing import Framing, Read, checked_length

_PLAIN = bytes(8)
_PLAIN_HEAD = 20
_SEALED_HEAD = 24
_BLOCK = 16
# The protocol allows up to 15, but Telethon strips no more than this.
_MOST_PADDING = 3


class Intermediate(Framing):
    """Begins with 0xeeeeeeee."""

    def frame(self, packet: bytes) -> bytes:
        """The packet as it goes over TCP."""
        return struct.pack("<i", len(packet)) + packet

    async def unframe(self, read: Read) -> bytes:
        """The next packet; ProtocolViolation for a broken frame."""
        (length,) = struct.unpack("<i", await read(4))
        return await read(checked_length(length))


class PaddedIntermediate(Intermediate):
    """Begins with 0xdddddddd; up to 15 random bytes follow each packet, so that its size tells less."""

    def frame(self, packet: bytes) -> bytes:
        """The packet as it goes over TCP."""
        return super().frame(packet + os.urandom(secrets.randbelow(_MOST_PADDING + 1)))

    async def unframe(self, read: Read) -> bytes:
        """The next packet; ProtocolViolation for a broken frame."""
        padded = await super().unframe(read)
        if len(padded) < _SEALED_HEAD:
            raise ProtocolViolation("a packet that is cut off")
        if padded.startswith(_PLAIN):
            return padded[: _PLAIN_HEAD + int.from_bytes(padded[16:_PLAIN_HEAD], "little")]
        blocks = (len(padded) - _SEALED_HEAD) // _BLOCK
        return padded[: _SEALED_HEAD + blocks * _BLOCK]

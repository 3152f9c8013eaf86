"""The intermediate transport, plain and padded: a length in four bytes."""

import os
import secrets
import struct

from ops.sandbox.transports.framing import Framing, Read, checked_length


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
    """Begins with 0xdddddddd; up to three random bytes follow each packet, so that its size tells less."""

    def frame(self, packet: bytes) -> bytes:
        """The packet as it goes over TCP."""
        return super().frame(packet + os.urandom(secrets.randbelow(4)))

    async def unframe(self, read: Read) -> bytes:
        """The next packet; ProtocolViolation for a broken frame."""
        padded = await super().unframe(read)
        return padded[: len(padded) // 4 * 4]

"""The intermediate transport, plain and padded: a length in four bytes."""

import os
import secrets
import struct
from collections.abc import Awaitable, Callable

from ops.sandbox.transports.limits import checked_length


class Intermediate:
    """Begins with 0xeeeeeeee."""

    def frame(self, packet: bytes) -> bytes:
        return struct.pack("<i", len(packet)) + packet

    async def unframe(self, read: Callable[[int], Awaitable[bytes]]) -> bytes:
        (length,) = struct.unpack("<i", await read(4))
        return await read(checked_length(length))


class PaddedIntermediate(Intermediate):
    """Begins with 0xdddddddd; up to three random bytes follow each packet, so that its size tells less."""

    def frame(self, packet: bytes) -> bytes:
        return super().frame(packet + os.urandom(secrets.randbelow(4)))

    async def unframe(self, read: Callable[[int], Awaitable[bytes]]) -> bytes:
        padded = await super().unframe(read)
        return padded[: len(padded) // 4 * 4]

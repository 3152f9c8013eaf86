"""The full transport, which Telethon speaks by default: length, number, packet, checksum."""

import struct
import zlib

from ops.sandbox.errors import ProtocolViolation
from ops.sandbox.transports.framing import Framing, Read, checked_length

_HEAD = struct.Struct("<ii")
_AROUND = 12


class Full(Framing):
    """Begins with its first packet, of which `head` was read already."""

    def __init__(self, head: bytes) -> None:
        self._head = head
        self._received = 0
        self._sent = 0

    def frame(self, packet: bytes) -> bytes:
        """The packet as it goes over TCP."""
        framed = _HEAD.pack(len(packet) + _AROUND, self._sent) + packet
        self._sent += 1
        return framed + struct.pack("<I", zlib.crc32(framed))

    async def unframe(self, read: Read) -> bytes:
        """The next packet; ProtocolViolation for a broken frame."""
        head, self._head = self._head or await read(_HEAD.size), b""
        length, number = _HEAD.unpack(head)
        packet = await read(checked_length(length - _AROUND))
        (checksum,) = struct.unpack("<I", await read(4))
        if number != self._received or checksum != zlib.crc32(head + packet):
            raise ProtocolViolation("a packet out of order or damaged")
        self._received += 1
        return packet

"""The abridged transport: a length in words, in one byte or four."""

from ops.sandbox.transports.framing import Framing, Read, checked_length

_LONG = 0x7F


class Abridged(Framing):
    """Begins with the byte 0xef."""

    def frame(self, packet: bytes) -> bytes:
        """The packet as it goes over TCP."""
        words = len(packet) // 4
        if words < _LONG:
            return bytes((words,)) + packet
        return bytes((_LONG,)) + words.to_bytes(3, "little") + packet

    async def unframe(self, read: Read) -> bytes:
        """The next packet; ProtocolViolation for a broken frame."""
        words = (await read(1))[0]
        if words == _LONG:
            words = int.from_bytes(await read(3), "little")
        return await read(checked_length(words * 4))

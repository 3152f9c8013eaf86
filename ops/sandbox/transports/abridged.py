"""The abridged transport: a length in words, in one byte or four."""

from collections.abc import Awaitable, Callable

from ops.sandbox.transports.limits import checked_length

_LONG = 0x7F


class Abridged:
    """Begins with the byte 0xef."""

    def frame(self, packet: bytes) -> bytes:
        words = len(packet) // 4
        if words < _LONG:
            return bytes((words,)) + packet
        return bytes((_LONG,)) + words.to_bytes(3, "little") + packet

    async def unframe(self, read: Callable[[int], Awaitable[bytes]]) -> bytes:
        words = (await read(1))[0]
        if words == _LONG:
            words = int.from_bytes(await read(3), "little")
        return await read(checked_length(words * 4))

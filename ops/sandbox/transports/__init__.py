"""The TCP transports of core.telegram.org/mtproto/mtproto-transports: which one a client speaks, its packets."""

import asyncio
import struct
from collections.abc import Callable
from typing import TypeAlias

from ops.sandbox.errors import ProtocolViolation
from ops.sandbox.transports.abridged import Abridged
from ops.sandbox.transports.framing import Framing, Read
from ops.sandbox.transports.full import Full
from ops.sandbox.transports.intermediate import Intermediate, PaddedIntermediate
from ops.sandbox.transports.obfuscated import Obfuscation

Write: TypeAlias = Callable[[bytes], None]

_ABRIDGED = b"\xef"
_TAGS: dict[bytes, Callable[[], Framing]] = {
    b"\xef" * 4: Abridged,
    b"\xee" * 4: Intermediate,
    b"\xdd" * 4: PaddedIntermediate,
}


class Wire:
    """Whole packets in and out of one TCP connection."""

    def __init__(self, read: Read, write: Write, framing: Framing) -> None:
        self._read = read
        self._write = write
        self._framing = framing

    async def receive(self) -> bytes:
        """The next packet; asyncio.IncompleteReadError at the end, ProtocolViolation for a broken frame."""
        return await self._framing.unframe(self._read)

    def send(self, packet: bytes) -> None:
        """Queue one packet."""
        self._write(self._framing.frame(packet))

    def send_error(self, code: int) -> None:
        """Queue a transport error, such as 404 for an auth key that is not known here."""
        self.send(struct.pack("<i", -code))


async def recognised(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Wire:
    """Read the first bytes of a connection and answer with its wire."""
    head = await reader.readexactly(1)
    if head == _ABRIDGED:
        return Wire(reader.readexactly, writer.write, Abridged())
    head += await reader.readexactly(3)
    if head in _TAGS:
        return Wire(reader.readexactly, writer.write, _TAGS[head]())
    head += await reader.readexactly(4)
    # Obfuscated clients avoid zeros here on purpose, and a full transport's first packet has number zero.
    if head[4:] == bytes(4):
        return Wire(reader.readexactly, writer.write, Full(head))
    return _obfuscated(reader, writer, head + await reader.readexactly(56))


def _obfuscated(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes) -> Wire:
    obfuscation = Obfuscation(head)
    framing = _TAGS.get(obfuscation.tag)
    if framing is None:
        raise ProtocolViolation("no transport begins like this")

    async def read(size: int) -> bytes:
        return obfuscation.incoming(await reader.readexactly(size))

    return Wire(read, lambda data: writer.write(obfuscation.outgoing(data)), framing())

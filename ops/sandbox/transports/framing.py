"""What every transport does: mark where a packet begins and ends."""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from ops.sandbox.errors import ProtocolViolation

Read: TypeAlias = Callable[[int], Awaitable[bytes]]

_LONGEST = 2 * 1024 * 1024
_SHORTEST = 4


class Framing(ABC):
    """One transport, for one connection."""

    @abstractmethod
    def frame(self, packet: bytes) -> bytes:
        """The packet as it goes over TCP."""

    @abstractmethod
    async def unframe(self, read: Read) -> bytes:
        """The next packet of those that `read` gives; ProtocolViolation for a broken frame."""


def checked_length(length: int) -> int:
    """`length` in bytes, or ProtocolViolation when no packet can be that long."""
    if not _SHORTEST <= length <= _LONGEST:
        raise ProtocolViolation("a packet of impossible length")
    return length

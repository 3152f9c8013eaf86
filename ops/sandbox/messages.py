"""Messages: the units that a packet carries, alone or in a container.

The source is core.telegram.org/mtproto/service_messages#containers.
"""

import struct
from dataclasses import dataclass, field

from telethon.tl.core import MessageContainer

from ops.sandbox import tl
from ops.sandbox.clock import Clock

_CONTAINER = struct.pack("<I", MessageContainer.CONSTRUCTOR_ID)
_HEAD = struct.Struct("<qii")
_MOST_INNER = 1020
_COUNT = 4


@dataclass(frozen=True, slots=True)
class Message:
    """One message with its number and place in the sequence."""

    msg_id: int
    seq_no: int
    body: bytes = field(repr=False)

    @property
    def is_container(self) -> bool:
        """Whether the body holds other messages."""
        return self.body.startswith(_CONTAINER)

    def unpacked(self) -> list["Message"]:
        """The messages of a container, none when it is malformed, or just this one."""
        if not self.is_container:
            return [self]
        try:
            (count,) = struct.unpack_from("<i", self.body, len(_CONTAINER))
            return _inner(self.body[len(_CONTAINER) + _COUNT :], count)
        except struct.error:
            return []

    def __bytes__(self) -> bytes:
        return _HEAD.pack(self.msg_id, self.seq_no, len(self.body)) + self.body


def _inner(rest: bytes, count: int) -> list[Message]:
    if not 0 < count <= _MOST_INNER:
        return []
    messages = []
    for _ in range(count):
        msg_id, seq_no, length = _HEAD.unpack_from(rest)
        body, rest = rest[_HEAD.size : _HEAD.size + length], rest[_HEAD.size + length :]
        messages.append(Message(msg_id, seq_no, tl.unzipped(body)))
        if not body or len(body) != length or messages[-1].is_container:
            return []
    return messages


def container(messages: list[Message]) -> bytes:
    """The body of a container around `messages`."""
    return _CONTAINER + struct.pack("<i", len(messages)) + b"".join(bytes(message) for message in messages)


class MessageIds:
    """Numbers for the server's messages: the time, rising, and never the same twice in any data centre.

    A client that moves to another data centre keeps its memory of the numbers it has seen.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self._settings = clock.settings
        self._last = 0

    def next(self, *, is_answer: bool) -> int:
        """A number that is 1 modulo 4 for an answer, 3 for anything else."""
        if self._settings != self.clock.settings:
            self._settings, self._last = self.clock.settings, 0
        self._last = max(int(self.clock() * 2**32) // 4 * 4, self._last // 4 * 4 + 4)
        return self._last + (1 if is_answer else 3)

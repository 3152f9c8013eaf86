"""How long a packet may be."""

from ops.sandbox.errors import ProtocolViolation

_LONGEST = 2 * 1024 * 1024
_SHORTEST = 4


def checked_length(length: int) -> int:
    """`length` in bytes, or ProtocolViolation when no packet can be that long."""
    if not _SHORTEST <= length <= _LONGEST:
        raise ProtocolViolation("a packet of impossible length")
    return length

"""The messages that an account has received, of which every client of it catches up on what it missed."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Letter:
    """One message, by whom and when (Unix time)."""

    sender_id: int
    sent: int
    text: str = field(repr=False)

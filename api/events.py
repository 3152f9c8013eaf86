"""What the HTTP side tells about itself. One module elsewhere turns these into metrics; nothing here counts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class QrStart(StrEnum):
    """How a request for a QR ended."""

    SHOWN = "shown"
    ALREADY_AUTHORIZED = "already_authorized"
    FLOOD_WAIT = "flood_wait"
    UPSTREAM_UNAVAILABLE = "upstream_unavailable"
    ENDED = "ended"
    UNANSWERED = "unanswered"


class PasswordTry(StrEnum):
    """How a 2FA password fared."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    FLOOD_WAIT = "flood_wait"
    UPSTREAM_UNAVAILABLE = "upstream_unavailable"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class QrStarted:
    """Somebody asked for a QR."""

    outcome: QrStart


@dataclass(frozen=True, slots=True)
class PasswordTried:
    """Somebody sent a 2FA password, and Telegram, or the session, had a verdict."""

    outcome: PasswordTry


@dataclass(frozen=True, slots=True)
class RequestAnswered:
    """A request got its answer.

    `route` is the pattern of the route, never the path that was asked for; `code` is the problem's, if it was
    one. All four are from closed sets. `seconds` includes the waiting of a long poll.
    """

    method: str
    route: str
    status: int
    code: str | None
    seconds: float


ApiEvent = QrStarted | PasswordTried | RequestAnswered
Tell = Callable[[ApiEvent], None]

"""What the HTTP side tells about itself. One module elsewhere turns these into metrics; nothing here counts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from actors.core.names import SessionKey


class QrStart(StrEnum):
    """How a request for a QR ended."""

    SHOWN = "shown"
    ALREADY_AUTHORIZED = "already_authorized"
    FLOOD_WAIT = "flood_wait"
    UPSTREAM_UNAVAILABLE = "upstream_unavailable"
    ENDED = "ended"
    REFUSED = "refused"
    UNANSWERED = "unanswered"


class PasswordTry(StrEnum):
    """How a 2FA password fared."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    FLOOD_WAIT = "flood_wait"
    UPSTREAM_UNAVAILABLE = "upstream_unavailable"
    ENDED = "ended"


class Webhook(StrEnum):
    """Whether a signed callback was let in."""

    ACCEPTED = "accepted"
    SIGNATURE_INVALID = "signature_invalid"
    OUTSIDE_WINDOW = "outside_window"
    REPLAYED = "replayed"
    BODY_INVALID = "body_invalid"
    UNANSWERED = "unanswered"


class Callback(StrEnum):
    """What our own connection says to what a signed callback claims."""

    CONFIRMED = "confirmed"
    PENDING = "pending"
    PASSWORD_REQUIRED = "password_required"  # noqa: S105 - an outcome's name
    ACCOUNT_DIFFERS = "account_differs"
    ENDED = "ended"
    TICKET_UNKNOWN = "ticket_unknown"
    UNANSWERED = "unanswered"


class Limited(StrEnum):
    """What may be done only so often."""

    QR_START = "qr_start"
    CODE_REQUEST = "code_request"
    PASSWORD = "password"  # noqa: S105 - a limit's name


@dataclass(frozen=True, slots=True)
class WebhookCame:
    """Somebody sent a signed callback."""

    outcome: Webhook


@dataclass(frozen=True, slots=True)
class CallbackCompared:
    """A signed callback that was let in was compared with what we know ourselves."""

    outcome: Callback


@dataclass(frozen=True, slots=True)
class LimitHit:
    """Somebody did something too often, with this session last."""

    limit: Limited
    key: SessionKey


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


ApiEvent = QrStarted | PasswordTried | WebhookCame | CallbackCompared | LimitHit | RequestAnswered
Tell = Callable[[ApiEvent], None]

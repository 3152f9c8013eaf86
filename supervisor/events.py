"""What the supervisor tells about its children."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from actors.core.import_plan import Outcome
from actors.core.names import SessionKey
from actors.events import ActorEvent
from api.events import ApiEvent
from supervisor.breaker import Circuit


class Scope(StrEnum):
    """What a circuit breaker watches over: Telegram's data centres, apps there, proxies, the database, a session."""

    DC1 = "dc1"
    DC2 = "dc2"
    DC3 = "dc3"
    DC4 = "dc4"
    DC5 = "dc5"
    API_ID = "api_id"
    PROXY = "proxy"
    STORE = "store"
    SESSION = "session"


@dataclass(frozen=True, slots=True)
class LifeCrashed:
    """A session's actor ended with an error; it starts again after `delay` seconds."""

    key: SessionKey
    error: BaseException
    delay: float


@dataclass(frozen=True, slots=True)
class SessionParked:
    """A session's actor has spent its crash budget and rests for `seconds`."""

    key: SessionKey
    error: BaseException
    seconds: float


@dataclass(frozen=True, slots=True)
class SessionUnparked:
    """The rest is over; one start is tried."""

    key: SessionKey


@dataclass(frozen=True, slots=True)
class LifeHeld:
    """A session's actor ended with an error while the node's brake was on; that is not counted against it."""

    key: SessionKey
    error: BaseException


@dataclass(frozen=True, slots=True)
class RequestCrashed:
    """What another node asked of a session here ended with an error that nobody expected."""

    key: SessionKey
    error: BaseException


class WishKind(StrEnum):
    """What one node asks of a session at another."""

    ASK = "ask"
    LOOK = "look"
    WAIT = "wait"


@dataclass(frozen=True, slots=True)
class NodeAsked:
    """Another node was asked about a session; `error` is the name of what came instead of an answer."""

    kind: WishKind
    seconds: float
    error: str | None = None


@dataclass(frozen=True, slots=True)
class NodeBraked:
    """So many sessions of those running crashed within a minute that all restarts wait."""

    crashed: int
    running: int


@dataclass(frozen=True, slots=True)
class NodeReleased:
    """A minute has passed without a crash; restarts go on."""


@dataclass(frozen=True, slots=True)
class CircuitChanged:
    """A circuit breaker opened, closed, or let its probe through.

    Where a scope has many, `of` is whose this one is, `open` how many of them are not closed, and `worst` how the
    one is that is worst off.
    """

    scope: Scope
    circuit: Circuit
    of: str | None = None
    open: int | None = None
    worst: Circuit | None = None


@dataclass(frozen=True, slots=True)
class Sampled:
    """What is measured from time to time: the fullest mailbox, and the connects that wait for their turn."""

    mailbox_depth: int
    connects_waiting: int


class FarewellOutcome(StrEnum):
    """How the try went to log out a key that nobody uses any more."""

    LOGGED_OUT = "logged_out"
    GONE_ALREADY = "gone_already"
    PUT_OFF = "put_off"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Farewell:
    """Telegram was told to log out a key that a session no longer uses; or it could not be, and will be later."""

    key: SessionKey
    outcome: FarewellOutcome
    error: BaseException | None = None


@dataclass(frozen=True, slots=True)
class SessionConverted:
    """A file that another program left in the folder of sessions was looked at, and perhaps taken over."""

    path: str
    outcome: Outcome
    why: str


@dataclass(frozen=True, slots=True)
class Orphaned:
    """An asyncio failure that nobody awaited; it ended nothing."""

    message: str
    error: BaseException | None


@dataclass(frozen=True, slots=True)
class RowDenied:
    """PostgreSQL's row level security refused a statement of ours."""


class BackupOutcome(StrEnum):
    """What became of one session's backup, or of a whole run before it came to a session."""

    MADE = "made"
    UNCHANGED = "unchanged"
    FAILED = "failed"
    DISK_FULL = "disk_full"
    RUN_FAILED = "run_failed"


@dataclass(frozen=True, slots=True)
class SessionBackup:
    """A session's backup was made, was not needed, or could not be made: then `error` says why."""

    key: SessionKey
    outcome: BackupOutcome
    error: BaseException | None = None


@dataclass(frozen=True, slots=True)
class BackupsRan:
    """A run over all sessions came to its end at `at`, seconds since the epoch."""

    at: float
    seconds: float
    made: int
    unchanged: int
    failed: int
    removed: int


@dataclass(frozen=True, slots=True)
class BackupsFailed:
    """A run ended before it had seen all sessions; the next try is in `retry_after` seconds."""

    error: BaseException
    retry_after: float


class RenewalOutcome(StrEnum):
    """What the arbiter said to a renewal of this node."""

    CONFIRMED = "confirmed"
    UNANSWERED = "unanswered"
    DENIED = "denied"


@dataclass(frozen=True, slots=True)
class RenewalEnded:
    """This node has asked the arbiter for more time."""

    outcome: RenewalOutcome


@dataclass(frozen=True, slots=True)
class NodeFenced:
    """This node has aborted everything it had open, because it could not be trusted any more."""

    cause: str


@dataclass(frozen=True, slots=True)
class NodesSeen:
    """How many nodes there are, this one included, and how many sessions this one owns."""

    nodes: int
    owned: int


class NodeEnd(StrEnum):
    """How it is known that a node's life is over."""

    SILENT = "silent"
    SEEN_DEAD = "seen_dead"
    DEAD_FOR_LONG_ENOUGH = "dead_for_long_enough"


@dataclass(frozen=True, slots=True)
class NodeLost:
    """Another node's life was ended from here: its silence was watched, or its death was seen."""

    node: str
    how: NodeEnd
    sessions: int


@dataclass(frozen=True, slots=True)
class SessionTaken:
    """A session became this node's; `past` is what was known of those who had it before."""

    key: SessionKey
    past: str


@dataclass(frozen=True, slots=True)
class SessionReleased:
    """A session was given away: clean, so that the next owner may connect at once, or not."""

    key: SessionKey
    is_clean: bool


@dataclass(frozen=True, slots=True)
class OwnershipIncident:
    """Auth keys were found in use twice, so for so many seconds no node connects or takes over."""

    seconds: float


OwnershipEvent = (
    RenewalEnded | NodeFenced | NodesSeen | NodeLost | SessionTaken | SessionReleased | OwnershipIncident
)


class WebhookOutcome(StrEnum):
    """How a try to deliver a webhook went: what arrived, what is tried again and why, what was given up."""

    DELIVERED = "delivered"
    REFUSED = "refused"
    GONE = "gone"
    UNREACHABLE = "unreachable"
    TOO_SLOW = "too_slow"
    ADDRESS_REFUSED = "address_refused"
    SECRET_SEALED = "secret_sealed"  # noqa: S105 - an outcome's name
    FAILED = "failed"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class WebhookTried:
    """A webhook was told something, or was not; an `error` is a mistake of ours."""

    tenant_id: str
    webhook_id: str
    outcome: WebhookOutcome
    error: BaseException | None = None


@dataclass(frozen=True, slots=True)
class WebhookGivenUp:
    """A webhook is told nothing more until somebody enables it."""

    tenant_id: str
    webhook_id: str
    trouble: str


SupervisorEvent = (
    LifeCrashed
    | SessionParked
    | SessionUnparked
    | LifeHeld
    | RequestCrashed
    | NodeAsked
    | NodeBraked
    | NodeReleased
    | CircuitChanged
    | Sampled
    | Farewell
    | SessionConverted
    | Orphaned
    | RowDenied
    | SessionBackup
    | BackupsRan
    | BackupsFailed
    | WebhookTried
    | WebhookGivenUp
)
Event = ActorEvent | SupervisorEvent | OwnershipEvent | ApiEvent
Tell = Callable[[Event], None]

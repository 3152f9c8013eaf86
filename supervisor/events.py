"""What the supervisor tells about its children."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from actors.core.names import SessionKey
from actors.events import ActorEvent
from api.events import ApiEvent


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
class Orphaned:
    """An asyncio failure that nobody awaited; it ended nothing."""

    message: str
    error: BaseException | None


@dataclass(frozen=True, slots=True)
class RowDenied:
    """PostgreSQL's row level security refused a statement of ours."""


SupervisorEvent = LifeCrashed | SessionParked | SessionUnparked | Orphaned | RowDenied
Event = ActorEvent | SupervisorEvent | ApiEvent
Tell = Callable[[Event], None]

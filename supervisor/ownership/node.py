"""My own life as a node: renewals, the deadline that follows from them, and when I fence myself."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum, auto

from actors.core.owners import NodeEpoch
from supervisor.ownership.timings import Timings

LONGEST_JUMP = 2.0
"""Seconds by which the wall clock may move against CLOCK_BOOTTIME between two ticks. More is a machine that was
paused or restored, whose own clock did not notice."""


class Cause(Enum):
    """Why a node fenced itself."""

    DEADLINE = auto()
    """No renewal was confirmed in time."""
    DENIED = auto()
    """The arbiter says that this life is over. The only one that lasts: the process exits."""
    CLOCK = auto()
    """The wall clock and the machine's own have moved apart."""
    LAG = auto()
    """The event loop does not keep up."""
    STOPPED = auto()
    """The time to stop in peace is over."""


_FOR_GOOD = frozenset({Cause.DENIED, Cause.STOPPED})


@dataclass(frozen=True, slots=True)
class Node:
    """One life. Renewals are numbered as they are sent; at most one is on its way, an older one's answer is void."""

    me: NodeEpoch
    deadline: float
    """Nothing leaves this node at or after it."""
    sent: int = 0
    """The number of the renewal that was sent last; booting is number 0."""
    sent_at: float = 0.0
    confirmed: int = 0
    """The number of the renewal that was confirmed last."""
    fenced: Cause | None = None
    skew: float | None = None
    """Wall clock minus CLOCK_BOOTTIME at the last tick."""


@dataclass(frozen=True, slots=True)
class RenewalSent:
    """A renewal goes to the arbiter. Tell before sending it."""

    at: float


@dataclass(frozen=True, slots=True)
class RenewalConfirmed:
    """The arbiter has counted renewal `number`. Silence is no event: the renewal may have been counted or not."""

    number: int
    at: float


@dataclass(frozen=True, slots=True)
class RenewalDenied:
    """The arbiter says that this life is over."""


@dataclass(frozen=True, slots=True)
class Ticked:
    """Time has passed; the loop was `lag` seconds late."""

    at: float
    wall: float
    lag: float


@dataclass(frozen=True, slots=True)
class GraceEnded:
    """The process was to stop, and the time for doing so in peace is over."""


NodeEvent = RenewalSent | RenewalConfirmed | RenewalDenied | Ticked | GraceEnded


@dataclass(frozen=True, slots=True)
class FenceAll:
    """Tell every claim that the node is fenced, which aborts its socket. Exit if it `is_final`."""

    cause: Cause

    @property
    def is_final(self) -> bool:
        """Whether this life can never be trusted again."""
        return self.cause in _FOR_GOOD


def booted(me: NodeEpoch, asked_at: float, timings: Timings) -> Node:
    """A life that the arbiter has begun when asked at `asked_at`."""
    return Node(me, deadline=asked_at + timings.trust, sent_at=asked_at)


def is_trusted(node: Node, at: float) -> bool:
    """Whether anything may leave this node now: the gate of every packet."""
    return node.fenced is None and at < node.deadline


def fresh(node: Node) -> int | None:
    """The number of the confirmation that can be spent on pings: the last one, until the next renewal is sent.

    Without "until" a node could bank confirmations and ping after it was last seen more often than the wait allows.
    """
    return node.confirmed if node.confirmed == node.sent else None


def step(node: Node, event: NodeEvent, timings: Timings) -> tuple[Node, FenceAll | None]:
    """What becomes of this life, and whether everything it has open is to be aborted."""
    if node.fenced in _FOR_GOOD:
        return node, None
    match event:
        case RenewalSent(at):
            return replace(node, sent=node.sent + 1, sent_at=at), None
        case RenewalConfirmed(number, at):
            return _confirm(node, number, at, timings), None
        case RenewalDenied():
            return _fence(node, Cause.DENIED)
        case GraceEnded():
            return _fence(node, Cause.STOPPED)
        case Ticked():
            return _tick(node, event, timings)


def _confirm(node: Node, number: int, at: float, timings: Timings) -> Node:
    """The deadline counts from the sending: when the arbiter counted it, nobody here knows."""
    if number != node.sent or number == node.confirmed:
        return node
    deadline = node.sent_at + timings.trust
    fenced = None if at < deadline else node.fenced
    return replace(node, confirmed=number, deadline=deadline, fenced=fenced)


def _tick(node: Node, tick: Ticked, timings: Timings) -> tuple[Node, FenceAll | None]:
    skew = tick.wall - tick.at
    cause = _trouble(node, tick, skew, timings)
    node = replace(node, skew=skew)
    return (node, None) if cause is None or node.fenced else _fence(node, cause)


def _trouble(node: Node, tick: Ticked, skew: float, timings: Timings) -> Cause | None:
    if node.skew is not None and abs(skew - node.skew) > LONGEST_JUMP:
        return Cause.CLOCK
    if tick.lag > timings.longest_lag:
        return Cause.LAG
    if tick.at >= node.deadline:
        return Cause.DEADLINE
    return None


def _fence(node: Node, cause: Cause) -> tuple[Node, FenceAll]:
    """Nothing passes until a renewal that is sent from now on is confirmed; one on its way is void."""
    return replace(node, fenced=cause, sent=node.sent + 1), FenceAll(cause)

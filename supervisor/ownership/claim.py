"""One session that is mine by the arbiter's row: when I may connect, ping, and give it away clean.

The data centre checks no token of ours. What it has is a timer for each connection, set by `ping_delay_disconnect`;
so the first packet of a connection is such a ping, and each further one is caused by a renewal that was confirmed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum, auto

from supervisor.ownership.events import (
    Abort,
    ClaimEffect,
    ClaimEvent,
    CleanDue,
    ConnectWanted,
    FarewellOver,
    HalfClose,
    NodeFenced,
    NoteClean,
    PingDue,
    PongCame,
    Release,
    ReleaseWanted,
    SendFirst,
    SendPing,
    SessionLost,
    SocketBroken,
    SocketClosed,
    Verified,
    Verify,
    VerifyFailed,
)
from supervisor.ownership.node import Node, fresh, is_trusted
from supervisor.ownership.timings import Timings


class Past(Enum):
    """What is known of those who had a session before."""

    CLEAN = auto()
    """None of their sockets can be open at Telegram."""
    WATCHED = auto()
    """I watched its owner's silence, and fenced it."""
    UNKNOWN = auto()
    """Nothing: it was given free in doubt, or somebody else fenced its owner."""


class Socket(Enum):
    """My socket to the data centre."""

    NONE = auto()
    ASKING = auto()
    """Connected, the arbiter asked, not a byte sent."""
    OPEN = auto()
    CLOSING = auto()
    """Our end is shut; Telegram's is awaited."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A session that is mine at this epoch."""

    epoch: int
    connect_from: float
    """Quarantine: no socket before. Others may have one open."""
    clean_from: float
    """From then on no socket is open at Telegram that is not the one I hold. A row given free earlier is unclean."""
    is_noted_clean: bool
    """Whether the arbiter's row says so."""
    socket: Socket = Socket.NONE
    spent: int = -1
    """The number of the last renewal that no ping can be spent for any more."""
    awaits_pong: bool = False
    """Whether a ping may still be on its way to the data centre."""
    next_owner: str | None = None


Outcome = tuple[Claim | None, tuple[ClaimEffect, ...]]
"""None is a claim that has ended."""


def quarantine(past: Past, timings: Timings) -> float:
    """Seconds without a socket, counted from the arbiter's answer on my own clock.

    The wait begins with the last heartbeat of whoever had the session. A watcher has seen a part of it pass.
    """
    match past:
        case Past.CLEAN:
            return 0.0
        case Past.WATCHED:
            return timings.quarantine
        case Past.UNKNOWN:
            return timings.wait


def claimed(epoch: int, past: Past, at: float, timings: Timings) -> Claim:
    """A session that the arbiter has made mine; its answer came at `at`."""
    begins = at + quarantine(past, timings)
    return Claim(epoch, connect_from=begins, clean_from=begins, is_noted_clean=past is Past.CLEAN)


def may_connect(claim: Claim, node: Node, at: float) -> bool:
    """Whether the arbiter may be asked for a connect: not in quarantine, not twice, not without trust."""
    return claim.socket is Socket.NONE and at >= claim.connect_from and is_trusted(node, at)


def may_open(claim: Claim, node: Node, at: float) -> bool:
    """Whether what the arbiter granted may still be used: a process may have slept since it asked."""
    return claim.socket is Socket.ASKING and is_trusted(node, at)


def may_ping(claim: Claim, node: Node, at: float) -> bool:
    """Chained pings: one for each confirmed renewal at most, and none for one sent before the connection opened.

    Nor one while another is on its way: a kernel that stands still could let them arrive one by one, just in time.
    """
    is_unspent = (fresh(node) or 0) > claim.spent
    return claim.socket is Socket.OPEN and is_unspent and not claim.awaits_pong and is_trusted(node, at)


def is_clean(claim: Claim, at: float) -> bool:
    """Whether no socket but mine can be open: neither a predecessor's, nor one that I aborted."""
    return at >= claim.clean_from


def step(claim: Claim, event: ClaimEvent, node: Node, timings: Timings) -> Outcome:
    """What becomes of the claim, and what is to be done, in order. An event out of turn changes nothing."""
    match event:
        case ConnectWanted(at):
            return _ask(claim, at, node)
        case Verified(at):
            return _open(claim, at, node)
        case VerifyFailed():
            return _give_up(claim)
        case SessionLost():
            return None, _abort_if(claim.socket)
        case PingDue(at):
            return _ping(claim, at, node)
        case PongCame():
            return replace(claim, awaits_pong=False), ()
        case SocketClosed(at):
            return _end_socket(claim, at)
        case SocketBroken(at) | NodeFenced(at):
            return _break(claim, at, timings)
        case CleanDue(at):
            return _note(claim, at)
        case ReleaseWanted(at, next_owner):
            return _part(replace(claim, next_owner=next_owner), at)
        case FarewellOver():
            return _part_in_doubt(claim)


def _ask(claim: Claim, at: float, node: Node) -> Outcome:
    if not may_connect(claim, node, at):
        return claim, ()
    claim = replace(claim, socket=Socket.ASKING, is_noted_clean=is_clean(claim, at))
    return claim, (Verify(claim.is_noted_clean),)


def _open(claim: Claim, at: float, node: Node) -> Outcome:
    """Only a renewal opens, never a read: a taker must not find the heartbeat that it saw before.

    The first packet spends it, and all that were sent until now.
    """
    if not may_open(claim, node, at):
        return _give_up(claim)
    return replace(claim, socket=Socket.OPEN, spent=node.sent, awaits_pong=True), (SendFirst(),)


def _give_up(claim: Claim) -> Outcome:
    """Nothing was sent, so nothing is left behind; but what the row says now, nobody knows."""
    if claim.socket is not Socket.ASKING:
        return claim, ()
    return replace(claim, socket=Socket.NONE, is_noted_clean=False), (Abort(),)


def _ping(claim: Claim, at: float, node: Node) -> Outcome:
    if not may_ping(claim, node, at):
        return claim, ()
    return replace(claim, spent=node.confirmed, awaits_pong=True), (SendPing(),)


def _end_socket(claim: Claim, at: float) -> Outcome:
    if claim.socket is Socket.CLOSING:
        return None, (Abort(), Release(is_clean(claim, at), claim.next_owner))
    if claim.socket is Socket.ASKING:
        return _give_up(claim)
    return replace(claim, socket=Socket.NONE), _abort_if(claim.socket)


def _break(claim: Claim, at: float, timings: Timings) -> Outcome:
    """What was sent may have kept the connection open over there, and reach it yet."""
    match claim.socket:
        case Socket.NONE:
            return claim, ()
        case Socket.ASKING:
            return _give_up(claim)
        case Socket.OPEN:
            stray_until = max(claim.clean_from, at + timings.wait)
            return replace(claim, socket=Socket.NONE, clean_from=stray_until), (Abort(),)
        case Socket.CLOSING:
            return _part_in_doubt(claim)


def _note(claim: Claim, at: float) -> Outcome:
    if claim.is_noted_clean or not is_clean(claim, at):
        return claim, ()
    return replace(claim, is_noted_clean=True), (NoteClean(),)


def _part(claim: Claim, at: float) -> Outcome:
    """A release in quarantine, or while a stray may be open, is unclean: the next owner waits."""
    match claim.socket:
        case Socket.OPEN:
            return replace(claim, socket=Socket.CLOSING), (HalfClose(),)
        case Socket.CLOSING:
            return claim, ()
        case Socket.NONE | Socket.ASKING:
            release = Release(is_clean(claim, at), claim.next_owner)
            return None, (*_abort_if(claim.socket), release)


def _part_in_doubt(claim: Claim) -> Outcome:
    if claim.socket is not Socket.CLOSING:
        return claim, ()
    return None, (Abort(), Release(is_clean=False, next_owner=claim.next_owner))


def _abort_if(socket: Socket) -> tuple[ClaimEffect, ...]:
    return () if socket is Socket.NONE else (Abort(),)

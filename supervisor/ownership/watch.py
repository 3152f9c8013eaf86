"""The other nodes, as seen from here: whose heartbeat stands still, and for how long on my own clock.

No time of the arbiter's or of another node's is used: a clock that jumps over there must not end a life.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from actors.core.owners import Heartbeat, NodeEpoch, Poll
from supervisor.ownership.claim import Past
from supervisor.ownership.timings import Timings


@dataclass(frozen=True, slots=True)
class Sighting:
    """A heartbeat, and since when it has been the same."""

    heartbeat: Heartbeat
    since: float


@dataclass(frozen=True, slots=True)
class Watch:
    """What was seen of all nodes, and the lives that I have ended after watching their silence."""

    sightings: tuple[Sighting, ...] = ()
    polled_at: float | None = None
    """None if what was seen before does not count any more."""
    source: str = ""
    fenced: frozenset[NodeEpoch] = frozenset()


def polled(watch: Watch, poll: Poll, at: float, timings: Timings) -> Watch:
    """Take in a look at all nodes, whose answer came at `at`.

    Silence is counted from the answer, not from the question: the heartbeat may have changed in between.
    """
    goes_on = is_continuous(watch, poll.source, at, timings)
    before = {seen.heartbeat: seen.since for seen in watch.sightings} if goes_on else {}
    sightings = tuple(Sighting(beat, before.get(beat, at)) for beat in poll.heartbeats)
    return replace(watch, sightings=sightings, polled_at=at, source=poll.source)


def is_continuous(watch: Watch, source: str, at: float, timings: Timings) -> bool:
    """Whether what was seen before and what is seen now are one history.

    A failover of the arbiter may lose heartbeats, and so show one that was there before: silence that was none.
    """
    if watch.polled_at is None or watch.source != source:
        return False
    return at - watch.polled_at <= timings.longest_gap


def broken(watch: Watch) -> Watch:
    """The connection to the arbiter was lost: count everybody's silence anew."""
    return replace(watch, sightings=(), polled_at=None)


def silent(watch: Watch, at: float, timings: Timings) -> list[Heartbeat]:
    """The nodes that have not renewed for long enough to be fenced, by the heartbeats seen of them."""
    return [seen.heartbeat for seen in watch.sightings if at - seen.since >= timings.silence]


def fenced(watch: Watch, life: NodeEpoch) -> Watch:
    """I have ended this life, after its silence."""
    return replace(watch, fenced=watch.fenced | {life})


def past_of(watch: Watch, owner: NodeEpoch | None) -> Past:
    """What I know of a session that was this life's."""
    return Past.WATCHED if owner in watch.fenced else Past.UNKNOWN

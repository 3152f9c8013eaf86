"""Who owns a session, in values: lives of nodes, their heartbeats, and a session's row at the arbiter.

All numbers here are counters that only grow. They are compared, never subtracted, and no clock is among them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto

from actors.core.names import SessionKey


@dataclass(frozen=True, slots=True, order=True)
class NodeEpoch:
    """One life of one node. A number is given out once; whoever holds an older one is fenced."""

    node_id: str
    number: int


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """What a watcher sees of a node: which life it is in, and how often it has renewed."""

    node: NodeEpoch
    beats: int
    is_draining: bool = False
    load: int = field(default=0, compare=False)
    """How many sessions it owned then."""
    capacity: int = field(default=0, compare=False)
    """How many it is meant to own at most; 0 if it does not say."""


@dataclass(frozen=True, slots=True)
class Poll:
    """What one look at all nodes showed.

    `source` names the server's history that answered: it differs after a failover or a restart of the server, either
    of which may have lost the latest heartbeats.
    """

    heartbeats: tuple[Heartbeat, ...]
    source: str
    held: float = 0.0
    """Seconds for which nobody may connect or take over, because keys were found in use twice."""


@dataclass(frozen=True, slots=True)
class Ownership:
    """A session's row: at which epoch, whose.

    `is_clean` says that no socket but one of the present owner's own can be open at Telegram; with no owner, none.
    `next_owner` is the node that its last owner handed it over to: a wish, which binds nobody.
    """

    key: SessionKey
    epoch: int
    owner: NodeEpoch | None
    is_clean: bool
    next_owner: str | None = None


@dataclass(frozen=True, slots=True)
class Taken:
    """A session that the arbiter has just made ours, at an epoch that is new."""

    key: SessionKey
    epoch: int


class Verdict(Enum):
    """What the arbiter says to a renewal for one session."""

    GRANTED = auto()
    SESSION_LOST = auto()
    """The node is renewed, but the session has been given to another epoch."""
    NODE_FENCED = auto()
    """This life of the node is over, and with it everything it owned."""

"""Watches the other nodes: ends the lives of those that fall silent, and tells of those that are seen to be dead."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import structlog
import trio

from actors.arbiter import Arbiter
from actors.clock import Boottime
from actors.core.names import SessionKey
from actors.core.owners import Heartbeat, NodeEpoch
from actors.errors import StoreUnavailable
from supervisor.events import NodeEnd, NodeLost, NodesSeen, Tell
from supervisor.owner import slots
from supervisor.owner.claims import Claims
from supervisor.owner.life import Life
from supervisor.owner.slots import Left, Occupant, Slot
from supervisor.ownership import watch as rules
from supervisor.ownership.attest import Death, may_attest
from supervisor.ownership.placement import place
from supervisor.ownership.timings import Timings

log = structlog.get_logger(__name__)

REASSIGN_AT_ONCE = 500

LOOK_EVERY = 1.0
"""Seconds between two looks at the others: silence is counted from looks, so a takeover waits for two of them."""

LIVELY = 1.5
"""Periods within which a living node is seen to renew, with a look or two of delay."""

WITNESS_EVERY = 0.5
"""Seconds between two looks for dead processes on this machine."""


class Watcher:
    """Looks at all nodes every second, and has sessions started that came here by it."""

    def __init__(self, life: Life, arbiter: Arbiter, claims: Claims, tell: Tell) -> None:
        self._life = life
        self._arbiter = arbiter
        self._claims = claims
        self._tell = tell
        self._watch = rules.Watch()
        self.on_held: Callable[[float], None] = lambda _: None
        """Told for how many seconds nobody may connect, if that is so."""
        self.awaited: Callable[[], set[NodeEpoch]] = set
        """The lives that were seen to be over here, which is told soon: that beats a quarantine."""
        self.start: Callable[[SessionKey], None] = lambda _: None
        """Starts a session here, if it can be: whoever has the sessions says so. It is told again at every look."""
        claims.past_of = lambda owner: rules.past_of(self._watch, owner)
        claims.successor_of = self._successor_of

    @property
    def nodes(self) -> Sequence[Heartbeat]:
        """The nodes as they were seen last."""
        return [sighting.heartbeat for sighting in self._watch.sightings]

    def place(self, key: SessionKey) -> str:
        """The node that a free session should go to; this one if nothing better is known."""
        return place(key, self._lively()) or self._life.me.node_id

    def _successor_of(self, key: SessionKey) -> str | None:
        return place(key, [node for node in self._lively() if node.node.node_id != self._life.me.node_id])

    @property
    def has_others(self) -> bool:
        """Whether another node could have sessions of this one's."""
        return any(
            not node.is_draining and node.node.node_id != self._life.me.node_id for node in self._lively()
        )

    def _lively(self) -> list[Heartbeat]:
        """The nodes that have renewed lately: who has missed a renewal is not given anything new."""
        at, patience = self._life.clock.now(), LIVELY * self._life.timings.period
        return [seen.heartbeat for seen in self._watch.sightings if at - seen.since <= patience]

    def seen(self) -> dict[str, Any]:
        """This node and all others as they were seen last, for people. Times in seconds."""
        at = self._life.clock.now()
        return {
            "id": self._life.me.node_id,
            "epoch": self._life.me.number,
            "trusted_for": round(max(0.0, self._life.seconds_left), 1),
            "sessions": len(self._claims),
            "nodes": [
                {
                    "id": seen.heartbeat.node.node_id,
                    "sessions": seen.heartbeat.load,
                    "capacity": seen.heartbeat.capacity,
                    "draining": seen.heartbeat.is_draining,
                    "silent_for": round(at - seen.since, 1),
                }
                for seen in self._watch.sightings
            ],
        }

    async def keep_watching(self) -> None:
        """Look at the others, for ever."""
        while True:
            try:
                await self.look()
            except StoreUnavailable:
                self._watch = rules.broken(self._watch)
            await trio.sleep(LOOK_EVERY)

    async def look(self) -> None:
        """Look once, and end the lives that were silent for too long. Raises StoreUnavailable."""
        poll = await self._arbiter.poll()
        at = self._life.clock.now()
        self._watch = rules.polled(self._watch, poll, at, self._life.timings)
        self._tell(NodesSeen(len(poll.heartbeats), len(self._claims)))
        if poll.held:
            self.on_held(poll.held)
        if poll.held or not self._life.is_trusted:
            return
        for silent in rules.silent(self._watch, at, self._life.timings):
            if silent.node.node_id != self._life.me.node_id and silent.node not in self.awaited():
                await self._end(silent)
        for key in self._claims.waiting:
            self.start(key)

    async def _end(self, silent: Heartbeat) -> None:
        if not await self._arbiter.fence(self._life.me, silent):
            return  # it renewed after all, or another watcher was faster
        self._watch = rules.fenced(self._watch, silent.node)
        count = 0
        while keys := await self._claims.reassign(silent.node, REASSIGN_AT_ONCE):
            count += len(keys)
        self._tell(NodeLost(silent.node.node_id, NodeEnd.SILENT, count))


@dataclass(slots=True)
class Corpse:
    """A process that is gone, and what it left behind."""

    occupant: Occupant
    left: Left
    gone_at: float
    is_ours_to_see: bool
    """Whether its sockets are in the list that we can see."""
    said_farewell: bool = False


@dataclass(slots=True)
class Witness:
    """Sees deaths on this machine. `own` is the slot that this process is in itself, if any.

    When a process is first found dead is written down in its slot: many may look, each only for a moment.
    """

    clock: Boottime
    timings: Timings
    arbiter: Arbiter
    tell: Tell
    base: Path
    own: Path | None = None
    _corpses: dict[NodeEpoch, Corpse] = field(default_factory=dict)

    @property
    def awaited(self) -> set[NodeEpoch]:
        """The lives that are over, and whose sessions will be free as soon as that may be told."""
        return set(self._corpses)

    def wait_for(self, life: NodeEpoch) -> float | None:
        """Seconds until this death may be told at the latest; None if it was told, or is not known of."""
        corpse = self._corpses.get(life)
        if corpse is None:
            return None
        return max(0.0, corpse.gone_at + self.timings.last_breath - self.clock.now())

    def find_predecessor(self, slot: Slot) -> None:
        """Whoever was in our slot is gone, since we have its place."""
        if slot.predecessor is not None and slot.left is not None:
            self._found(slot.predecessor, slot.left)

    async def keep_looking(self) -> None:
        """Look for the dead, for ever."""
        while True:
            try:
                with suppress(StoreUnavailable):
                    await self.look()
            except OSError as error:  # too many open files, say: no reason to end what runs well
                log.warning("cannot look for dead processes", error=str(error))
            await trio.sleep(WITNESS_EVERY)

    async def look(self) -> None:
        """Look once, and tell the deaths that may be told. Raises StoreUnavailable, and OSError for a slot."""
        looked_at = set()
        for path in slots.slots(self.base):
            if path != self.own:
                looked_at.add(await self._look_at(path))
        for life, corpse in list(self._corpses.items()):
            if life not in looked_at:  # somebody else is in its slot by now
                await self._tell_of(corpse)

    async def _look_at(self, path: Path) -> NodeEpoch | None:
        with slots.deserted(path) as occupant:
            if occupant is None or not occupant.number:
                return None
            corpse = self._found(occupant, Left.read(slots.ports_of(path)))
            if await self._tell_of(corpse):
                slots.rewrite(path, Occupant(occupant.node_id))
            elif occupant.gone_at != corpse.gone_at:
                slots.rewrite(path, replace(occupant, gone_at=corpse.gone_at))
            return occupant.life

    def _found(self, occupant: Occupant, left: Left) -> Corpse:
        corpse = self._corpses.get(occupant.life)
        if corpse is None:
            is_same_boot = occupant.boot_id == slots.boot_id()
            is_seen = is_same_boot and occupant.network == slots.network()
            now = self.clock.now()
            gone_at = min(occupant.gone_at or now, now) if is_same_boot else 0.0
            corpse = self._corpses[occupant.life] = Corpse(occupant, left, gone_at, is_seen)
        return corpse

    async def _tell_of(self, corpse: Corpse) -> bool:
        """Whether the arbiter was told."""
        at = self.clock.now()
        if corpse.is_ours_to_see and not corpse.said_farewell:
            states = slots.socket_states(slots.kernel_tables())
            corpse.said_farewell = corpse.left.said_farewell(states, at, self.timings.last_breath)
        if not may_attest(Death(corpse.gone_at, corpse.said_farewell), at, self.timings):
            return False
        freed = await self.arbiter.attest(corpse.occupant.life)
        self._corpses.pop(corpse.occupant.life, None)
        how = NodeEnd.SEEN_DEAD if corpse.said_farewell else NodeEnd.DEAD_FOR_LONG_ENOUGH
        self.tell(NodeLost(corpse.occupant.node_id, how, freed))
        return True

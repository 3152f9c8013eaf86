"""A twin of the arbiter, in dicts: every operation is one step, as a statement of the database is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import trio

from actors.core.names import SessionKey
from actors.core.owners import Heartbeat, NodeEpoch, Ownership, Poll, Taken, Verdict
from actors.errors import StoreUnavailable

_GENERATION_BITS = 40


@dataclass(slots=True)
class FakeArbiter:
    """An Arbiter in dicts. `is_down` tells of an outage; `source` is another after a failover."""

    is_down: Callable[[], bool] = lambda: False
    source: str = "the fake"
    generation: int = 0
    nodes: dict[str, Heartbeat] = field(default_factory=dict)
    held_until: float = 0.0
    over: set[str] = field(default_factory=set)
    """Nodes whose present number is nobody's."""
    rows: dict[SessionKey, Ownership] = field(default_factory=dict)

    async def boot(self, node_id: str, boot_id: str, public_key: bytes = b"", capacity: int = 0) -> NodeEpoch:
        await self._reach()
        assert boot_id or public_key is not None
        before = self.nodes[node_id].node.number if node_id in self.nodes else 0
        life = NodeEpoch(node_id, self._next(before))
        self.nodes[node_id] = Heartbeat(life, 0, capacity=capacity)
        self.over.discard(node_id)
        return life

    async def renew(self, me: NodeEpoch, load: int = 0) -> bool:
        await self._reach()
        if not self._renews(me):
            return False
        self.nodes[me.node_id] = replace(self.nodes[me.node_id], load=load)
        return True

    async def drain(self, me: NodeEpoch) -> bool:
        await self._reach()
        if not self._renews(me):
            return False
        self.nodes[me.node_id] = replace(self.nodes[me.node_id], is_draining=True)
        return True

    async def poll(self) -> Poll:
        await self._reach()
        living = sorted(self.nodes.keys() - self.over)
        held = max(0.0, self.held_until - trio.current_time())
        return Poll(tuple(self.nodes[node_id] for node_id in living), self.source, held)

    async def look(self, key: SessionKey) -> Ownership | None:
        await self._reach()
        return self.rows.get(key)

    async def unowned(self, limit: int) -> list[Ownership]:
        await self._reach()
        return [row for _, row in sorted(self.rows.items()) if not self._lives(row.owner)][:limit]

    async def owned(self, me: NodeEpoch) -> list[Taken]:
        await self._reach()
        return [Taken(row.key, row.epoch) for row in self.rows.values() if row.owner == me]

    async def acquire(self, me: NodeEpoch, seen: Ownership) -> Taken | None:
        await self._reach()
        if not self._renews(me):
            return None
        row = self.rows.get(seen.key, Ownership(seen.key, 0, None, is_clean=True))
        if row.owner is not None or (row.epoch, row.is_clean) != (seen.epoch, seen.is_clean):
            return None
        return self._give(me, row, is_clean=row.is_clean)

    async def fence(self, me: NodeEpoch, silent: Heartbeat) -> bool:
        await self._reach()
        present = self.nodes.get(silent.node.node_id)
        if me.node_id == silent.node.node_id or not self._renews(me) or present is None:
            return False
        if (present.node, present.beats) != (silent.node, silent.beats):
            return False
        self._end(silent.node)
        return True

    async def reassign(self, me: NodeEpoch, fenced: NodeEpoch, limit: int) -> list[Taken]:
        await self._reach()
        if not self._renews(me) or self._lives(fenced):
            return []
        due = [row for _, row in sorted(self.rows.items()) if row.owner == fenced][:limit]
        return [self._give(me, row, is_clean=False) for row in due]

    async def adopt(self, me: NodeEpoch, seen: Ownership) -> Taken | None:
        await self._reach()
        if not self._renews(me):
            return None
        row = self.rows.get(seen.key)
        if row is None or row.epoch != seen.epoch or row.owner is None:
            return None
        if row.owner != me and self._lives(row.owner):
            return None
        return self._give(me, row, is_clean=False)

    async def verify(self, me: NodeEpoch, key: SessionKey, epoch: int, *, is_clean: bool) -> Verdict:
        await self._reach()
        if not self._renews(me):
            return Verdict.NODE_FENCED
        if not self._owns(me, Taken(key, epoch)):
            return Verdict.SESSION_LOST
        self.rows[key] = replace(self.rows[key], is_clean=is_clean)
        return Verdict.GRANTED

    async def note_clean(self, me: NodeEpoch, sessions: Sequence[Taken]) -> None:
        await self._reach()
        for session in sessions:
            if self._owns(me, session):
                self.rows[session.key] = replace(self.rows[session.key], is_clean=True)

    async def release(
        self, me: NodeEpoch, session: Taken, *, is_clean: bool, next_owner: str | None = None
    ) -> bool:
        await self._reach()
        if not self._owns(me, session) or not self._lives(me):
            return False
        row = self.rows[session.key]
        self.rows[session.key] = replace(row, owner=None, is_clean=is_clean, next_owner=next_owner)
        return True

    async def attest(self, dead: NodeEpoch) -> int:
        await self._reach()
        if self._lives(dead):
            self._end(dead)
        due = [row for row in self.rows.values() if row.owner == dead]
        self.rows |= {row.key: replace(row, owner=None) for row in due}
        return len(due)

    async def hold(self, seconds: float) -> None:
        await self._reach()
        self.held_until = trio.current_time() + seconds

    async def next_generation(self) -> int:
        await self._reach()
        self.generation += 1
        return self.generation

    def epoch_of(self, key: SessionKey) -> int:
        """At which epoch the session is or was owned; 0 if it never was."""
        return self.rows[key].epoch if key in self.rows else 0

    def has_living_owner(self, key: SessionKey) -> bool:
        """Whether a life that goes on owns it."""
        return key in self.rows and self._lives(self.rows[key].owner)

    async def _reach(self) -> None:
        await trio.lowlevel.checkpoint()
        if self.is_down():
            raise StoreUnavailable("the fake arbiter is down")

    def _lives(self, life: NodeEpoch | None) -> bool:
        return life is not None and life.node_id in self.nodes and self.nodes[life.node_id].node == life

    def _renews(self, me: NodeEpoch) -> bool:
        """Count a heartbeat, if this life and its generation go on."""
        if not self._lives(me) or me.number >> _GENERATION_BITS != self.generation:
            return False
        present = self.nodes[me.node_id]
        self.nodes[me.node_id] = replace(present, beats=present.beats + 1)
        return True

    def _end(self, life: NodeEpoch) -> None:
        present = self.nodes[life.node_id]
        self.nodes[life.node_id] = replace(present, node=NodeEpoch(life.node_id, life.number + 1))
        self.over.add(life.node_id)

    def _owns(self, me: NodeEpoch, session: Taken) -> bool:
        row = self.rows.get(session.key)
        return row is not None and (row.owner, row.epoch) == (me, session.epoch)

    def _give(self, me: NodeEpoch, row: Ownership, *, is_clean: bool) -> Taken:
        epoch = self._next(row.epoch)
        self.rows[row.key] = Ownership(row.key, epoch, me, is_clean)
        return Taken(row.key, epoch)

    def _next(self, before: int) -> int:
        return max(before, self.generation << _GENERATION_BITS) + 1

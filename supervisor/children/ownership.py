"""Ownership: this node's life at the arbiter, what it has, and its watch over the other nodes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial

import trio

from actors.adapters.doorbell import RedisDoorbell
from actors.adapters.ownership import PostgresArbiter
from actors.bridge import in_trio
from actors.clock import Boottime
from actors.core.names import SessionKey
from actors.core.owners import NodeEpoch, Verdict
from actors.errors import StoreUnavailable
from actors.post import Bell, BellKind
from supervisor.children.given import Given
from supervisor.children.stores import Stores
from supervisor.owner import slots
from supervisor.owner.claims import Claims
from supervisor.owner.life import Life
from supervisor.owner.watching import Watcher, Witness
from supervisor.ownership.timings import PROFILES

ANNOUNCE = 2.0
"""Seconds for telling the other nodes that this one goes, or has gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ownership:
    """What this node has, and how it stands among the others."""

    arbiter: PostgresArbiter
    life: Life
    claims: Claims
    watcher: Watcher

    @property
    def me(self) -> str:
        """This node's name."""
        return self.life.me.node_id

    def is_mine(self, key: SessionKey) -> bool:
        """Whether a session that nobody has should come here."""
        return self.watcher.place(key) == self.me

    async def owner_of(self, key: SessionKey) -> str | None:
        """The node that has the session. Raises StoreUnavailable."""
        row = await self.arbiter.look(key)
        return None if row is None or row.owner is None else row.owner.node_id

    async def announce_the_end(self) -> None:
        """Let the others know that what is given away now should not come here."""
        with trio.move_on_after(ANNOUNCE), suppress(StoreUnavailable):
            await self.arbiter.drain(self.life.me)
            await self.watcher.look()

    async def end_in_peace(self, slot: slots.Slot) -> None:
        """End this life, so that nobody waits for its silence. Not if something is left that nobody knows of."""
        with trio.move_on_after(ANNOUNCE), suppress(StoreUnavailable):
            await self.claims.give_back_waiting()
        if self.claims.is_empty:
            with trio.move_on_after(ANNOUNCE), suppress(StoreUnavailable):
                await self.arbiter.attest(self.life.me)
                slot.leave()


@asynccontextmanager
async def own(given: Given, stores: Stores, slot: slots.Slot) -> AsyncIterator[Ownership]:
    """A life of this node, for the length of the block. Raises StoreUnavailable, Superseded."""
    settings, tell = given.settings, given.tell
    timings, base = PROFILES[settings.ownership_profile], settings.sessions_base_path
    clock, arbiter = Boottime(), stores.arbiter
    life = Life(arbiter, timings, tell, lambda: len(claims), clock)
    ports = slots.NotedPorts(slot.sockets, clock)
    claims = Claims(life, arbiter, given.epochs, ports, tell, partial(_verify, arbiter))
    watcher = Watcher(life, arbiter, claims, tell)
    witness = _witness(Witness(clock, timings, arbiter, tell, base, slot.path), watcher, slot)
    await witness.look()
    await life.boot(slot.node_id, slots.boot_id(), settings.node_capacity)
    slot.occupy(life.me)
    await watcher.look()
    owned = Ownership(arbiter=arbiter, life=life, claims=claims, watcher=watcher)
    async with trio.open_nursery() as nursery:
        for loop in (
            life.keep_renewing,
            life.keep_ticking,
            claims.keep_pinging,
            claims.keep_tidy,
            partial(claims.keep_ringing, partial(_ring_freed, stores.doorbell)),
            watcher.keep_watching,
            witness.keep_looking,
        ):
            nursery.start_soon(loop)
        yield owned
        nursery.cancel_scope.cancel()
    await owned.end_in_peace(slot)


def _witness(witness: Witness, watcher: Watcher, slot: slots.Slot) -> Witness:
    watcher.awaited = lambda: witness.awaited
    witness.find_predecessor(slot)
    return witness


async def _verify(
    arbiter: PostgresArbiter, me: NodeEpoch, key: SessionKey, epoch: int, is_clean: bool
) -> Verdict:
    """Connections ask it, and they live in the other loop."""
    return await in_trio(partial(arbiter.verify, is_clean=is_clean), me, key, epoch)


async def _ring_freed(doorbell: RedisDoorbell, node_id: str) -> None:
    await doorbell.ring(node_id, Bell(BellKind.FREED))

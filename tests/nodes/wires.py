"""The database as one node reaches it: arbiter, store and credentials, over a network that loses things."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from actors.core.credential import Credential, Keeping
from actors.core.names import SessionKey
from actors.core.owners import Heartbeat, NodeEpoch, Ownership, Poll, Taken, Verdict
from actors.epochs import Epochs
from actors.errors import NotOwner
from actors.ports import Saved, Transition

if TYPE_CHECKING:
    from tests.nodes.node import Node


class ArbiterWire:
    """An Arbiter."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._arbiter = node.host.world.arbiter
        self._ask = partial(node.host.ask, node, may_be_late=True)

    async def boot(self, node_id: str, boot_id: str, public_key: bytes = b"", capacity: int = 0) -> NodeEpoch:
        return await self._ask(lambda: self._arbiter.boot(node_id, boot_id, public_key, capacity))

    async def renew(self, me: NodeEpoch, load: int = 0) -> bool:
        return await self._ask(lambda: self._arbiter.renew(me, load))

    async def drain(self, me: NodeEpoch) -> bool:
        return await self._ask(lambda: self._arbiter.drain(me))

    async def poll(self) -> Poll:
        return await self._ask(self._arbiter.poll)

    async def look(self, key: SessionKey) -> Ownership | None:
        return await self._ask(lambda: self._arbiter.look(key))

    async def unowned(self, limit: int) -> list[Ownership]:
        return await self._ask(lambda: self._arbiter.unowned(limit))

    async def owned(self, me: NodeEpoch) -> list[Taken]:
        return await self._ask(lambda: self._arbiter.owned(me))

    async def acquire(self, me: NodeEpoch, seen: Ownership) -> Taken | None:
        return await self._ask(lambda: self._arbiter.acquire(me, seen))

    async def fence(self, me: NodeEpoch, silent: Heartbeat) -> bool:
        return await self._ask(lambda: self._arbiter.fence(me, silent))

    async def reassign(self, me: NodeEpoch, fenced: NodeEpoch, limit: int) -> list[Taken]:
        return await self._ask(lambda: self._arbiter.reassign(me, fenced, limit))

    async def adopt(self, me: NodeEpoch, seen: Ownership) -> Taken | None:
        return await self._ask(lambda: self._arbiter.adopt(me, seen))

    async def verify(self, me: NodeEpoch, key: SessionKey, epoch: int, *, is_clean: bool) -> Verdict:
        return await self._ask(lambda: self._arbiter.verify(me, key, epoch, is_clean=is_clean))

    async def note_clean(self, me: NodeEpoch, sessions: Sequence[Taken]) -> None:
        return await self._ask(lambda: self._arbiter.note_clean(me, sessions))

    async def release(
        self, me: NodeEpoch, session: Taken, *, is_clean: bool, next_owner: str | None = None
    ) -> bool:
        return await self._ask(
            lambda: self._arbiter.release(me, session, is_clean=is_clean, next_owner=next_owner)
        )

    async def attest(self, dead: NodeEpoch) -> int:
        return await self._ask(lambda: self._arbiter.attest(dead))

    async def hold(self, seconds: float) -> None:
        return await self._ask(lambda: self._arbiter.hold(seconds))

    async def next_generation(self) -> int:
        return await self._ask(self._arbiter.next_generation)


class StoreWire:
    """A Store, which says at which epoch it writes; and one credential at a time of the vault."""

    def __init__(self, node: Node, epochs: Epochs) -> None:
        self._node = node
        self._epochs = epochs
        self._database = node.host.world.database
        self._ask = partial(node.host.ask, node)

    async def load(self, key: SessionKey) -> Saved | None:
        return await self._ask(lambda: self._database.load(key))

    async def save(
        self, key: SessionKey, saved: Saved, transition: Transition | None, keeping: Keeping | None = None
    ) -> None:
        epoch, life = self._epochs.of(key), self._node.life_or_none
        try:
            await self._ask(lambda: self._database.save_at(epoch, life, key, saved, transition, keeping))
        except NotOwner:
            self._epochs.refused(key)
            raise

    async def running(self) -> list[SessionKey]:
        return await self._ask(self._database.running)

    async def due(self, now: float) -> list[SessionKey]:
        return await self._ask(lambda: self._database.due(now))

    async def page(
        self, tenant_id: str | None, after: SessionKey | None, limit: int
    ) -> list[tuple[SessionKey, Saved]]:
        return await self._ask(lambda: self._database.page(tenant_id, after, limit))

    async def credential(self, key: SessionKey) -> Credential | None:
        return await self._ask(lambda: self._database.vault.current(key))

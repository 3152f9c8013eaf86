"""Who decides which node owns a session, in the words of a node. Its adapter is PostgreSQL; Redis never decides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from actors.core.names import SessionKey
from actors.core.owners import Heartbeat, NodeEpoch, Ownership, Poll, Taken, Verdict


class Arbiter(Protocol):
    """Compares and sets, one row at a time, in one order that all nodes agree on.

    Every method may raise StoreUnavailable, after which nobody knows whether it was done. Whatever gives a node
    something (`acquire`, `reassign`, `adopt`, `verify`) is a renewal of that node too, and gives nothing to a life
    that is over.
    """

    async def boot(self, node_id: str, boot_id: str, public_key: bytes = b"", capacity: int = 0) -> NodeEpoch:
        """Begin a new life of this node; the one before it, if any, is fenced. `boot_id` names the machine's boot."""
        ...

    async def renew(self, me: NodeEpoch, load: int = 0) -> bool:
        """Count one more heartbeat, and note how many sessions it has; False if this life is over."""
        ...

    async def drain(self, me: NodeEpoch) -> bool:
        """Tell everybody that this node gives its sessions away; False if this life is over."""
        ...

    async def poll(self) -> Poll:
        """All nodes and their heartbeats."""
        ...

    async def look(self, key: SessionKey) -> Ownership | None:
        """The session's row, or None if nobody has ever owned it."""
        ...

    async def unowned(self, limit: int) -> list[Ownership]:
        """At most `limit` rows that are free, or whose owner's life is over."""
        ...

    async def owned(self, me: NodeEpoch) -> list[Taken]:
        """Every session that is this life's."""
        ...

    async def acquire(self, me: NodeEpoch, seen: Ownership) -> Taken | None:
        """Take a session that is still as `seen`: with no owner. Epoch 0 is one that nobody has ever owned.

        It stays clean if it was. None if somebody was faster.
        """
        ...

    async def fence(self, me: NodeEpoch, silent: Heartbeat) -> bool:
        """End the life of a node, if it has not renewed since this heartbeat; False if it has, or ours is over."""
        ...

    async def reassign(self, me: NodeEpoch, fenced: NodeEpoch, limit: int) -> list[Taken]:
        """Take at most `limit` sessions of a life that is over, which others are not taking just now; unclean."""
        ...

    async def adopt(self, me: NodeEpoch, seen: Ownership) -> Taken | None:
        """Take a session that is still as `seen`: of a life that is over, or ours by a reply that was lost; unclean.

        None if somebody was faster, or if its owner lives.
        """
        ...

    async def verify(self, me: NodeEpoch, key: SessionKey, epoch: int, *, is_clean: bool) -> Verdict:
        """Renew and make sure, in one step, that the session is ours at this epoch; note whether it is clean."""
        ...

    async def note_clean(self, me: NodeEpoch, sessions: Sequence[Taken]) -> None:
        """Note that these, as far as they are still ours at their epochs, are clean now."""
        ...

    async def release(
        self, me: NodeEpoch, session: Taken, *, is_clean: bool, next_owner: str | None = None
    ) -> bool:
        """Give a session free; False if it was not ours at this epoch."""
        ...

    async def attest(self, dead: NodeEpoch) -> int:
        """End a life that somebody has seen to be over, and free its sessions, as clean as they are; how many."""
        ...

    async def hold(self, seconds: float) -> None:
        """Let nobody connect or take over for so long from now: keys were found in use twice. Polls tell of it."""
        ...

    async def next_generation(self) -> int:
        """Fence everybody, for good: after the database was restored from a backup. The new generation."""
        ...

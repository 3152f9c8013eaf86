"""The post office of a node: it listens to the doorbell, serves what others ask, and fetches what they answer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress

import trio

from actors.core.owners import NodeEpoch
from actors.errors import StoreUnavailable
from actors.ports import Directory
from actors.post import Bell, BellKind, Doorbell, Post
from supervisor.events import Tell
from supervisor.routing.asking import Asking
from supervisor.routing.serving import Serving

SWEEP_EVERY = 60.0


class PostOffice:
    """`remote` asks other nodes, which is possible inside `open` only; `directory` is the local one that they ask.

    `freed` is called when another node rings because it has given sessions free for this one.
    """

    def __init__(
        self,
        me: NodeEpoch,
        post: Post,
        doorbell: Doorbell,
        directory: Directory,
        tell: Tell,
        freed: Callable[[], None] = lambda: None,
    ) -> None:
        self.remote = Asking(me.node_id, post, doorbell, tell)
        self._serving = Serving(me, post, doorbell, directory, tell)
        self._me = me
        self._post = post
        self._doorbell = doorbell
        self._freed = freed

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Be a part of the post for the length of the block; leaving it finishes what others have asked."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.remote.keep)
            nursery.start_soon(self._doorbell.listen, self._me.node_id, self._hear)
            nursery.start_soon(self._keep_sweeping)
            async with trio.open_nursery() as serving:
                serving.start_soon(self._serving.keep)
                try:
                    yield
                finally:
                    self._serving.stop()
            nursery.cancel_scope.cancel()

    def _hear(self, bells: Sequence[Bell]) -> None:
        if any(bell.kind is BellKind.FREED for bell in bells):
            self._freed()
        self._serving.hear(bells)
        self.remote.hear(bells)

    async def _keep_sweeping(self) -> None:
        while True:
            await trio.sleep(SWEEP_EVERY)
            with suppress(StoreUnavailable):
                await self._post.sweep()

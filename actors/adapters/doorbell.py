"""The doorbell between nodes in Redis or Valkey: a stream for each node, of ids and kinds. Commands of Redis 7.0."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any
from uuid import UUID

import trio
from redis.asyncio import Redis

from actors.adapters.redis import ask
from actors.errors import StoreRefused, StoreUnavailable
from actors.post import WAKE, Bell, BellKind

LENGTH = 10_000
"""About so many rings are kept of a node that does not listen; whoever missed one finds the post all the same."""

FORGOTTEN_AFTER = 3600
"""Seconds after its last ring that a stream is gone, as that of a node that is no more."""

BLOCK_MS = 1000
"""For how long one read waits: less than the client's patience with a silent server."""

AT_ONCE = 500
REST = 1.0
"""Seconds before Redis is tried again after an outage."""


class RedisDoorbell:
    """A Doorbell in Redis: `usm:bell:<node>`. `listening` is a client of its own: its connection is never free."""

    def __init__(self, client: Redis, listening: Redis) -> None:
        self._client = client
        self._listening = listening
        self._down_until = -1.0

    async def ring(self, node_id: str, bell: Bell) -> bool:
        """See Doorbell. While Redis is down, one ring a second tries it, and the others do not wait for that."""
        if trio.current_time() < self._down_until:
            return False
        fields: dict[Any, Any] = {"kind": bell.kind.value}
        if bell.request_id is not None:
            fields["id"] = str(bell.request_id)

        async def add() -> None:
            async with self._client.pipeline(transaction=False) as pipeline:
                pipeline.xadd(_name(node_id), fields, maxlen=LENGTH, approximate=True)
                pipeline.expire(_name(node_id), FORGOTTEN_AFTER)
                await pipeline.execute()

        try:
            await ask(add)
        except (StoreUnavailable, StoreRefused):
            self._down_until = trio.current_time() + REST
            return False
        return True

    async def listen(self, node_id: str, heard: Callable[[Sequence[Bell]], None]) -> None:
        """See Doorbell."""
        while True:
            with suppress(StoreUnavailable, StoreRefused):
                await self._listen(_name(node_id), heard)
            await trio.sleep(REST)

    async def _listen(self, name: str, heard: Callable[[Sequence[Bell]], None]) -> None:
        """Hear every ring from now on; what came before is what WAKE stands for."""
        latest: Any = await ask(lambda: self._listening.xrevrange(name, count=1))
        last: bytes = latest[0][0] if latest else b"0-0"
        heard([WAKE])
        while True:
            entries = await self._read(name, last)
            if entries:
                last = entries[-1][0]
                heard([bell for _, fields in entries if (bell := _bell(fields))])

    async def _read(self, name: str, last: bytes) -> Sequence[tuple[bytes, Mapping[bytes, bytes]]]:
        read: Any = await ask(lambda: self._listening.xread({name: last}, count=AT_ONCE, block=BLOCK_MS))
        return [entry for _, entries in read for entry in entries]


def _name(node_id: str) -> str:
    return f"usm:bell:{node_id}"


def _bell(fields: Mapping[bytes, bytes]) -> Bell | None:
    """The ring, or None for what a newer release or a stranger may have put there."""
    with suppress(KeyError, ValueError):
        request_id = UUID(fields[b"id"].decode()) if b"id" in fields else None
        return Bell(BellKind(fields[b"kind"].decode()), request_id)
    return None

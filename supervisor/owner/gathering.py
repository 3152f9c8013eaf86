"""Starts here the sessions that should run and that no living node has."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from contextlib import suppress

import trio

from actors.clock import Clock
from actors.core.names import SessionKey
from actors.errors import StoreUnavailable
from actors.ports import Store
from supervisor.alarm import Alarm
from supervisor.pace import Pace
from supervisor.sessions import Sessions

LOOK_EVERY = 1.0

PATIENCE = 10.0
"""Seconds that a session waits for the node it was proposed to; then whoever sees it takes it."""


class Gatherer:
    """Looks for sessions that nobody has, and starts at a pace those that are to be here, as `is_mine` says.

    Before it asks that, it has `look` take a fresh view of the nodes: who has just given sessions away is no place
    for them.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        sessions: Sessions,
        starts: Pace,
        *,
        is_mine: Callable[[SessionKey], bool] = lambda _: True,
        look: Callable[[], Awaitable[None]] = trio.lowlevel.checkpoint,
        every: float = LOOK_EVERY,
    ) -> None:
        self._store = store
        self._clock = clock
        self._sessions = sessions
        self._starts = starts
        self._is_mine = is_mine
        self._look = look
        self._every = every
        self._seen: dict[SessionKey, float] = {}
        self._alarm = Alarm()

    def wake(self) -> None:
        """Look at once: somebody has given sessions away."""
        self._alarm.ring()

    async def keep_gathering(self) -> None:
        """Look, for ever."""
        while True:
            with suppress(StoreUnavailable):
                await self.gather()
            await self._alarm.wait(self._every)

    async def gather(self) -> None:
        """Look once, and start what should be here. Raises StoreUnavailable."""
        free = await self._store.running() + await self._store.due(self._clock.now())
        now, running = trio.current_time(), self._sessions.running
        self._seen = {key: self._seen.get(key, now) for key in free if key not in running}
        if self._seen:
            await self._look()
        ours = [key for key, since in self._seen.items() if now - since >= PATIENCE or self._is_mine(key)]
        random.shuffle(ours)  # so that no session is always the last
        for key in ours:
            await self._starts.turn(background=True)
            self._sessions.start(key)

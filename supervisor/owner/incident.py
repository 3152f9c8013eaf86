"""When auth keys are found in use twice, somebody breaks the rules: then nobody connects or takes over any more."""

from __future__ import annotations

from collections.abc import Callable

import trio

from actors.arbiter import Arbiter
from actors.core.states import Reason
from actors.errors import StoreUnavailable
from actors.events import Transitioned
from supervisor.events import Event, OwnershipIncident, Tell

MANY = 2
WITHIN = 600.0
"""So many keys within so many seconds are no accident of one session."""

HOLD = 300.0
"""Seconds for which no node connects or takes over then: each try may destroy another login."""

TRY_AGAIN = 2.0


class IncidentBrake:
    """Hears of everything that happens. `hold` stops the connects of this node, the arbiter tells the others."""

    def __init__(self, arbiter: Arbiter, hold: Callable[[float], None], tell: Tell) -> None:
        self._arbiter = arbiter
        self._hold = hold
        self._tell = tell
        self._duplicated: list[float] = []
        self._incident = trio.Event()

    def note(self, event: Event) -> None:
        """Count it, if a key was in use twice."""
        if isinstance(event, Transitioned) and event.reason is Reason.AUTH_KEY_DUPLICATED:
            now = trio.current_time()
            self._duplicated = [at for at in self._duplicated if at > now - WITHIN] + [now]
            if len(self._duplicated) >= MANY:
                self._duplicated.clear()
                self._incident.set()

    async def keep_watching(self) -> None:
        """Hold everybody after each incident, for ever."""
        while True:
            await self._incident.wait()
            self._incident = trio.Event()
            self._hold(HOLD)
            self._tell(OwnershipIncident(HOLD))
            await self._tell_everybody()

    async def _tell_everybody(self) -> None:
        while True:
            try:
                return await self._arbiter.hold(HOLD)
            except StoreUnavailable:
                await trio.sleep(TRY_AGAIN)

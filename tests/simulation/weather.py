"""What happens from outside: outages, lost connections, logouts elsewhere, frozen accounts, poison."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from actors.core import messages as m
from actors.core.states import Reason
from tests.simulation.world import FarSide

if TYPE_CHECKING:
    from tests.simulation.run import Simulation

ENDS = (Reason.SESSION_REVOKED, Reason.AUTH_KEY_UNREGISTERED, Reason.ACCOUNT_BANNED, Reason.ACCOUNT_DELETED)
ONE_SESSION_EVERY = 1500.0
"""Seconds between two strokes of fate for one session, on average."""


class Weather:
    """Two kinds of trouble: that of one session, and that of all."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._chance = simulation.chance

    async def strike_one(self, until: float) -> None:
        """Now and then, something happens to some session."""
        far_sides = list(self._simulation.world.sessions.values())
        strokes = (self._drop, self._drop, self._end_credential, self._freeze, self._poison)
        while trio.current_time() < until:
            await trio.sleep(self._chance.expovariate(len(far_sides) / ONE_SESSION_EVERY))
            far, stroke = self._chance.choice(far_sides), self._chance.choice(strokes)
            self._simulation.rules.note(stroke.__name__, far.key)
            stroke(far)

    async def strike_all(self, until: float) -> None:
        """Now and then, the database or the way to Telegram is gone for a while."""
        simulation = self._simulation
        while trio.current_time() < until:
            await trio.sleep(self._chance.expovariate(1 / 1500))
            lasts = self._chance.choice((1.0, 20.0, 120.0, 400.0))
            if self._chance.random() < 0.5:
                simulation.store.down = True
            else:
                simulation.world.outage = True
                for far in simulation.world.sessions.values():
                    self._drop(far)
            await trio.sleep(lasts)
            simulation.store.down = simulation.world.outage = False

    def _drop(self, far: FarSide) -> None:
        if far.line is not None:
            far.line.lose_connection()

    def _end_credential(self, far: FarSide) -> None:
        """The person ends the session on the phone, or Telegram ends the account."""
        key = self._simulation.world.current(far.key)
        if self._chance.random() < 0.3 and key is not None and key.ended is None:
            reason = key.ended = self._chance.choice(ENDS)
            if far.line is not None and far.line.using is key:
                far.line.lose_connection(self._chance.choice((None, m.CredentialLost(reason))))

    def _freeze(self, far: FarSide) -> None:
        far.frozen = not far.frozen

    def _poison(self, far: FarSide) -> None:
        far.poisoned = far.fragile and not far.poisoned

"""The simulation's database: the fake one, with latency, outages, and commits whose confirmation got lost."""

from __future__ import annotations

import random

import trio

from actors.core.credential import Keeping
from actors.core.names import SessionKey
from actors.core.states import Reason, SessionState
from actors.errors import StoreUnavailable
from actors.ports import Saved, Transition
from tests.fakes import FakeStore
from tests.simulation.rules import HOLDING
from tests.simulation.world import World


class Database(FakeStore):
    """Every row that is written goes through the rules."""

    def __init__(self, world: World, chance: random.Random) -> None:
        super().__init__()
        self.trouble = 0.02
        """How probable it is that a write fails, before or after it was committed."""
        self._world = world
        self._chance = chance

    def calm(self) -> None:
        """No more trouble."""
        self.down, self.trouble = False, 0.0

    async def load(self, key: SessionKey) -> Saved | None:
        await self._travel()
        saved = await super().load(key)
        if saved is not None:
            self._world.rules.confirmed(key, saved.version)
        return saved

    async def save(
        self, key: SessionKey, saved: Saved, transition: Transition | None, keeping: Keeping | None = None
    ) -> None:
        lost = self._chance.random() < self.trouble and self._chance.choice(("request", "confirmation"))
        await self._travel()
        if lost == "request":
            raise StoreUnavailable("the request was lost")
        before = self.rows.get(key)
        await super().save(key, saved, transition, keeping)
        if self.rows[key] is not before:
            self._judge(key, before, transition)
        if lost:
            await self._travel()
            self._world.rules.note("confirmation lost", key)
            raise StoreUnavailable("the confirmation was lost")
        if self._chance.random() < 0.3:
            await self._travel()  # a process may fall over between the commit and its confirmation
        self._world.rules.confirmed(key, saved.version)

    async def _travel(self) -> None:
        await trio.sleep(self._chance.uniform(0.001, 0.05))

    def _judge(self, key: SessionKey, before: Saved | None, transition: Transition | None) -> None:
        saved, far, rules = self.rows[key], self._world.sessions[key], self._world.rules
        rules.saved(key, saved, transition)
        ended = before is not None and before.record.state in HOLDING
        if ended and saved.record.state is SessionState.REVOKED:
            if saved.record.reason is Reason.REQUESTED:
                rules.hold(far.revoke_asked, "nobody is revoked who did not ask for it", key)
            else:
                lost = far.file is not None and far.file.ended is saved.record.reason
                rules.hold(lost, "a credential is only lost by a definitive error", key)
        if saved.record.state is SessionState.AUTHORIZED and far.file is not None:
            far.file.owned = True

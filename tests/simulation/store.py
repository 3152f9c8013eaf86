"""The simulation's database: the fake one, with latency, outages, and commits whose confirmation got lost."""

from __future__ import annotations

import random

import trio

from actors.core.credential import Deposit, Keeping
from actors.core.names import SessionKey
from actors.core.states import Reason, SessionState
from actors.errors import StoreUnavailable
from actors.ports import Saved, Transition
from tests.fakes import FakeStore, FakeVault
from tests.simulation.rules import HOLDING
from tests.simulation.world import AuthKey, World


class Database(FakeStore):
    """Every row that is written goes through the rules."""

    def __init__(self, world: World, chance: random.Random) -> None:
        super().__init__()
        self.vault = world.vault = FakeVault(self.reach, world.clock)
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
        before, held = self.rows.get(key), self._world.current(key)
        await super().save(key, saved, transition, keeping)
        if self.rows[key] is not before:
            self._judge(key, before, held, transition)
            self._note_login(key, keeping)
        if lost:
            await self._travel()
            self._world.rules.note("confirmation lost", key)
            raise StoreUnavailable("the confirmation was lost")
        if self._chance.random() < 0.3:
            await self._travel()  # a process may fall over between the commit and its confirmation
        self._world.rules.confirmed(key, saved.version)

    async def reach(self) -> None:
        """Get there, or find out that nobody is there."""
        await self._travel()
        if self.down:
            raise StoreUnavailable("the database is down")

    async def _travel(self) -> None:
        await trio.sleep(self._chance.uniform(0.001, 0.05))

    def _note_login(self, key: SessionKey, keeping: Keeping | None) -> None:
        far = self._world.sessions[key]
        if isinstance(keeping, Deposit):
            self._world.rules.note("deposit", key)
            far.revoke_asked = far.revokes_waiting > 0

    def _judge(
        self, key: SessionKey, before: Saved | None, held: AuthKey | None, transition: Transition | None
    ) -> None:
        saved, far, rules = self.rows[key], self._world.sessions[key], self._world.rules
        rules.saved(key, saved, transition)
        ended = before is not None and before.record.state in HOLDING
        if ended and saved.record.state is SessionState.REVOKED:
            if saved.record.reason is Reason.REQUESTED:
                rules.hold(far.revoke_asked, "nobody is revoked who did not ask for it", key)
            else:
                lost = held is not None and held.ended is saved.record.reason
                rules.hold(lost, "a credential is only lost by a definitive error", key)
        has_one = self._world.current(key) is not None
        holds = saved.record.state in HOLDING
        rules.hold(has_one or not holds, f"{saved.record.state} has a credential", key)

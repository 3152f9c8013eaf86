"""What lies outside of all hosts: the database, Telegram, and what is always true of them."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from contextvars import Context, copy_context
from dataclasses import dataclass, field, replace

import trio

from actors.core.credential import Deposit, Keeping
from actors.core.names import SessionKey
from actors.core.owners import Heartbeat, NodeEpoch
from actors.core.record import to_record
from actors.core.states import Authorized, SessionState
from actors.errors import NotOwner
from actors.ports import Saved, Transition
from supervisor.ownership.timings import PROFILE_S, Timings
from tests.fakes import FakeArbiter, FakeStore
from tests.nodes.machines import world_time
from tests.nodes.telegram import DataCentre
from tests.simulation.rules import Rules


class WorldRules(Rules):
    """Rules whose moments are the world's, whoever breaks them. `on_broken` lets go on what stands still."""

    on_broken: Callable[[], None] = staticmethod(lambda: None)

    def note(self, what: str, key: SessionKey | None = None, detail: object = "") -> None:
        Context().run(super().note, what, key, detail)

    def hold(self, condition: object, sentence: str, key: SessionKey | None = None) -> None:
        if not condition:
            Context().run(super().hold, condition, sentence, key)
            self.on_broken()


class Database(FakeStore):
    """A Store that refuses what is written at another epoch than the session's, as `save_session.sql` does."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.checks_epochs = True
        self._world = world

    async def save_at(
        self,
        epoch: int | None,
        life: NodeEpoch | None,
        key: SessionKey,
        saved: Saved,
        transition: Transition | None,
        keeping: Keeping | None,
    ) -> None:
        await self._reach()
        row = self._world.arbiter.rows.get(key)
        owned_at = row.epoch if row is not None and row.owner is not None else None
        if self.checks_epochs and owned_at != epoch:
            raise NotOwner(f"{key} belongs to another supervisor")
        before = self.rows.get(key)
        await self.save(key, saved, transition, keeping)
        if self.rows[key] is not before:
            owner = None if row is None else row.owner
            is_theirs = owner is None or owner == life
            rules = self._world.rules
            rules.hold(is_theirs, f"nothing is written under an old epoch: {life} over {owner}", key)
            rules.saved(key, saved, transition)
            kept = saved.record.state in {SessionState.AUTHORIZED, SessionState.STALE}
            rules.hold(kept, f"no credential is lost: {saved.record}", key)


@dataclass
class World:
    """The nursery is for what no process does."""

    rules: WorldRules
    chance: random.Random
    nursery: trio.Nursery
    timings: Timings = PROFILE_S
    trouble: bool = True
    context: Context = field(default_factory=copy_context)
    arbiter: FakeArbiter = field(init=False)
    database: Database = field(init=False)
    telegram: DataCentre = field(init=False)
    is_down: bool = False
    rung: Callable[[str], None] = lambda _: None
    """A node is told that there may be something for it."""
    _numbered: int = 0
    _epochs: dict[SessionKey, int] = field(default_factory=dict)
    _lives: dict[str, int] = field(default_factory=dict)
    _past: list[dict[str, Heartbeat]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.arbiter = FakeArbiter(is_down=lambda: self.is_down)
        self.database = Database(self)
        self.telegram = DataCentre(self.rules, self.chance, self.timings, self.outside)

    def provision(self, key: SessionKey, number: int) -> None:
        """A session that is logged in and meant to run."""
        credential = self.telegram.let_in(key, number)
        self.database.vault.keep(key, Deposit(credential))
        saved = Saved(to_record(Authorized(credential.account_id)), 1, self.now())
        self.database.rows[key] = saved
        line = Transition("ImportLogin", SessionState.ABSENT, SessionState.AUTHORIZED, None)
        self.rules.saved(key, saved, line)

    def now(self) -> float:
        return world_time()

    def number(self) -> int:
        self._numbered += 1
        return self._numbered

    def happens(self, chance: float) -> bool:
        """Whether something does that happens so often, in times of trouble."""
        return self.trouble and self.chance.random() < chance

    def outside(self, fn: Callable[..., Awaitable[object]], *args: object) -> None:
        """Start a task that belongs to no machine."""
        self.context.run(lambda: self.nursery.start_soon(fn, *args))

    def later(self, seconds: float, fn: Callable[..., object], *args: object) -> None:
        """Call it after a while."""
        self.outside(self._call_later, seconds, fn, args)

    async def _call_later(self, seconds: float, fn: Callable[..., object], args: tuple[object, ...]) -> None:
        await trio.sleep(seconds)
        fn(*args)

    # -- the arbiter

    def judge(self) -> None:
        """After everything that the database did: its numbers only grow."""
        for key, row in self.arbiter.rows.items():
            self.rules.hold(row.epoch >= self._epochs.get(key, 0), "epochs only grow", key)
            self._epochs[key] = row.epoch
        for name, heartbeat in self.arbiter.nodes.items():
            number = heartbeat.node.number
            self.rules.hold(number >= self._lives.get(name, 0), f"lives only grow: {name}")
            self._lives[name] = number

    async def keep_standby(self) -> None:
        """What a standby has, which may be some seconds old."""
        while True:
            self._past = [*self._past[-3:], dict(self.arbiter.nodes)]
            await trio.sleep(1.5)

    def fail_over(self) -> None:
        """Another server answers from now on, which has lost some of the latest heartbeats, but no decision."""
        self.arbiter.source = f"server {self.number()}"
        before = self.chance.choice(self._past)
        for name, heartbeat in self.arbiter.nodes.items():
            then = before.get(name)
            if then is not None and then.node == heartbeat.node and name not in self.arbiter.over:
                self.arbiter.nodes[name] = replace(heartbeat, beats=then.beats)

    def outage(self) -> None:
        self.is_down = self.database.down = True

    def calm(self) -> None:
        self.is_down = self.database.down = self.trouble = False

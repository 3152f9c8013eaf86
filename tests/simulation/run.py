"""One run of the simulation: processes that come and go over the same world, and what must be true at its end."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import inf
from typing import Any

import trio
from trio.testing import MockClock

from actors.actor import Surroundings
from actors.clock import Clock
from actors.core import messages as m
from actors.core.names import SessionKey
from actors.core.secret import Secret
from actors.core.states import Authorized, Substate
from actors.ports import Store
from supervisor.events import Event, LifeCrashed, LifeHeld, Scope, SessionParked
from supervisor.farewells import Courier
from supervisor.gate import ConnectGate, new_breaker, new_breakers
from supervisor.guarded_store import STORE_POLICY, GuardedStore
from supervisor.owner.gathering import Gatherer
from supervisor.pace import Pace
from supervisor.policy import RestartPolicy
from supervisor.sessions import DRAIN, Sessions
from tests.simulation.people import Person, account
from tests.simulation.rules import EPSILON, Rules
from tests.simulation.store import Database
from tests.simulation.weather import Weather
from tests.simulation.world import FarSide, World

SETTLE = 3600.0
"""Seconds without trouble, after which everything must be well again."""

STEPS_TO_LOOK_AFTER = 200_000
EPOCH = 1_800_000_000.123
TENANTS = 7
CONNECTS = 20
"""Connects per second, and as many at once."""
STARTS = 50
"""Likewise of sessions that should run."""
LOOK_EVERY = 60.0
"""Seconds between two looks for them; less would only take longer."""


class RuleBroken(AssertionError):
    """A run in which a rule was broken, and how to see it again."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run came to."""

    trace: str
    counts: Counter[str]


def simulate(
    seed: int, sessions: int = 40, hours: float = 3.0, show: Callable[[str], object] | None = None
) -> Outcome:
    """Run it. Raises RuleBroken. The same arguments give the same run. `show` is given every line of the trace."""
    simulation: Simulation | None = None

    async def main() -> None:
        nonlocal simulation
        with trio.CancelScope() as scope:
            simulation = Simulation(random.Random(seed), sessions, Rules(scope, show))
            trio.lowlevel.add_instrument(Hourglass(simulation.rules))
            await simulation.run(hours * 3600)

    with everything_drawn_from(seed):
        trio.run(main, clock=MockClock(autojump_threshold=0))
    assert simulation is not None
    if simulation.rules.broken:
        replay = f"ops/simulate --seed {seed} --sessions {sessions} --hours {hours:g}"
        raise RuleBroken(f"{simulation.rules.broken[0]}\nto see it again: {replay}")
    return Outcome(simulation.rules.trace, simulation.rules.counts)


@contextmanager
def everything_drawn_from(seed: int) -> Iterator[None]:
    """Trio's scheduler and the restarts' jitter follow the seed too."""
    scheduler: Any = trio._core._run  # its randomness has no public name
    before = scheduler._ALLOW_DETERMINISTIC_SCHEDULING, scheduler._r.getstate(), random.getstate()
    scheduler._ALLOW_DETERMINISTIC_SCHEDULING = True
    scheduler._r.seed(seed)
    random.seed(seed)
    try:
        yield
    finally:
        scheduler._ALLOW_DETERMINISTIC_SCHEDULING = before[0]
        scheduler._r.setstate(before[1])
        random.setstate(before[2])


class Hourglass(trio.abc.Instrument):
    """Sees to it that time passes: a tight loop would stop virtual time for ever."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._moment = -1.0
        self._steps = 0

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self._steps += 1
        if self._steps >= STEPS_TO_LOOK_AFTER:
            now = trio.current_time()
            self._rules.hold(now > self._moment, f"no tight loop: {task.name}")
            self._steps, self._moment = 0, now


class Simulation:
    """The world, the people, and one process after the other."""

    def __init__(self, chance: random.Random, sessions: int, rules: Rules) -> None:
        self.chance = chance
        self.rules = rules
        self.clock = Clock()
        self.clock._offset = EPOCH
        self.world = World(self.rules, self.clock, chance)
        self.store = Database(self.world, chance)
        self.sessions: Sessions | None = None
        self.pause = 500.0
        for number in range(sessions):
            key = SessionKey(f"tenant-{number % TENANTS}", f"app-{number}")
            self.world.sessions[key] = FarSide(key, account(number, chance), fragile=number % 5 == 0)
            self.world.sessions[key].dc = chance.randint(1, 5)

    async def run(self, seconds: float) -> None:
        """Trouble for so long, then peace, then the reckoning."""
        weather = Weather(self)
        async with trio.open_nursery() as nursery:
            for far in self.world.sessions.values():
                nursery.start_soon(Person(self, far).live, seconds)
            nursery.start_soon(weather.strike_one, seconds)
            nursery.start_soon(weather.strike_all, seconds)
            while trio.current_time() < seconds:
                await self._process(self.chance.uniform(300.0, 2400.0))
                await trio.sleep(self.chance.choice((0.0, 3.0, 60.0)))
        self.world.calm()
        self.store.calm()
        await self._process(SETTLE, reckon=True)

    # -- processes

    async def _process(self, seconds: float, *, reckon: bool = False) -> None:
        """One process, which is told to go after a while, or falls over."""
        falls_over = not reckon and self.chance.random() < 0.5
        gate = self.world.gate = ConnectGate(
            Pace(CONNECTS, burst=CONNECTS), new_breakers(self._tell), self.clock
        )
        store = GuardedStore(self.store, new_breaker(Scope.STORE, self._tell, STORE_POLICY))
        idle_after = self.chance.choice((inf, 400.0))
        surroundings = Surroundings(store, self.world, self.clock, self._tell, idle_after)
        courier = Courier(self.store.vault, self.world.log_out, self.clock, self._tell)
        sessions = Sessions(surroundings, RestartPolicy(), self._tell)
        stopping_at = trio.current_time() + seconds
        with trio.move_on_at(stopping_at if falls_over else float("inf")):
            async with sessions.open(), trio.open_nursery() as nursery:
                self.sessions = sessions
                nursery.start_soon(courier.keep_delivering)
                nursery.start_soon(self._gatherer(store, sessions).keep_gathering)
                await trio.sleep_until(stopping_at)
                if reckon:
                    await self._reckon()
                stopping_at = trio.current_time()
                gate.close()
                nursery.cancel_scope.cancel()
        self.sessions = None
        self.rules.note("process ended", detail=falls_over)
        self._all_gone(sessions, trio.current_time() - stopping_at)

    def _gatherer(self, store: Store, sessions: Sessions) -> Gatherer:
        return Gatherer(store, self.clock, sessions, Pace(STARTS, burst=STARTS), every=LOOK_EVERY)

    def _all_gone(self, sessions: Sessions, seconds: float) -> None:
        self.rules.hold(seconds <= DRAIN + EPSILON, f"a process stops within {DRAIN} s: {seconds:.3f} s")
        self.rules.hold(not sessions.running, "no session is left when a process has stopped")
        self.rules.hold(not self.world.open_lines, "no line is left when a process has stopped")
        connected = [key for key in self.world.keys.values() if key.connections]
        self.rules.hold(not connected, f"no connection is left when a process has stopped: {connected}")

    def _tell(self, event: Event) -> None:
        self.rules.note(type(event).__name__, getattr(event, "key", None))
        if isinstance(event, LifeCrashed | LifeHeld | SessionParked):
            fragile = self.world.sessions[event.key].fragile
            self.rules.hold(fragile, f"nobody crashes for a neighbour: {event.error!r}", event.key)

    # -- what people see

    def waiting(self, key: SessionKey) -> int:
        """How many commands wait for this session."""
        session = self.sessions.running.get(key) if self.sessions else None
        return len(session.mailbox) if session else 0

    def is_idle(self, key: SessionKey) -> bool:
        """Whether the session's actor waits for something to come."""
        session = self.sessions.running.get(key) if self.sessions else None
        return session is not None and session.mailbox._reader is not None

    # -- the end

    async def _reckon(self) -> None:
        """All trouble is over for a long time: what was not lost for good must be there."""
        for far in self.world.sessions.values():
            await self._reckon_one(far)

    async def _reckon_one(self, far: FarSide) -> None:
        assert self.sessions is not None
        state = (await self.sessions.look(far.key)).state
        self.rules.note(f"at the end {state.name}", far.key, state)
        self._reckon_keys(far)
        key = self.world.current(far.key)
        if key is None or not key.is_valid:
            well = not isinstance(state, Authorized) or state.substate in {Substate.ASLEEP, Substate.STOPPED}
            self.rules.hold(well, f"without a credential nobody is online: {state}", far.key)
            return
        state = await self.sessions.ask(far.key, m.StartSession(), within=60.0)
        online = isinstance(state, Authorized) and state.substate is Substate.ONLINE
        self.rules.hold(online, f"no credential is lost: {state}", far.key)
        self.rules.hold(far.line and far.line.using is key, "who is online is connected", far.key)

    def _reckon_keys(self, far: FarSide) -> None:
        """Every key that Telegram still knows is a session's own, or was lost with the process that was let in."""
        for kept in self.world.vault.kept.get(far.key, []):
            key = self.world.keys[Secret(kept.auth_key[1])]
            well = not key.is_valid or kept.status == "current"
            self.rules.hold(well, f"a logout that was promised is done: {kept.status}", far.key)
            self.rules.note(f"at the end {kept.status} key")

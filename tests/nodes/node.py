"""One node: what owns, watches, gathers and runs sessions, joined as `supervisor.children` joins it."""

from __future__ import annotations

from contextlib import suppress
from functools import partial

import trio

from actors.actor import Surroundings
from actors.clock import Boottime, Clock
from actors.core.names import SessionKey
from actors.core.owners import NodeEpoch, Verdict
from actors.epochs import Epochs
from actors.errors import StoreUnavailable
from actors.guard import Guard
from supervisor.events import Event, LifeCrashed, LifeHeld, NodeFenced, NodeLost, Scope, SessionParked
from supervisor.gate import ConnectGate, new_breaker, new_breakers
from supervisor.guarded_store import STORE_POLICY, GuardedStore
from supervisor.owner.balancing import Balancer
from supervisor.owner.claims import Claims
from supervisor.owner.gathering import Gatherer
from supervisor.owner.life import Life, Superseded
from supervisor.owner.watching import Watcher
from supervisor.ownership.attest import Death, may_attest
from supervisor.pace import Pace
from supervisor.policy import RestartPolicy
from supervisor.sessions import Sessions
from tests.nodes.hosts import Corpse, Host, Notes
from tests.nodes.line import open_line
from tests.nodes.machines import Place
from tests.nodes.sockets import Socket
from tests.nodes.wires import ArbiterWire, StoreWire

EPOCH = 1_800_000_000.0
GATHER_EVERY = 5.0
WITNESS_EVERY = 3.0
ANNOUNCE = 2.0
CONNECTS = 20


class NodeClock(Boottime):
    """The clocks of a machine."""

    def __init__(self, host: Host) -> None:
        self._machine = host.machine

    def now(self) -> float:
        return trio.current_time()

    def wall(self) -> float:
        return EPOCH + trio.current_time() + self._machine.wall_ahead


class Node:
    """One process. `name` is its node id, which no other ever has."""

    def __init__(self, host: Host, name: str) -> None:
        self.host = host
        self.name = name
        self.is_dead = False
        self.is_stopping = trio.Event()
        self.is_over = trio.Event()
        self.scope = trio.CancelScope()
        self.lines = 0
        self.asking = 0
        """Connects that are between the question to the arbiter and the first packet."""
        self.place = Place(host.machine)
        self.boottime = NodeClock(host)
        self.notes = Notes(self)
        self.tasks: trio.Nursery | None = None
        self.sessions: Sessions | None = None
        self._world = host.world
        self._witnessed: list[Corpse] = []
        self._build()
        host.nodes[name] = self

    def _build(self) -> None:
        timings, epochs = self._world.timings, Epochs()
        self.clock = Clock()
        self.arbiter = ArbiterWire(self)
        self.database = StoreWire(self, epochs)
        self.life = Life(self.arbiter, timings, self._tell, lambda: len(self.claims), self.boottime)
        self.claims = Claims(self.life, self.arbiter, epochs, self.notes, self._tell, self._verify)
        self.watcher = Watcher(self.life, self.arbiter, self.claims, self._tell)

    @property
    def life_or_none(self) -> NodeEpoch | None:
        return None if self.life._node is None else self.life.me

    async def _verify(self, me: NodeEpoch, key: SessionKey, epoch: int, is_clean: bool) -> Verdict:
        return await self.arbiter.verify(me, key, epoch, is_clean=is_clean)

    async def _ring(self, node_id: str) -> None:
        """Tell another node that there is something for it; bells may be lost."""
        if not self.is_dead and not self._world.happens(0.1):
            self._world.later(self._world.chance.uniform(0.001, 0.1), self._world.rung, node_id)

    def hear_bell(self) -> None:
        if self.tasks is not None:
            self.place.spawn(self.tasks, self._wake)

    async def _wake(self) -> None:
        self.gatherer.wake()

    def _tell(self, event: Event) -> None:
        if self.is_dead:
            return
        rules = self._world.rules
        detail = getattr(event, "cause", "") or getattr(event, "how", "") or getattr(event, "past", "")
        rules.note(type(event).__name__, getattr(event, "key", None), f"{self.name} {detail}")
        if isinstance(event, NodeFenced | NodeLost):
            rules.counts[f"{type(event).__name__} {detail}"] += 1
        if isinstance(event, LifeCrashed | LifeHeld | SessionParked):
            rules.hold(False, f"nothing here crashes a session: {event.error!r}", event.key)

    # -- the process

    async def run(self) -> None:
        """From its start to its end, whichever that is."""
        try:
            with self.scope:
                await self._run()
        except* Superseded:
            self._world.rules.note("superseded", detail=self.name)
        except* StoreUnavailable:
            self._world.rules.note("could not start", detail=self.name)
        finally:
            self._world.rules.hold(not self.lines, f"no line is left when a process has ended: {self.lines}")
            self._leave()

    async def _run(self) -> None:
        await self._witness()
        await self.life.boot(self.name, self.host.name, 0)
        await self.watcher.look()
        async with trio.open_nursery() as nursery:
            for loop in (
                self.life.keep_renewing,
                self.life.keep_ticking,
                self.claims.keep_pinging,
                self.claims.keep_tidy,
                partial(self.claims.keep_ringing, self._ring),
                self.watcher.keep_watching,
                self._keep_witnessing,
            ):
                nursery.start_soon(loop)
            await self._live()
            nursery.cancel_scope.cancel()
        if self.claims.is_empty:
            with trio.move_on_after(ANNOUNCE), suppress(StoreUnavailable):
                await self.arbiter.attest(self.life.me)

    async def _live(self) -> None:
        store = GuardedStore(self.database, new_breaker(Scope.STORE, self._tell, STORE_POLICY))
        self.gate = ConnectGate(Pace(CONNECTS, burst=CONNECTS), new_breakers(self._tell), self.clock)
        surroundings = Surroundings(store, partial(open_line, self), self.clock, self._tell)
        self.sessions = sessions = Sessions(surroundings, RestartPolicy(), self._tell, owner=self.claims)
        self.watcher.on_held, self.watcher.start = self.gate.hold, sessions.start
        self.gatherer = Gatherer(
            store,
            self.clock,
            sessions,
            Pace(50, burst=50),
            is_mine=self._is_mine,
            look=self.watcher.look,
            every=GATHER_EVERY,
        )
        async with sessions.open(), trio.open_nursery() as nursery:
            self.tasks = nursery
            nursery.start_soon(self.gatherer.keep_gathering)
            nursery.start_soon(Balancer(self.watcher, sessions, lambda: self.life.me.node_id).keep_balancing)
            try:
                await self.is_stopping.wait()
                with trio.move_on_after(ANNOUNCE), suppress(StoreUnavailable):
                    await self.arbiter.drain(self.life.me)
            finally:
                self.gate.close()
                nursery.cancel_scope.cancel()
                self.tasks = None

    def _is_mine(self, key: SessionKey) -> bool:
        return self.watcher.place(key) == self.life.me.node_id

    # -- the witness

    async def _keep_witnessing(self) -> None:
        while True:
            with suppress(StoreUnavailable):
                await self._witness()
            await trio.sleep(WITNESS_EVERY)

    async def _witness(self) -> None:
        """As `supervisor.owner.watching.Witness` does it, without files."""
        for corpse in list(self.host.corpses):
            at, timings = self.boottime.now(), self._world.timings
            if corpse.is_ours_to_see and not corpse.said_farewell:
                corpse.said_farewell = corpse.left.said_farewell(self.host.states(), at, timings.last_breath)
            if may_attest(Death(corpse.gone_at, corpse.said_farewell), at, timings):
                await self.arbiter.attest(corpse.life)
                self._world.rules.note("attested", detail=f"{corpse.life} {corpse.said_farewell}")
                if corpse in self.host.corpses:
                    self.host.corpses.remove(corpse)

    # -- ends

    def die(self) -> None:
        """Be gone at once. What is still run of it is heard by nobody."""
        self.is_dead = True
        self._leave()
        self.scope.cancel()

    def _leave(self) -> None:
        if not self.place.is_gone:
            self.place.leave()
        if self.host.nodes.get(self.name) is self:
            del self.host.nodes[self.name]
        self.is_over.set()

    # -- for its lines

    async def dial(self, key: SessionKey, within: float) -> Socket | None:
        """A TCP connection, of which no byte was sent; None if there is no way."""
        with trio.move_on_after(within):
            await trio.sleep(self._world.chance.uniform(0.02, 0.3))
            await self.host.way_to_telegram.wait()
            if self.is_dead:
                return None
            return Socket(
                self.host, self._world.telegram.keys[key], self.name, self._world.timings.unacknowledged
            )
        return None

    def first_packet(self, key: SessionKey, guard: Guard) -> None:
        """A connection is about to be used: what is said of its session at the arbiter?"""
        if self.is_dead:
            return
        row, epoch = self._world.arbiter.rows.get(key), getattr(guard, "epoch", None)
        is_ours = row is not None and row.owner == self.life.me and row.epoch == epoch
        self._world.rules.hold(is_ours, f"an unowned session is never connected: {self.name}, {row}", key)

"""Nodes around one fake arbiter, on virtual clocks: what they do, open and tell."""

from __future__ import annotations

from dataclasses import dataclass, field

import trio

from actors.clock import Boottime
from actors.core.names import SessionKey
from actors.core.owners import NodeEpoch, Ownership, Taken, Verdict
from actors.epochs import Epochs
from actors.guard import Ends
from supervisor.events import Event
from supervisor.owner.claims import Claims
from supervisor.owner.holding import Holding
from supervisor.owner.life import Life
from supervisor.owner.watching import Watcher
from supervisor.ownership.timings import PROFILE_S
from tests.fakes import FakeArbiter

KEY, OTHER = SessionKey("tenant", "app"), SessionKey("tenant", "other")
PORT = 40000


class VirtualBoottime(Boottime):
    """The machine's clock and the wall, as trio's clock has it; `wall_ahead` is what somebody set the wall by.

    The machine started a while before trio's clock did.
    """

    def __init__(self, started_before: float = 1000.0) -> None:
        self.wall_ahead = 0.0
        self._started_before = started_before

    def now(self) -> float:
        return trio.current_time() + self._started_before

    def wall(self) -> float:
        return self.now() + 1_795_000_000.0 + self.wall_ahead


@dataclass(slots=True)
class Ports:
    """What was noted of ports, in order."""

    noted: list[tuple[str, int]] = field(default_factory=list)

    def opened(self, ends: Ends) -> None:
        self.noted.append(("opened", ends.local_port))

    def ended(self, ends: Ends) -> None:
        self.noted.append(("ended", ends.local_port))

    def aborted(self, ends: Ends) -> None:
        self.noted.append(("aborted", ends.local_port))


@dataclass(slots=True)
class FakeLink:
    """A connection, and what its guard did to it. `answer` tells the guard of the other side's end at once."""

    holding: Holding | None = None
    local_port: int = PORT
    done: list[str] = field(default_factory=list)
    pings: list[float] = field(default_factory=list)

    @property
    def ends(self) -> Ends:
        return Ends(self.local_port, "192.0.2.1:443")

    def ping(self) -> None:
        self.pings.append(trio.current_time())

    def half_close(self) -> None:
        self.done.append("half closed")
        if self.holding is not None:
            self.holding.closed()

    def abort(self) -> None:
        self.done.append("aborted")


class World:
    """One arbiter, and the nodes that ask it."""

    def __init__(self) -> None:
        self.is_down = False
        self.arbiter = FakeArbiter(is_down=lambda: self.is_down)

    def node(self, node_id: str) -> Node:
        return Node(self, node_id)

    def row(self, key: SessionKey = KEY) -> Ownership:
        return self.arbiter.rows[key]

    async def free(self, *, is_clean: bool, key: SessionKey = KEY) -> None:
        """A session that somebody had, and gave free."""
        them = await self.arbiter.boot("somebody", "boot")
        taken = await self.arbiter.acquire(them, Ownership(key, 0, None, is_clean=True))
        assert taken is not None
        await self.arbiter.release(them, taken, is_clean=is_clean)
        await self.arbiter.attest(them)


class Node:
    """A node: its life, its claims, and its watch over the others. `asked` holds answers to connects back."""

    def __init__(self, world: World, node_id: str) -> None:
        self.node_id = node_id
        self.arbiter = world.arbiter
        self.told: list[Event] = []
        self.clock = VirtualBoottime()
        self.epochs = Epochs()
        self.ports = Ports()
        self.lost: list[SessionKey] = []
        self.started: list[SessionKey] = []
        self.answers = trio.Event()
        self.answers.set()
        self.life = Life(self.arbiter, PROFILE_S, self.told.append, lambda: len(self.claims), self.clock)
        self.claims = Claims(self.life, self.arbiter, self.epochs, self.ports, self.told.append, self._verify)
        self.watcher = Watcher(self.life, self.arbiter, self.claims, self.told.append)
        self.watcher.start = self.started.append
        self.scope = trio.CancelScope()

    async def _verify(self, me: NodeEpoch, key: SessionKey, epoch: int, is_clean: bool) -> Verdict:
        await self.answers.wait()
        return await self.arbiter.verify(me, key, epoch, is_clean=is_clean)

    async def come_up(self, nursery: trio.Nursery) -> None:
        """Begin a life, and do what a node does all the time, until `die`."""
        await self.life.boot(self.node_id, "boot", 0)
        nursery.start_soon(self._live)

    async def _live(self) -> None:
        with self.scope:
            async with trio.open_nursery() as nursery:
                for loop in (
                    self.life.keep_renewing,
                    self.life.keep_ticking,
                    self.claims.keep_pinging,
                    self.claims.keep_tidy,
                    self.watcher.keep_watching,
                ):
                    nursery.start_soon(loop)

    def die(self) -> None:
        """Do nothing any more."""
        self.scope.cancel()

    async def hold(self, nursery: trio.Nursery, key: SessionKey = KEY) -> tuple[Holding, trio.CancelScope]:
        """Hold a session until the scope is cancelled."""
        held: tuple[Holding, trio.CancelScope] = await nursery.start(self._hold, key)
        return held

    async def _hold(
        self, key: SessionKey, task_status: trio.TaskStatus[tuple[Holding, trio.CancelScope]]
    ) -> None:
        with trio.CancelScope() as scope:
            async with self.claims.holding(key, lambda: self.lost.append(key)) as holding:
                task_status.started((holding, scope))
                await trio.sleep_forever()

    async def taken(self, key: SessionKey = KEY) -> Taken:
        """Take a session without holding it."""
        seen = await self.arbiter.look(key) or Ownership(key, 0, None, is_clean=True)
        taken = await self.arbiter.acquire(self.life.me, seen)
        assert taken is not None
        return taken

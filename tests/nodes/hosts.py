"""A host: a machine with its kernel's sockets, its ways to the database and to Telegram, and its nodes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

import outcome
import trio

from actors.core.owners import NodeEpoch
from actors.errors import StoreUnavailable
from actors.guard import Ends
from supervisor.owner.slots import Left, Marked
from tests.nodes.machines import Machine, Place
from tests.nodes.sockets import Socket

if TYPE_CHECKING:
    from tests.nodes.node import Node
    from tests.nodes.world import World

Answer = TypeVar("Answer")

DEADLINE = 3.0
"""Seconds for an operation of the database, as its adapter has it."""
LATE = 0.01
"""How probable it is that a request arrives after its asker has given up."""


@dataclass(slots=True)
class Notes:
    """The Ports of one node's claims, where they outlast it."""

    node: Node
    ports: set[int] = field(default_factory=set)
    reset_at: float = -1e9

    def opened(self, ends: Ends) -> None:
        if not self.node.is_dead:
            self.ports.add(ends.local_port)

    def ended(self, ends: Ends) -> None:
        if not self.node.is_dead:
            self.ports.discard(ends.local_port)

    def aborted(self, ends: Ends) -> None:
        if not self.node.is_dead:
            self.reset_at = self.node.boottime.now()
            self.ports.discard(ends.local_port)


@dataclass(eq=False, slots=True)
class Corpse:
    """A life that has ended on this host, and what it left behind."""

    life: NodeEpoch
    left: Left
    gone_at: float
    is_ours_to_see: bool = True
    said_farewell: bool = False


class Host:
    """One boot of one machine."""

    def __init__(self, world: World, name: str) -> None:
        self.world = world
        self.name = name
        self.machine = Machine(name, world.now(), rate=world.chance.uniform(0.995, 1.005))
        self.kernel = Place(self.machine)
        self.sockets: dict[int, Socket] = {}
        self.nodes: dict[str, Node] = {}
        self.corpses: list[Corpse] = []
        self.is_lost = False
        self.stalls_until = 0.0
        """Until then nothing that the kernel was given leaves it; on its own clock."""
        self.way_to_telegram = trio.Event()
        self.way_to_database = trio.Event()
        self.way_to_telegram.set()
        self.way_to_database.set()

    # -- the ways

    @property
    def can_reach_telegram(self) -> bool:
        return self.way_to_telegram.is_set() and not self.machine.is_frozen

    def cut(self, *, telegram: bool, database: bool) -> None:
        """Nothing gets there any more, nor from there."""
        if telegram:
            self.way_to_telegram = trio.Event()
        if database:
            self.way_to_database = trio.Event()

    def mend(self) -> None:
        self.way_to_telegram.set()
        self.way_to_database.set()
        self.stalls_until = 0.0

    async def to_telegram(self) -> None:
        """Return when a packet leaves the kernel; of the kernel."""
        await trio.sleep(self.world.chance.uniform(0, 0.002))
        while trio.current_time() < self.stalls_until:
            await trio.sleep_until(self.stalls_until)
        while not self.way_to_telegram.is_set():
            await self.way_to_telegram.wait()

    def in_kernel(self, fn: Callable[..., Awaitable[object]], *args: object) -> None:
        """Start a task of the kernel's."""
        if not self.is_lost:
            self.kernel.spawn(self.world.nursery, fn, *args)

    # -- the database

    async def ask(
        self, node: Node, work: Callable[[], Awaitable[Answer]], *, may_be_late: bool = False
    ) -> Answer:
        """Let the database do something. Request and reply may get lost, or be late; raises StoreUnavailable."""
        await trio.lowlevel.checkpoint()
        if node.is_dead:
            raise StoreUnavailable("nobody hears the dead")
        replies: list[outcome.Outcome[Answer]] = []
        came = trio.Event()
        with trio.move_on_after(DEADLINE) as patience:
            self.in_kernel(
                self._serve, work, replies, came, None if may_be_late else lambda: not patience.cancel_called
            )
            await came.wait()
        if not replies or node.is_dead:
            raise StoreUnavailable("the database cannot be reached")
        return replies[0].unwrap()

    async def _serve(
        self,
        work: Callable[[], Awaitable[Answer]],
        replies: list[outcome.Outcome[Answer]],
        came: trio.Event,
        is_awaited: Callable[[], bool] | None,
    ) -> None:
        """What nobody awaits any more is not committed, if that can be known; `is_awaited` is None if not."""
        world = self.world
        late = world.chance.uniform(1.0, 8.0) if is_awaited is None and world.happens(LATE) else 0.0
        await trio.sleep(world.chance.uniform(0.001, 0.06) + late)
        if not self.way_to_database.is_set():
            await self.way_to_database.wait()
        if self.is_lost or world.happens(0.01) or not (is_awaited is None or is_awaited()):
            return
        reply = await outcome.acapture(work)
        if isinstance(reply, outcome.Error) and not isinstance(reply.error, Exception):
            return
        world.judge()
        if world.happens(0.02):
            world.rules.note("reply lost", detail=self.name)
            return
        if world.chance.random() < 0.3:  # not always, for it takes longer to compute than anything else
            await trio.sleep(world.chance.uniform(0.001, 0.06))
        if not self.way_to_database.is_set():
            await self.way_to_database.wait()
        replies.append(reply)
        came.set()

    # -- ends

    def states(self) -> dict[Marked, set[int]]:
        """What /proc/net/tcp says."""
        return {(port, 0): {socket.state} for port, socket in self.sockets.items()}

    def kill(self, node: Node) -> None:
        """SIGKILL: the kernel ends what the process had open."""
        life, notes = node.life_or_none, node.notes
        node.die()
        for port in sorted(notes.ports):
            if port in self.sockets:
                self.sockets[port].shut()
        if life is not None:
            left = Left(frozenset((port, 0) for port in notes.ports), notes.reset_at)
            self.corpses.append(Corpse(life, left, self.machine.at(self.world.now())))

    def lose(self) -> None:
        """The power fails: nobody says anything to anybody any more."""
        self.is_lost = True
        for node in list(self.nodes.values()):
            node.die()
        if self.machine.is_frozen:
            self.machine.thaw()
        self.kernel.leave()
        for socket in list(self.sockets.values()):
            socket._vanish()

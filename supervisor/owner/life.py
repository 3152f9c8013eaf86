"""This node's life at the arbiter: it renews, keeps its deadline, and ends everything when it cannot be trusted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf

import trio

from actors.arbiter import Arbiter
from actors.clock import Boottime
from actors.core.owners import NodeEpoch
from actors.errors import StoreUnavailable
from supervisor.events import NodeFenced, RenewalEnded, RenewalOutcome, Tell
from supervisor.ownership import node as rules
from supervisor.ownership.node import FenceAll, GraceEnded, Node, NodeEvent
from supervisor.ownership.timings import Timings

TICK = 1.0
TRY_AGAIN = 1.0


class Superseded(Exception):
    """This life of the node is over: others have its sessions, and the process must end."""


@dataclass(frozen=True, slots=True)
class Listener:
    """Who hears of a renewal that was confirmed, and of a fence, at once."""

    trusted: Callable[[], None]
    fenced: Callable[[], None]


class Life:
    """One life of one node. `load` says how many sessions it has."""

    def __init__(
        self, arbiter: Arbiter, timings: Timings, tell: Tell, load: Callable[[], int], clock: Boottime
    ) -> None:
        self.timings = timings
        self.clock = clock
        self._arbiter = arbiter
        self._tell = tell
        self._load = load
        self._node: Node | None = None
        self._over = trio.Event()
        self._listeners: list[Listener] = []

    @property
    def node(self) -> Node:
        """What is known of this life. There is none before `boot`."""
        assert self._node is not None  # noqa: S101 - for the type checker
        return self._node

    @property
    def me(self) -> NodeEpoch:
        """Which life this is."""
        return self.node.me

    @property
    def is_trusted(self) -> bool:
        """Whether anything may leave this node now."""
        return self._node is not None and rules.is_trusted(self._node, self.clock.now())

    def listen(self, trusted: Callable[[], None], fenced: Callable[[], None]) -> None:
        """Have `trusted` called after every renewal, `fenced` when everything that is open is to be aborted."""
        self._listeners.append(Listener(trusted, fenced))

    async def boot(self, node_id: str, boot_id: str, capacity: int) -> None:
        """Begin. Raises StoreUnavailable."""
        asked_at = self.clock.now()
        me = await self._arbiter.boot(node_id, boot_id, capacity=capacity)
        self._node = rules.booted(me, asked_at, self.timings)

    async def keep_renewing(self) -> None:
        """Renew every period, and after one that was not answered sooner, for ever."""
        while True:
            is_answered = await self._renew()
            await trio.sleep(self.timings.period if is_answered else TRY_AGAIN)

    async def _renew(self) -> bool:
        """Renew once; whether the arbiter answered."""
        self._step(rules.RenewalSent(self.clock.now()))
        number = self.node.sent
        try:
            is_counted = await self._arbiter.renew(self.me, self._load())
        except StoreUnavailable:  # it may have been counted or not, which is no harm
            self._tell(RenewalEnded(RenewalOutcome.UNANSWERED))
            return False
        if not is_counted:
            self._tell(RenewalEnded(RenewalOutcome.DENIED))
            self.deny()
            return True
        self._step(rules.RenewalConfirmed(number, self.clock.now()))
        self._tell(RenewalEnded(RenewalOutcome.CONFIRMED))
        for listener in self._listeners:
            listener.trusted()
        return True

    async def keep_ticking(self) -> None:
        """Look at the clocks every second. Raises Superseded when this life is over."""
        lag = 0.0
        while not self._over.is_set():
            self._step(rules.Ticked(self.clock.now(), self.clock.wall(), lag))
            due = trio.current_time() + TICK
            with trio.move_on_at(due):
                await self._over.wait()
            lag = max(0.0, trio.current_time() - due)
        raise Superseded(
            f"node {self.me.node_id} was silent for so long that others have taken its sessions; start it again"
        )

    def deny(self) -> None:
        """The arbiter has said that this life is over."""
        self._step(rules.RenewalDenied())

    def end_grace(self) -> None:
        """The time for stopping in peace is over: nothing leaves any more."""
        self._step(GraceEnded())

    def _step(self, event: NodeEvent) -> None:
        self._node, fence = rules.step(self.node, event, self.timings)
        if fence is not None:
            self._fence(fence)

    def _fence(self, fence: FenceAll) -> None:
        for listener in self._listeners:
            listener.fenced()
        self._tell(NodeFenced(fence.cause.name.lower()))
        if fence.is_final:
            self._over.set()

    @property
    def seconds_left(self) -> float:
        """Until nothing may leave this node, unless it renews."""
        return -inf if self._node is None or self._node.fenced else self._node.deadline - self.clock.now()

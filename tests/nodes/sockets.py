"""TCP between a machine and the data centre: what is written is the kernel's, whether its process goes on or not."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import trio

from tests.nodes.telegram import NEAR, AuthKey, FarEnd, Packet, Told

if TYPE_CHECKING:
    from tests.nodes.hosts import Host

FIN_SENT, FIN_ACKNOWLEDGED = 4, 5
"""FIN_WAIT1 and FIN_WAIT2, as /proc/net/tcp has them."""
ESTABLISHED = 1


class Socket:
    """One connection, as the kernel of `host` has it. `inbox` is what its process can read."""

    def __init__(self, host: Host, auth_key: AuthKey, life: str, unacknowledged: float) -> None:
        self.auth_key = auth_key
        self.port = host.world.number()
        self.state = ESTABLISHED
        self.is_gone = False
        self.awaits_first = False
        self.is_behind = False
        """Whether something that was written has not left the machine yet."""
        self.inbox: deque[Told] = deque()
        self.readable = trio.Event()
        self._host = host
        self._far = FarEnd(auth_key, self._hear, f"{life}#{self.port}", life)
        self._unacknowledged = unacknowledged
        self._to_send: deque[tuple[Packet, float]] = deque()
        self._something = trio.Event()
        self._arrives_at = 0.0
        self._heard_at = 0.0
        host.sockets[self.port] = self
        host.in_kernel(self._pump)

    # -- what the process does

    def write(self, packet: Packet) -> None:
        """Give the kernel a packet."""
        if not self.is_gone:
            self.awaits_first |= packet is Packet.FIRST
            self._to_send.append((packet, trio.current_time()))
            self._something.set()

    def shut(self) -> None:
        """Send FIN after what is there. It is also what the kernel does for a process that was killed."""
        if self.state == ESTABLISHED:
            self.state = FIN_SENT
            self._far.is_left = True
            self.write(Packet.FIN)

    def reset(self) -> None:
        """Drop everything. The RST may get lost, and then the data centre hears nothing."""
        if self.is_gone:
            return
        self._vanish()
        self._tell(Told.ERROR)
        if self._host.can_reach_telegram and not self._host.world.happens(0.5):
            self._put_on_wire(Packet.RST)

    # -- what the kernel does

    async def _pump(self) -> None:
        while not self.is_gone:
            if not self._to_send:
                self._something = trio.Event()
                await self._something.wait()
                continue
            packet, written_at = self._to_send.popleft()
            self.is_behind = True
            with trio.move_on_at(written_at + self._unacknowledged) as patience:
                await self._host.to_telegram()
            self.is_behind = False
            if self._is_gone_by_now():
                return
            if patience.cancelled_caught:
                self.give_up()
                return
            self._put_on_wire(packet)
            if packet is Packet.FIN:
                return

    def give_up(self) -> None:
        """Nothing was acknowledged for too long: the connection is over here, and over there nobody knows."""
        self._host.world.rules.note("gave up", self._far.auth_key.key, self._far.name)
        self._vanish()
        self._tell(Told.ERROR)

    def _is_gone_by_now(self) -> bool:
        return self.is_gone

    def _put_on_wire(self, packet: Packet) -> None:
        """In order, whatever the network does."""
        world = self._host.world
        now = world.now()
        self._arrives_at = max(self._arrives_at, now + world.chance.uniform(*NEAR))
        world.later(self._arrives_at - now, self._arrive, packet)

    def _arrive(self, packet: Packet) -> None:
        if packet is Packet.FIRST:
            self.awaits_first = False
        if packet is Packet.FIN and not self.is_gone:
            self.state = FIN_ACKNOWLEDGED
        self._host.world.telegram.arrive(self._far, packet)

    def _hear(self, told: Told) -> None:
        """The data centre says something, which takes its way, and waits for a machine that stands still."""
        if not self._host.is_lost:
            self._host.in_kernel(self._bring, told)

    async def _bring(self, told: Told) -> None:
        await trio.sleep(self._host.world.chance.uniform(*NEAR))
        if not self._host.way_to_telegram.is_set():
            await self._host.way_to_telegram.wait()
        if told is Told.EOF and self.state == ESTABLISHED:
            self._host.sockets.pop(self.port, None)  # CLOSE_WAIT: its end will be seen by nobody
        if not self.is_gone:
            if told is Told.ERROR:
                self._vanish()
            self._tell(told)

    def _tell(self, told: Told) -> None:
        self.inbox.append(told)
        self.readable.set()

    def _vanish(self) -> None:
        self.is_gone = self._far.is_left = True
        self.awaits_first = False
        self._host.sockets.pop(self.port, None)
        self._to_send.clear()
        self._something.set()

"""What goes wrong: deaths, pauses, frozen machines, partitions, outages, failovers; and what people do meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import trio

from tests.nodes.hosts import Host
from tests.nodes.node import Node

if TYPE_CHECKING:
    from tests.nodes.run import Cluster

MEAN_PAUSE = 3.5
"""Seconds between two strokes, on average."""


class Weather:
    """Strikes a cluster, as its seed says."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._world = cluster.world
        self._chance = cluster.world.chance
        strokes: tuple[tuple[float, Callable[[], None]], ...] = (
            (3, self._kill),
            (1, self._lose_host),
            (3, self._stop),
            (4, self._pause),
            (4, self._freeze),
            (3, self._cut),
            (2, self._stall),
            (1.5, self._outage),
            (1, self._fail_over),
            (3, self._hand_over),
            (2, self._drop),
            (5, self._stutter),
            (5, self._strand),
            (4, self._end_unheard),
        )
        self._strokes = [stroke for _, stroke in strokes]
        # In each run some troubles are frequent and others rare, so that every mixture comes up.
        self._weights = [weight * self._chance.choice((0.1, 1.0, 1.0, 4.0)) for weight, _ in strokes]

    async def strike(self, until: float) -> None:
        """Go on until that moment."""
        while trio.current_time() < until:
            await trio.sleep(self._chance.expovariate(1 / MEAN_PAUSE))
            (stroke,) = self._chance.choices(self._strokes, self._weights)
            self._world.rules.note(stroke.__name__)
            stroke()

    def _node(self) -> Node | None:
        nodes = self._cluster.nodes
        return self._chance.choice(nodes) if nodes else None

    def _host(self) -> Host:
        return self._chance.choice(self._cluster.hosts)

    # -- processes

    def _kill(self) -> None:
        node = self._node()
        if node is not None and not node.host.machine.is_frozen:
            node.host.kill(node)

    def _stop(self) -> None:
        node = self._node()
        if node is not None:
            self._cluster.stop(node)

    def _pause(self) -> None:
        node = self._node()
        if node is not None and not node.place.is_paused:
            node.place.pause()
            self._world.later(self._chance.choice((1.0, 6.0, 20.0, 50.0, 70.0)), self._resume, node)

    def _resume(self, node: Node) -> None:
        if not node.place.is_gone:
            node.place.resume()

    def _hand_over(self) -> None:
        node = self._node()
        if node is not None and node.sessions is not None and node.sessions.running:
            key = self._chance.choice(sorted(node.sessions.running))
            if node.place.stands_still:
                return
            node.sessions.hand_over(key)

    def _end_unheard(self) -> None:
        """A process ends, by force or not, or drops what it has, and Telegram hears nothing of it for a while."""
        node = self._node()
        if node is None or node.host.machine.is_frozen:
            return
        node.host.cut(telegram=True, database=False)
        self._world.later(self._chance.choice((3.0, 9.0, 15.0)), node.host.mend)
        end = self._chance.choice((node.host.kill, self._cluster.stop, self._drop_and_give_away))
        self._world.later(self._chance.choice((0.0, 0.5, 6.0)), self._if_there, end, node)

    def _if_there(self, end: Callable[[Node], None], node: Node) -> None:
        if not (node.is_dead or node.is_over.is_set() or node.host.machine.is_frozen):
            end(node)

    def _drop_and_give_away(self, node: Node) -> None:
        """What the kernel gives up, somebody else is to have soon."""
        for socket in list(node.host.sockets.values()):
            socket.give_up()
        if node.sessions is not None and not node.place.stands_still:
            for key in sorted(node.sessions.running):
                node.sessions.hand_over(key)

    # -- machines

    def _lose_host(self) -> None:
        self._cluster.lose(self._host())

    def _freeze(self) -> None:
        host = self._host()
        if host.machine.is_frozen or self._is_connecting(host):
            return
        host.machine.freeze()
        seconds = self._chance.choice((3.0, 14.0, 35.0, 50.0, 75.0))
        self._world.later(seconds, self._thaw, host, seconds, self._chance.random() < 0.5)

    def _thaw(self, host: Host, seconds: float, is_seen: bool) -> None:
        if host.is_lost or not host.machine.is_frozen:
            return
        if is_seen:
            host.machine.wall_ahead += seconds
        host.machine.thaw()

    def _stutter(self) -> None:
        """A machine that freezes again and again, each time with a ping in its kernel, if there is one soon."""
        self._world.outside(self._keep_stuttering, self._host())

    async def _keep_stuttering(self, host: Host) -> None:
        for turn in range(self._chance.randint(1, 5)):
            if not turn or self._chance.random() < 0.4:
                await self._hold_back_a_ping(host)
            if host.is_lost or host.machine.is_frozen or self._is_connecting(host) or self._cluster.is_peace:
                return
            host.machine.freeze()
            await trio.sleep(self._chance.choice((10.0, 13.0, 14.0, 14.5)))
            self._thaw(host, 14.0, is_seen=False)
            host.stalls_until = 0.0
            await trio.sleep(self._chance.choice((0.3, 0.6, 1.0, 3.0)))

    def _strand(self) -> None:
        """A process that stands still, or is cut off from the database, with a ping in its kernel."""
        self._world.outside(self._keep_stranded, self._host())

    async def _keep_stranded(self, host: Host) -> None:
        await self._hold_back_a_ping(host)
        if host.is_lost or self._cluster.is_peace:
            return
        seconds = self._chance.choice((16.0, 22.0, 30.0, 45.0))
        nodes = list(host.nodes.values())
        if not nodes or self._chance.random() < 0.3:
            host.cut(telegram=False, database=True)
            self._world.later(seconds, host.mend)
            return
        for node in nodes:
            node.place.pause()
            self._world.later(seconds, self._resume, node)

    async def _hold_back_a_ping(self, host: Host) -> None:
        """Let nothing leave the kernel for a while, and wait until there is something to leave."""
        until = trio.current_time() + 5.5
        host.stalls_until = host.machine.at(until)
        while trio.current_time() < until and not any(socket.is_behind for socket in host.sockets.values()):
            await trio.sleep(0.25)
        host.stalls_until = host.machine.at(self._world.now()) + self._chance.choice((3.0, 6.0, 7.5))

    @staticmethod
    def _is_connecting(host: Host) -> bool:
        """The round trip of a connect is a known limit: see ops/docs/ownership.md."""
        asking = any(node.asking for node in host.nodes.values())
        return asking or any(socket.awaits_first for socket in host.sockets.values())

    # -- networks

    def _cut(self) -> None:
        host, which = self._host(), self._chance.choice(("database", "telegram", "both"))
        host.cut(telegram=which != "database", database=which != "telegram")
        self._world.later(self._chance.choice((2.0, 8.0, 25.0, 60.0)), host.mend)

    def _stall(self) -> None:
        """The machine's kernel gets nothing out for a while, and does not say so."""
        host = self._host()
        host.stalls_until = host.machine.at(self._world.now()) + self._chance.uniform(1.0, 9.0)

    def _drop(self) -> None:
        self._world.telegram.drop(self._chance.choice(list(self._world.telegram.keys.values())))

    # -- the database

    def _outage(self) -> None:
        self._world.outage()
        self._world.later(self._chance.choice((2.0, 8.0, 20.0, 45.0)), self._end_outage)

    def _end_outage(self) -> None:
        self._world.is_down = self._world.database.down = False

    def _fail_over(self) -> None:
        self._world.fail_over()

"""One run: nodes on their hosts, trouble for a while, then peace, and what must be true at its end."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import trio
from trio.testing import MockClock

from actors.core.names import SessionKey
from tests.nodes.hosts import Host
from tests.nodes.machines import count_by_machines, machines_may_stop
from tests.nodes.node import Node
from tests.nodes.people import Person
from tests.nodes.weather import Weather
from tests.nodes.world import World, WorldRules
from tests.simulation.run import Hourglass, RuleBroken, everything_drawn_from

SECONDS = 70.0
SETTLE = 60.0
"""Seconds after the whole wait, in peace, until everything must be online: breakers rest for 30 of them."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run came to."""

    trace: str
    counts: Counter[str]


Breaking = Callable[[World], AbstractContextManager[object]]
"""Takes a rule away, for the length of the run."""


def simulate(
    seed: int,
    seconds: float = SECONDS,
    show: Callable[[str], object] | None = None,
    breaking: Breaking = lambda _: nullcontext(),
) -> Outcome:
    """Run it. Raises RuleBroken. The same arguments give the same run. `show` is given every line of the trace."""
    rules: WorldRules | None = None

    async def main() -> None:
        nonlocal rules
        count_by_machines()
        with trio.CancelScope() as scope:
            rules = WorldRules(scope, show)
            trio.lowlevel.add_instrument(Hourglass(rules))
            async with trio.open_nursery() as nursery:
                world = World(rules, random.Random(seed), nursery)
                with breaking(world):
                    await Cluster(world).run(seconds)
                nursery.cancel_scope.cancel()

    with everything_drawn_from(seed), machines_may_stop():
        trio.run(main, clock=MockClock(autojump_threshold=0))
    assert rules is not None
    if rules.broken:
        raise RuleBroken(f"{rules.broken[0]}\nto see it again: ops/simulate-nodes --seed {seed} --trace")
    return Outcome(rules.trace, rules.counts)


class Cluster:
    """Hosts, the nodes on them, and the sessions that they share."""

    def __init__(self, world: World) -> None:
        self.world = world
        chance = world.chance
        self.hosts: list[Host] = []
        world.rules.on_broken = self._let_all_go_on
        world.rung = self._ring
        self._names: dict[str, str] = {}
        for number in range(chance.choice((2, 2, 3, 3, 4, 5))):
            self._names[f"n{number}"] = f"h{number if chance.random() < 0.7 else 0}"
        for name in self._names.values():
            self._host(name)
        self.is_peace = False
        self._keys = [SessionKey("tenant", f"app-{number}") for number in range(chance.randint(3, 6))]
        for number, key in enumerate(self._keys):
            world.provision(key, number)

    @property
    def nodes(self) -> list[Node]:
        """Those that are no corpses."""
        return [node for host in self.hosts for _, node in sorted(host.nodes.items())]

    def _ring(self, node_id: str) -> None:
        for node in self.nodes:
            if node.name == node_id:
                node.hear_bell()

    def node_for(self, key: SessionKey) -> Node | None:
        """Where somebody who wants this session asks: mostly where it is, sometimes anywhere."""
        chance, nodes = self.world.chance, [node for node in self.nodes if node.tasks is not None]
        row = self.world.arbiter.rows.get(key)
        if row is not None and row.owner is not None and chance.random() < 0.8:
            owners = [node for node in nodes if node.life_or_none == row.owner]
            if owners:
                return owners[0]
        return chance.choice(nodes) if nodes else None

    def is_online(self, key: SessionKey) -> bool:
        """Whether the session is connected, and meant to be."""
        return bool(self.world.telegram.keys[key].open) and not self.world.rules.row(key).stopped

    async def run(self, seconds: float) -> None:
        """Trouble for so long, then peace, then the reckoning."""
        world = self.world
        people = [Person(self, key) for key in self._keys]
        world.outside(world.keep_standby)
        for name, host_name in self._names.items():
            world.outside(self._keep_running, name, host_name)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(Weather(self).strike, seconds)
            for person in people:
                nursery.start_soon(person.live, seconds)
        self._calm()
        async with trio.open_nursery() as nursery:
            for person in people:
                nursery.start_soon(person.insist)
            await self._recover()
            self._reckon(people)
            nursery.cancel_scope.cancel()
        await self._end()

    async def _recover(self) -> None:
        """Until each session was seen online; once, for it may be moved to another node then."""
        world, missing = self.world, set(self._keys)
        until = trio.current_time() + world.timings.wait + SETTLE
        while missing and trio.current_time() < until:
            await trio.sleep(2.0)
            missing -= {key for key in missing if self.is_online(key)}
        rows = [world.arbiter.rows.get(key) for key in sorted(missing)]
        world.rules.hold(not missing, f"every session that should run is online again: {rows}")

    # -- processes that come and go

    async def _keep_running(self, name: str, host_name: str) -> None:
        """A platform that starts its processes again and again, until all is over."""
        world = self.world
        await trio.sleep(world.chance.uniform(0.0, 5.0))
        while not self._is_over:
            node = Node(self._host(host_name), f"{name}-{world.number()}")
            node.place.spawn(world.nursery, node.run)
            await node.is_over.wait()
            await trio.sleep(1.0 if self.is_peace else world.chance.choice((0.2, 2.0, 2.0, 20.0)))

    _is_over = False

    def _host(self, name: str) -> Host:
        for host in self.hosts:
            if host.name.split("/")[0] == name:
                return host
        host = Host(self.world, f"{name}/{self.world.number()}")
        self.hosts.append(host)
        return host

    def stop(self, node: Node) -> None:
        """SIGTERM; and SIGKILL where that takes too long."""
        node.is_stopping.set()
        self.world.later(30.0, self._kill_if_there, node)

    def _kill_if_there(self, node: Node) -> None:
        if not node.is_over.is_set() and not node.host.machine.is_frozen:
            node.host.kill(node)

    def lose(self, host: Host) -> None:
        """The host is lost, and boots again at another time."""
        if len(self.hosts) > 1:
            self.hosts.remove(host)
            host.lose()

    # -- peace

    def _calm(self) -> None:
        world = self.world
        world.rules.note("peace")
        self.is_peace = True
        world.calm()
        self._let_all_go_on()

    def _let_all_go_on(self) -> None:
        for host in self.hosts:
            host.mend()
            if host.machine.is_frozen:
                host.machine.thaw()
            for node in list(host.nodes.values()):
                if node.place.is_paused:
                    node.place.resume()

    def _reckon(self, people: list[Person]) -> None:
        world, rules = self.world, self.world.rules
        for person in people:
            person.look()
        for key in self._keys:
            rules.hold(key in world.database.vault.kept, "no credential is lost", key)

    async def _end(self) -> None:
        self._is_over = True
        nodes = self.nodes
        for node in nodes:
            node.is_stopping.set()
        with trio.move_on_after(40.0):
            for node in nodes:
                await node.is_over.wait()
        await trio.sleep(self.world.timings.last_breath + 1.0)  # for what was left behind at last
        rules = self.world.rules
        left = [node.name for node in nodes if not node.is_over.is_set()]
        rules.hold(not left, f"every process ends when it is told to: {left}")
        for node in nodes:
            rules.hold(not (node.sessions and node.sessions.running), "no session is left")
        still_open = [key for key, auth_key in self.world.telegram.keys.items() if auth_key.open]
        rules.hold(not still_open, f"no connection is left: {still_open}")

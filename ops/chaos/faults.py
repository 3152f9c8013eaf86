"""What is done to the fleet, one trouble at a time; each returns what it took, in seconds by session."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import wraps
from typing import Any

from actors.clock import Boottime
from ops.chaos.fleet import Fleet, Node
from ops.chaos.people import Books, app, phone
from supervisor.ownership.timings import PROFILE_S

PATIENCE = 120.0
"""Seconds until every session must be connected again, whatever happened."""

SPREAD = 300.0
"""Seconds within which a supervisor that starts beside others is given a share of their sessions."""

Seconds = dict[str, list[float]]
"""What took how long, by name."""


Fault = Callable[["Scene"], Awaitable[Seconds]]


@dataclass(slots=True)
class Scene:
    """The fleet, who is logged in, and an eye on the database that goes past every relay."""

    fleet: Fleet
    sessions: int
    books: Books
    chance: random.Random
    ask: Callable[[str], Awaitable[list[Any]]]
    """Rows of a statement."""
    quick: bool = False
    """Whether long troubles are cut short."""
    exits: dict[int, int] = field(default_factory=dict)
    calm_from: float = 0.0
    """When nothing was aborted for so long that a death can be attested at once."""
    superseded: list[int] = field(default_factory=list)
    """How those ended whose sessions others had taken."""

    def expected(self) -> set[str]:
        """The phones of those who must be connected: nobody may have stopped them."""
        commanded = set(self.books.may_be) - self.books.surely("running")
        return {phone(number) for number in range(self.sessions) if app(number) not in commanded}

    def left_alone(self) -> set[str]:
        """The phones of those whom no commander stops and starts: what becomes of them is the trouble's doing."""
        return {phone(number) for number in range(self.sessions) if app(number) not in self.books.may_be}

    async def fullest(self, machine: str | None = None) -> Node:
        """The node with the most sessions, of one machine or of both."""
        nodes = [node for node in self.fleet.nodes if machine in (None, node.machine)]
        sizes = {node.name: len(await self.phones_of(node)) for node in nodes}
        return max(nodes, key=lambda node: (sizes[node.name], self.chance.random()))

    async def with_sessions(self, node: Node) -> set[str]:
        """Wait until a node has been given a share of the sessions; whose they are. Raises TimeoutError."""
        until = time.monotonic() + SPREAD
        while len(phones := await self.phones_of(node)) < self.sessions // 10:
            if time.monotonic() > until:
                raise TimeoutError(f"{node.name} was given {len(phones)} sessions only within {SPREAD:.0f} s")
            await asyncio.sleep(1)
        return phones

    async def phones_of(self, node: Node, *, only_clean: bool = False) -> set[str]:
        """Of the sessions that a node owns, those that nobody commands; those only that have no stray anywhere."""
        life = self.fleet.life_of(node)
        rows = await self.ask(f"select app_id, is_clean from session_owners where owner_node = '{life}'")  # noqa: S608 - our own node's name
        owned = [row["app_id"] for row in rows if row["is_clean"] or not only_clean]
        return {phone(int(name.rpartition("-")[2])) for name in owned} & self.left_alone()

    async def epochs(self) -> dict[str, int]:
        """At which epoch each phone's session is owned: another one after a hand-over."""
        rows = await self.ask("select app_id, epoch from session_owners where owner_node is not null")
        return {phone(int(row["app_id"].rpartition("-")[2])): row["epoch"] for row in rows}

    async def all_back(self) -> None:
        """Wait until everybody is connected who must be. Raises TimeoutError."""
        until = time.monotonic() + PATIENCE
        while True:
            missing = self.expected() - (await self.fleet.connected()).keys()
            if not missing:
                return
            if time.monotonic() > until:
                raise TimeoutError(
                    f"{len(missing)} sessions are not connected, {sorted(missing)[:5]} among them"
                )
            await asyncio.sleep(0.2)

    async def back_since(self, phones: set[str], moment: float) -> dict[str, dict[str, float]]:
        """Wait until all of these have a connection that is younger; how each came to it."""
        until = time.monotonic() + PATIENCE
        while True:
            lines = {line["phone"]: line for line in await self.fleet.control("GET", "/connections")}
            young = {each: lines[each] for each in phones if each in lines and lines[each]["since"] > moment}
            phones &= self.expected()  # somebody may have stopped one meanwhile
            if phones <= young.keys():
                return young
            if time.monotonic() > until:
                missing = sorted(phones - young.keys())
                raise TimeoutError(f"{len(missing)} sessions did not come back, {missing[:5]} among them")
            await asyncio.sleep(0.1)


def aborts(fault: Fault) -> Fault:
    """A trouble in which connections are aborted: for a breath after it, no death can be attested at once."""

    @wraps(fault)
    async def noted(scene: Scene) -> Seconds:
        try:
            return await fault(scene)
        finally:
            scene.calm_from = time.time() + PROFILE_S.last_breath

    return noted


async def kill(scene: Scene) -> Seconds:
    """Kill -9 of a supervisor whose machine others are on: they see it dead."""
    node = await scene.fullest("first")
    await asyncio.sleep(max(0.0, scene.calm_from - time.time()))
    has_reset = scene.fleet.last_reset(node) > Boottime().now() - PROFILE_S.last_breath
    clean = set() if has_reset else await scene.phones_of(node, only_clean=True)
    return _apart("takeover, death attested", clean, await _killed(scene, node))


async def lose_machine(scene: Scene) -> Seconds:
    """Kill -9 of the supervisor that is alone on its machine, which stays away."""
    node = next(each for each in scene.fleet.nodes if each.machine == "second")
    await scene.with_sessions(node)
    return {"takeover, machine lost": list((await _killed(scene, node)).values())}


def _apart(what: str, clean: set[str], seconds: dict[str, float]) -> Seconds:
    """The sessions apart that had a connection aborted shortly before: whoever has them next waits for strays."""
    return {
        what: [took for each, took in seconds.items() if each in clean],
        f"{what}, aborted shortly before": [took for each, took in seconds.items() if each not in clean],
    }


async def _killed(scene: Scene, node: Node) -> dict[str, float]:
    moment, phones = time.time(), await scene.phones_of(node)
    node.send(signal.SIGKILL)
    back = await scene.back_since(phones, moment)
    await node.ended()
    await node.start()
    return {each: line["since"] - moment for each, line in back.items()}


async def roll(scene: Scene) -> Seconds:
    """SIGTERM, and a new one in its place, as a deploy does."""
    node = await scene.fullest()
    # The moment first: one that is handed over while we ask has come back too.
    moment, clean, phones = (
        time.time(),
        await scene.phones_of(node, only_clean=True),
        await scene.phones_of(node),
    )
    told = time.time()
    node.send(signal.SIGTERM)
    code = await node.ended()
    took = time.time() - told
    back = await scene.back_since(phones, moment)
    scene.exits[code] = scene.exits.get(code, 0) + 1
    await node.start()
    gaps = {each: line["since"] - line["left_before"] for each, line in back.items()}
    return {**_apart("hand-over gap", clean, gaps), "exit after SIGTERM": [took]}


@aborts
async def freeze(scene: Scene) -> Seconds:
    """SIGSTOP for a minute, then SIGCONT: it finds that others have its sessions, and ends."""
    node = await scene.fullest()
    moment, phones = time.time(), await scene.phones_of(node)
    node.send(signal.SIGSTOP)
    await asyncio.sleep(60)
    node.send(signal.SIGCONT)
    back = await scene.back_since(phones, moment)
    scene.superseded.append(await node.ended())
    await node.start()
    return {"takeover, frozen": [line["since"] - moment for line in back.values()]}


async def kill_redis(scene: Scene) -> Seconds:
    """Valkey killed and away for a while: nobody may lose a connection for that."""
    before, owned = await scene.fleet.connected(), await scene.epochs()
    os.kill(scene.fleet.valkey.pid, signal.SIGKILL)
    await asyncio.sleep(3 if scene.quick else 10)
    await asyncio.to_thread(scene.fleet.valkey.start)
    after, owned_after = await scene.fleet.connected(), await scene.epochs()
    stayed = {each for each in scene.left_alone() if owned.get(each) == owned_after.get(each)}
    lost = [each for each in stayed if each in before and before[each] != after.get(each)]
    if lost:
        raise AssertionError(f"{len(lost)} sessions lost their connection when Valkey was killed: {lost[:5]}")
    return {}


@aborts
async def kill_postgres(scene: Scene) -> Seconds:
    """PostgreSQL killed and away for half a minute."""
    moment = time.time()
    os.kill(scene.fleet.postgres.pid, signal.SIGKILL)
    await asyncio.sleep(4 if scene.quick else 30)
    await asyncio.to_thread(scene.fleet.postgres.start)
    away = time.time() - moment
    back = time.time()
    await scene.all_back()
    return {"PostgreSQL away": [away], "all connected again after it came back": [time.time() - back]}


@aborts
async def cut_from_database(scene: Scene) -> Seconds:
    """One supervisor cannot reach the database: it fences itself, and others take over."""
    node = scene.fleet.nodes[-1]
    await scene.with_sessions(node)
    moment, phones = time.time(), await scene.phones_of(node)
    node.to_database.cut()
    try:
        back = await scene.back_since(phones, moment)
    finally:
        node.to_database.mend()
    scene.superseded.append(await node.ended())
    await node.start()
    return {"takeover, cut from the database": [line["since"] - moment for line in back.values()]}


@aborts
async def cut_from_telegram(scene: Scene) -> Seconds:
    """One supervisor cannot reach the data centre for half a minute; its sessions stay its own."""
    node = scene.fleet.nodes[-1]
    await scene.with_sessions(node)
    node.to_telegram.cut()
    await asyncio.sleep(30)
    node.to_telegram.mend()
    mended = time.time()
    await scene.all_back()
    return {"all connected again after the way to Telegram came back": [time.time() - mended]}


ALL: dict[Fault, int] = {
    kill: 15,
    roll: 15,
    lose_machine: 2,
    freeze: 4,
    kill_redis: 6,
    kill_postgres: 4,
    cut_from_database: 2,
    cut_from_telegram: 2,
}
"""How often each comes among 50 cycles."""

SHORT: tuple[Fault, ...] = (roll, kill, kill_redis, kill_postgres, roll, kill)
"""What can be seen within three minutes."""

"""A node's life on virtual clocks: renewals, its deadline, and what ends it."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from supervisor.events import NodeFenced, RenewalEnded, RenewalOutcome
from supervisor.owner.life import Life, Superseded
from supervisor.ownership.timings import PROFILE_S
from tests.owner.nodes import Node, VirtualBoottime, World

PERIOD, TRUST = PROFILE_S.period, PROFILE_S.trust


def causes(node: Node) -> list[str]:
    return [event.cause for event in node.told if isinstance(event, NodeFenced)]


def trusted(node: Node) -> bool:
    return node.life.is_trusted


def outcomes(node: Node) -> set[RenewalOutcome]:
    return {event.outcome for event in node.told if isinstance(event, RenewalEnded)}


async def test_before_it_begins_nothing_is_trusted(world: World) -> None:
    life = Life(world.arbiter, PROFILE_S, lambda _: None, lambda: 0, VirtualBoottime())

    assert not life.is_trusted
    assert life.seconds_left < 0


async def test_a_node_that_renews_is_trusted_for_ever(node: Node) -> None:
    await trio.sleep(3600)

    assert trusted(node)
    assert TRUST - PERIOD <= node.life.seconds_left <= TRUST
    assert (causes(node), outcomes(node)) == ([], {RenewalOutcome.CONFIRMED})


async def test_an_outage_is_ridden_out_until_the_deadline_and_then_everything_is_fenced(
    node: Node, world: World
) -> None:
    await trio.sleep(PERIOD / 2)
    world.is_down = True
    left = node.life.seconds_left

    await trio.sleep(left - 0.1)
    assert trusted(node)
    await trio.sleep(0.2)
    assert not trusted(node)  # at once, whatever ticks
    await trio.sleep(2)
    assert causes(node) == ["deadline"]

    world.is_down = False
    await trio.sleep(PERIOD)
    assert trusted(node)
    await trio.sleep(60)
    assert causes(node) == ["deadline"]
    assert RenewalOutcome.UNANSWERED in outcomes(node)


async def test_a_fence_reaches_every_listener(node: Node, world: World) -> None:
    heard: list[str] = []
    node.life.listen(lambda: heard.append("trusted"), lambda: heard.append("fenced"))
    await trio.sleep(PERIOD + 1)
    assert heard == ["trusted"] * len(heard) != []

    world.is_down = True
    await trio.sleep(TRUST + 2)
    assert heard[-1] == "fenced"


@pytest.mark.parametrize("jump", [-3.0, 3.0])
async def test_a_wall_clock_that_jumps_fences_until_the_next_renewal(node: Node, jump: float) -> None:
    await trio.sleep(2.5)
    node.clock.wall_ahead = jump
    await trio.sleep(1)
    assert causes(node) == ["clock"]
    assert not trusted(node)

    await trio.sleep(PERIOD)
    assert trusted(node)
    assert causes(node) == ["clock"]


@pytest.mark.parametrize(("late", "told"), [(PROFILE_S.longest_lag - 0.5, []), (5.0, ["lag"])])
async def test_a_loop_that_stood_still_for_too_long_fences(node: Node, late: float, told: list[str]) -> None:
    clock = trio.lowlevel.current_clock()
    assert isinstance(clock, MockClock)
    await trio.sleep(PERIOD + 1.5)

    clock.jump(late + 0.5)  # the next tick was due in half a second
    await trio.sleep(0.1)

    assert causes(node) == told


async def test_a_wall_clock_that_is_slewed_is_no_jump(node: Node) -> None:
    for _ in range(60):
        node.clock.wall_ahead += 1.0
        await trio.sleep(1)

    assert causes(node) == []


async def test_a_life_that_is_over_ends_the_process(world: World, nursery: trio.Nursery) -> None:
    node = world.node("node-a")
    await node.life.boot("node-a", "boot", 0)
    await world.arbiter.boot("node-a", "boot")  # somebody has begun another life

    nursery.start_soon(node.life.keep_renewing)
    with pytest.raises(Superseded, match="start it again"):
        await node.life.keep_ticking()

    assert causes(node) == ["denied"]
    assert not trusted(node)
    assert node.life.seconds_left < 0


async def test_when_the_grace_is_over_nothing_leaves_any_more(world: World) -> None:
    node = world.node("node-a")
    await node.life.boot("node-a", "boot", 0)
    assert trusted(node)

    node.life.end_grace()

    assert not trusted(node)
    assert causes(node) == ["stopped"]


async def test_the_load_is_told_with_each_renewal(node: Node, world: World, nursery: trio.Nursery) -> None:
    await node.hold(nursery)
    await trio.sleep(PERIOD + 1)

    assert world.arbiter.nodes["node-a"].load == 1

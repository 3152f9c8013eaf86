"""What becomes of a node that falls silent, and of its sessions, on virtual clocks."""

from __future__ import annotations

import pytest
import trio

from actors.core.names import SessionKey
from supervisor.events import NodeEnd, NodeLost, NodesSeen
from supervisor.ownership.timings import PROFILE_S
from tests.owner.nodes import KEY, OTHER, FakeLink, Node, World

PERIOD, SILENCE, QUARANTINE = PROFILE_S.period, PROFILE_S.silence, PROFILE_S.quarantine


@pytest.fixture
async def them(world: World, nursery: trio.Nursery, node: Node) -> Node:
    """Another node, which has a session, and of which the first one knows."""
    them = world.node("node-b")
    await them.come_up(nursery)
    await them.hold(nursery)
    await trio.sleep(2 * PERIOD)
    assert [beat.node.node_id for beat in node.watcher.nodes] == ["node-a", "node-b"]
    return them


def lost(node: Node) -> list[NodeLost]:
    return [event for event in node.told if isinstance(event, NodeLost)]


async def test_nodes_that_renew_leave_each_other_alone(node: Node, them: Node) -> None:
    await trio.sleep(3600)

    assert (lost(node), lost(them), them.lost) == ([], [], [])
    assert NodesSeen(nodes=2, owned=0) in node.told
    assert NodesSeen(nodes=2, owned=1) in them.told


async def test_an_operator_sees_all_nodes_and_for_how_long_this_one_is_trusted(
    node: Node, them: Node
) -> None:
    seen = node.watcher.seen()

    assert (seen["id"], seen["epoch"], seen["sessions"]) == ("node-a", node.life.me.number, 0)
    assert 0 < seen["trusted_for"] <= PROFILE_S.trust
    assert [each["id"] for each in seen["nodes"]] == ["node-a", "node-b"]
    assert all(each["silent_for"] <= 2 * PERIOD for each in seen["nodes"])

    them.die()
    await trio.sleep(1.5 * PERIOD)
    assert node.watcher.seen()["nodes"][1]["silent_for"] > PERIOD


async def test_a_silent_node_is_ended_and_its_sessions_are_started_here_after_the_quarantine(
    world: World, node: Node, them: Node, nursery: trio.Nursery
) -> None:
    them.die()
    await trio.sleep(SILENCE - PERIOD - 0.1)
    assert (lost(node), node.started) == ([], [])

    await trio.sleep(3 * PERIOD + 0.2)
    assert lost(node) == [NodeLost("node-b", NodeEnd.SILENT, 1)]
    assert node.started[0] == KEY
    holding, _ = await node.hold(nursery)
    assert holding.quarantine_left <= QUARANTINE
    assert holding.quarantine_left > QUARANTINE - 3 * PERIOD
    await trio.sleep(holding.quarantine_left - 0.1)
    assert not await holding.open(FakeLink())
    await trio.sleep(0.2)
    assert await holding.open(FakeLink())
    assert world.row().owner == node.life.me


async def test_what_cannot_be_started_yet_is_started_at_the_next_look(node: Node, them: Node) -> None:
    """It may still be giving itself away here, or the process may not be ready for sessions yet."""
    them.die()
    await trio.sleep(SILENCE + 2 * PERIOD)
    known = len(node.started)

    await trio.sleep(3 * PERIOD)

    assert known >= 1
    assert len(node.started) >= known + 2
    assert set(node.started) == {KEY}


async def test_what_is_held_is_not_started_again(node: Node, them: Node, nursery: trio.Nursery) -> None:
    them.die()
    await trio.sleep(SILENCE + 2 * PERIOD)
    await node.hold(nursery)
    known = len(node.started)

    await trio.sleep(10 * PERIOD)

    assert len(node.started) == known


async def test_of_many_watchers_one_ends_a_life(
    world: World, node: Node, them: Node, nursery: trio.Nursery
) -> None:
    third = world.node("node-c")
    await third.come_up(nursery)
    await trio.sleep(PERIOD)
    them.die()

    await trio.sleep(SILENCE + 3 * PERIOD)

    assert len(lost(node)) + len(lost(third)) == 1


async def test_after_an_outage_of_the_watchers_silence_is_counted_anew(
    world: World, node: Node, them: Node
) -> None:
    them.die()
    await trio.sleep(SILENCE - 2 * PERIOD)
    world.is_down = True
    await trio.sleep(PERIOD + 1)
    world.is_down = False
    back = trio.current_time()

    while not lost(node):
        await trio.sleep(0.1)

    assert trio.current_time() - back >= SILENCE


async def test_after_an_outage_for_all_nobody_is_ended(world: World, node: Node, them: Node) -> None:
    world.is_down = True
    await trio.sleep(300)
    assert node.life.seconds_left < 0
    world.is_down = False
    await trio.sleep(300)

    assert (lost(node), lost(them)) == ([], [])
    assert node.life.is_trusted
    assert them.life.is_trusted


async def test_after_a_failover_silence_is_counted_anew(world: World, node: Node, them: Node) -> None:
    them.die()
    await trio.sleep(SILENCE - PERIOD)
    world.arbiter.source = "the standby, promoted"
    at = trio.current_time()

    while not lost(node):
        await trio.sleep(0.1)

    assert trio.current_time() - at >= SILENCE


async def test_a_death_that_was_seen_here_is_left_to_who_saw_it(
    world: World, node: Node, them: Node, nursery: trio.Nursery
) -> None:
    """It is told two seconds after the silence is long enough, and spares the sessions half a minute."""
    node.watcher.awaited = lambda: {them.life.me}
    them.die()
    await trio.sleep(SILENCE + 2 * PERIOD)
    assert (lost(node), world.row().owner) == ([], them.life.me)

    await world.arbiter.attest(them.life.me)
    holding, _ = await node.hold(nursery)

    assert holding.quarantine_left <= 0


async def test_a_node_that_is_not_trusted_itself_ends_nobody(node: Node, them: Node) -> None:
    """Its own sessions may be another's already."""
    node.die()
    await trio.sleep(PROFILE_S.trust)
    them.die()
    for _ in range(10):
        await node.watcher.look()
        await trio.sleep(PERIOD)

    assert lost(node) == []
    assert await them.arbiter.renew(them.life.me)


async def test_an_outage_in_the_middle_of_a_takeover_leaves_the_rest_to_whoever_starts_it(
    world: World, node: Node, them: Node, nursery: trio.Nursery
) -> None:
    """The life is over, and what was not reassigned is taken one by one; its silence was watched all the same."""
    them.die()
    world.arbiter.is_down = lambda: "node-b" in world.arbiter.over
    await trio.sleep(SILENCE + 2 * PERIOD)
    assert (lost(node), node.claims.waiting) == ([], [])
    world.arbiter.is_down = lambda: False
    await trio.sleep(2 * PERIOD)

    holding, _ = await node.hold(nursery)
    assert (world.row().owner, holding.quarantine_left) == (node.life.me, QUARANTINE)


async def test_a_draining_node_is_given_nothing(world: World, node: Node, them: Node) -> None:
    keys = [SessionKey("tenant", f"app-{number}") for number in range(40)]
    assert {node.watcher.place(key) for key in keys} == {"node-a", "node-b"}

    await world.arbiter.drain(them.life.me)
    await trio.sleep(PERIOD + 1)

    assert {node.watcher.place(key) for key in keys} == {"node-a"}
    assert {them.claims.successor_of(key) for key in keys} == {"node-a"}
    assert {node.claims.successor_of(key) for key in keys} == {None}


async def test_who_knows_nobody_keeps_everything(world: World) -> None:
    alone = world.node("node-a")
    await alone.life.boot("node-a", "boot", 0)

    assert alone.watcher.place(OTHER) == "node-a"
    assert alone.claims.successor_of(OTHER) is None


async def test_who_has_missed_a_renewal_is_given_nothing_new(node: Node, them: Node) -> None:
    keys = [SessionKey("tenant", f"app-{number}") for number in range(40)]
    assert {node.watcher.place(key) for key in keys} == {"node-a", "node-b"}

    them.die()
    while {node.watcher.place(key) for key in keys} != {"node-a"}:
        assert lost(node) == []
        await trio.sleep(0.5)

    assert lost(node) == []
    assert node.watcher.seen()["nodes"][1]["silent_for"] < SILENCE - 2

"""How a node takes sessions, guards their connections, and gives them away, on virtual clocks."""

from __future__ import annotations

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actors.core.owners import Ownership, Taken
from actors.errors import NotOwner, StoreUnavailable
from supervisor.events import SessionReleased, SessionTaken
from supervisor.owner.holding import FAREWELL
from supervisor.ownership.timings import PROFILE_S
from tests.fakes import FakeArbiter
from tests.owner.nodes import KEY, OTHER, PORT, FakeLink, Node, World

PERIOD = PROFILE_S.period


# -- taking


async def test_a_session_that_nobody_ever_had_may_be_used_at_once(
    node: Node, world: World, nursery: trio.Nursery
) -> None:
    holding, _ = await node.hold(nursery)

    assert world.row() == Ownership(KEY, 1, node.life.me, is_clean=True)
    assert holding.quarantine_left <= 0
    assert (node.epochs.of(KEY), len(node.claims)) == (1, 1)
    assert SessionTaken(KEY, "clean") in node.told


@pytest.mark.parametrize(("is_clean", "seconds"), [(True, 0.0), (False, PROFILE_S.wait)])
async def test_what_was_given_free_in_doubt_is_not_used_for_a_while(
    node: Node, world: World, nursery: trio.Nursery, is_clean: bool, seconds: float
) -> None:
    await world.free(is_clean=is_clean)

    holding, _ = await node.hold(nursery)

    assert holding.quarantine_left == seconds
    if not is_clean:
        assert not await holding.open(FakeLink())
        await trio.sleep(seconds)
    assert await holding.open(FakeLink())


async def test_what_another_has_is_refused(node: Node, world: World) -> None:
    them = world.node("node-b")
    await them.life.boot("node-b", "boot", 0)
    await them.taken()

    with pytest.raises(NotOwner) as caught:
        async with node.claims.holding(KEY, lambda: None):
            raise AssertionError("it was held")
    assert caught.value.retry_after == 1.0
    assert (node.epochs.of(KEY), node.claims.is_empty) == (None, True)


async def test_what_a_life_had_that_is_over_is_taken_after_the_whole_wait(
    node: Node, world: World, nursery: trio.Nursery
) -> None:
    """Somebody else ended it, so nobody here knows since when it was silent."""
    them = world.node("node-b")
    await them.life.boot("node-b", "boot", 0)
    await them.taken()
    watcher = await world.arbiter.boot("node-c", "boot")
    assert await world.arbiter.fence(watcher, world.arbiter.nodes["node-b"])

    holding, _ = await node.hold(nursery)

    assert (world.row().owner, holding.epoch, holding.quarantine_left) == (node.life.me, 2, PROFILE_S.wait)


async def test_what_is_ours_by_a_reply_that_was_lost_is_taken_again(
    node: Node, world: World, nursery: trio.Nursery
) -> None:
    assert await node.taken() == Taken(KEY, 1)

    holding, _ = await node.hold(nursery)

    assert (world.row().owner, holding.epoch, holding.quarantine_left) == (node.life.me, 2, PROFILE_S.wait)


async def test_what_is_ours_and_nobody_here_knows_of_is_given_back(node: Node, world: World) -> None:
    await node.taken()

    await trio.sleep(PERIOD + 1)
    assert world.row().owner == node.life.me  # a reply may be on its way

    await trio.sleep(PERIOD)
    assert world.row() == Ownership(KEY, 1, None, is_clean=False)


async def test_what_is_held_is_never_given_back(node: Node, world: World, nursery: trio.Nursery) -> None:
    await node.taken()
    await trio.sleep(PERIOD + 1)
    holding, _ = await node.hold(nursery)

    await trio.sleep(10 * PERIOD)

    assert (world.row().owner, world.row().epoch) == (node.life.me, holding.epoch)
    assert node.lost == []


async def test_an_outage_is_said_to_who_wants_a_session(node: Node, world: World) -> None:
    world.is_down = True
    with pytest.raises(StoreUnavailable):
        async with node.claims.holding(KEY, lambda: None):
            raise AssertionError("it was held")
    assert node.claims.is_empty


# -- connections


async def opened(node: Node, nursery: trio.Nursery) -> FakeLink:
    """A connection that is in use."""
    holding, _ = await node.hold(nursery)
    link = FakeLink(holding)
    assert await holding.open(link)
    return link


async def test_a_connection_is_opened_once_the_arbiter_has_granted_it(
    node: Node, nursery: trio.Nursery
) -> None:
    holding, _ = await node.hold(nursery)
    assert not holding.passes()

    link = FakeLink()
    assert await holding.open(link)

    assert holding.passes()
    assert node.ports.noted == [("opened", PORT)]
    assert (holding.disconnect_delay, holding.unacknowledged) == (15, 8)


async def test_of_two_connections_the_first_stays_in_hand(node: Node, nursery: trio.Nursery) -> None:
    """The second is refused, and the first is still the one that a fence aborts."""
    link = await opened(node, nursery)
    assert link.holding is not None
    second = FakeLink(local_port=PORT + 1)

    assert not await link.holding.open(second)
    assert (link.done, second.done) == ([], ["aborted"])

    link.holding.fenced()
    assert link.done == ["aborted"]


async def test_a_connection_whose_session_is_lost_is_aborted_and_the_session_left(
    node: Node, world: World, nursery: trio.Nursery
) -> None:
    holding, _ = await node.hold(nursery)
    world.arbiter.rows[KEY] = Ownership(KEY, 9, None, is_clean=False)
    link = FakeLink()

    assert not await holding.open(link)

    assert (link.done, node.lost, node.epochs.of(KEY)) == (["aborted"], [KEY], None)
    assert node.ports.noted == []


async def test_a_write_that_is_refused_aborts_the_connection(
    node: Node, world: World, nursery: trio.Nursery
) -> None:
    link = await opened(node, nursery)

    node.epochs.refused(KEY)

    assert (link.done, node.lost) == (["aborted"], [KEY])
    assert world.row().owner == node.life.me  # who lost it has nothing to say


async def test_an_arbiter_that_does_not_answer_opens_nothing(
    node: Node, world: World, nursery: trio.Nursery
) -> None:
    holding, _ = await node.hold(nursery)
    link = FakeLink()
    world.is_down = True

    assert not await holding.open(link)
    assert (link.done, node.lost) == (["aborted"], [])

    world.is_down = False
    assert await holding.open(FakeLink())


async def test_a_cancelled_question_leaves_nothing_behind(node: Node, nursery: trio.Nursery) -> None:
    holding, _ = await node.hold(nursery)
    node.answers = trio.Event()
    link = FakeLink()
    with trio.move_on_after(1) as scope:
        await holding.open(link)

    assert scope.cancelled_caught
    assert (link.done, node.ports.noted) == (["aborted"], [])  # no byte has left, so no port is anybody's
    node.answers.set()
    assert await holding.open(FakeLink())


async def test_an_answer_that_comes_after_a_fence_opens_nothing(node: Node, nursery: trio.Nursery) -> None:
    holding, _ = await node.hold(nursery)
    node.answers = trio.Event()
    first, second = FakeLink(), FakeLink(local_port=PORT + 1)
    said: dict[str, bool] = {}

    async def ask(name: str, link: FakeLink) -> None:
        said[name] = await holding.open(link)

    async with trio.open_nursery() as asking:
        asking.start_soon(ask, "first", first)
        await wait_all_tasks_blocked()
        holding.fenced()
        assert first.done == ["aborted"]
        late, node.answers = node.answers, trio.Event()
        asking.start_soon(ask, "second", second)
        await wait_all_tasks_blocked()
        late.set()
        await wait_all_tasks_blocked()
        node.answers.set()

    assert said == {"first": False, "second": True}
    assert (first.done, second.done, node.ports.noted) == (["aborted"], [], [("opened", PORT + 1)])


async def test_a_life_that_is_over_opens_nothing_any_more(
    node: Node, world: World, nursery: trio.Nursery
) -> None:
    holding, _ = await node.hold(nursery)
    node.scope.cancel()
    await world.arbiter.attest(node.life.me)

    assert not await holding.open(FakeLink())
    assert not node.claims.is_trusted


async def test_each_renewal_is_one_ping_once_the_pong_has_come(node: Node, nursery: trio.Nursery) -> None:
    link = await opened(node, nursery)
    assert link.holding is not None
    await trio.sleep(3 * PERIOD)
    assert link.pings == []  # the first packet was the ping, and is not answered

    link.holding.pong_came()
    await trio.sleep(3 * PERIOD)
    assert len(link.pings) == 1

    for _ in range(3):
        link.holding.pong_came()
        await trio.sleep(PERIOD)
    assert len(link.pings) == 4


async def test_what_the_data_centre_closed_was_not_reset(node: Node, nursery: trio.Nursery) -> None:
    link = await opened(node, nursery)
    assert link.holding is not None

    link.holding.closed()
    link.holding.broken()

    assert node.ports.noted == [("opened", PORT), ("ended", PORT)]
    assert not link.holding.passes()


async def test_what_broke_was_reset(node: Node, nursery: trio.Nursery) -> None:
    link = await opened(node, nursery)
    assert link.holding is not None

    link.holding.broken()
    link.holding.broken()

    assert (link.done, node.ports.noted) == (["aborted"], [("opened", PORT), ("aborted", PORT)])


# -- giving away


async def test_a_session_without_a_connection_is_given_away_at_once(
    node: Node, world: World, nursery: trio.Nursery
) -> None:
    _, scope = await node.hold(nursery)
    before = trio.current_time()

    scope.cancel()
    await wait_all_tasks_blocked()

    assert world.row() == Ownership(KEY, 1, None, is_clean=True)
    assert (trio.current_time(), node.claims.is_empty, node.lost) == (before, True, [])
    assert SessionReleased(KEY, is_clean=True) in node.told


async def test_a_connection_that_the_data_centre_closes_makes_a_clean_release(
    node: Node, world: World, nursery: trio.Nursery
) -> None:
    holding, scope = await node.hold(nursery)
    link = FakeLink(holding)
    await holding.open(link)

    scope.cancel()
    await wait_all_tasks_blocked()

    assert link.done[0] == "half closed"
    assert (world.row().owner, world.row().is_clean) == (None, True)
    assert node.ports.noted == [("opened", PORT), ("ended", PORT)]


async def test_a_farewell_that_is_not_answered_makes_an_unclean_release(
    node: Node, world: World, nursery: trio.Nursery
) -> None:
    holding, scope = await node.hold(nursery)
    link = FakeLink()
    await holding.open(link)

    scope.cancel()
    await trio.sleep(FAREWELL + 0.1)

    assert link.done == ["half closed", "aborted"]
    assert (world.row().owner, world.row().is_clean) == (None, False)
    assert node.ports.noted == [("opened", PORT), ("aborted", PORT)]


async def test_a_session_that_is_lost_while_it_is_given_away_is_left_at_once(
    node: Node, nursery: trio.Nursery
) -> None:
    holding, scope = await node.hold(nursery)
    link = FakeLink()
    await holding.open(link)
    scope.cancel()
    await wait_all_tasks_blocked()
    before = trio.current_time()

    holding.lost()
    await wait_all_tasks_blocked()

    assert (trio.current_time(), node.claims.is_empty) == (before, True)
    assert link.done == ["half closed", "aborted"]


async def test_a_session_in_quarantine_is_given_away_unclean(
    node: Node, world: World, nursery: trio.Nursery
) -> None:
    await world.free(is_clean=False)
    _, scope = await node.hold(nursery)

    scope.cancel()
    await wait_all_tasks_blocked()

    assert (world.row().owner, world.row().is_clean) == (None, False)


async def test_a_release_that_was_not_answered_is_told_again(
    node: Node, world: World, nursery: trio.Nursery
) -> None:
    _, scope = await node.hold(nursery)
    world.is_down = True
    scope.cancel()
    await wait_all_tasks_blocked()
    assert (world.row().owner, node.claims.is_empty) == (node.life.me, False)

    world.is_down = False
    await trio.sleep(PERIOD + 1)

    assert (world.row().owner, world.row().is_clean, node.claims.is_empty) == (None, True, True)


async def test_who_wants_it_back_before_the_release_was_told_gets_it_clean(
    node: Node, world: World, nursery: trio.Nursery
) -> None:
    _, scope = await node.hold(nursery)
    world.is_down = True
    scope.cancel()
    await wait_all_tasks_blocked()
    world.is_down = False

    holding, _ = await node.hold(nursery)

    assert (holding.epoch, holding.quarantine_left <= 0) == (2, True)
    await trio.sleep(2 * PERIOD)
    assert world.row().owner == node.life.me


async def test_it_is_handed_over_to_who_is_proposed(node: Node, world: World, nursery: trio.Nursery) -> None:
    node.claims.successor_of = lambda key: f"next of {key.app_id}"
    _, scope = await node.hold(nursery)

    scope.cancel()
    await wait_all_tasks_blocked()

    assert world.row().next_owner == "next of app"


# -- what becomes clean


async def test_what_has_become_clean_is_noted_also_after_an_outage(
    node: Node, world: World, nursery: trio.Nursery
) -> None:
    await world.free(is_clean=False)
    await node.hold(nursery)
    await trio.sleep(PROFILE_S.wait - PERIOD)
    assert not world.row().is_clean

    world.is_down = True
    await trio.sleep(2 * PERIOD - 0.5)
    world.is_down = False
    await trio.sleep(PERIOD)

    assert world.row().is_clean


# -- sessions of a life that was ended here


async def test_what_was_reassigned_waits_until_it_is_held(
    node: Node, arbiter: FakeArbiter, world: World, nursery: trio.Nursery
) -> None:
    them = world.node("node-b")
    await them.life.boot("node-b", "boot", 0)
    await them.taken()
    await them.taken(OTHER)
    await arbiter.fence(node.life.me, arbiter.nodes["node-b"])

    taken = await node.claims.reassign(them.life.me, 10)
    assert sorted(taken) == sorted(node.claims.waiting) == [KEY, OTHER]
    assert (len(node.claims), node.claims.is_empty) == (2, False)
    await trio.sleep(3 * PERIOD)
    assert world.row().owner == node.life.me  # no stray

    await node.hold(nursery)
    assert node.claims.waiting == [OTHER]
    await node.claims.give_back_waiting()
    assert (world.row(OTHER).owner, world.row(OTHER).is_clean) == (None, False)
    assert node.claims.waiting == []


async def test_whoever_waits_to_connect_is_told_when_a_fenced_node_is_trusted_again(
    node: Node, world: World
) -> None:
    again: list[float] = []
    node.claims.on_trusted_again = lambda: again.append(trio.current_time())
    await trio.sleep(60)
    world.is_down = True
    await trio.sleep(30)
    assert not node.claims.is_trusted
    assert again == []

    world.is_down = False
    came_back = trio.current_time()
    await trio.sleep(60)

    assert len(again) == 1
    assert again[0] - came_back < 2

"""Asking another node: everything comes through, once, however badly post and doorbell do."""

from __future__ import annotations

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actors.core import messages as m
from actors.core.messages import Command
from actors.core.names import SessionKey
from actors.core.states import Absent, Authorized, State
from actors.core.transitions import MustWait, Refused
from actors.errors import (
    Crashed,
    CredentialSealed,
    MailboxFull,
    NoAnswer,
    NotOwner,
    Parked,
    StoreUnavailable,
)
from actors.post import Ask, Request
from supervisor.events import NodeAsked, RequestCrashed, WishKind
from supervisor.metrics import Metrics
from supervisor.routing import serving
from tests.supervisor.nodes import Cluster, Desk, Work, command
from tests.supervisor.service import KEY

PATIENCE = 25.0


@pytest.fixture
async def cluster() -> Cluster:
    return Cluster()


def failing(error: Exception) -> Work:
    async def work(_: SessionKey, __: Command) -> State:
        await trio.lowlevel.checkpoint()
        raise error

    return work


def taking(seconds: float) -> Work:
    async def work(_: SessionKey, __: Command) -> State:
        await trio.sleep(seconds)
        return Authorized(1)

    return work


# -- there and back


async def test_an_ask_is_answered_by_the_node_that_was_asked(cluster: Cluster) -> None:
    desk = Desk()
    async with cluster.pair(desk) as remote:
        began = trio.current_time()

        assert await remote.ask("there", KEY, command(7), PATIENCE) == Authorized(7)
        assert trio.current_time() == began
        assert desk.done == [command(7)]


async def test_the_state_is_looked_at_and_waited_for(cluster: Cluster) -> None:
    desk = Desk()
    published = desk.show(KEY)
    async with cluster.pair(desk) as remote, trio.open_nursery() as nursery:
        shown = await remote.look("there", KEY)
        assert shown == published.snapshot

        async def change() -> None:
            await trio.sleep(10)
            published.publish(Authorized(4242), 2, 0.0)

        nursery.start_soon(change)
        began = trio.current_time()
        changed = await remote.wait_change("there", KEY, shown.sequence, 25)

        assert trio.current_time() - began == 10
        assert (changed.state, changed.sequence) == (Authorized(4242), shown.sequence + 1)


async def test_without_a_change_the_present_is_back_before_the_time_is_over(cluster: Cluster) -> None:
    desk = Desk()
    shown = desk.show(KEY).snapshot
    async with cluster.pair(desk) as remote:
        began = trio.current_time()

        assert await remote.wait_change("there", KEY, shown.sequence, 25) == shown
        assert 24 <= trio.current_time() - began <= 25


async def test_a_look_at_what_does_not_run_there_any_more_is_told_so(cluster: Cluster) -> None:
    async with cluster.pair(Desk()) as remote:
        with pytest.raises(NotOwner):
            await remote.look("there", KEY)


@pytest.mark.parametrize(
    "error",
    [
        Parked("the session rests", 12.5),
        MailboxFull("too many", 1.0),
        NotOwner("not ours", 1.0),
        Refused(Absent(), m.Validate()),
        MustWait(Absent(), m.Validate(), 99.0),
        CredentialSealed("sealed elsewhere"),
    ],
    ids=repr,
)
async def test_an_error_is_raised_as_it_was_at_the_owner(cluster: Cluster, error: Exception) -> None:
    desk = Desk()
    desk.work = failing(error)
    async with cluster.pair(desk) as remote:
        with pytest.raises(type(error)) as raised:
            await remote.ask("there", KEY, m.Validate(), PATIENCE)

    assert type(raised.value) is type(error)
    assert (str(raised.value), vars(raised.value)) == (str(error), vars(error))


async def test_an_error_that_nobody_expects_ends_one_request_and_nothing_else(cluster: Cluster) -> None:
    desk = Desk()
    async with cluster.pair(desk) as remote:
        answering, desk.work = desk.work, failing(ZeroDivisionError("canary"))
        with pytest.raises(Crashed) as raised:
            await remote.ask("there", KEY, command(1), PATIENCE)
        desk.work = answering

        assert await remote.ask("there", KEY, command(2), PATIENCE) == Authorized(2)

    assert "canary" not in str(raised.value)
    (crashed,) = [told for told in cluster.told if isinstance(told, RequestCrashed)]
    assert isinstance(crashed.error, ZeroDivisionError)


async def test_every_request_is_counted_with_how_long_it_took_and_what_came_of_it(cluster: Cluster) -> None:
    desk = Desk()
    metrics = Metrics(sandbox=True)
    async with cluster.pair(desk) as remote:
        await remote.ask("there", KEY, command(1), PATIENCE)
        desk.show(KEY)
        await remote.look("there", KEY)
        desk.work = taking(60)
        with pytest.raises(NoAnswer):
            await remote.ask("there", KEY, command(2), 10.0)
        cluster.post.down = True
        with pytest.raises(StoreUnavailable):
            await remote.ask("there", KEY, command(3), PATIENCE)
    for event in cluster.told:
        metrics.observe(event)

    assert cluster.told == [
        NodeAsked(WishKind.ASK, 0.0),
        NodeAsked(WishKind.LOOK, 0.0),
        NodeAsked(WishKind.ASK, 10.0, "NoAnswer"),
        NodeAsked(WishKind.ASK, 0.0, "StoreUnavailable"),
    ]
    value = metrics.registry.get_sample_value
    assert value("node_requests_total", {"kind": "ask", "error": "none"}) == 1
    assert value("node_requests_total", {"kind": "ask", "error": "NoAnswer"}) == 1
    assert value("node_request_duration_seconds_count", {"kind": "ask"}) == 3
    assert value("node_request_duration_seconds_sum", {"kind": "ask"}) == 10
    metrics.observe(RequestCrashed(KEY, ZeroDivisionError()))
    assert value("node_requests_crashed_total") == 1


async def test_nobody_waits_for_anybody_else(cluster: Cluster) -> None:
    desk = Desk()
    desk.work = taking(10)
    async with cluster.pair(desk) as remote:
        began = trio.current_time()
        async with trio.open_nursery() as nursery:
            for n in range(50):
                nursery.start_soon(remote.ask, "there", SessionKey("t", f"a{n}"), command(n), PATIENCE)
        assert trio.current_time() - began == 10


async def test_no_more_is_served_at_once_than_was_said(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving.Serving.__init__, "__kwdefaults__", {"at_once": 3})
    desk = Desk()
    desk.work = taking(10)
    async with cluster.pair(desk) as remote, trio.open_nursery() as nursery:
        for n in range(7):
            nursery.start_soon(remote.ask, "there", SessionKey("t", f"a{n}"), command(n), 60.0)
        for served in (3, 6, 7):
            await wait_all_tasks_blocked()
            assert len(desk.began) == served
            await trio.sleep(10.5)


# -- deadlines and cancellation


@pytest.mark.parametrize("within", [10.0, 0.0, -1.0])
async def test_an_ask_waits_no_longer_than_its_asker_wants(cluster: Cluster, within: float) -> None:
    desk = Desk()
    desk.work = taking(60)
    async with cluster.pair(desk) as remote:
        began = trio.current_time()
        with pytest.raises(NoAnswer):
            await remote.ask("there", KEY, command(1), within)
        assert trio.current_time() - began == max(0.0, within)


async def test_the_owner_is_told_how_much_time_is_left(cluster: Cluster) -> None:
    cluster.doorbell.down = True
    left: list[float] = []

    class Clocked(Desk):
        async def ask(self, key: SessionKey, command: Command, within: float) -> State:
            left.append(within)
            return await super().ask(key, command, within)

    async with cluster.pair(Clocked()) as remote:
        await trio.sleep(0.5)
        await remote.ask("there", KEY, command(1), PATIENCE)
    assert left == [24.5]


async def test_a_request_whose_asker_has_gone_is_not_begun(cluster: Cluster) -> None:
    desk = Desk()
    async with cluster.node("here", Desk()) as here:
        await cluster.arbiter.boot("there", "boot")
        with trio.move_on_after(1):
            await here.remote.ask("there", KEY, command(1), PATIENCE)
        await trio.sleep(1)
        assert cluster.post.posted == 1
        async with cluster.node("there", desk):
            await trio.sleep(5)

    assert desk.began == []
    assert cluster.post.letters == {}


async def test_a_request_that_is_void_is_not_begun(cluster: Cluster) -> None:
    desk = Desk()
    async with cluster.node("here", Desk()) as here:
        await cluster.arbiter.boot("there", "boot")
        with pytest.raises(NoAnswer):
            await here.remote.ask("there", KEY, command(1), 3.0)
    async with cluster.node("there", desk):
        await trio.sleep(5)

    assert desk.began == []


async def test_answered_requests_leave_nothing_behind(cluster: Cluster) -> None:
    async with cluster.pair(Desk()) as remote:
        for n in range(20):
            await remote.ask("there", KEY, command(n), PATIENCE)
        assert remote.waiting == 0
        await trio.sleep(1)
        assert cluster.post.letters == {}


async def test_what_a_node_that_died_has_left_is_swept(cluster: Cluster) -> None:
    async with cluster.pair(Desk()) as remote:
        cluster.post.down = True
        with pytest.raises(StoreUnavailable):
            await remote.ask("there", KEY, command(1), PATIENCE)
        cluster.post.down = False
    async with trio.open_nursery() as nursery, cluster.node("dying", Desk()) as dying:
        nursery.start_soon(dying.remote.ask, "there", KEY, command(2), 0.5)
        await trio.sleep(0.1)
        nursery.cancel_scope.cancel()
    assert len(cluster.post.letters) == 1

    async with cluster.node("here", Desk()):
        await trio.sleep(130)
    assert cluster.post.letters == {}


# -- a doorbell that is down, or loses rings


async def test_without_a_doorbell_everything_takes_a_little_longer(cluster: Cluster) -> None:
    cluster.doorbell.down = True
    async with cluster.pair(Desk()) as remote:
        for n in range(10):
            began = trio.current_time()
            assert await remote.ask("there", KEY, command(n), PATIENCE) == Authorized(n)
            assert trio.current_time() - began <= 2.1


@pytest.mark.parametrize("lose_every", [2, 3, 7])
async def test_of_a_thousand_asks_none_is_lost_and_none_is_done_twice(
    cluster: Cluster, lose_every: int
) -> None:
    cluster.doorbell.lose_every = lose_every
    desk = Desk()
    answers: dict[int, State] = {}

    async with cluster.pair(desk) as remote:

        async def ask_all(of: int) -> None:
            for n in range(of, 1000, 20):
                key = SessionKey("t", f"a{of}")
                answers[n] = await remote.ask("there", key, command(n), PATIENCE)

        async with trio.open_nursery() as nursery:
            for of in range(20):
                nursery.start_soon(ask_all, of)

    assert answers == {n: Authorized(n) for n in range(1000)}
    assert sorted(desk.done, key=str) == sorted(map(command, range(1000)), key=str)


# -- a database that is down


async def test_what_cannot_be_posted_is_told_at_once(cluster: Cluster) -> None:
    async with cluster.pair(Desk()) as remote:
        cluster.post.down = True
        began = trio.current_time()
        with pytest.raises(StoreUnavailable):
            await remote.ask("there", KEY, command(1), PATIENCE)
        assert trio.current_time() == began


async def test_an_outage_while_the_owner_works_costs_time_but_not_the_answer(cluster: Cluster) -> None:
    desk = Desk()
    desk.work = taking(5)
    async with cluster.pair(desk) as remote, trio.open_nursery() as nursery:

        async def fail_for_a_while() -> None:
            await trio.sleep(1)
            cluster.post.down = True
            await trio.sleep(10)
            cluster.post.down = False

        nursery.start_soon(fail_for_a_while)
        began = trio.current_time()
        assert await remote.ask("there", KEY, command(1), PATIENCE) == Authorized(1)
        assert 11 <= trio.current_time() - began <= 13
    assert desk.done == [command(1)]


async def test_too_many_requests_are_refused_at_once(cluster: Cluster) -> None:
    desk = Desk()
    desk.work = taking(10)
    async with cluster.pair(desk) as remote, trio.open_nursery() as nursery:
        for n in range(256):
            nursery.start_soon(remote.ask, "there", KEY, command(n), PATIENCE)
        await wait_all_tasks_blocked()

        with pytest.raises(MailboxFull):
            await remote.ask("there", KEY, command(300), PATIENCE)


# -- nodes that go


async def test_a_request_to_a_node_that_is_gone_comes_back_undone(cluster: Cluster) -> None:
    async with cluster.node("here", Desk()) as here:
        await cluster.arbiter.boot("there", "boot")
        async with trio.open_nursery() as nursery:

            async def fence_later() -> None:
                await trio.sleep(3)
                await cluster.fence("there")

            nursery.start_soon(fence_later)
            began = trio.current_time()
            with pytest.raises(NotOwner):
                await here.remote.ask("there", KEY, command(1), PATIENCE)
            assert 3 <= trio.current_time() - began <= 4.5


async def test_a_node_that_is_gone_after_it_began_leaves_the_asker_in_doubt(cluster: Cluster) -> None:
    desk = Desk()
    desk.work = taking(60)
    async with cluster.pair(desk) as remote, trio.open_nursery() as nursery:

        async def fence_later() -> None:
            await trio.sleep(1)
            assert desk.began == [command(1)]
            await cluster.fence("there")

        nursery.start_soon(fence_later)
        with pytest.raises(NoAnswer):
            await remote.ask("there", KEY, command(1), PATIENCE)


async def test_a_new_owner_does_what_a_node_that_is_gone_has_not_begun(cluster: Cluster) -> None:
    heir = Desk()
    await cluster.arbiter.boot("there", "boot")
    await cluster.post.post(Request(KEY, Ask(command(1)), "asker", "there", PATIENCE))
    await cluster.fence("there")

    async with cluster.node("heir", heir) as node:
        await cluster.give(node.me)
        await trio.sleep(6)

    assert heir.done == [command(1)]


async def test_a_node_that_stops_finishes_what_it_has_begun(cluster: Cluster) -> None:
    desk = Desk()
    desk.work = taking(3)
    answers: list[State] = []
    async with cluster.node("here", Desk()) as here, trio.open_nursery() as nursery:

        async def ask() -> None:
            answers.append(await here.remote.ask("there", KEY, command(1), PATIENCE))

        async with cluster.node("there", desk):
            nursery.start_soon(ask)
            await trio.sleep(0.1)
            began = trio.current_time()
        assert trio.current_time() - began == pytest.approx(2.9)

    assert answers == [Authorized(1)]


async def test_a_node_that_stops_ends_long_polls_and_is_not_held_up_by_long_work(cluster: Cluster) -> None:
    desk = Desk()
    desk.work = taking(60)
    shown = desk.show(KEY).snapshot
    async with cluster.node("here", Desk()) as here, trio.open_nursery() as nursery:
        async with cluster.node("there", desk):
            nursery.start_soon(here.remote.ask, "there", KEY, command(1), PATIENCE)
            seen: list[float] = []

            async def poll() -> None:
                assert await here.remote.wait_change("there", KEY, shown.sequence, 25) == shown
                seen.append(trio.current_time())

            nursery.start_soon(poll)
            await trio.sleep(1)
            stopped = trio.current_time()
        assert trio.current_time() - stopped == serving.LEAVE
        assert seen == [stopped]
        nursery.cancel_scope.cancel()


async def test_more_long_polls_than_there_is_room_for_are_answered_at_once(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "WAITS_AT_ONCE", 2)
    desk = Desk()
    shown = desk.show(KEY).snapshot
    took: list[float] = []
    async with cluster.pair(desk) as remote:

        async def poll() -> None:
            began = trio.current_time()
            assert await remote.wait_change("there", KEY, shown.sequence, 25) == shown
            took.append(trio.current_time() - began)

        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(poll)
    assert sorted(took) == [0, 0, 0, 24.5, 24.5]

"""Finding the owner: nobody who asks can tell a session that runs here from one that runs elsewhere."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actors.core import messages as m
from actors.core.names import SessionKey
from actors.core.states import Absent, Authorized, PendingQr, State
from actors.errors import NoAnswer, NotOwner, Stopping, StoreUnavailable
from actors.published import Snapshot, new_sequence
from supervisor.routing.router import OWNER_KNOWN_FOR, Router
from supervisor.sessions import Sessions
from tests.supervisor.nodes import Cluster, Desk, Node, Owned, command
from tests.supervisor.service import KEY, Service

PATIENCE = 25.0


@dataclass
class Two:
    """Two nodes with a desk each, and the router of the one that is asked."""

    cluster: Cluster
    here: Node
    there: Node
    desk: Desk
    far_desk: Desk
    router: Router


@pytest.fixture
async def two() -> AsyncIterator[Two]:
    cluster, desk, far_desk = Cluster(), Desk(), Desk()
    async with cluster.node("here", desk) as here, cluster.node("there", far_desk) as there:
        yield Two(cluster, here, there, desk, far_desk, cluster.router(here, desk))


# -- who is asked


async def test_what_runs_here_is_asked_without_a_question_to_anybody(two: Two) -> None:
    two.desk.show(KEY)
    two.cluster.post.down = True

    assert await two.router.ask(KEY, command(1), PATIENCE) == Authorized(1)
    assert await two.router.look(KEY) == two.desk.show(KEY).snapshot
    assert (two.cluster.lookups, two.cluster.post.posted) == (0, 0)
    assert two.router.running is two.desk.running


async def test_what_is_owned_here_is_asked_here(two: Two) -> None:
    await two.cluster.give(two.here.me)

    assert await two.router.ask(KEY, command(1), PATIENCE) == Authorized(1)
    assert two.desk.done == [command(1)]
    assert two.cluster.post.posted == 0


async def test_what_is_owned_elsewhere_is_asked_there(two: Two) -> None:
    await two.cluster.give(two.there.me)
    shown = two.far_desk.show(KEY).snapshot

    assert await two.router.ask(KEY, command(1), PATIENCE) == Authorized(1)
    assert await two.router.look(KEY) == shown
    assert await two.router.wait_change(KEY, shown.sequence, 2.0) == shown
    assert two.far_desk.done == [command(1)]
    assert two.desk.began == []


async def test_what_nobody_owns_is_asked_where_it_is_placed(two: Two) -> None:
    await two.router.ask(KEY, command(1), PATIENCE)
    nearer = two.cluster.router(two.here, two.desk, place="here")
    await nearer.ask(KEY, command(2), PATIENCE)

    assert two.far_desk.done == [command(1)]
    assert two.desk.done == [command(2)]


async def test_what_nobody_owns_is_looked_at_without_disturbing_anybody(two: Two) -> None:
    assert await two.router.look(KEY) == Snapshot(Absent(), 7)
    assert (two.cluster.post.posted, two.desk.began, two.far_desk.began) == (0, [], [])


async def test_an_owner_is_known_for_a_while(two: Two) -> None:
    await two.cluster.give(two.there.me)
    for n in range(5):
        await two.router.ask(KEY, command(n), PATIENCE)
    assert two.cluster.lookups == 1

    await trio.sleep(OWNER_KNOWN_FOR)
    await two.router.ask(KEY, command(6), PATIENCE)
    assert two.cluster.lookups == 2


async def test_that_nobody_owns_a_session_is_not_remembered(two: Two) -> None:
    shown = two.far_desk.show(KEY).snapshot
    await two.router.look(KEY)
    await two.cluster.give(two.there.me)

    assert await two.router.look(KEY) == shown


async def test_no_more_owners_are_remembered_than_was_said(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("supervisor.routing.router.OWNERS_KNOWN", 3)
    keys = [SessionKey("t", f"a{n}") for n in range(9)]
    for key in keys:
        await two.cluster.give(two.there.me, key)
        await two.router.ask(key, command(1), PATIENCE)
    assert len(two.router._known) == 3

    await trio.sleep(OWNER_KNOWN_FOR)
    await two.router.ask(keys[8], command(1), PATIENCE)
    assert set(two.router._known) == {keys[8]}


async def test_who_cannot_be_found_while_the_database_is_down_is_told_so(two: Two) -> None:
    two.cluster.arbiter.is_down = lambda: True

    with pytest.raises(StoreUnavailable):
        await two.router.ask(KEY, command(1), PATIENCE)


async def test_a_question_for_the_owner_costs_no_more_than_the_asker_has(two: Two) -> None:
    async def never(_: SessionKey) -> str | None:
        await trio.sleep_forever()
        raise AssertionError

    router = Router("here", two.desk, two.here.remote, never, lambda _: "here", two.desk.look)
    began = trio.current_time()
    with pytest.raises(NoAnswer):
        await router.ask(KEY, command(1), 4.0)
    assert trio.current_time() - began == 4


async def test_a_list_is_made_without_a_question_to_anybody(two: Two) -> None:
    shown = two.desk.show(KEY).snapshot

    assert await two.router.page(None, None, 10) == [(KEY, shown)]
    assert await two.router.page("another", None, 10) == []
    assert (two.cluster.lookups, two.cluster.post.posted) == (0, 0)


# -- owners that are none any more


async def test_a_session_that_has_moved_is_followed_and_the_command_done_once(two: Two) -> None:
    await two.cluster.give(two.there.me)
    await two.router.ask(KEY, command(1), PATIENCE)
    await two.cluster.give(two.here.me)
    two.far_desk.owns = lambda _: False

    assert await two.router.ask(KEY, command(2), PATIENCE) == Authorized(2)
    assert (two.desk.done, two.far_desk.done) == ([command(2)], [command(1)])


async def test_a_session_that_has_left_here_is_followed_too(two: Two) -> None:
    two.desk.show(KEY)
    two.desk.owns = lambda _: False
    await two.cluster.give(two.there.me)

    assert await two.router.ask(KEY, command(1), PATIENCE) == Authorized(1)
    assert two.far_desk.done == [command(1)]


async def test_a_session_on_its_way_is_waited_for(two: Two) -> None:
    two.desk.owns = two.far_desk.owns = lambda _: False
    await two.cluster.give(two.there.me)

    async with trio.open_nursery() as nursery:

        async def arrive() -> None:
            await trio.sleep(10)
            two.desk.owns = lambda _: True
            await two.cluster.give(two.here.me)

        nursery.start_soon(arrive)
        began = trio.current_time()
        assert await two.router.ask(KEY, command(1), PATIENCE) == Authorized(1)
        assert 10 <= trio.current_time() - began <= 11.5
    assert two.cluster.lookups < 20


async def test_a_session_that_nobody_will_have_is_told_before_the_time_is_over(two: Two) -> None:
    two.desk.owns = two.far_desk.owns = lambda _: False
    await two.cluster.give(two.there.me)
    began = trio.current_time()

    with pytest.raises(NotOwner) as refused:
        await two.router.ask(KEY, command(1), 10.0)

    assert trio.current_time() - began <= 10
    assert refused.value.retry_after is not None
    assert two.far_desk.began == []


async def test_who_asks_a_node_that_stops_is_sent_on_to_the_next_one(two: Two) -> None:
    async def stops(_: SessionKey, __: m.Command) -> State:
        await two.cluster.give(two.here.me)
        raise Stopping("the session is being stopped", retry_after=5.0)

    await two.cluster.give(two.there.me)
    two.far_desk.work = stops

    assert await two.router.ask(KEY, command(1), PATIENCE) == Authorized(1)
    assert two.desk.done == [command(1)]


async def test_who_asks_this_node_while_it_stops_is_told_so(two: Two) -> None:
    async def stops(_: SessionKey, __: m.Command) -> State:
        raise Stopping("the session is being stopped", retry_after=5.0)

    await two.cluster.give(two.here.me)
    two.desk.work = stops

    with pytest.raises(Stopping):
        await two.router.ask(KEY, command(1), PATIENCE)
    assert len(two.desk.began) == 1


async def test_the_heir_of_a_node_that_is_gone_is_found(two: Two) -> None:
    await two.cluster.arbiter.boot("gone", "boot")
    await two.cluster.give(two.cluster.arbiter.nodes["gone"].node)
    async with trio.open_nursery() as nursery:

        async def inherit() -> None:
            await trio.sleep(2)
            await two.cluster.fence("gone")
            await two.cluster.give(two.there.me)

        nursery.start_soon(inherit)
        began = trio.current_time()
        assert await two.router.ask(KEY, command(1), PATIENCE) == Authorized(1)
        assert trio.current_time() - began <= 9
    assert two.far_desk.done == [command(1)]


async def test_a_look_follows_a_session_that_has_moved(two: Two) -> None:
    await two.cluster.give(two.there.me)
    await two.router.ask(KEY, command(1), PATIENCE)
    await two.cluster.give(two.here.me)
    began = trio.current_time()

    assert await two.router.look(KEY) == two.desk.show(KEY).snapshot
    assert trio.current_time() == began


async def test_where_no_owner_shows_it_what_was_saved_is_shown_at_once(two: Two) -> None:
    await two.cluster.give(two.there.me)
    began = trio.current_time()

    assert await two.router.look(KEY) == Snapshot(Absent(), 7)
    assert trio.current_time() == began
    assert two.far_desk.published == {}


async def test_where_the_owner_does_not_answer_what_was_saved_is_shown(two: Two) -> None:
    await two.cluster.arbiter.boot("silent", "boot")
    await two.cluster.give(two.cluster.arbiter.nodes["silent"].node)
    began = trio.current_time()

    assert await two.router.look(KEY) == Snapshot(Absent(), 7)
    assert trio.current_time() - began <= 5


# -- long polls over two processes


class Pair:
    """Two nodes with real sessions on one database and one Telegram, and the router of the first."""

    def __init__(self, service: Service, cluster: Cluster) -> None:
        self.service = service
        self.cluster = cluster
        self.first, self.second = service.sessions(), service.sessions()

    def owned(self, node_id: str, sessions: Sessions) -> Owned:
        def owns(key: SessionKey) -> bool:
            row = self.cluster.arbiter.rows.get(key)
            return row is not None and row.owner is not None and row.owner.node_id == node_id

        return Owned(sessions, owns)

    @asynccontextmanager
    async def up(self) -> AsyncIterator[tuple[Router, Node, Node]]:
        near, far = self.owned("first", self.first), self.owned("second", self.second)
        async with (
            self.first.open(),
            self.second.open(),
            self.cluster.node("first", near) as one,
            self.cluster.node("second", far) as two,
        ):
            yield self.cluster.router(one, near), one, two

    async def leave(self, sessions: Sessions) -> None:
        sessions.running[KEY].drain()
        await wait_all_tasks_blocked()
        assert KEY not in sessions.running


@pytest.fixture
async def pair(service: Service) -> Pair:
    return Pair(service, Cluster())


async def test_a_login_goes_on_where_the_session_has_moved_to(pair: Pair) -> None:
    async with pair.up() as (router, one, two):
        await pair.cluster.give(two.me)
        state = await router.ask(KEY, pair.service.start_qr(), PATIENCE)
        assert isinstance(state, PendingQr)
        assert set(pair.second.running) == {KEY}

        await pair.leave(pair.second)
        await pair.cluster.give(one.me)
        await router.ask(KEY, pair.service.start_qr(), PATIENCE)
        pair.service.telegram[KEY].accept()
        await wait_all_tasks_blocked()

        assert isinstance((await router.look(KEY)).state, Authorized)
        assert isinstance(await router.ask(KEY, m.Validate(), PATIENCE), Authorized)
    assert pair.service.telegram[KEY].most_connections == 1


@pytest.mark.parametrize("higher_first", [True, False])
async def test_a_poll_that_knows_what_another_process_showed_is_answered_at_once(
    pair: Pair, higher_first: bool
) -> None:
    low, high = sorted((pair.first, pair.second), key=lambda sessions: sessions._shown)
    before, after = (high, low) if higher_first else (low, high)
    pair.first, pair.second = before, after
    async with pair.up() as (router, one, two):
        await pair.cluster.give(one.me)
        await router.ask(KEY, pair.service.start_qr(), PATIENCE)
        known = await router.look(KEY)
        await pair.leave(pair.first)
        await pair.cluster.give(two.me)
        began = trio.current_time()

        shown = await router.wait_change(KEY, known.sequence, 25)

        assert isinstance(shown.state, PendingQr)
        assert shown.sequence not in {0, known.sequence}
        assert trio.current_time() - began < 1
        rotated = await router.wait_change(KEY, shown.sequence, 60)
        assert rotated.sequence == shown.sequence + 1


async def test_no_two_processes_count_from_the_same_place() -> None:
    begins = {new_sequence() for _ in range(50)}

    assert len(begins) >= 49
    assert all(begin >= 0 and begin + 2**32 <= 2**53 and begin % 2**32 == 0 for begin in begins)

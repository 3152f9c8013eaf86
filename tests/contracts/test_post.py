# ruff: noqa: S608 - names of columns are from this file
"""What every Post does: the fake, and PostgreSQL on both engines of the bridge."""

from __future__ import annotations

from dataclasses import dataclass, replace
from uuid import UUID, uuid4

import pytest
import trio

from actors.adapters.inbox import STATEMENTS, PostgresPost
from actors.adapters.ownership import PostgresArbiter
from actors.arbiter import Arbiter
from actors.core import messages as m
from actors.core.names import SessionKey
from actors.core.owners import NodeEpoch, Ownership
from actors.core.secret import Secret
from actors.core.states import Absent, Authorized
from actors.errors import MailboxFull, NotUnderstood, Parked, StoreUnavailable
from actors.post import Ask, Delivery, Illegible, Look, Post, Request, WaitChange, Wish
from actors.published import Snapshot
from tests.contracts.benches import FakeBench, PostgresBench, StoreBench
from tests.contracts.credentials import SEALS, seals
from tests.fakes import FakeArbiter, FakePost

KEY = SessionKey("tenant-a", "app-1")
OTHER = SessionKey("tenant-b", "app-1")
CODE = Secret("48151623")
SUBMIT = Ask(m.SubmitCode("login-1", CODE))
FOR_SESSION, FOR_NODE = 4, 6
every_engine = pytest.mark.parametrize("kind", ["fake", "fast", "stock"], indirect=True)


@dataclass
class Nodes:
    """The post, and who decides which nodes there are."""

    post: Post
    arbiter: Arbiter
    bench: StoreBench

    async def pass_time(self, seconds: float) -> None:
        """Let so much time pass for what is in the post."""
        if isinstance(self.bench, PostgresBench):
            await self.bench.sql(
                "update usm.inbox set expires_at = expires_at - make_interval(secs => $1)", seconds
            )
        else:
            assert isinstance(self.post, FakePost)
            for letter in self.post.letters.values():
                letter.until -= seconds

    async def rows(self) -> int:
        if isinstance(self.bench, PostgresBench):
            return int((await self.bench.sql("select count(*) from usm.inbox"))[0][0])
        assert isinstance(self.post, FakePost)
        return len(self.post.letters)


@pytest.fixture
def nodes(bench: StoreBench) -> Nodes:
    if isinstance(bench, PostgresBench):
        database = bench.store.database
        post = PostgresPost(database, SEALS, for_session=FOR_SESSION, for_node=FOR_NODE)
        return Nodes(post, PostgresArbiter(database), bench)
    assert isinstance(bench, FakeBench)
    arbiter = FakeArbiter()
    return Nodes(FakePost(arbiter, for_session=FOR_SESSION, for_node=FOR_NODE), arbiter, bench)


@pytest.fixture
def post(nodes: Nodes) -> Post:
    """What is tested."""
    return nodes.post


@pytest.fixture
async def owner(nodes: Nodes) -> NodeEpoch:
    return await nodes.arbiter.boot("owner", "boot-1")


@pytest.fixture
async def other(nodes: Nodes) -> NodeEpoch:
    return await nodes.arbiter.boot("other", "boot-1")


def request(
    wish: Wish = SUBMIT, key: SessionKey = KEY, to_node: str = "owner", within: float = 60.0
) -> Request:
    return Request(key, wish, "asker", to_node, within)


async def taken(post: Post, me: NodeEpoch, limit: int = 100) -> list[Delivery]:
    deliveries = await post.take(me, limit)
    assert all(isinstance(each, Delivery) for each in deliveries)
    return [each for each in deliveries if isinstance(each, Delivery)]


def ids(deliveries: list[Delivery]) -> list[UUID]:
    return [each.id for each in deliveries]


# -- there and back


@every_engine
async def test_a_request_comes_to_its_addressee_and_the_answer_to_whoever_asked(
    post: Post, owner: NodeEpoch
) -> None:
    asked = request()
    await post.post(asked)
    [delivery] = await taken(post, owner)

    assert delivery == Delivery(asked.id, KEY, SUBMIT, "asker", delivery.left)
    assert 50 < delivery.left <= 60
    assert await post.answers([asked.id]) == {}
    assert await post.answer(owner, delivery, Authorized(4242))
    assert await post.answers([asked.id, uuid4()]) == {asked.id: Authorized(4242)}


@pytest.mark.parametrize("wish", [Look(), WaitChange(17, 25.0)])
async def test_looks_and_waits_travel_too(post: Post, owner: NodeEpoch, wish: Wish) -> None:
    asked = request(wish)
    await post.post(asked)
    [delivery] = await taken(post, owner)
    shown = Snapshot(Absent(), 3, 4.0, 2**52 + 1)
    await post.answer(owner, delivery, shown)

    assert delivery.wish == wish
    assert await post.answers([asked.id]) == {asked.id: shown}


async def test_an_error_is_an_answer(post: Post, owner: NodeEpoch) -> None:
    asked = request()
    await post.post(asked)
    [delivery] = await taken(post, owner)
    await post.answer(owner, delivery, Parked("the session rests", 12.5))

    answer = (await post.answers([asked.id]))[asked.id]
    assert isinstance(answer, Parked)
    assert (str(answer), answer.retry_after) == ("the session rests", 12.5)


async def test_nobody_gets_what_is_for_another_node(post: Post, owner: NodeEpoch, other: NodeEpoch) -> None:
    await post.post(request())

    assert await taken(post, other) == []
    assert len(await taken(post, owner)) == 1


# -- exactly one taker


@every_engine
async def test_of_many_takers_at_once_each_request_has_exactly_one(post: Post, owner: NodeEpoch) -> None:
    asked = [request(key=SessionKey("tenant-a", f"app-{n}")) for n in range(FOR_NODE)]
    for each in asked:
        await post.post(each)
    found: list[Delivery] = []

    async def take() -> None:
        found.extend(await taken(post, owner, limit=2))

    async with trio.open_nursery() as nursery:
        for _ in range(8):
            nursery.start_soon(take)
    found.extend(await taken(post, owner))

    assert sorted(ids(found)) == sorted(each.id for each in asked)


async def test_what_was_posted_twice_is_taken_once(post: Post, owner: NodeEpoch) -> None:
    asked = request()
    await post.post(asked)
    await post.post(asked)
    assert len(await taken(post, owner)) == 1

    await post.post(asked)
    assert await taken(post, owner) == []


async def test_no_more_is_taken_than_was_wanted(post: Post, owner: NodeEpoch) -> None:
    for n in range(3):
        await post.post(request(key=SessionKey("tenant-a", f"app-{n}")))

    assert len(await taken(post, owner, limit=2)) == 2
    assert len(await taken(post, owner, limit=2)) == 1
    assert await taken(post, owner, limit=2) == []


async def test_asks_are_taken_before_waits(post: Post, owner: NodeEpoch) -> None:
    wait, ask = request(WaitChange(1, 25.0)), request()
    await post.post(wait)
    await post.post(ask)

    assert ids(await taken(post, owner, limit=1)) == [ask.id]
    assert ids(await taken(post, owner, limit=1)) == [wait.id]


async def test_a_life_that_is_over_takes_nothing_and_answers_nothing_of_the_next(
    nodes: Nodes, post: Post, owner: NodeEpoch
) -> None:
    asked = request()
    await post.post(asked)
    again = await nodes.arbiter.boot("owner", "boot-2")

    assert await taken(post, owner) == []
    [delivery] = await taken(post, again)
    assert not await post.answer(owner, delivery, Absent())
    assert await post.answer(again, delivery, Authorized(1))
    assert await post.answers([asked.id]) == {asked.id: Authorized(1)}


async def test_what_a_life_has_begun_is_not_begun_again_by_the_next(
    nodes: Nodes, post: Post, owner: NodeEpoch
) -> None:
    await post.post(request())
    assert len(await taken(post, owner)) == 1

    assert await taken(post, await nodes.arbiter.boot("owner", "boot-2")) == []


async def test_only_the_first_answer_counts(post: Post, owner: NodeEpoch) -> None:
    asked = request()
    await post.post(asked)
    [delivery] = await taken(post, owner)

    assert await post.answer(owner, delivery, Authorized(1))
    assert not await post.answer(owner, delivery, Authorized(2))
    assert await post.answers([asked.id]) == {asked.id: Authorized(1)}


# -- addressees that are gone


async def fence(nodes: Nodes, me: NodeEpoch, them: NodeEpoch) -> None:
    silent = next(beat for beat in (await nodes.arbiter.poll()).heartbeats if beat.node == them)
    assert await nodes.arbiter.fence(me, silent)


@every_engine
async def test_a_new_owner_takes_what_a_node_that_is_gone_has_left(
    nodes: Nodes, post: Post, owner: NodeEpoch, other: NodeEpoch
) -> None:
    asked = request()
    await post.post(asked)
    await nodes.arbiter.acquire(other, Ownership(KEY, 0, None, is_clean=True))
    assert await post.take_over(other, 9) == []

    await fence(nodes, other, owner)

    assert await taken(post, other) == []
    assert [each.id for each in await post.take_over(other, 9)] == [asked.id]
    assert await post.take_over(other, 9) == []


async def test_a_life_that_is_over_takes_nothing_over(
    nodes: Nodes, post: Post, owner: NodeEpoch, other: NodeEpoch
) -> None:
    await post.post(request())
    await nodes.arbiter.acquire(other, Ownership(KEY, 0, None, is_clean=True))
    await fence(nodes, other, owner)
    again = await nodes.arbiter.boot("other", "boot-2")

    assert await post.take_over(other, 9) == []
    assert await post.take_over(again, 9) == []


async def test_who_does_not_own_the_session_takes_nothing_of_a_node_that_is_gone(
    nodes: Nodes, post: Post, owner: NodeEpoch, other: NodeEpoch
) -> None:
    await post.post(request())
    await nodes.arbiter.acquire(other, Ownership(OTHER, 0, None, is_clean=True))
    await fence(nodes, other, owner)

    assert await post.take_over(other, 9) == []


@every_engine
async def test_what_nobody_took_before_its_addressee_was_gone_can_be_withdrawn(
    nodes: Nodes, post: Post, owner: NodeEpoch, other: NodeEpoch
) -> None:
    begun, waiting, elsewhere = request(), request(), request(to_node="other")
    await post.post(begun)
    assert len(await taken(post, owner)) == 1
    for each in (waiting, elsewhere):
        await post.post(each)
    everything = [begun.id, waiting.id, elsewhere.id]
    assert await post.withdraw(everything) == set()

    await fence(nodes, other, owner)

    assert await post.withdraw(everything) == {waiting.id}
    assert await post.withdraw(everything) == set()
    assert ids(await taken(post, other)) == [elsewhere.id]


async def test_a_node_that_never_was_is_gone(post: Post) -> None:
    asked = request(to_node="nobody")
    await post.post(asked)

    assert await post.withdraw([asked.id]) == {asked.id}


# -- the end of a request


async def test_what_is_void_is_not_taken(nodes: Nodes, post: Post, owner: NodeEpoch) -> None:
    await post.post(request(within=60))
    await nodes.pass_time(60)

    assert await taken(post, owner) == []


@every_engine
async def test_what_is_forgotten_is_gone_begun_or_not(nodes: Nodes, post: Post, owner: NodeEpoch) -> None:
    begun, waiting = request(), request()
    await post.post(begun)
    [delivery] = await taken(post, owner)
    await post.post(waiting)

    await post.forget([begun.id, waiting.id, uuid4()])

    assert await taken(post, owner) == []
    assert not await post.answer(owner, delivery, Absent())
    assert await nodes.rows() == 0


async def test_what_is_void_since_a_minute_is_swept(nodes: Nodes, post: Post, owner: NodeEpoch) -> None:
    await post.post(request(within=10))
    await post.post(request(within=100))
    assert len(await taken(post, owner, limit=1)) == 1
    assert await post.sweep() == 0

    await nodes.pass_time(75)

    assert await post.sweep() == 1
    assert await nodes.rows() == 1


# -- bounds


async def test_too_many_requests_for_one_session_are_refused(post: Post, owner: NodeEpoch) -> None:
    for _ in range(FOR_SESSION):
        await post.post(request())

    with pytest.raises(MailboxFull) as refused:
        await post.post(request())
    assert refused.value.retry_after == 1.0
    await post.post(request(key=OTHER))
    assert len(await taken(post, owner)) == FOR_SESSION + 1


async def test_too_many_requests_for_one_node_are_refused(post: Post, owner: NodeEpoch) -> None:
    for n in range(FOR_NODE):
        await post.post(request(key=SessionKey("tenant-a", f"app-{n}")))

    with pytest.raises(MailboxFull):
        await post.post(request(key=OTHER))
    await post.post(request(key=OTHER, to_node="other"))
    assert len(await taken(post, owner)) == FOR_NODE


@every_engine
async def test_what_is_in_work_counts_and_what_is_answered_or_void_does_not(
    nodes: Nodes, post: Post, owner: NodeEpoch
) -> None:
    for _ in range(FOR_SESSION):
        await post.post(request())
    deliveries = await taken(post, owner)
    with pytest.raises(MailboxFull):
        await post.post(request())

    await post.answer(owner, deliveries[0], Absent())
    await post.post(request())
    with pytest.raises(MailboxFull):
        await post.post(request())

    await nodes.pass_time(60)
    await post.post(request())


# -- outages, and what cannot be read


async def test_an_outage_is_told_and_passes(nodes: Nodes, post: Post, owner: NodeEpoch) -> None:
    asked = request()
    await post.post(asked)
    [delivery] = await taken(post, owner)
    if isinstance(post, FakePost):
        post.down = True
    await nodes.bench.go_down()

    for attempt in (
        lambda: post.post(request()),
        lambda: post.take(owner, 1),
        lambda: post.take_over(owner, 1),
        lambda: post.answer(owner, delivery, Absent()),
        lambda: post.answers([asked.id]),
        lambda: post.withdraw([asked.id]),
        lambda: post.forget([asked.id]),
        post.sweep,
    ):
        with pytest.raises(StoreUnavailable):
            await attempt()

    if isinstance(post, FakePost):
        post.down = False
    await nodes.bench.come_back()
    assert await post.answer(owner, delivery, Absent())


@pytest.mark.parametrize("kind", ["fast"], indirect=True)
async def test_nothing_that_was_asked_or_answered_is_in_the_database_in_clear(
    post: Post, owner: NodeEpoch, postgres: PostgresBench
) -> None:
    await post.post(request())
    [delivery] = await taken(post, owner)
    await post.answer(owner, delivery, Parked("canary-sentence"))

    [row] = await postgres.sql(
        "select i::text, encode(payload, 'escape'), encode(answer, 'escape') from usm.inbox i"
    )
    for secret in (CODE.reveal(), "canary-sentence", CODE.reveal().encode().hex(), b"canary-sentence".hex()):
        assert secret not in "".join(row)
        assert secret.encode() not in postgres.relay.sent
    assert "tenant-a" in row[0]


@pytest.mark.parametrize("kind", ["fast"], indirect=True)
@pytest.mark.parametrize("column", ["app_id", "tenant_id", "kind"])
async def test_a_request_that_was_moved_to_another_session_is_not_read(
    post: Post, owner: NodeEpoch, postgres: PostgresBench, column: str
) -> None:
    asked = request()
    await post.post(asked)
    value = "look" if column == "kind" else "victim"
    await postgres.sql(f"update usm.inbox set {column} = $1", value)

    [found] = await post.take(owner, 1)
    assert isinstance(found, Illegible)
    assert isinstance(found.why, NotUnderstood)
    assert await post.answer(owner, found, found.why)
    assert str((await post.answers([asked.id]))[asked.id]) == str(found.why)


@pytest.mark.parametrize("kind", ["fast"], indirect=True)
async def test_an_answer_that_was_moved_to_another_request_is_not_read(
    post: Post, owner: NodeEpoch, postgres: PostgresBench
) -> None:
    one, two = request(), request()
    for each in (one, two):
        await post.post(each)
    for delivery in await taken(post, owner):
        await post.answer(owner, delivery, Authorized(1))
    await postgres.sql("update usm.inbox i set answer = o.answer from usm.inbox o where o.id <> i.id")

    answers = await post.answers([one.id, two.id])
    assert {type(answer) for answer in answers.values()} == {NotUnderstood}


@pytest.mark.parametrize("kind", ["fast"], indirect=True)
async def test_nodes_with_different_keyrings_are_told_the_fix(
    post: Post, owner: NodeEpoch, postgres: PostgresBench
) -> None:
    await post.post(request())

    [found] = await PostgresPost(postgres.store.database, seals("another")).take(owner, 1)
    assert isinstance(found, Illegible)
    assert "BACKUP_ENCRYPTION_KEY_PATH" in str(found.why)
    assert found == replace(found, key=KEY, from_node="asker")


SOME = [uuid4()]
ARGUMENTS: dict[str, tuple[object, ...]] = {
    "post": (SOME[0], "t1", "a", "f", "n1", "ask", 60.0, b"", 256, 2048, "k"),
    "take": ("n1", 1, 100),
    "take_over": ("n1", 1, 100),
    "answer": ("n1", 1, SOME[0], b"", "k"),
    "answers": (SOME,),
    "withdraw": (SOME,),
    "forget": (SOME,),
    "sweep": (),
}


@pytest.mark.parametrize("kind", ["fast"], indirect=True)
async def test_no_statement_reads_the_whole_table(postgres: PostgresBench) -> None:
    await postgres.sql(
        """insert into usm.inbox
               (id, tenant_id, app_id, from_node, to_node, kind, payload, payload_sealed_by, expires_at)
           select gen_random_uuid(), 't' || n % 500, 'a', 'f', 'n' || n % 2000, 'ask', '', 'k', now() + interval '1 h'
             from generate_series(1, 20000) n"""
    )
    await postgres.sql(
        "insert into nodes (node_id, node_epoch, boot_id, public_key) values ('n1', 1, 'b', '')"
    )
    await postgres.sql("analyze usm.inbox")

    assert ARGUMENTS.keys() == STATEMENTS.keys()
    for name, arguments in ARGUMENTS.items():
        plan = "\n".join(row[0] for row in await postgres.sql(f"explain {STATEMENTS[name]}", *arguments))
        assert "inbox_" in plan, (name, plan)
        assert "Seq Scan on inbox" not in plan, (name, plan)

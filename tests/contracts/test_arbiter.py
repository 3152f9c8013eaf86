"""What every Arbiter does: the fake, and PostgreSQL on both engines of the bridge."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import asyncpg
import pytest
import trio

from actors.adapters.ownership import STATEMENTS
from actors.arbiter import Arbiter
from actors.core.names import SessionKey
from actors.core.owners import Heartbeat, NodeEpoch, Ownership, Taken, Verdict
from actors.errors import StoreUnavailable
from tests.contracts.benches import PostgresBench, StoreBench
from tests.stores import Database

KEY = SessionKey("tenant-a", "app-1")
KEY_ROW = (KEY.tenant_id, KEY.app_id)
OTHER = SessionKey("tenant-b", "app-1")
every_engine = pytest.mark.parametrize("kind", ["fake", "fast", "stock"], indirect=True)


@pytest.fixture
def arbiter(bench: StoreBench) -> Arbiter:
    """What is tested."""
    return bench.arbiter


@pytest.fixture
async def me(arbiter: Arbiter) -> NodeEpoch:
    return await arbiter.boot("node-a", "boot-1")


@pytest.fixture
async def them(arbiter: Arbiter) -> NodeEpoch:
    return await arbiter.boot("node-b", "boot-1")


def unowned(key: SessionKey = KEY) -> Ownership:
    return Ownership(key, 0, None, is_clean=True)


async def acquired(arbiter: Arbiter, me: NodeEpoch, key: SessionKey = KEY) -> Taken:
    taken = await arbiter.acquire(me, await arbiter.look(key) or unowned(key))
    assert taken is not None
    return taken


async def beat(arbiter: Arbiter, node_id: str) -> Heartbeat:
    return next(seen for seen in (await arbiter.poll()).heartbeats if seen.node.node_id == node_id)


async def look(arbiter: Arbiter, key: SessionKey = KEY) -> Ownership:
    row = await arbiter.look(key)
    assert row is not None
    return row


# -- lives


@every_engine
async def test_every_boot_is_a_new_life_and_ends_the_one_before(arbiter: Arbiter, me: NodeEpoch) -> None:
    again = await arbiter.boot("node-a", "boot-2", b"key")

    assert again.number > me.number
    assert await arbiter.renew(again)
    assert not await arbiter.renew(me)


@every_engine
async def test_a_renewal_is_a_heartbeat(arbiter: Arbiter, me: NodeEpoch, them: NodeEpoch) -> None:
    before = await arbiter.poll()
    assert await arbiter.renew(me)
    after = await arbiter.poll()

    assert before.heartbeats == (Heartbeat(me, 0), Heartbeat(them, 0))
    assert after.heartbeats == (Heartbeat(me, 1), Heartbeat(them, 0))
    assert before.source == after.source


async def test_without_nodes_there_is_nothing_to_see(arbiter: Arbiter) -> None:
    assert (await arbiter.poll()).heartbeats == ()


async def test_a_draining_node_says_so_until_its_next_life(arbiter: Arbiter, me: NodeEpoch) -> None:
    assert await arbiter.drain(me)
    assert (await beat(arbiter, "node-a")).is_draining

    again = await arbiter.boot("node-a", "boot-1")
    assert not (await beat(arbiter, "node-a")).is_draining
    assert not await arbiter.drain(me)
    assert await arbiter.renew(again)


# -- acquire


@every_engine
async def test_a_session_that_nobody_owned_is_had_at_epoch_one_and_clean(
    arbiter: Arbiter, me: NodeEpoch
) -> None:
    assert await arbiter.acquire(me, unowned()) == Taken(KEY, 1)
    assert await look(arbiter) == Ownership(KEY, 1, me, is_clean=True)


async def test_a_session_that_is_owned_cannot_be_acquired(
    arbiter: Arbiter, me: NodeEpoch, them: NodeEpoch
) -> None:
    await acquired(arbiter, me)

    assert await arbiter.acquire(them, unowned()) is None
    assert await arbiter.acquire(them, await look(arbiter)) is None
    assert (await look(arbiter)).owner == me


async def test_a_session_is_acquired_only_as_it_was_seen(arbiter: Arbiter, me: NodeEpoch) -> None:
    taken = await acquired(arbiter, me)
    await arbiter.release(me, taken, is_clean=True)
    seen = await look(arbiter)

    for other in (replace(seen, epoch=2), replace(seen, epoch=0), replace(seen, is_clean=False)):
        assert await arbiter.acquire(me, other) is None
    assert await arbiter.acquire(me, seen) == Taken(KEY, 2)


async def test_an_unclean_session_stays_so_whoever_acquires_it(arbiter: Arbiter, me: NodeEpoch) -> None:
    taken = await acquired(arbiter, me)
    await arbiter.release(me, taken, is_clean=False)

    await acquired(arbiter, me)

    assert not (await look(arbiter)).is_clean


async def test_a_life_that_is_over_gets_nothing(arbiter: Arbiter, me: NodeEpoch, them: NodeEpoch) -> None:
    theirs = await acquired(arbiter, them)
    await arbiter.attest(them)
    await arbiter.boot("node-a", "boot-2")

    assert await arbiter.acquire(me, await look(arbiter)) is None
    assert await arbiter.adopt(me, await look(arbiter)) is None
    assert await arbiter.reassign(me, them, 10) == []
    assert not await arbiter.fence(me, await beat(arbiter, "node-a"))
    assert await arbiter.verify(me, KEY, theirs.epoch, is_clean=True) is Verdict.NODE_FENCED
    assert (await look(arbiter)).owner is None


@every_engine
async def test_whatever_gives_something_renews(arbiter: Arbiter, me: NodeEpoch, them: NodeEpoch) -> None:
    beats = [(await beat(arbiter, "node-a")).beats]

    async def note() -> None:
        beats.append((await beat(arbiter, "node-a")).beats)

    taken = await acquired(arbiter, me)
    await note()
    await arbiter.verify(me, KEY, taken.epoch, is_clean=True)
    await note()
    await acquired(arbiter, them, OTHER)
    await arbiter.fence(me, await beat(arbiter, "node-b"))
    await note()
    await arbiter.reassign(me, them, 10)
    await note()
    await arbiter.adopt(me, await look(arbiter))
    await note()

    assert beats == [0, 1, 2, 3, 4, 5]


@every_engine
async def test_of_many_that_acquire_at_once_one_wins(arbiter: Arbiter) -> None:
    nodes = [await arbiter.boot(f"node-{number}", "boot") for number in range(8)]
    winners: list[NodeEpoch] = []

    async def contend(node: NodeEpoch) -> None:
        if await arbiter.acquire(node, unowned()) is not None:
            winners.append(node)

    async with trio.open_nursery() as nursery:
        for node in nodes:
            nursery.start_soon(contend, node)

    assert [(await look(arbiter)).owner] == winners


async def test_eight_that_contend_for_every_epoch_get_each_once(arbiter: Arbiter, me: NodeEpoch) -> None:
    won = [(await acquired(arbiter, me)).epoch]

    async def contend() -> None:
        while (seen := await look(arbiter)).epoch < 60:
            taken = await arbiter.adopt(me, seen)
            if taken is not None:
                won.append(taken.epoch)

    async with trio.open_nursery() as nursery:
        for _ in range(8):
            nursery.start_soon(contend)

    assert sorted(won) == list(range(1, len(won) + 1))
    assert (await look(arbiter)).epoch == len(won)


def test_eight_workers_win_fifteen_hundred_contested_epochs_exactly_once_each(database: Database) -> None:
    won: list[int] = []

    async def contend(worker: int) -> None:
        connection: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(database.admin_url)
        name, life = (
            f"node-{worker}",
            await connection.fetchval(STATEMENTS["boot"], f"node-{worker}", "b", b"", 0),
        )
        seen, is_clean = 0, True
        while seen < 1500:
            epoch = await connection.fetchval(STATEMENTS["acquire"], name, life, *KEY_ROW, seen, is_clean)
            if epoch is not None:
                won.append(epoch)
                release = (name, life, *KEY_ROW, epoch, True, None)
                assert await connection.fetchval(STATEMENTS["release"], *release)
            seen = await connection.fetchval(STATEMENTS["look"], *KEY_ROW, column=2)
        await connection.close()

    async def contend_all() -> None:
        await asyncio.gather(*(contend(worker) for worker in range(8)))

    asyncio.run(contend_all())

    assert sorted(won) == list(range(1, len(won) + 1))
    assert len(won) in range(1500, 1508)


# -- fence and take over


@every_engine
async def test_a_silent_node_is_fenced_and_its_sessions_taken(
    arbiter: Arbiter, me: NodeEpoch, them: NodeEpoch
) -> None:
    theirs = [await acquired(arbiter, them, SessionKey("tenant-a", f"app-{number}")) for number in range(5)]

    assert await arbiter.fence(me, await beat(arbiter, "node-b"))
    assert not await arbiter.renew(them)
    first = await arbiter.reassign(me, them, 3)
    rest = await arbiter.reassign(me, them, 3)

    assert (len(first), len(rest), await arbiter.reassign(me, them, 3)) == (3, 2, [])
    assert {taken.key: taken.epoch for taken in first + rest} == {taken.key: 2 for taken in theirs}
    rows = [await look(arbiter, taken.key) for taken in theirs]
    assert {(row.owner, row.epoch, row.is_clean) for row in rows} == {(me, 2, False)}


@every_engine
async def test_a_node_that_has_renewed_is_not_fenced(
    arbiter: Arbiter, me: NodeEpoch, them: NodeEpoch
) -> None:
    seen = await beat(arbiter, "node-b")
    await arbiter.renew(them)

    assert not await arbiter.fence(me, seen)
    assert await arbiter.renew(them)


async def test_a_node_that_has_begun_a_new_life_is_not_fenced_for_the_old(
    arbiter: Arbiter, me: NodeEpoch
) -> None:
    await arbiter.boot("node-b", "boot-1")
    seen = await beat(arbiter, "node-b")
    again = await arbiter.boot("node-b", "boot-2")

    assert not await arbiter.fence(me, seen)
    assert await arbiter.renew(again)


async def test_nobody_fences_itself(arbiter: Arbiter, me: NodeEpoch) -> None:
    assert not await arbiter.fence(me, await beat(arbiter, "node-a"))
    assert await arbiter.renew(me)


async def test_a_fenced_node_is_seen_no_more_until_its_next_life(
    arbiter: Arbiter, me: NodeEpoch, them: NodeEpoch
) -> None:
    assert await arbiter.fence(me, await beat(arbiter, "node-b"))
    assert [seen.node.node_id for seen in (await arbiter.poll()).heartbeats] == ["node-a"]

    again = await arbiter.boot("node-b", "boot-1")
    assert again.number > them.number + 1
    assert (await beat(arbiter, "node-b")).node == again


@every_engine
async def test_two_that_fence_each_other_do_not_both_win(
    arbiter: Arbiter, me: NodeEpoch, them: NodeEpoch
) -> None:
    mine, theirs = await beat(arbiter, "node-a"), await beat(arbiter, "node-b")
    done: list[bool] = []

    async def fence(node: NodeEpoch, silent: Heartbeat) -> None:
        done.append(await arbiter.fence(node, silent))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(fence, me, theirs)
        nursery.start_soon(fence, them, mine)

    assert sorted(done) == [False, True]
    assert sorted([await arbiter.renew(me), await arbiter.renew(them)]) == [False, True]


@pytest.mark.parametrize("kind", ["fast"], indirect=True)
async def test_two_that_fence_each_other_at_the_worst_moment_do_not_wait_for_ever(
    arbiter: Arbiter, me: NodeEpoch, them: NodeEpoch, postgres: PostgresBench
) -> None:
    mine, theirs = await beat(arbiter, "node-a"), await beat(arbiter, "node-b")
    done: list[bool] = []

    async def fence(node: NodeEpoch, silent: Heartbeat) -> None:
        done.append(await arbiter.fence(node, silent))

    async def wait_waiting(number: int) -> None:
        count = "select count(*) from pg_locks where not granted"
        while [row[0] for row in await postgres.sql(count)] != [number]:
            await trio.sleep(0.005)

    async with trio.open_nursery() as nursery:
        await postgres.sql("begin")
        await postgres.sql("select from nodes where node_id = 'node-a' for update")
        nursery.start_soon(fence, me, theirs)
        await wait_waiting(1)
        nursery.start_soon(fence, them, mine)
        await wait_waiting(2)
        await postgres.sql("commit")

    assert sorted(done) == [False, True]


async def test_sessions_of_a_life_that_goes_on_are_not_reassigned(
    arbiter: Arbiter, me: NodeEpoch, them: NodeEpoch
) -> None:
    await acquired(arbiter, them)

    assert await arbiter.reassign(me, them, 10) == []
    assert await arbiter.adopt(me, await look(arbiter)) is None
    assert (await look(arbiter)).owner == them


@every_engine
async def test_two_that_take_over_share_the_sessions(
    arbiter: Arbiter, me: NodeEpoch, them: NodeEpoch
) -> None:
    third = await arbiter.boot("node-c", "boot-1")
    for number in range(20):
        await acquired(arbiter, them, SessionKey("tenant-a", f"app-{number}"))
    await arbiter.fence(me, await beat(arbiter, "node-b"))
    taken: list[SessionKey] = []

    async def take(node: NodeEpoch) -> None:
        while batch := await arbiter.reassign(node, them, 3):
            taken.extend(session.key for session in batch)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(take, me)
        nursery.start_soon(take, third)

    assert len(set(taken)) == len(taken)
    assert len(taken) + len(await arbiter.reassign(me, them, 100)) == 20


async def test_what_a_life_that_is_over_has_left_can_be_found_and_adopted(
    arbiter: Arbiter, me: NodeEpoch, them: NodeEpoch
) -> None:
    await acquired(arbiter, them)
    await acquired(arbiter, me, OTHER)
    assert await arbiter.unowned(10) == []
    await arbiter.boot("node-b", "boot-2")

    [left] = await arbiter.unowned(10)

    assert (left.key, left.owner) == (KEY, them)
    assert await arbiter.adopt(me, left) == Taken(KEY, 2)
    assert await arbiter.adopt(me, left) is None
    assert await look(arbiter) == Ownership(KEY, 2, me, is_clean=False)


async def test_an_owner_adopts_its_own_after_a_reply_was_lost(arbiter: Arbiter, me: NodeEpoch) -> None:
    await acquired(arbiter, me)

    assert await arbiter.adopt(me, await look(arbiter)) == Taken(KEY, 2)
    assert not (await look(arbiter)).is_clean
    assert await arbiter.verify(me, KEY, 1, is_clean=True) is Verdict.SESSION_LOST
    assert await arbiter.verify(me, KEY, 2, is_clean=False) is Verdict.GRANTED


async def test_free_sessions_are_found_up_to_a_limit(arbiter: Arbiter, me: NodeEpoch) -> None:
    for number in range(3):
        taken = await acquired(arbiter, me, SessionKey("tenant-a", f"app-{number}"))
        await arbiter.release(me, taken, is_clean=True)

    assert [row.key.app_id for row in await arbiter.unowned(2)] == ["app-0", "app-1"]


# -- verify


@every_engine
async def test_an_owner_is_granted_its_connect(arbiter: Arbiter, me: NodeEpoch) -> None:
    taken = await acquired(arbiter, me)

    assert await arbiter.verify(me, KEY, taken.epoch, is_clean=False) is Verdict.GRANTED
    assert not (await look(arbiter)).is_clean
    assert await arbiter.verify(me, KEY, taken.epoch, is_clean=True) is Verdict.GRANTED
    assert (await look(arbiter)).is_clean


@every_engine
async def test_who_lost_the_session_keeps_the_life(arbiter: Arbiter, me: NodeEpoch, them: NodeEpoch) -> None:
    taken = await acquired(arbiter, me)
    await arbiter.release(me, taken, is_clean=True)
    theirs = await acquired(arbiter, them)

    for epoch in (taken.epoch, theirs.epoch):
        assert await arbiter.verify(me, KEY, epoch, is_clean=False) is Verdict.SESSION_LOST
    assert await arbiter.verify(me, OTHER, 1, is_clean=False) is Verdict.SESSION_LOST
    assert (await look(arbiter)).is_clean
    assert await arbiter.renew(me)


@every_engine
async def test_who_was_fenced_is_granted_nothing(arbiter: Arbiter, me: NodeEpoch, them: NodeEpoch) -> None:
    taken = await acquired(arbiter, me)
    await arbiter.fence(them, await beat(arbiter, "node-a"))

    assert await arbiter.verify(me, KEY, taken.epoch, is_clean=True) is Verdict.NODE_FENCED


@pytest.mark.parametrize("kind", ["fast"], indirect=True)
async def test_a_verify_that_comes_second_to_a_fence_is_refused(
    arbiter: Arbiter, me: NodeEpoch, them: NodeEpoch, postgres: PostgresBench
) -> None:
    taken = await acquired(arbiter, me)
    verdicts: list[Verdict] = []

    async def verify() -> None:
        verdicts.append(await arbiter.verify(me, KEY, taken.epoch, is_clean=True))

    fence = STATEMENTS["fence"]
    async with trio.open_nursery() as nursery:
        await postgres.sql("begin")
        [[is_fenced]] = await postgres.sql(fence, them.node_id, them.number, me.node_id, me.number, 1)
        await postgres.sql(STATEMENTS["reassign"], them.node_id, them.number, me.node_id, me.number, 10)
        nursery.start_soon(verify)
        await postgres.wait_blocked(1)
        await postgres.sql("commit")

    assert is_fenced
    assert verdicts == [Verdict.NODE_FENCED]
    assert await look(arbiter) == Ownership(KEY, 2, them, is_clean=False)


async def test_only_an_owners_present_sessions_are_noted_clean(
    arbiter: Arbiter, me: NodeEpoch, them: NodeEpoch
) -> None:
    mine, theirs = await acquired(arbiter, me), await acquired(arbiter, them, OTHER)
    for node, taken in ((me, mine), (them, theirs)):
        await arbiter.verify(node, taken.key, taken.epoch, is_clean=False)

    await arbiter.note_clean(me, [replace(mine, epoch=9), theirs])
    assert not (await look(arbiter)).is_clean
    assert not (await look(arbiter, OTHER)).is_clean

    await arbiter.note_clean(me, [mine])
    assert (await look(arbiter)).is_clean


# -- release and attested deaths


@every_engine
async def test_a_session_is_handed_over(arbiter: Arbiter, me: NodeEpoch, them: NodeEpoch) -> None:
    taken = await acquired(arbiter, me)

    assert await arbiter.release(me, taken, is_clean=True, next_owner="node-b")
    offered = await look(arbiter)
    assert offered == Ownership(KEY, 1, None, is_clean=True, next_owner="node-b")

    assert await arbiter.acquire(them, offered) == Taken(KEY, 2)
    assert await look(arbiter) == Ownership(KEY, 2, them, is_clean=True)


async def test_only_the_owner_releases_and_only_once(
    arbiter: Arbiter, me: NodeEpoch, them: NodeEpoch
) -> None:
    taken = await acquired(arbiter, me)

    assert not await arbiter.release(them, taken, is_clean=True)
    assert not await arbiter.release(me, replace(taken, epoch=2), is_clean=True)
    assert await arbiter.release(me, taken, is_clean=False)
    assert not await arbiter.release(me, taken, is_clean=True)
    assert not (await look(arbiter)).is_clean


async def test_a_life_that_is_over_releases_nothing(arbiter: Arbiter, me: NodeEpoch, them: NodeEpoch) -> None:
    taken = await acquired(arbiter, me)
    await arbiter.fence(them, await beat(arbiter, "node-a"))

    assert not await arbiter.release(me, taken, is_clean=True)
    assert (await look(arbiter)).owner == me


@every_engine
async def test_an_attested_death_frees_sessions_as_clean_as_they_are(
    arbiter: Arbiter, me: NodeEpoch, them: NodeEpoch
) -> None:
    await acquired(arbiter, them)
    doubtful = await acquired(arbiter, them, OTHER)
    await arbiter.verify(them, OTHER, doubtful.epoch, is_clean=False)

    assert await arbiter.attest(them) == 2
    assert await arbiter.attest(them) == 0

    assert not await arbiter.renew(them)
    assert [row.is_clean for row in await arbiter.unowned(10)] == [True, False]
    assert await arbiter.acquire(me, await look(arbiter)) == Taken(KEY, 2)


async def test_a_death_is_attested_after_the_node_has_begun_anew(arbiter: Arbiter, them: NodeEpoch) -> None:
    await acquired(arbiter, them)
    again = await arbiter.boot("node-b", "boot-1")

    assert await arbiter.attest(them) == 1
    assert await arbiter.renew(again)
    assert await arbiter.acquire(again, await look(arbiter)) == Taken(KEY, 2)
    assert await arbiter.attest(them) == 0
    assert (await look(arbiter)).owner == again


# -- generations and outages


@every_engine
async def test_a_new_generation_fences_everybody_and_all_numbers_are_above_the_old(
    arbiter: Arbiter, me: NodeEpoch
) -> None:
    taken = await acquired(arbiter, me)

    assert await arbiter.next_generation() == 1

    assert not await arbiter.renew(me)
    assert await arbiter.verify(me, KEY, taken.epoch, is_clean=True) is Verdict.NODE_FENCED
    again = await arbiter.boot("node-a", "boot-1")
    assert again.number == (1 << 40) + 1
    assert await arbiter.adopt(again, await look(arbiter)) == Taken(KEY, (1 << 40) + 1)
    assert (await arbiter.boot("node-c", "boot-1")).number == (1 << 40) + 1


@every_engine
async def test_an_outage_is_told_and_decides_nothing(
    arbiter: Arbiter, me: NodeEpoch, bench: StoreBench
) -> None:
    taken = await acquired(arbiter, me)
    await bench.go_down()

    with pytest.raises(StoreUnavailable):
        await arbiter.renew(me)
    with pytest.raises(StoreUnavailable):
        await arbiter.poll()
    with pytest.raises(StoreUnavailable):
        await arbiter.verify(me, KEY, taken.epoch, is_clean=True)
    with pytest.raises(StoreUnavailable):
        await arbiter.release(me, taken, is_clean=True)
    await bench.come_back()

    assert await arbiter.verify(me, KEY, taken.epoch, is_clean=True) is Verdict.GRANTED

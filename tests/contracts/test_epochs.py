"""What is written for a session only by its owner, and what others are told: over the fakes, and over PostgreSQL."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from actors.arbiter import Arbiter
from actors.core.credential import Deposit, Keeping
from actors.core.names import SessionKey
from actors.core.owners import Heartbeat, NodeEpoch, Ownership, Taken
from actors.core.record import to_record
from actors.core.states import Authorized, State, Substate
from actors.epochs import Epochs
from actors.errors import CredentialSealed, NotOwner, VersionConflict
from actors.ports import Saved
from tests.contracts.benches import FakeBench, PostgresBench, StoreBench
from tests.contracts.credentials import credential

KEY, OTHER = SessionKey("tenant-a", "app-1"), SessionKey("tenant-a", "app-2")
LOGIN, NEWER = credential(1), credential(1, pts=9)
NOW = 1_795_000_000.0


@dataclass(slots=True)
class Node:
    """A node, of which the bench's process is one, and which saves one version after another."""

    bench: StoreBench
    me: NodeEpoch
    lost: list[SessionKey] = field(default_factory=list)
    versions: dict[SessionKey, int] = field(default_factory=dict)

    @property
    def arbiter(self) -> Arbiter:
        return self.bench.arbiter

    async def own(self, key: SessionKey = KEY) -> Taken:
        """The bench's process takes the session."""
        taken = await acquire(self.arbiter, self.me, key)
        self.bench.epochs.own(key, taken.epoch, lambda: self.lost.append(key))
        return taken

    async def save(
        self, keeping: Keeping | None = None, key: SessionKey = KEY, state: State | None = None
    ) -> None:
        version = self.versions.get(key, 0) + 1
        record = to_record(state or Authorized(LOGIN.account_id))
        await self.bench.store.save(key, Saved(record, version, NOW), None, keeping)
        self.versions[key] = version


async def acquire(arbiter: Arbiter, me: NodeEpoch, key: SessionKey = KEY) -> Taken:
    taken = await arbiter.acquire(me, await arbiter.look(key) or Ownership(key, 0, None, is_clean=True))
    assert taken is not None
    return taken


async def sealed_at(bench: StoreBench, key: SessionKey = KEY) -> int:
    """The epoch of ownership under which the session's credential was sealed last."""
    if isinstance(bench, PostgresBench):
        statement = "select epoch from telegram_credentials where tenant_id = $1 and app_id = $2"
        [row] = await bench.sql(statement, key.tenant_id, key.app_id)
        return int(row["epoch"])
    assert isinstance(bench, FakeBench)
    [kept] = bench.store.vault.kept[key]
    return kept.epoch


@pytest.fixture
async def node(bench: StoreBench) -> Node:
    return Node(bench, await bench.arbiter.boot("node-a", "boot-1"))


@pytest.fixture
async def other(bench: StoreBench) -> NodeEpoch:
    return await bench.arbiter.boot("node-b", "boot-1")


# -- saves


async def test_what_nobody_owns_anybody_may_save(node: Node) -> None:
    await node.save(Deposit(LOGIN))

    assert await sealed_at(node.bench) == 0
    assert await node.bench.vault.current(KEY) == LOGIN


async def test_the_owner_saves_and_seals_under_its_epoch(node: Node) -> None:
    first = await node.own()
    await node.arbiter.release(node.me, first, is_clean=True)
    second = await node.own()

    await node.save(Deposit(LOGIN))

    assert (second.epoch, await sealed_at(node.bench)) == (2, 2)
    assert await node.bench.vault.current(KEY) == LOGIN
    assert node.lost == []


async def test_nobody_saves_what_another_owns(node: Node, other: NodeEpoch) -> None:
    await acquire(node.arbiter, other)

    with pytest.raises(NotOwner, match="tenant-a/app-1 belongs to another supervisor"):
        await node.save(Deposit(LOGIN))

    assert await node.bench.store.load(KEY) is None
    assert await node.bench.shelf(KEY) == []


async def test_whoever_saves_under_an_old_epoch_is_told_that_it_has_lost_the_session(
    node: Node, other: NodeEpoch
) -> None:
    taken = await node.own()
    await node.save(Deposit(LOGIN))
    before = await node.bench.store.load(KEY)
    await node.arbiter.attest(node.me)
    await acquire(node.arbiter, other)

    with pytest.raises(NotOwner):
        await node.save(Deposit(credential(2)))

    assert node.lost == [KEY]
    assert await node.bench.store.load(KEY) == before
    assert await node.bench.vault.current(KEY) == LOGIN
    node.bench.epochs.leave(KEY, taken.epoch)
    assert node.bench.epochs.of(KEY) is None


async def test_what_was_given_free_is_no_more_saved_under_its_last_epoch(node: Node) -> None:
    taken = await node.own()
    await node.arbiter.release(node.me, taken, is_clean=True)

    with pytest.raises(NotOwner):
        await node.save()

    assert node.lost == [KEY]


async def test_what_is_owned_is_not_saved_by_who_has_not_said_so(node: Node) -> None:
    taken = await node.own()
    node.bench.epochs.leave(KEY, taken.epoch)

    with pytest.raises(NotOwner):
        await node.save()

    assert node.lost == []


async def test_the_owner_of_one_session_saves_no_other(node: Node, other: NodeEpoch) -> None:
    await node.own()
    await acquire(node.arbiter, other, OTHER)

    with pytest.raises(NotOwner):
        await node.save(key=OTHER)
    await node.save()


async def test_an_owner_with_an_old_version_has_a_conflict_and_keeps_the_session(node: Node) -> None:
    await node.own()
    await node.save()
    node.versions.clear()

    with pytest.raises(VersionConflict):
        await node.save(state=Authorized(5))

    assert node.lost == []


def test_only_the_epoch_that_was_left_is_left() -> None:
    epochs = Epochs()
    epochs.own(KEY, 3, lambda: None)
    epochs.leave(KEY, 2)
    assert epochs.of(KEY) == 3
    epochs.refused(OTHER)
    epochs.leave(KEY, 3)
    assert epochs.of(KEY) is None


# -- checkpoints


async def test_a_checkpoint_is_written_by_the_owner_and_sealed_under_its_epoch(node: Node) -> None:
    await node.save(Deposit(LOGIN))
    await node.own()

    await node.bench.vault.checkpoint(KEY, NEWER)

    assert await node.bench.vault.current(KEY) == NEWER
    assert await sealed_at(node.bench) == 1


@pytest.mark.parametrize("says", ["nothing", "an old epoch"])
async def test_a_checkpoint_of_what_another_owns_changes_nothing(
    node: Node, other: NodeEpoch, says: str
) -> None:
    await node.own()
    await node.save(Deposit(LOGIN))
    await node.arbiter.attest(node.me)
    await acquire(node.arbiter, other)
    if says == "nothing":
        node.bench.epochs.leave(KEY, 1)

    await node.bench.vault.checkpoint(KEY, NEWER)

    assert await node.bench.vault.current(KEY) == LOGIN
    assert await sealed_at(node.bench) == 1


async def test_what_was_sealed_under_an_ownership_that_is_forgotten_is_not_opened(node: Node) -> None:
    """The table of owners was put back from a backup, the credentials were not."""
    await node.arbiter.release(node.me, await node.own(), is_clean=True)
    await node.own()
    await node.save(Deposit(LOGIN))
    await forget(node.bench, 1)

    with pytest.raises(CredentialSealed) as caught:
        await node.bench.vault.current(KEY)

    if isinstance(node.bench, PostgresBench):
        assert "restore all of it, or log the session in again" in str(caught.value)


async def forget(bench: StoreBench, epoch: int) -> None:
    """Let the arbiter know of no later ownership of the session."""
    if isinstance(bench, PostgresBench):
        await bench.sql("update session_owners set epoch = $1", epoch)
    else:
        assert isinstance(bench, FakeBench)
        bench.store.arbiter.rows[KEY] = Ownership(KEY, epoch, None, is_clean=True)


# -- what is to be started


async def test_what_a_living_node_owns_is_not_to_be_started_by_others(node: Node, other: NodeEpoch) -> None:
    await node.save()
    await node.save(key=OTHER, state=asleep())
    assert (await node.bench.store.running(), await node.bench.store.due(NOW)) == ([KEY], [OTHER])

    taken = [await acquire(node.arbiter, other, key) for key in (KEY, OTHER)]
    assert (await node.bench.store.running(), await node.bench.store.due(NOW)) == ([], [])

    await node.arbiter.release(other, taken[0], is_clean=True)
    assert (await node.bench.store.running(), await node.bench.store.due(NOW)) == ([KEY], [])


async def test_what_a_life_owned_that_is_over_is_to_be_started(node: Node, other: NodeEpoch) -> None:
    await node.save()
    await node.save(key=OTHER, state=asleep())
    for key in (KEY, OTHER):
        await acquire(node.arbiter, other, key)

    assert await node.arbiter.fence(node.me, await beat(node.arbiter, "node-b"))

    assert (await node.bench.store.running(), await node.bench.store.due(NOW)) == ([KEY], [OTHER])


def asleep() -> Authorized:
    return Authorized(LOGIN.account_id, Substate.ASLEEP, validate_at=NOW - 1)


# -- what a node tells of itself, and what it may ask of itself


async def beat(arbiter: Arbiter, node_id: str) -> Heartbeat:
    return next(each for each in (await arbiter.poll()).heartbeats if each.node.node_id == node_id)


async def test_a_node_tells_its_capacity_and_with_each_renewal_its_load(node: Node) -> None:
    me = await node.arbiter.boot("node-c", "boot-1", capacity=5000)
    seen = await beat(node.arbiter, "node-c")
    assert (seen.load, seen.capacity) == (0, 5000)

    assert await node.arbiter.renew(me, 17)
    assert ((await beat(node.arbiter, "node-c")).load, (await beat(node.arbiter, "node-a")).load) == (17, 0)

    await node.arbiter.boot("node-c", "boot-1", capacity=10)
    seen = await beat(node.arbiter, "node-c")
    assert (seen.load, seen.capacity) == (0, 10)


async def test_a_node_is_told_what_it_owns_and_at_which_epochs(node: Node, other: NodeEpoch) -> None:
    await node.arbiter.release(node.me, await acquire(node.arbiter, node.me), is_clean=True)
    mine = await acquire(node.arbiter, node.me)
    theirs = await acquire(node.arbiter, other, OTHER)

    assert await node.arbiter.owned(node.me) == [mine] == [Taken(KEY, 2)]
    assert await node.arbiter.owned(other) == [theirs]
    assert await node.arbiter.owned(await node.arbiter.boot("node-a", "boot-2")) == []

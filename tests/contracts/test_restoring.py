"""How a login comes back from a backup, and when it must not: over the fake store, and over PostgreSQL."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import trio

from actors.adapters.backups.errors import BackupDamaged, BackupForeign, BackupMissing
from actors.adapters.backups.folder import BackupFolder, Entry
from actors.adapters.telegram.sqlite_login import telethon_file
from actors.clock import Boottime, Clock
from actors.core.credential import Bury, Credential, Deposit, Keeping, Owe
from actors.core.names import SessionKey
from actors.core.owners import NodeEpoch, Ownership, Taken
from actors.core.record import from_record, to_record
from actors.core.states import Authorized, PastLogin, Reason, Revoked, SessionState, Stale, State, Substate
from actors.errors import CredentialSealed, StoreUnavailable
from actors.guard import Ends
from actors.ports import Saved, Transition
from supervisor.owner import slots
from supervisor.owner.slots import claimed_slot
from supervisor.owner.watching import Witness
from supervisor.ownership.timings import PROFILE_S
from supervisor.restoring import Owners, Restorer, RestoreRefused
from tests.contracts.benches import StoreBench
from tests.contracts.credentials import credential, keyring

KEY = SessionKey("tenant-a", "app-1")
OLD, NEW = credential(1), credential(2)
AUTHORIZED = Authorized(OLD.account_id)


@dataclass(slots=True)
class Place:
    """A restorer, and what a test does around it."""

    bench: StoreBench
    restorer: Restorer
    versions: int = 0

    def back_up(self, of: Credential = OLD, at: float = 1_795_000_000.0) -> Entry:
        return self.restorer.folder.make(KEY, telethon_file(of), of, at)

    async def save(self, keeping: Keeping | None = None, state: State = AUTHORIZED) -> None:
        self.versions += 1
        saved = Saved(to_record(state), self.versions, 1_795_000_000.0)
        await self.bench.store.save(KEY, saved, None, keeping)

    async def row(self) -> Saved:
        saved = await self.bench.store.load(KEY)
        assert saved is not None
        return saved

    async def refused(self, code: str) -> str:
        """Restore, which must be refused with this code and change nothing; the sentence."""
        before = await self.bench.store.load(KEY), await self.bench.shelf(KEY), await self.bench.journal(KEY)
        with pytest.raises(RestoreRefused) as caught:
            await self.restorer.restore(KEY)
        after = await self.bench.store.load(KEY), await self.bench.shelf(KEY), await self.bench.journal(KEY)
        assert (caught.value.code, after) == (code, before)
        return str(caught.value)


@pytest.fixture
async def place(bench: StoreBench, tmp_path: Path) -> Place:
    folder = BackupFolder(tmp_path / "backups", lambda: keyring("first"), "test")
    witness = Witness(Boottime(), PROFILE_S, bench.arbiter, lambda _: None, tmp_path / "sessions")
    owners = Owners(bench.arbiter, witness, bench.epochs)
    return Place(bench, Restorer(folder, bench.store, bench.vault, Clock(), owners))


# -- what comes back


async def test_a_session_that_the_database_has_forgotten_comes_back_stale_and_due(place: Place) -> None:
    made = place.back_up()

    restored = await place.restorer.restore(KEY)

    assert (restored.opened.id, restored.version) == (made.id, 1)
    assert await place.bench.vault.current(KEY) == OLD
    state = from_record((await place.row()).record)
    assert isinstance(state, Stale)
    assert (state.account_id, state.reason) == (OLD.account_id, Reason.RESTORED)
    assert await place.bench.store.running() == [KEY]
    line = Transition("RestoreBackup", SessionState.ABSENT, SessionState.STALE, Reason.RESTORED)
    assert await place.bench.journal(KEY) == [(1, line)]


async def test_a_seal_that_does_not_hold_is_made_whole(place: Place) -> None:
    await place.save(Deposit(OLD))
    place.back_up()
    await place.bench.damage(KEY)
    with pytest.raises(CredentialSealed):
        await place.bench.vault.current(KEY)

    restored = await place.restorer.restore(KEY)

    assert restored.version == 2
    assert await place.bench.vault.current(KEY) == OLD
    assert await place.bench.shelf(KEY) == [("current", "", False)]
    line = Transition("RestoreBackup", SessionState.AUTHORIZED, SessionState.STALE, Reason.RESTORED)
    assert await place.bench.journal(KEY) == [(2, line)]


async def test_the_page_of_the_last_login_still_shows_how_it_went(place: Place) -> None:
    past = PastLogin("login-1")
    await place.save(Deposit(OLD), Authorized(OLD.account_id, last_login=past))
    place.back_up()
    await place.bench.damage(KEY)

    await place.restorer.restore(KEY)

    state = from_record((await place.row()).record)
    assert isinstance(state, Stale)
    assert state.last_login == past


async def test_the_backup_that_is_named_comes_back(place: Place) -> None:
    older = place.back_up(credential(1, pts=5), at=1_795_000_000.0)
    place.back_up(credential(1, pts=9), at=1_795_100_000.0)

    await place.restorer.restore(KEY, older.id)

    assert await place.bench.vault.current(KEY) == credential(1, pts=5)


async def test_a_stopped_session_stays_stopped(place: Place) -> None:
    await place.save(Deposit(OLD), Authorized(OLD.account_id, Substate.STOPPED))
    place.back_up()
    await place.bench.damage(KEY)

    await place.restorer.restore(KEY)

    assert (await place.row()).record.stopped
    assert await place.bench.store.running() == []


# -- what does not


@pytest.mark.parametrize(
    "given_up",
    [Deposit(NEW), Owe(), Bury(Reason.AUTH_KEY_DUPLICATED)],
    ids=["replaced", "logged out", "ended by Telegram"],
)
async def test_a_burned_key_never_comes_back(place: Place, given_up: Keeping) -> None:
    await place.save(Deposit(OLD))
    place.back_up()
    await place.save(given_up)
    if isinstance(given_up, Deposit):
        await place.save(Owe())  # the newer one has gone too, so nothing is in the way

    assert "log the session in again" in await place.refused("key_burned")


async def test_a_burned_key_does_not_even_come_back_when_its_successor_is_damaged(place: Place) -> None:
    await place.save(Deposit(OLD))
    place.back_up()
    await place.save(Deposit(NEW))
    await place.bench.damage(KEY)

    await place.refused("key_burned")


async def test_a_session_that_was_ended_does_not_come_back(place: Place) -> None:
    place.back_up()
    await place.save(None, Revoked(OLD.account_id, Reason.SESSION_REVOKED))

    await place.refused("key_burned")


async def test_a_newer_login_is_not_replaced(place: Place) -> None:
    place.back_up()
    await place.save(Deposit(NEW))

    assert "revoke the session first" in await place.refused("newer_login")


async def test_where_nothing_is_lost_nothing_is_restored(place: Place) -> None:
    await place.save(Deposit(credential(1, pts=9)))
    place.back_up(credential(1, pts=5))

    await place.refused("nothing_to_restore")


async def taken(place: Place, me: NodeEpoch) -> Taken:
    """A node takes the session."""
    seen = await place.bench.arbiter.look(KEY) or Ownership(KEY, 0, None, is_clean=True)
    mine = await place.bench.arbiter.acquire(me, seen)
    assert mine is not None
    return mine


async def test_what_a_living_node_owns_is_not_restored_wherever_that_node_is(place: Place) -> None:
    me = await place.bench.arbiter.boot("far-away", "boot-1")
    mine = await taken(place, me)
    place.back_up()

    assert "stop that supervisor, or the session" in await place.refused("session_owned")

    await place.bench.arbiter.release(me, mine, is_clean=True)
    await place.restorer.restore(KEY)


async def test_what_somebody_takes_meanwhile_is_not_restored(place: Place) -> None:
    """The store says so, whoever takes it, and whenever: also after the last look at the owner."""
    me = await place.bench.arbiter.boot("node-a", "boot-1")

    class Slow:
        save = place.bench.store.save
        running = place.bench.store.running
        due = place.bench.store.due
        page = place.bench.store.page

        async def load(self, key: SessionKey) -> Saved | None:
            await taken(place, me)
            return await place.bench.store.load(key)

    place.back_up()
    restorer = replace(place.restorer, store=Slow())
    with pytest.raises(RestoreRefused) as caught:
        await restorer.restore(KEY)

    assert caught.value.code == "session_owned"
    assert await place.bench.store.load(KEY) is None
    assert await place.bench.vault.current(KEY) is None


async def test_a_life_that_is_over_blocks_nothing_until_somebody_takes_its_session(place: Place) -> None:
    """A watcher ends a life, and dies before it takes what that one had."""
    them = await place.bench.arbiter.boot("node-b", "boot-1")
    await taken(place, them)
    me = await place.bench.arbiter.boot("node-a", "boot-1")
    [silent] = [beat for beat in (await place.bench.arbiter.poll()).heartbeats if beat.node == them]
    assert await place.bench.arbiter.fence(me, silent)
    place.back_up()

    await place.restorer.restore(KEY)

    assert await place.bench.vault.current(KEY) == OLD
    row = await place.bench.arbiter.look(KEY)
    assert row is not None
    assert (row.owner, row.epoch) == (them, 1)
    assert place.bench.epochs.of(KEY) is None


async def dead(place: Place, *, port: int | None = None) -> NodeEpoch:
    """A supervisor on this machine took the session and died, perhaps with a connection."""
    base = place.restorer.owners.witness.base
    with claimed_slot(base) as slot:
        life = await place.bench.arbiter.boot(slot.node_id, slots.boot_id())
        slot.occupy(life)
        if port is not None:
            slot.sockets.opened(Ends(port))
    await taken(place, life)
    return life


async def test_a_supervisor_that_died_without_a_connection_blocks_nothing(place: Place) -> None:
    await dead(place)
    place.back_up()

    await place.restorer.restore(KEY)


async def test_a_supervisor_that_died_in_the_middle_blocks_for_as_long_as_its_connection_may_last(
    place: Place,
) -> None:
    await dead(place, port=0)
    place.back_up()

    said = await place.refused("session_owned")
    assert re.search("try again in 1[67] seconds", said), said

    clock = Later(15)
    assert "try again in 2 seconds" in await later(place, clock).refused("session_owned")
    clock.seconds = 17
    await later(place, clock).restorer.restore(KEY)


class Later(Boottime):
    """The machine's clock, so many seconds on."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def now(self) -> float:
        return super().now() + self.seconds


def later(place: Place, clock: Boottime) -> Place:
    """The command again, in another process."""
    owners = place.restorer.owners
    witness = Witness(clock, PROFILE_S, place.bench.arbiter, lambda _: None, owners.witness.base)
    return replace(place, restorer=replace(place.restorer, owners=replace(owners, witness=witness)))


async def test_a_folder_that_cannot_be_asked_is_named(place: Place, tmp_path: Path) -> None:
    place.back_up()
    nowhere = replace(place.restorer.owners.witness, base=tmp_path / ("x" * 300))
    restorer = replace(place.restorer, owners=replace(place.restorer.owners, witness=nowhere))

    assert "SESSIONS_BASE_PATH" in await replace(place, restorer=restorer).refused("sessions_unusable")


async def test_a_supervisor_that_lives_on_this_machine_blocks(place: Place) -> None:
    with claimed_slot(place.restorer.owners.witness.base) as slot:
        life = await place.bench.arbiter.boot(slot.node_id, slots.boot_id())
        slot.occupy(life)
        await taken(place, life)
        place.back_up()

        assert slot.node_id in await place.refused("session_owned")


@pytest.mark.parametrize("kind", ["fake"], indirect=True)
async def test_what_cannot_be_opened_or_is_of_elsewhere_changes_nothing(place: Place, tmp_path: Path) -> None:
    with pytest.raises(BackupMissing):
        await place.restorer.restore(KEY)
    made = place.back_up()
    production = BackupFolder(tmp_path / "backups", lambda: keyring("first"), "production")
    elsewhere = Restorer(production, place.bench.store, place.bench.vault, Clock(), place.restorer.owners)
    with pytest.raises(BackupForeign):
        await elsewhere.restore(KEY)
    made.path.write_bytes(made.path.read_bytes()[:-1])
    with pytest.raises(BackupDamaged):
        await place.restorer.restore(KEY)

    assert await place.bench.store.load(KEY) is None


async def test_an_outage_restores_nothing_and_the_next_try_does(place: Place) -> None:
    place.back_up()
    await place.bench.go_down()
    with pytest.raises(StoreUnavailable):
        await place.restorer.restore(KEY)
    await place.bench.come_back()

    await place.restorer.restore(KEY)
    assert await place.bench.vault.current(KEY) == OLD


async def test_of_two_restores_at_once_one_is_refused(place: Place) -> None:
    place.back_up()
    outcomes: list[str] = []

    async def restore() -> None:
        try:
            await place.restorer.restore(KEY)
            outcomes.append("restored")
        except RestoreRefused as refused:
            outcomes.append(refused.code)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(restore)
        nursery.start_soon(restore)

    assert sorted(outcomes) in (["nothing_to_restore", "restored"], ["restored", "version_conflict"])
    assert await place.bench.vault.current(KEY) == OLD

"""The schedule of backups, in virtual time: when it runs, what it does again, and what it survives."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pytest
import trio

from actors.adapters.backups.errors import BackupDiskFull, BackupKeyMissing
from actors.adapters.keyring import KeyringError, add_key
from actors.clock import Clock
from actors.core.credential import Credential, Deposit, Owe, UpdatePoint
from actors.core.names import SessionKey
from actors.errors import StoreUnavailable
from supervisor import backups as b
from supervisor.backups import BackupSchedule, SessionBackups, Tally, Times, TurnLost
from supervisor.events import BackupOutcome, BackupsFailed, BackupsRan, Event, SessionBackup
from supervisor.metrics import Metrics
from tests.backups.examples import DAY, KEY, OTHER, Shelf, login, shelf_in
from tests.fakes import FakeStore
from tests.fakes.backups import FakeBackupRegister

HOUR = 3600.0

Result = TypeVar("Result")


class HereAndNow(SessionBackups):
    """Works in no thread: a clock that jumps whenever everybody waits would jump while a thread works."""

    async def _in_thread(self, work: Callable[[], Result]) -> Result:
        await trio.lowlevel.checkpoint()
        return work()


class Bench:
    """A schedule over real files and a fake database. Make it inside `trio.run`."""

    def __init__(self, shelf: Shelf) -> None:
        self.shelf = shelf
        self.store = FakeStore()
        self.register = FakeBackupRegister(self.store)
        self.clock = Clock()
        self.told: list[Event] = []
        self.backups = HereAndNow(shelf.folder, self.store.vault, self.clock)
        self.schedule = self.another()

    def another(self) -> BackupSchedule:
        """A schedule of another node, on the same folder and database."""
        return BackupSchedule(
            self.backups, self.register, Times(24 * HOUR, 7 * DAY), self.clock, self.told.append
        )

    def log_in(self, credential: Credential, key: SessionKey = KEY) -> None:
        """It becomes the session's credential."""
        self.store.vault.keep(key, Deposit(credential))

    def seal_off(self, credential: Credential) -> None:
        """Let nobody open it."""
        self.store.vault.sealed.add((credential.dc_id, credential.auth_key.reveal()))

    def crowd(self, size: int) -> None:
        """So many sessions more, whose credentials nobody can open: that costs a test no time."""
        sealed = login()
        self.seal_off(sealed)
        for number in range(size):
            self.log_in(sealed, SessionKey("many", f"app{number}"))

    @asynccontextmanager
    async def scheduled(self) -> AsyncIterator[None]:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.schedule.keep)
            yield
            nursery.cancel_scope.cancel()

    async def first_run(self) -> None:
        await trio.sleep(b.START_WITHIN + 60)

    def outcomes(self, key: SessionKey = KEY) -> list[str]:
        return [event.outcome for event in self.told if isinstance(event, SessionBackup) and event.key == key]

    def runs(self) -> list[BackupsRan]:
        return [event for event in self.told if isinstance(event, BackupsRan)]

    def failures(self) -> list[BackupsFailed]:
        return [event for event in self.told if isinstance(event, BackupsFailed)]


@pytest.fixture
async def bench(tmp_path: Path) -> Bench:
    bench = Bench(shelf_in(tmp_path))
    bench.log_in(login())
    return bench


async def test_the_first_run_is_soon_after_the_start_and_the_next_a_day_later(bench: Bench) -> None:
    async with bench.scheduled():
        await bench.first_run()
        assert bench.outcomes() == ["made"]
        assert bench.shelf.folder.open(KEY).credential == await bench.store.vault.current(KEY)

        await trio.sleep(23 * HOUR)
        assert len(bench.runs()) == 1
        await trio.sleep(2 * HOUR)
        assert [(run.made, run.unchanged) for run in bench.runs()] == [(1, 0), (0, 1)]


async def test_only_what_changed_is_backed_up_again(bench: Bench) -> None:
    other = login(7000000002)
    bench.log_in(other, OTHER)
    async with bench.scheduled():
        await bench.first_run()
        changed = replace(other, updates=(UpdatePoint(0, 9, 0, 1, 0),))
        await bench.store.vault.checkpoint(OTHER, changed)
        await trio.sleep(24 * HOUR)

    assert bench.outcomes(KEY) == ["made", "unchanged"]
    assert bench.outcomes(OTHER) == ["made", "made"]
    assert len(bench.shelf.ids(KEY)) == 1
    assert bench.shelf.folder.open(OTHER).credential == changed


async def test_a_damaged_backup_and_a_new_key_are_reasons_for_a_new_backup(bench: Bench) -> None:
    async with bench.scheduled():
        await bench.first_run()
        newest = bench.shelf.folder.entries(KEY)[0].path
        newest.write_bytes(newest.read_bytes()[:-1])
        await trio.sleep(24 * HOUR)
        add_key(bench.shelf.keyring_file, "second")
        await trio.sleep(24 * HOUR)

    assert bench.outcomes() == ["made", "made", "made"]
    assert bench.shelf.folder.open(KEY).header.key_name == "second"


async def test_after_a_month_a_week_of_backups_is_left(bench: Bench) -> None:
    async with bench.scheduled():
        for day in range(30):
            bench.log_in(login(7000000001, UpdatePoint(0, day, 0, 1, 0)))
            await trio.sleep(24 * HOUR)

    assert bench.outcomes().count("made") == 30
    assert 7 <= len(bench.shelf.ids()) <= 9
    assert sum(run.removed for run in bench.runs()) == 30 - len(bench.shelf.ids())


async def test_a_quiet_session_keeps_its_only_backup_for_ever_and_a_revoked_one_does_not(
    bench: Bench,
) -> None:
    bench.log_in(login(7000000002), OTHER)
    async with bench.scheduled():
        await bench.first_run()
        bench.store.vault.keep(OTHER, Owe())
        await trio.sleep(6 * DAY)
        assert len(bench.shelf.ids(OTHER)) == 1
        await trio.sleep(60 * DAY)

    assert len(bench.shelf.ids(KEY)) == 1
    assert bench.shelf.ids(OTHER) == []


async def test_one_sessions_trouble_is_an_event_and_the_others_go_on(bench: Bench) -> None:
    bench.log_in(login(7000000002), OTHER)
    sealed = login()
    bench.log_in(sealed)
    bench.seal_off(sealed)
    async with bench.scheduled():
        await bench.first_run()
        assert bench.outcomes(KEY) == ["failed"]
        assert bench.outcomes(OTHER) == ["made"]

        bench.store.vault.sealed.clear()
        await trio.sleep(b.FIRST_RETRY + 60)
        assert bench.outcomes(KEY) == ["failed", "made"]


async def test_an_error_that_nobody_expected_is_one_sessions_trouble_too(bench: Bench) -> None:
    in_a_year_that_no_calendar_has = UpdatePoint(0, 1, 2, 10**15, 4)
    bench.log_in(login(7000000002, in_a_year_that_no_calendar_has), OTHER)
    third = SessionKey("tenant3", "app")
    bench.log_in(login(7000000003), third)
    async with bench.scheduled():
        await bench.first_run()

    assert bench.outcomes(OTHER) == ["failed"]
    assert bench.outcomes(third) == ["made"]


async def test_an_outage_of_the_database_ends_the_run_and_the_next_try_comes_sooner_than_a_day(
    bench: Bench,
) -> None:
    bench.store.down = True
    async with bench.scheduled():
        await bench.first_run()
        assert isinstance(bench.failures()[0].error, StoreUnavailable)
        await trio.sleep(2 * b.FIRST_RETRY)
        bench.store.down = False
        await trio.sleep(4 * b.FIRST_RETRY)

    assert [failure.retry_after for failure in bench.failures()][:2] == [b.FIRST_RETRY, 2 * b.FIRST_RETRY]
    assert bench.outcomes() == ["made"]


async def test_tries_after_trouble_grow_rarer_up_to_the_usual_interval(bench: Bench) -> None:
    bench.store.down = True
    async with bench.scheduled():
        await trio.sleep(10 * DAY)

    waits = [failure.retry_after for failure in bench.failures()]
    assert waits[:4] == [b.FIRST_RETRY, 2 * b.FIRST_RETRY, 4 * b.FIRST_RETRY, 8 * b.FIRST_RETRY]
    assert waits[-1] == 24 * HOUR


async def test_a_missing_keyring_is_said_and_comes_back_by_itself(bench: Bench) -> None:
    hidden = bench.shelf.keyring_file.with_name("elsewhere")
    bench.shelf.keyring_file.rename(hidden)
    async with bench.scheduled():
        await bench.first_run()
        assert isinstance(bench.failures()[0].error, KeyringError)
        hidden.rename(bench.shelf.keyring_file)
        await trio.sleep(b.FIRST_RETRY + 60)

    assert bench.outcomes() == ["made"]


async def test_a_full_disk_ends_the_run_and_when_there_is_room_the_next_one_works(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.log_in(login(7000000002), OTHER)
    with monkeypatch.context() as full:
        full.setattr("os.fsync", _no_space)
        async with bench.scheduled():
            await bench.first_run()
            assert bench.outcomes(KEY) == ["disk_full"]
            assert bench.outcomes(OTHER) == []
            assert isinstance(bench.failures()[0].error, BackupDiskFull)
            full.undo()
            await trio.sleep(b.FIRST_RETRY + 60)

    assert bench.outcomes(KEY) == ["disk_full", "made"]
    assert bench.outcomes(OTHER) == ["made"]


def _no_space(_: int) -> None:
    raise OSError(28, "No space left on device")


# -- one node at a time


async def test_while_one_node_makes_backups_another_does_nothing_and_says_nothing(bench: Bench) -> None:
    await bench.register.take_turn("another run", 10 * b.START_WITHIN)
    async with bench.scheduled():
        await bench.first_run()

    assert bench.told == []


async def test_the_turn_of_a_node_that_died_is_over_after_two_minutes(bench: Bench) -> None:
    await bench.register.take_turn("a run that was killed", b.TURN)
    await trio.sleep(b.TURN + 1)
    tally = Tally()

    await bench.schedule.run(tally)

    assert tally.made == 1


async def test_a_run_that_lost_its_turn_stops_and_the_next_one_goes_on_to_the_end(bench: Bench) -> None:
    bench.crowd(3000)
    tally, other = Tally(), Tally()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(_lose_turn, bench)
        with pytest.raises(TurnLost):
            await bench.schedule.run(tally)
    await trio.sleep(b.TURN)
    await bench.another().run(other)

    assert tally.failed == pytest.approx(b.RENEW_EVERY * b.PER_SECOND, abs=2)
    assert (other.failed, other.made) == (3000, 1)


async def _lose_turn(bench: Bench) -> None:
    await trio.sleep(1)
    bench.register._holder, bench.register._until = "another", trio.current_time() + b.TURN


async def test_a_turn_is_given_back_after_a_run_and_renewed_in_a_long_one(bench: Bench) -> None:
    bench.crowd(3000)
    tally, began = Tally(), trio.current_time()

    await bench.schedule.run(tally)

    assert tally.failed == 3000
    assert trio.current_time() - began == pytest.approx(3000 / b.PER_SECOND, abs=0.1)
    assert await bench.register.take_turn("the next one", 1.0)


# -- what is told


def test_metrics_count_every_outcome_and_when_all_was_well() -> None:
    metrics = Metrics(sandbox=True)
    for outcome in BackupOutcome:
        if outcome is not BackupOutcome.RUN_FAILED:
            metrics.observe(SessionBackup(KEY, outcome, BackupKeyMissing("its key is away")))
    metrics.observe(BackupsFailed(StoreUnavailable("down"), 900.0))
    metrics.observe(BackupsRan(1000.0, 1.0, 1, 1, 0, 0))
    metrics.observe(BackupsRan(2000.0, 1.0, 1, 1, 1, 0))

    for outcome in BackupOutcome:
        assert metrics.registry.get_sample_value("session_backup_total", {"outcome": outcome}) == 1
    assert metrics.registry.get_sample_value("session_backup_last_run_timestamp_seconds") == 1000.0

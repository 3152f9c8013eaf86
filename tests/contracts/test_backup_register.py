"""What every register of backups must do: the fake, and PostgreSQL."""

from __future__ import annotations

import pytest
import trio

from actors.adapters.backup_register import PostgresBackupRegister
from actors.core.credential import Deposit, Owe
from actors.core.names import SessionKey
from actors.errors import StoreUnavailable
from actors.ports import BackupRegister
from tests.contracts.benches import FakeBench, PostgresBench, StoreBench
from tests.contracts.credentials import Saver, credential
from tests.fakes.backups import FakeBackupRegister

A, B, C = SessionKey("tenant-a", "app-1"), SessionKey("tenant-a", "app-2"), SessionKey("tenant-b", "app-1")


@pytest.fixture
def save(bench: StoreBench) -> Saver:
    return Saver(bench.store)


@pytest.fixture
def register(bench: StoreBench) -> BackupRegister:
    """What is tested."""
    if isinstance(bench, FakeBench):
        return FakeBackupRegister(bench.store)
    assert isinstance(bench, PostgresBench)
    return PostgresBackupRegister(bench.store.database)


# -- turns


async def test_one_run_has_the_turn_and_may_have_it_longer(register: BackupRegister) -> None:
    assert await register.take_turn("one", 60.0)
    assert not await register.take_turn("another", 60.0)
    assert await register.take_turn("one", 60.0)
    assert not await register.take_turn("another", 60.0)


async def test_a_turn_that_was_given_back_is_free(register: BackupRegister) -> None:
    await register.take_turn("one", 60.0)
    await register.give_turn("another")
    assert not await register.take_turn("another", 60.0)

    await register.give_turn("one")

    assert await register.take_turn("another", 60.0)


async def test_a_turn_ends_by_itself(register: BackupRegister) -> None:
    await register.take_turn("one", 0.05)
    await trio.sleep(0.1)

    assert await register.take_turn("another", 60.0)
    assert not await register.take_turn("one", 60.0)


async def test_of_many_at_once_one_gets_the_turn(register: BackupRegister) -> None:
    got: list[bool] = []

    async def take(run: str) -> None:
        got.append(await register.take_turn(run, 60.0))

    async with trio.open_nursery() as nursery:
        for number in range(8):
            nursery.start_soon(take, f"run {number}")

    assert sorted(got) == [False] * 7 + [True]


# -- sessions


async def test_the_sessions_with_a_credential_come_page_by_page(
    register: BackupRegister, save: Saver
) -> None:
    assert await register.credentialed_after(None, 10) == []
    for number, key in enumerate((C, A, B)):
        await save(Deposit(credential(number)), key=key)
    await save(None, key=SessionKey("tenant-a", "app-0"))

    assert await register.credentialed_after(None, 2) == [A, B]
    assert await register.credentialed_after(B, 2) == [C]
    assert await register.credentialed_after(C, 2) == []
    assert await register.credentialed_after(SessionKey("tenant-a", "app-10"), 2) == [B, C]


async def test_a_credential_that_was_given_up_counts_no_more(register: BackupRegister, save: Saver) -> None:
    await save(Deposit(credential(1)), key=A)
    await save(Deposit(credential(2)), Deposit(credential(3)), key=C)

    await save(Owe(), key=A)

    assert await register.credentialed_after(None, 10) == [C]
    assert await register.credentialed_among([A, B, C]) == {C}
    assert await register.credentialed_among([]) == set()


async def test_an_outage_is_told(register: BackupRegister, bench: StoreBench) -> None:
    await register.take_turn("one", 60.0)
    await bench.go_down()

    for ask in (
        register.take_turn("one", 60.0),
        register.give_turn("one"),
        register.credentialed_after(None, 10),
        register.credentialed_among([A]),
    ):
        with pytest.raises(StoreUnavailable):
            await ask

    await bench.come_back()
    assert not await register.take_turn("another", 60.0)

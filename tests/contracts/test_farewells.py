"""What Telegram has yet to be told, and what is erased in the end: the fakes, and PostgreSQL."""

from __future__ import annotations

import pytest
import trio

from actors.clock import Clock
from actors.core.credential import Bury, Deposit, Keeping, Owe, Settle
from actors.core.names import SessionKey
from actors.core.states import Reason
from actors.errors import CredentialSpent
from actors.ports import Farewells, Owed, OwedUnopened, Vault
from tests.contracts.benches import StoreBench
from tests.contracts.credentials import Saver, claimed, credential

KEY = SessionKey("tenant-a", "app-1")
OTHER = SessionKey("tenant-a", "app-2")
FOREIGN = SessionKey("tenant-b", "app-1")
OLD, NEW = credential(1), credential(2)
DAY = 86400.0

every_engine = pytest.mark.parametrize("kind", ["fake", "fast", "stock"], indirect=True)


# -- farewells


@every_engine
async def test_what_is_owed_can_be_claimed_once_its_connection_is_closed(
    save: Saver, bench: StoreBench, farewells: Farewells
) -> None:
    await save(Deposit(OLD), Deposit(NEW), Owe(), Owe(credential(3)))
    await save(Deposit(credential(4)), Owe(), key=FOREIGN)

    assert await claimed(farewells) == []
    await bench.pass_time(55)
    assert await claimed(farewells) == []
    await bench.pass_time(5)
    owed = await farewells.owed(100)

    assert {(each.key, each.credential) for each in owed if isinstance(each, Owed)} == {
        (KEY, OLD),
        (KEY, NEW),
        (KEY, credential(3)),
        (FOREIGN, credential(4)),
    }


async def test_a_claim_lasts_two_minutes(save: Saver, bench: StoreBench, farewells: Farewells) -> None:
    await save(Deposit(OLD), Owe())
    await bench.pass_time(60)

    assert await claimed(farewells) == [OLD]
    await bench.pass_time(115)
    assert await claimed(farewells) == []
    await bench.pass_time(5)
    assert await claimed(farewells) == [OLD]


async def test_a_claim_that_comes_to_nothing_again_and_again_lasts_an_hour_at_most(
    save: Saver, bench: StoreBench, farewells: Farewells
) -> None:
    await save(Deposit(OLD), Owe())
    await bench.pass_time(60)

    for attempt in range(1, 36):
        assert await claimed(farewells) == [OLD]
        await bench.pass_time(min(attempt, 30) * 120 - 20)
        assert await claimed(farewells) == []
        await bench.pass_time(20)


async def test_no_more_are_claimed_than_wanted(save: Saver, bench: StoreBench, farewells: Farewells) -> None:
    for number in range(3):
        await save(Deposit(credential(number)), Owe(), key=SessionKey("tenant-a", f"app-{number}"))
        await bench.pass_time(1)
    await bench.pass_time(60)

    counts = [len(await farewells.owed(limit)) for limit in (2, 2, 2)]

    assert counts == [2, 1, 0]


@every_engine
async def test_nobody_claims_what_somebody_else_has(
    save: Saver, bench: StoreBench, farewells: Farewells
) -> None:
    for number in range(12):
        await save(Deposit(credential(number)), Owe(), key=SessionKey("tenant-a", f"app-{number}"))
    await bench.pass_time(60)
    got: list[str] = []

    async def claim() -> None:
        got.extend(each.fingerprint for each in await farewells.owed(4))

    async with trio.open_nursery() as nursery:
        for _ in range(6):
            nursery.start_soon(claim)
    got.extend(each.fingerprint for each in await farewells.owed(100))

    assert len(got) == len(set(got)) == 12


async def test_a_farewell_that_was_said_is_over(save: Saver, bench: StoreBench, farewells: Farewells) -> None:
    await save(Deposit(OLD), Owe())
    await bench.pass_time(60)
    (owed,) = await farewells.owed(1)
    assert isinstance(owed, Owed)

    await farewells.settled(owed)
    await farewells.postponed(owed, 0.0)
    await bench.pass_time(DAY)

    assert await claimed(farewells) == []
    assert await bench.shelf(KEY) == [("settled", "requested", False)]


async def test_a_farewell_is_postponed_to_a_moment(
    save: Saver, bench: StoreBench, farewells: Farewells
) -> None:
    await save(Deposit(OLD), Owe())
    await bench.pass_time(60)
    (owed,) = await farewells.owed(1)
    assert isinstance(owed, Owed)

    await farewells.postponed(owed, Clock().now() + 60 + 1000)
    await bench.pass_time(900)
    assert await claimed(farewells) == []
    await bench.pass_time(200)
    assert await claimed(farewells) == [OLD]


async def test_a_current_credential_is_neither_settled_nor_postponed(
    save: Saver, vault: Vault, bench: StoreBench, farewells: Farewells
) -> None:
    await save(Deposit(OLD))

    await farewells.settled(Owed(KEY, "first:00", OLD))
    await farewells.postponed(Owed(KEY, "first:00", OLD), 0.0)

    assert await vault.current(KEY) == OLD
    assert await bench.shelf(KEY) == [("current", "", False)]


async def test_one_that_cannot_be_opened_keeps_nobody_from_saying_farewell(
    save: Saver, bench: StoreBench, farewells: Farewells
) -> None:
    for number, key in enumerate((KEY, OTHER)):
        await save(Deposit(credential(number)), Owe(), key=key)
    await bench.damage(KEY)
    await bench.pass_time(60)

    owed = await farewells.owed(10)

    assert sorted((each.key, type(each)) for each in owed) == [(KEY, OwedUnopened), (OTHER, Owed)]
    assert await farewells.owed(10) == []


# -- erasing


@pytest.mark.parametrize(
    ("ends", "days"), [((Owe(), Settle()), 7), ((Bury(Reason.SESSION_REVOKED),), 30)], ids=repr
)
async def test_what_is_over_is_erased_after_its_time(
    save: Saver, vault: Vault, bench: StoreBench, farewells: Farewells, ends: list[Keeping], days: int
) -> None:
    await save(Deposit(OLD), *ends)

    await bench.pass_time(days * DAY - 5)
    assert await farewells.erase_due() == 0
    await bench.pass_time(5)
    assert await farewells.erase_due() == 1
    assert await farewells.erase_due() == 0

    assert [erased for _, _, erased in await bench.shelf(KEY)] == [True]
    assert await vault.knows(KEY, OLD)


async def test_what_is_in_use_or_owed_is_never_erased(
    save: Saver, vault: Vault, bench: StoreBench, farewells: Farewells
) -> None:
    await save(Deposit(OLD), Deposit(NEW))
    await bench.pass_time(1000 * DAY)

    assert await farewells.erase_due() == 0
    assert await vault.current(KEY) == NEW
    assert await claimed(farewells) == [OLD]


async def test_a_settled_key_never_comes_back_even_erased(
    save: Saver, bench: StoreBench, farewells: Farewells
) -> None:
    await save(Deposit(OLD), Owe(), Settle())
    await bench.pass_time(8 * DAY)
    assert await farewells.erase_due() == 1

    with pytest.raises(CredentialSpent):
        await save(Deposit(OLD))

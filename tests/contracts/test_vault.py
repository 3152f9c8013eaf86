"""What becomes of credentials with every save, and what the vault then has: the fakes, and PostgreSQL."""

from __future__ import annotations

import pytest
import trio

from actors.adapters.vault import PostgresVault
from actors.core.credential import Bury, Credential, Deposit, Keeping, Owe, Settle
from actors.core.names import SessionKey
from actors.core.record import to_record
from actors.core.states import Absent, Reason
from actors.errors import CredentialSealed, CredentialSpent, StoreUnavailable, VersionConflict
from actors.ports import Farewells, Owed, Saved, Store, Vault
from tests.contracts.benches import PostgresBench, StoreBench
from tests.contracts.credentials import SEALS, Saver, claimed, credential, saved

KEY = SessionKey("tenant-a", "app-1")
OTHER = SessionKey("tenant-a", "app-2")
FOREIGN = SessionKey("tenant-b", "app-1")
OLD, NEW = credential(1), credential(2)
DAY = 86400.0
FINGERPRINT, OTHER_FINGERPRINT = f"{'ab' * 32}:28672:1795000000", f"{'cd' * 32}:28672:1795000001"

every_engine = pytest.mark.parametrize("kind", ["fake", "fast", "stock"], indirect=True)


# -- deposits


async def test_a_session_that_nobody_saved_has_no_credential(vault: Vault) -> None:
    assert await vault.current(KEY) is None
    assert not await vault.knows(KEY, OLD)


async def test_a_save_that_keeps_nothing_leaves_no_credential(save: Saver, vault: Vault) -> None:
    await save(None, None)

    assert await vault.current(KEY) is None


@every_engine
async def test_what_was_deposited_is_the_session_s_credential(save: Saver, vault: Vault) -> None:
    await save(None, Deposit(OLD))

    assert await vault.current(KEY) == OLD
    assert await vault.knows(KEY, OLD)
    assert not await vault.knows(KEY, NEW)


async def test_a_first_save_may_be_a_deposit(save: Saver, vault: Vault) -> None:
    await save(Deposit(OLD))

    assert await vault.current(KEY) == OLD


async def test_sessions_keep_their_credentials_apart(save: Saver, vault: Vault, bench: StoreBench) -> None:
    for number, key in enumerate((KEY, OTHER, FOREIGN)):
        await save(Deposit(credential(number)), key=key)

    for number, key in enumerate((KEY, OTHER, FOREIGN)):
        assert await vault.current(key) == credential(number)
        assert await vault.knows(key, credential(number))
        assert not await vault.knows(key, credential(number + 1))
    await save(Bury(Reason.SESSION_REVOKED))
    assert await bench.shelf(OTHER) == await bench.shelf(FOREIGN) == [("current", "", False)]


async def test_the_same_account_may_be_linked_to_two_sessions(save: Saver, vault: Vault) -> None:
    await save(Deposit(OLD))
    await save(Deposit(OLD), key=FOREIGN)

    assert await vault.current(KEY) == await vault.current(FOREIGN) == OLD


async def test_an_auth_key_is_another_one_in_another_data_centre(save: Saver, vault: Vault) -> None:
    await save(Deposit(credential(1, dc_id=2)))

    assert not await vault.knows(KEY, credential(1, dc_id=4))


async def test_a_deposit_makes_the_one_before_owed(save: Saver, vault: Vault, bench: StoreBench) -> None:
    await save(Deposit(OLD), Deposit(NEW))

    assert await vault.current(KEY) == NEW
    assert await vault.knows(KEY, OLD)
    assert await bench.shelf(KEY) == [("current", "", False), ("owed", "replaced", False)]


async def test_the_same_deposit_again_changes_nothing(save: Saver, vault: Vault, bench: StoreBench) -> None:
    await save(Deposit(OLD), Deposit(OLD), Deposit(credential(1, pts=99)))

    assert await vault.current(KEY) == OLD
    assert await bench.shelf(KEY) == [("current", "", False)]


@pytest.mark.parametrize(
    "given_up",
    [Deposit(NEW), Owe(), Bury(Reason.SESSION_REVOKED)],
    ids=["replaced", "owed", "buried"],
)
async def test_a_key_that_was_given_up_never_comes_back(
    save: Saver, store: Store, vault: Vault, bench: StoreBench, given_up: Keeping
) -> None:
    await save(Deposit(OLD), given_up)
    kept, shelf = await vault.current(KEY), await bench.shelf(KEY)

    with pytest.raises(CredentialSpent, match=f"{KEY}: this auth key was given up before"):
        await save(Deposit(OLD))

    assert await store.load(KEY) == saved(2)
    assert (await vault.current(KEY), await bench.shelf(KEY)) == (kept, shelf)


# -- all or nothing, once


async def test_a_save_that_conflicts_keeps_nothing(save: Saver, store: Store, vault: Vault) -> None:
    await save(Deposit(OLD))

    for version in (1, 3):
        with pytest.raises(VersionConflict):
            await store.save(KEY, Saved(to_record(Absent()), version, 1.0), None, Deposit(NEW))
        with pytest.raises(VersionConflict):
            await store.save(KEY, Saved(to_record(Absent()), version, 1.0), None, Owe())

    assert await vault.current(KEY) == OLD
    assert not await vault.knows(KEY, NEW)


@pytest.mark.parametrize(
    ("keeping", "shelf"),
    [
        (Deposit(NEW), [("current", "", False), ("owed", "replaced", False)]),
        (Owe(), [("owed", "requested", False)]),
        (Owe(NEW), [("current", "", False), ("owed", "unwanted", False)]),
        (Bury(Reason.SESSION_REVOKED), [("buried", "session_revoked", False)]),
        (Settle(), [("current", "", False)]),
    ],
    ids=repr,
)
async def test_the_same_save_again_is_harmless(
    save: Saver, store: Store, bench: StoreBench, keeping: Keeping, shelf: list[tuple[str, str, bool]]
) -> None:
    await save(Deposit(OLD), keeping)
    await store.save(KEY, saved(2), None, keeping)

    assert await bench.shelf(KEY) == shelf


@pytest.mark.parametrize("keep", [Deposit, Owe])
async def test_another_login_s_key_under_the_same_version_is_a_conflict(
    save: Saver, store: Store, vault: Vault, keep: type[Deposit | Owe]
) -> None:
    await save(None, keep(OLD))

    with pytest.raises(VersionConflict):
        await store.save(KEY, saved(2), None, keep(NEW))

    assert not await vault.knows(KEY, NEW)


@every_engine
async def test_of_two_deposits_at_once_one_wins(store: Store, vault: Vault, bench: StoreBench) -> None:
    won: list[Credential] = []

    async def deposit(number: int) -> None:
        try:
            await store.save(KEY, saved(1), None, Deposit(credential(number)))
            won.append(credential(number))
        except VersionConflict:
            pass

    async with trio.open_nursery() as nursery:
        for number in range(5):
            nursery.start_soon(deposit, number)

    assert won == [await vault.current(KEY)]
    assert await bench.shelf(KEY) == [("current", "", False)]


@every_engine
async def test_a_tenant_s_first_sessions_may_come_all_at_once(store: Store, vault: Vault) -> None:
    keys = [SessionKey("tenant-a", f"app-{number}") for number in range(8)]

    async with trio.open_nursery() as nursery:
        for number, key in enumerate(keys):
            nursery.start_soon(store.save, key, saved(1), None, Deposit(credential(number)))

    assert [await vault.current(key) for key in keys] == [credential(number) for number in range(8)]


# -- owing, settling, burying


async def test_a_session_that_owes_its_key_has_none(save: Saver, vault: Vault, bench: StoreBench) -> None:
    await save(Deposit(OLD), Owe())

    assert await vault.current(KEY) is None
    assert await vault.knows(KEY, OLD)
    assert await bench.shelf(KEY) == [("owed", "requested", False)]


async def test_where_there_is_no_key_nothing_is_owed_settled_or_buried(
    save: Saver, vault: Vault, bench: StoreBench
) -> None:
    await save(Owe(), Settle(), Bury(Reason.SESSION_REVOKED))

    assert await vault.current(KEY) is None
    assert await bench.shelf(KEY) == []


async def test_the_key_of_a_login_that_came_to_nothing_is_owed_beside_the_session_s(
    save: Saver, vault: Vault, bench: StoreBench
) -> None:
    await save(Deposit(OLD), Owe(NEW), Owe(NEW))

    assert await vault.current(KEY) == OLD
    assert await bench.shelf(KEY) == [("current", "", False), ("owed", "unwanted", False)]


async def test_the_session_s_own_key_may_be_owed_by_name(
    save: Saver, vault: Vault, bench: StoreBench
) -> None:
    await save(Deposit(OLD), Owe(OLD))

    assert await vault.current(KEY) is None
    assert await bench.shelf(KEY) == [("owed", "requested", False)]


async def test_only_the_last_key_that_was_asked_for_is_settled(save: Saver, bench: StoreBench) -> None:
    await save(Deposit(credential(1)), Owe(), Deposit(credential(2)), Deposit(credential(3)), Owe())
    await save(Owe(credential(4)), Settle())

    assert await bench.shelf(KEY) == [
        ("owed", "replaced", False),
        ("owed", "requested", False),
        ("owed", "unwanted", False),
        ("settled", "requested", False),
    ]


async def test_of_two_keys_that_were_asked_for_the_last_is_settled(
    save: Saver, bench: StoreBench, farewells: Farewells
) -> None:
    await save(Deposit(OLD), Owe(), Deposit(NEW), Owe(), Settle())
    await bench.pass_time(60)

    assert await claimed(farewells) == [OLD]


async def test_a_replaced_key_is_not_settled_for_another(save: Saver, bench: StoreBench) -> None:
    await save(Deposit(OLD), Deposit(NEW), Settle())

    assert await bench.shelf(KEY) == [("current", "", False), ("owed", "replaced", False)]


async def test_a_buried_key_is_no_credential_but_known(save: Saver, vault: Vault, bench: StoreBench) -> None:
    await save(Deposit(OLD), Bury(Reason.SESSION_REVOKED))

    assert await vault.current(KEY) is None
    assert await vault.knows(KEY, OLD)
    assert await bench.shelf(KEY) == [("buried", "session_revoked", False)]


async def test_after_every_end_a_new_login_is_kept(save: Saver, vault: Vault) -> None:
    await save(Deposit(credential(1)), Owe(), Settle(), Deposit(credential(2)))
    await save(Bury(Reason.SESSION_REVOKED), Deposit(credential(3)))

    assert await vault.current(KEY) == credential(3)


# -- checkpoints


async def test_a_checkpoint_keeps_how_far_the_updates_are_known(save: Saver, vault: Vault) -> None:
    await save(Deposit(OLD))

    for pts in (2, 3):
        await vault.checkpoint(KEY, credential(1, pts=pts))
        assert await vault.current(KEY) == credential(1, pts=pts)


@pytest.mark.parametrize("keeping", [Deposit(NEW), Owe(), Bury(Reason.SESSION_REVOKED)], ids=repr)
async def test_a_checkpoint_of_a_key_that_was_given_up_is_forgotten(
    save: Saver, vault: Vault, bench: StoreBench, farewells: Farewells, keeping: Keeping
) -> None:
    await save(Deposit(OLD), keeping)
    kept = await vault.current(KEY)

    await vault.checkpoint(KEY, credential(1, pts=2))

    assert await vault.current(KEY) == kept
    await bench.pass_time(60)
    assert credential(1, pts=2) not in await claimed(farewells)


async def test_a_checkpoint_of_a_key_that_was_never_kept_is_forgotten(save: Saver, vault: Vault) -> None:
    await vault.checkpoint(KEY, OLD)
    await save(Deposit(OLD))
    await vault.checkpoint(KEY, NEW)

    assert await vault.current(KEY) == OLD
    assert not await vault.knows(KEY, NEW)


async def test_a_checkpoint_keeps_the_fingerprint_of_the_file_that_was_written_with_it(
    save: Saver, vault: Vault
) -> None:
    await save(Deposit(OLD))
    assert await vault.file_fingerprint(KEY) is None

    await vault.checkpoint(KEY, credential(1, pts=2), FINGERPRINT)
    await vault.checkpoint(KEY, credential(1, pts=3))  # the file could not be written
    assert await vault.file_fingerprint(KEY) == FINGERPRINT

    await vault.checkpoint(KEY, NEW, OTHER_FINGERPRINT)  # no key of this session's
    assert await vault.file_fingerprint(KEY) == FINGERPRINT
    await save(Deposit(NEW))
    assert await vault.file_fingerprint(KEY) is None
    await save(Owe())
    assert await vault.file_fingerprint(KEY) is None


@pytest.mark.parametrize("kind", ["fast"], indirect=True)
async def test_a_fingerprint_is_of_the_file_in_one_folder(save: Saver, postgres: PostgresBench) -> None:
    """Each supervisor may have a folder of its own, and a file in it from when it had the session."""
    await save(Deposit(OLD))
    here = PostgresVault(postgres.store.database, SEALS, file_place="0123456789abcdef")
    there = PostgresVault(postgres.store.database, SEALS, file_place="fedcba9876543210")

    await here.checkpoint(KEY, credential(1, pts=2), FINGERPRINT)
    assert await here.file_fingerprint(KEY) == FINGERPRINT
    assert await there.file_fingerprint(KEY) is None

    await there.checkpoint(KEY, credential(1, pts=3), OTHER_FINGERPRINT)
    await here.checkpoint(KEY, credential(1, pts=4))  # the file could not be written
    assert await there.file_fingerprint(KEY) == OTHER_FINGERPRINT
    assert await here.file_fingerprint(KEY) is None


# -- what cannot be opened


async def test_a_seal_that_does_not_hold_is_told(save: Saver, vault: Vault, bench: StoreBench) -> None:
    await save(Deposit(OLD))
    await save(Deposit(NEW), key=OTHER)
    await bench.damage(KEY)

    with pytest.raises(CredentialSealed, match=str(KEY)) as refused:
        await vault.current(KEY)

    assert OLD.auth_key.reveal() not in str(refused.value)
    assert await vault.current(OTHER) == NEW
    assert await vault.knows(KEY, OLD)


async def test_a_session_whose_seal_does_not_hold_can_be_logged_in_again(
    save: Saver, vault: Vault, bench: StoreBench
) -> None:
    await save(Deposit(OLD))
    await bench.damage(KEY)

    await save(Deposit(NEW))

    assert await vault.current(KEY) == NEW


async def test_a_deposit_of_the_session_s_own_key_makes_a_broken_seal_whole(
    save: Saver, vault: Vault, bench: StoreBench
) -> None:
    await save(Deposit(OLD))
    await bench.damage(KEY)
    moved = credential(1, pts=99)

    await save(Deposit(moved))

    assert await vault.current(KEY) == moved
    assert await bench.shelf(KEY) == [("current", "", False)]
    await vault.checkpoint(KEY, OLD)
    assert await vault.current(KEY) == OLD


# -- outages


@every_engine
async def test_an_outage_is_told(save: Saver, vault: Vault, bench: StoreBench, farewells: Farewells) -> None:
    await save(Deposit(OLD))
    await bench.go_down()

    for attempt in (
        lambda: save(Deposit(NEW)),
        lambda: vault.current(KEY),
        lambda: vault.knows(KEY, OLD),
        lambda: vault.checkpoint(KEY, credential(1, pts=2)),
        lambda: vault.file_fingerprint(KEY),
        lambda: farewells.owed(1),
        lambda: farewells.settled(Owed(KEY, "first:00", OLD)),
        lambda: farewells.postponed(Owed(KEY, "first:00", OLD), 0.0),
        farewells.erase_due,
    ):
        with pytest.raises(StoreUnavailable):
            await attempt()
    await bench.come_back()

    assert await vault.current(KEY) == OLD
    await save(Deposit(NEW))
    assert await vault.current(KEY) == NEW

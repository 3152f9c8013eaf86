"""What somebody can do who writes to the database, or has a copy of it, but not our keyring: nothing unnoticed."""

from __future__ import annotations

import pytest

from actors.adapters.keeper import SealingKeeper
from actors.adapters.postgres import PostgresStore
from actors.adapters.sealing import Seals
from actors.adapters.vault import PostgresVault
from actors.core.credential import Bury, Credential, Deposit, Owe, Settle
from actors.core.names import SessionKey
from actors.core.record import to_record
from actors.core.states import Authorized, Reason
from actors.errors import CredentialSealed
from actors.ports import Owed, OwedUnopened, Saved
from tests.contracts.benches import PostgresBench
from tests.contracts.credentials import Saver, credential, seals

KEY = SessionKey("tenant-a", "app-1")
SIBLING = SessionKey("tenant-a", "app-2")
FOREIGN = SessionKey("tenant-b", "app-1")


@pytest.fixture(params=["fast"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def refusal(postgres: PostgresBench, key: SessionKey = KEY, with_seals: Seals | None = None) -> str:
    """Why the session's credential is not opened."""
    vault = postgres.vault if with_seals is None else PostgresVault(postgres.store.database, with_seals)
    with pytest.raises(CredentialSealed) as refused:
        await vault.current(key)
    return str(refused.value)


# -- what lies there


async def test_no_byte_of_an_auth_key_is_in_clear_in_any_table(save: Saver, postgres: PostgresBench) -> None:
    for number, key in enumerate((KEY, SIBLING, FOREIGN)):
        await save(Deposit(credential(number)), Deposit(credential(10 + number)), key=key)
        await postgres.vault.checkpoint(key, credential(10 + number, pts=5))
        await save(Owe(credential(20 + number)), Owe(), Settle(), Deposit(credential(30 + number)), key=key)
        await save(Bury(Reason.SESSION_REVOKED), key=key)

    dump = await everything(postgres)

    assert "tenant-a" in dump  # it is the right database
    for number in (0, 1, 2, 10, 11, 12, 20, 21, 22, 30, 31, 32):
        for piece in pieces(credential(number)):
            assert piece not in dump
    assert len(await postgres.sql("select from telegram_credentials")) == 12


def test_the_search_for_auth_keys_would_find_one() -> None:
    raw = bytes.fromhex(credential(1).auth_key.reveal())

    for dump in (raw[100:180].hex(), credential(1).auth_key.reveal(), f"\\x00{raw.hex()}00"):
        assert any(piece in dump for piece in pieces(credential(1)))


def pieces(one: Credential) -> list[str]:
    """Every 8 bytes of its auth key, as a dump would show them."""
    text = one.auth_key.reveal()
    return [text[at : at + 16] for at in range(0, len(text) - 15, 2)]


async def everything(postgres: PostgresBench) -> str:
    """Every row of every table that is not PostgreSQL's own, as text: bytea comes in hexadecimal."""
    tables = await postgres.sql(
        """select format('%I.%I', schemaname, tablename) from pg_tables
           where schemaname not in ('pg_catalog', 'information_schema')"""
    )
    assert len(tables) >= 4
    rows = [await postgres.sql(f"select t::text from {table[0]} t") for table in tables]  # noqa: S608 - from the catalogue
    return "\n".join(row[0] for table in rows for row in table)


# -- rows changed, moved and put back


async def test_a_flipped_byte_of_a_row_is_refused_wherever_it_is(
    save: Saver, postgres: PostgresBench
) -> None:
    await save(Deposit(credential(1)))
    [[length]] = await postgres.sql("select octet_length(sealed) from telegram_credentials")
    flip = "set_byte(sealed, $1, get_byte(sealed, $1) # 1)"

    for at in range(0, length, 7):
        await postgres.sql(f"update telegram_credentials set sealed = {flip}", at)  # noqa: S608 - a constant
        await refusal(postgres)
        await postgres.sql(f"update telegram_credentials set sealed = {flip}", at)  # noqa: S608 - a constant

    assert await postgres.vault.current(KEY) == credential(1)


@pytest.mark.parametrize("other", [SIBLING, FOREIGN], ids=str)
@pytest.mark.parametrize("columns", ["sealed", "sealed, fingerprint, version"])
async def test_two_sessions_rows_that_were_swapped_are_refused(
    save: Saver, postgres: PostgresBench, other: SessionKey, columns: str
) -> None:
    await save(Deposit(credential(1)))
    await save(Deposit(credential(2)), key=other)
    await postgres.sql(
        f"""update telegram_credentials c set ({columns}) =
            (select {columns} from telegram_credentials o where (o.tenant_id, o.app_id) <> (c.tenant_id, c.app_id))
            where true"""  # noqa: S608 - constants
    )

    await refusal(postgres)
    await refusal(postgres, other)


async def test_a_session_s_own_keys_cannot_take_each_other_s_place(
    save: Saver, postgres: PostgresBench
) -> None:
    """Both are sealed for this session, even as the same version."""
    await save(Deposit(credential(1)), Owe(credential(2)))
    await postgres.sql(
        """update telegram_credentials set sealed = (select sealed from telegram_credentials where status = 'owed')
           where status = 'current'"""
    )

    assert "is not the key that the row names" in await refusal(postgres)


async def test_an_older_seal_of_the_same_key_put_back_is_refused(
    save: Saver, postgres: PostgresBench
) -> None:
    await save(Deposit(credential(1)))
    await postgres.sql("create table kept as table telegram_credentials")
    await postgres.vault.checkpoint(KEY, credential(1, pts=2))

    await postgres.sql("update telegram_credentials c set sealed = kept.sealed from kept")
    assert "the seal does not hold" in await refusal(postgres)
    await postgres.sql("update telegram_credentials c set version = kept.version from kept")
    assert "older than what was written last" in await refusal(postgres)

    with pytest.raises(CredentialSealed, match="older than what was written last"):
        await postgres.vault.checkpoint(KEY, credential(1, pts=3))


async def test_a_key_that_was_given_up_put_back_is_refused(save: Saver, postgres: PostgresBench) -> None:
    await save(Deposit(credential(1)))
    await postgres.sql("create table kept as table telegram_credentials")

    for given_up in (Deposit(credential(2)), Owe(), Bury(Reason.SESSION_REVOKED)):
        await save(given_up)
        await postgres.sql("create table now as table telegram_credentials")
        await postgres.sql("delete from telegram_credentials")
        await postgres.sql("insert into telegram_credentials table kept")
        assert "older than what was written last" in await refusal(postgres)
        await postgres.sql("delete from telegram_credentials")
        await postgres.sql("insert into telegram_credentials table now")
        await postgres.sql("drop table now")


async def test_a_credential_that_vanished_is_told(save: Saver, postgres: PostgresBench) -> None:
    await save(Deposit(credential(1)))
    await postgres.sql("delete from telegram_credentials")

    assert "older than what was written last" in await refusal(postgres)


async def test_another_data_key_in_its_place_is_refused(save: Saver, postgres: PostgresBench) -> None:
    await save(Deposit(credential(1)))
    await save(Deposit(credential(2)), key=FOREIGN)
    await postgres.sql(
        """update tenant_keys k set wrapped = (select wrapped from tenant_keys o where o.tenant_id <> k.tenant_id)
           where true"""
    )

    await refusal(postgres)
    await refusal(postgres, FOREIGN)


# -- copies


@pytest.mark.parametrize(
    ("elsewhere", "sentence"),
    [
        (seals("second"), "sealed with the key 'first', which is not in the keyring"),
        (seals("first", environment="sandbox"), "made in another environment"),
        (seals("second", "first", environment="staging"), "made in another environment"),
    ],
)
async def test_a_copy_of_the_database_is_inert_elsewhere(
    save: Saver, postgres: PostgresBench, elsewhere: Seals, sentence: str
) -> None:
    await save(Deposit(credential(1)))

    assert sentence in await refusal(postgres, with_seals=elsewhere)


async def test_a_key_added_to_the_keyring_seals_and_the_older_one_still_opens(
    save: Saver, postgres: PostgresBench
) -> None:
    await save(Deposit(credential(1)))
    vault = PostgresVault(postgres.store.database, seals("first", "second"))

    assert await vault.current(KEY) == credential(1)
    assert await vault.knows(KEY, credential(1))
    await vault.checkpoint(KEY, credential(1, pts=2))

    assert await vault.current(KEY) == await postgres.vault.current(KEY) == credential(1, pts=2)


async def test_after_a_keyring_was_lost_people_can_log_in_again(save: Saver, postgres: PostgresBench) -> None:
    await save(Deposit(credential(1)))
    other = seals("second")
    database = postgres.store.database
    store, vault = PostgresStore(database, SealingKeeper(other)), PostgresVault(database, other)

    for version, number in ((2, 2), (3, 3)):
        saved = Saved(to_record(Authorized(7)), version, 1.0)
        await store.save(KEY, saved, None, Deposit(credential(number)))
        assert await vault.current(KEY) == credential(number)

    keys = await postgres.sql("select key_id, wrapped_by from tenant_keys order by 1")
    assert [tuple(row) for row in keys] == [(1, "first"), (2, "second")]


# -- what is left of an owed key


async def test_a_farewell_finds_its_row_after_the_keys_were_changed(
    save: Saver, postgres: PostgresBench
) -> None:
    await save(Deposit(credential(1)), Owe())
    await postgres.pass_time(60)
    after = seals("first", "second")
    (owed,) = await postgres.farewells.owed(1)
    assert isinstance(owed, Owed)
    await postgres.sql(
        "update telegram_credentials set fingerprint = $1", seals("second").fingerprint(credential(1))
    )

    await PostgresVault(postgres.store.database, after).settled(owed)

    assert await postgres.shelf(KEY) == [("settled", "requested", False)]


async def test_a_farewell_with_another_keyring_says_why_not(save: Saver, postgres: PostgresBench) -> None:
    await save(Deposit(credential(1)), Owe())
    await postgres.pass_time(60)

    (owed,) = await PostgresVault(postgres.store.database, seals("second")).owed(1)

    assert isinstance(owed, OwedUnopened)
    assert owed.key == KEY
    assert "not in the keyring" in owed.why


async def test_an_erased_key_leaves_nothing_but_its_fingerprint(save: Saver, postgres: PostgresBench) -> None:
    await save(Deposit(credential(1)), Owe(), Settle())
    await postgres.pass_time(7 * 86400)
    await postgres.farewells.erase_due()

    [row] = await postgres.sql("select sealed, fingerprint from telegram_credentials")

    assert row["sealed"] is None
    assert row["fingerprint"] == seals("first").fingerprint(credential(1))


async def test_a_store_without_a_keeper_saves_no_credential(postgres: PostgresBench) -> None:
    bare = PostgresStore(postgres.store.database)

    with pytest.raises(ValueError, match="without a keeper"):
        await bare.save(KEY, Saved(to_record(Authorized(7)), 1, 1.0), None, Deposit(credential(1)))

    assert await postgres.store.load(KEY) is None

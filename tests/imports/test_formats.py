"""Every kind of file that Telethon and Pyrogram have written gives its login, or says precisely why not."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from telethon.crypto import AuthKey
from telethon.sessions import SQLiteSession, StringSession
from telethon.tl import types

from actors.core.credential import UpdatePoint
from actors.core.foreign import Fault, Format, Network, Unreadable
from tests.imports.conftest import Read
from tests.imports.makers import (
    ACCOUNT,
    ADDRESS,
    CHANNEL,
    CHANNEL_HASH,
    PORT,
    PYROGRAM,
    Made,
    key_bytes,
    pyrogram,
    pyrogram_string,
    telethon,
    telethon_string,
)

FaultOf = Callable[[Path], Fault]
OWN = UpdatePoint(0, 100, 5, 1_700_000_000, 9)
OF_CHANNEL = UpdatePoint(CHANNEL, 50, 0, 0, 0, access_hash=CHANNEL_HASH)


# -- Telethon


@pytest.mark.parametrize("version", range(1, 9))
def test_every_version_of_telethons_schema_gives_its_login(base: Path, reading: Read, version: int) -> None:
    login = reading(telethon(base / "acme" / "crm.session", version))

    assert login.format is Format.TELETHON_FILE
    assert (login.dc_id, login.address, login.port) == (2, ADDRESS, PORT)
    assert bytes.fromhex(login.auth_key.reveal()) == key_bytes()
    assert login.account_id == (ACCOUNT if version >= 7 else None)
    assert login.updates == (() if version < 4 else (OWN,) if version < 7 else (OWN, OF_CHANNEL))


def test_a_file_that_todays_telethon_wrote_gives_its_login(base: Path, reading: Read) -> None:
    path = base / "today.session"
    with closing(SQLiteSession(str(path))) as session:
        session.set_dc(4, "149.154.167.91", 443)
        session.auth_key = AuthKey(key_bytes(4))
        session.process_entities(types.contacts.ResolvedPeer(None, [types.InputPeerUser(0, ACCOUNT)], []))
        session.save()

    login = reading(path)

    assert (login.dc_id, login.address, login.account_id) == (4, "149.154.167.91", ACCOUNT)
    assert bytes.fromhex(login.auth_key.reveal()) == key_bytes(4)


def test_the_tables_made_by_hand_are_those_that_todays_telethon_makes(base: Path) -> None:
    with closing(SQLiteSession(str(base / "real.session"))) as session:
        session.save()
    made = telethon(base / "made.session", 8)

    assert _columns(made) == _columns(base / "real.session")


@pytest.mark.parametrize("version", range(1, 8))
def test_todays_telethon_takes_the_older_files_made_by_hand_for_its_own(base: Path, version: int) -> None:
    path = telethon(base / "old.session", version)
    if version == 1:  # its upgrade from 1 falls over: it drops a table that version 1 did not have
        with closing(sqlite3.connect(path)) as database:
            database.execute("create table sent_files (x)")

    with closing(SQLiteSession(str(path))) as session:
        assert session.auth_key.key == key_bytes()
        assert session.dc_id == 2


def _columns(path: Path) -> dict[str, list[str]]:
    with closing(sqlite3.connect(path)) as database:
        tables = [name for (name,) in database.execute("select name from sqlite_schema where type = 'table'")]
        return {
            table: [row[1] for row in database.execute(f"pragma table_info({table})")] for table in tables
        }


def test_a_newer_schema_than_is_known_is_named(base: Path, fault_of: FaultOf) -> None:
    path = telethon(base / "new.session", 8)
    _execute(path, "update version set version = 9")

    assert fault_of(path) is Fault.NEWER_SCHEMA


@pytest.mark.parametrize("key", [None, b"", bytes(256)])
def test_a_file_nobody_has_logged_in_with_holds_no_login(
    base: Path, fault_of: FaultOf, key: bytes | None
) -> None:
    assert fault_of(telethon(base / "a.session", 8, Made(key=key))) is Fault.NO_LOGIN


@pytest.mark.parametrize(
    ("statement", "fault"),
    [
        ("delete from sessions", Fault.NO_LOGIN),
        (
            "insert into sessions (dc_id, server_address, port, auth_key) values (4, 'x', 1, x'00')",
            Fault.CORRUPT,
        ),
        ("update sessions set auth_key = x'0102'", Fault.CORRUPT),
        ("update sessions set auth_key = 'text'", Fault.CORRUPT),
        ("update sessions set server_address = 'evil.example'", Fault.CORRUPT),
        ("update sessions set server_address = null", Fault.CORRUPT),
        ("update sessions set server_address = x'ff'", Fault.CORRUPT),
        ("update sessions set server_address = cast(x'ff' as text)", Fault.CORRUPT),
        ("update sessions set server_address = '127.0.0.1'", Fault.OTHER_TELEGRAM),
        ("update sessions set server_address = '10.0.0.7'", Fault.OTHER_TELEGRAM),
        ("update sessions set server_address = '169.254.169.254'", Fault.OTHER_TELEGRAM),
        ("update sessions set server_address = '::1'", Fault.OTHER_TELEGRAM),
        ("update sessions set server_address = '::ffff:10.0.0.7'", Fault.OTHER_TELEGRAM),
        ("update sessions set port = 0", Fault.CORRUPT),
        ("update sessions set port = 65536", Fault.CORRUPT),
        ("update sessions set port = 'ssh'", Fault.CORRUPT),
        ("update sessions set dc_id = 0", Fault.OTHER_TELEGRAM),
        ("update sessions set dc_id = 6", Fault.OTHER_TELEGRAM),
        ("update sessions set dc_id = -9223372036854775808", Fault.OTHER_TELEGRAM),
        ("update entities set hash = -5 where id = 0", Fault.CORRUPT),
        ("update entities set hash = 'anna' where id = 0", Fault.CORRUPT),
        ("update version set version = 0", Fault.CORRUPT),
        ("delete from version", Fault.CORRUPT),
        ("insert into version values (7)", Fault.CORRUPT),
        ("drop table sessions", Fault.NOT_A_SESSION),
        ("alter table sessions drop column auth_key", Fault.CORRUPT),
        ("drop table entities", Fault.CORRUPT),
        ("drop table version", Fault.NOT_A_SESSION),
    ],
)
def test_what_is_wrong_with_a_telethon_file_is_named(
    base: Path, fault_of: FaultOf, statement: str, fault: Fault
) -> None:
    path = telethon(base / "a.session", 8)
    _execute(path, statement)

    assert fault_of(path) is fault


def test_states_of_channels_that_cannot_be_asked_for_are_left_out(base: Path, reading: Read) -> None:
    path = telethon(base / "a.session", 8)
    _execute(path, "insert into update_state values (9223372036854775807, 5, 0, 0, 0)")
    _execute(path, "insert into update_state values (-7, 5, 0, 0, 0)")
    _execute(path, "insert into update_state values (8, 'x', null, 0, 0)")

    assert reading(path).updates == (OWN, OF_CHANNEL)


def test_a_view_that_never_ends_is_given_up(
    base: Path, fault_of: FaultOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.adapters.imports.database.PATIENCE", 0.2)
    path = telethon(base / "a.session", 8)
    _execute(path, "drop table entities")
    _execute(
        path,
        "create view entities as with recursive n(hash) as (select 1 union all select hash + 1 from n) "
        "select hash, hash as id from n",
    )

    assert fault_of(path) is Fault.CORRUPT


@pytest.mark.parametrize("made", [Made(), Made(address="2001:67c:4e8:f002::a")])
def test_a_telethon_string_gives_its_login_but_not_whose_it_is(base: Path, reading: Read, made: Made) -> None:
    path = base / "acme" / "crm.string"
    path.parent.mkdir()
    path.write_text(telethon_string(made) + "\n")

    login = reading(path)

    assert login.format is Format.TELETHON_STRING
    assert (login.dc_id, login.address, login.port, login.account_id) == (2, made.address, PORT, None)
    assert bytes.fromhex(login.auth_key.reveal()) == key_bytes()


def test_the_string_made_by_hand_is_the_one_that_telethon_makes() -> None:
    session = StringSession()
    session.set_dc(2, ADDRESS, PORT)
    session.auth_key = AuthKey(key_bytes())

    assert session.save() == telethon_string()


# -- Pyrogram


@pytest.mark.parametrize("kind", PYROGRAM)
def test_every_descendant_of_pyrogram_gives_its_login(base: Path, reading: Read, kind: str) -> None:
    address = "149.154.167.50"
    login = reading(pyrogram(base / "a.session", kind, Made(address=address)))

    assert login.format is Format.PYROGRAM_FILE
    assert (login.dc_id, login.account_id) == (2, ACCOUNT)
    assert login.address == (address if kind == "kurigram 7" else ADDRESS)
    assert bytes.fromhex(login.auth_key.reveal()) == key_bytes()


@pytest.mark.parametrize("layout", [">B?256sI?", ">B?256sQ?", ">BI?256sQ?"])
def test_every_layout_of_pyrograms_string_gives_its_login(base: Path, reading: Read, layout: str) -> None:
    account = ACCOUNT if "Q" in layout else 700000001
    path = base / "a.string"
    path.write_text(pyrogram_string(layout, Made(account_id=account)))

    login = reading(path)

    assert login.format is Format.PYROGRAM_STRING
    assert (login.dc_id, login.address, login.port, login.account_id) == (2, ADDRESS, PORT, account)
    assert bytes.fromhex(login.auth_key.reveal()) == key_bytes()


def test_pyrogram_of_the_test_servers_is_of_another_telegram(base: Path, fault_of: FaultOf) -> None:
    text = base / "b.string"
    text.write_text(pyrogram_string(test=True))

    assert fault_of(pyrogram(base / "a.session", "pyrogram 3", test=True)) is Fault.OTHER_TELEGRAM
    assert fault_of(text) is Fault.OTHER_TELEGRAM


@pytest.mark.parametrize(
    ("made", "fault"),
    [
        (Made(key=None), Fault.NO_LOGIN),
        (Made(account_id=None), Fault.NO_LOGIN),
        (Made(key=b"short"), Fault.CORRUPT),
        (Made(account_id=-1), Fault.CORRUPT),
        (Made(dc_id=203), Fault.OTHER_TELEGRAM),
    ],
)
def test_what_is_wrong_with_a_pyrogram_file_is_named(
    base: Path, fault_of: FaultOf, made: Made, fault: Fault
) -> None:
    assert fault_of(pyrogram(base / "a.session", "kurigram 5", made)) is fault


def test_a_newer_pyrogram_than_is_known_is_named(base: Path, fault_of: FaultOf) -> None:
    path = pyrogram(base / "a.session", "kurigram 7")
    _execute(path, "update version set number = 8")

    assert fault_of(path) is Fault.NEWER_SCHEMA


def test_kurigrams_address_is_not_believed_blindly(base: Path, fault_of: FaultOf) -> None:
    made = Made(address="192.168.0.1")

    assert fault_of(pyrogram(base / "a.session", "kurigram 7", made)) is Fault.OTHER_TELEGRAM


# -- what is no session at all


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", Fault.EMPTY),
        (b" \n", Fault.EMPTY),
        (b"hello", Fault.NOT_A_SESSION),
        (b"hello world", Fault.NOT_A_SESSION),
        (telethon_string().encode()[:-10], Fault.NOT_A_SESSION),
        (telethon_string().encode().replace(b"1", b"!"), Fault.NOT_A_SESSION),
        (telethon_string(replace(Made(), key=bytes(256))).encode(), Fault.NO_LOGIN),
        (f"{telethon_string()}\n{telethon_string()}".encode(), Fault.NOT_A_SESSION),
        (b"\x00\x01\x02", Fault.NOT_A_SESSION),
        (b"{" * 5000, Fault.NOT_A_SESSION),
        (b"SQLite format 3\0", Fault.CORRUPT),
        (key_bytes(1) + key_bytes(2) + key_bytes(3) + key_bytes(4), Fault.ENCRYPTED),
        (b"gAAAAABl" + b"x" * 300, Fault.ENCRYPTED),
        (b"Salted__" + b"x" * 300, Fault.ENCRYPTED),
        (b"age-encryption.org/v1\n", Fault.ENCRYPTED),
    ],
)
def test_what_is_no_session_is_told_apart(
    base: Path, fault_of: FaultOf, content: bytes, fault: Fault
) -> None:
    path = base / "a.session"
    path.write_bytes(content)

    assert fault_of(path) is fault


def test_an_empty_and_a_foreign_database_are_told_apart(base: Path, fault_of: FaultOf) -> None:
    _execute(base / "empty.session", "create table x (y)")
    _execute(base / "empty.session", "drop table x")
    _execute(base / "foreign.session", "create table x (y)")

    assert fault_of(base / "empty.session") is Fault.EMPTY
    assert fault_of(base / "foreign.session") is Fault.NOT_A_SESSION


def _execute(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.execute(statement)
        database.commit()


def test_a_sandbox_takes_its_own_sessions_and_refuses_real_ones() -> None:
    sandbox = Network(is_sandbox=True, dcs={1: ("127.0.0.1", 8001), 2: ("127.0.0.1", 8002)})

    sandbox.check(2, "127.0.0.1", 8002)
    for dc_id, address in ((2, ADDRESS), (4, "127.0.0.1")):
        with pytest.raises(Unreadable) as refused:
            sandbox.check(dc_id, address, PORT)
        assert refused.value.fault is Fault.OTHER_TELEGRAM

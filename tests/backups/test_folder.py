"""What is backed up comes back, is nobody else's, and is kept as long as it should be."""

from __future__ import annotations

import sqlite3
import stat
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from telethon.sessions import SQLiteSession

from actors.adapters.backups.envelope import unseal
from actors.adapters.backups.errors import BackupDamaged, BackupError, BackupForeign, BackupMissing
from actors.adapters.backups.folder import BackupFolder
from actors.adapters.telegram.sqlite_login import telethon_file
from actors.core.credential import UpdatePoint
from tests.backups.examples import DAY, KEY, NOW, OTHER, Shelf, login

POINTS = (UpdatePoint(1234567, 77, 0, 1_790_000_000, 0), UpdatePoint(0, 5000, 12, 1_795_000_000, 9))


def test_a_backup_gives_the_login_back_with_its_update_states(shelf: Shelf) -> None:
    credential = login(7000000001, *POINTS)

    made = shelf.back_up(credential)
    opened = shelf.folder.open(KEY)

    assert opened.id == made.id
    assert opened.credential.auth_key == credential.auth_key
    assert (opened.credential.account_id, opened.credential.dc_id) == (7000000001, 2)
    assert (opened.credential.address, opened.credential.port) == ("149.154.167.51", 443)
    assert set(opened.credential.updates) == set(POINTS)


def test_a_backup_gives_all_back_that_a_session_file_has(shelf: Shelf) -> None:
    """Also the app that let the key in, without which it must not connect, and what channels need to catch up."""
    channel = UpdatePoint(1234567, 77, 0, 0, 0, access_hash=-5)
    credential = replace(login(7000000001, channel), api_id=2_000_000_001)

    shelf.back_up(credential)

    assert shelf.folder.open(KEY).credential == credential
    assert shelf.folder.is_up_to_date(KEY, credential)


def test_the_content_is_a_session_file_that_plain_telethon_opens(shelf: Shelf, tmp_path: Path) -> None:
    credential = login(7000000001, *POINTS)
    _, content = unseal(shelf.back_up(credential).path.read_bytes(), shelf.keyring)
    file = tmp_path / "plain.session"
    file.write_bytes(content)

    with closing(SQLiteSession(str(file))) as telethon:
        assert telethon.auth_key.key.hex() == credential.auth_key.reveal()
        assert (telethon.dc_id, telethon.server_address, telethon.port) == (2, "149.154.167.51", 443)
        states = dict(telethon.get_update_states())
    assert {(of, state.pts, state.qts, state.seq) for of, state in states.items()} == {
        (0, 5000, 12, 9),
        (1234567, 77, 0, 0),
    }
    with closing(sqlite3.connect(file)) as database:
        assert database.execute("pragma integrity_check").fetchall() == [("ok",)]


def test_files_and_folders_are_closed_to_others_under_any_umask(shelf: Shelf) -> None:
    made = shelf.back_up(login())

    assert stat.S_IMODE(made.path.stat().st_mode) == 0o600
    for folder in (shelf.base, shelf.base / "tenant1", shelf.base / "tenant1" / "app1"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_the_newest_backup_is_opened_unless_another_is_named(shelf: Shelf) -> None:
    old, new = login(), login()
    first, second = shelf.back_up(old, NOW), shelf.back_up(new, NOW + 0.5)

    assert shelf.ids() == [second.id, first.id]
    assert shelf.folder.open(KEY).credential == new
    assert shelf.folder.open(KEY, first.id).credential == old


@pytest.mark.parametrize("name", [None, "20270115T080000.000000Z-00000000", "../../../etc/passwd", ""])
def test_what_is_not_there_is_missing_and_the_fix_is_named(shelf: Shelf, name: str | None) -> None:
    with pytest.raises(BackupMissing, match="--list-backups tenant1:app1"):
        shelf.folder.open(KEY, name)


def test_a_backup_of_another_session_or_environment_is_refused(shelf: Shelf) -> None:
    made = shelf.back_up(login())
    stolen = shelf.base / "tenant2" / "app1" / made.path.name
    stolen.parent.mkdir(parents=True)
    stolen.write_bytes(made.path.read_bytes())

    with pytest.raises(BackupForeign, match="it is of tenant1/app1"):
        shelf.folder.open(OTHER)
    with pytest.raises(BackupForeign, match="environment 'sandbox'"):
        BackupFolder(shelf.base, lambda: shelf.keyring, "production").open(KEY)


def test_an_old_backup_cannot_be_passed_off_as_the_newest(shelf: Shelf) -> None:
    old = shelf.back_up(login(), NOW)
    new = shelf.back_up(login(), NOW + DAY)
    old.path.replace(new.path)

    with pytest.raises(BackupForeign, match=old.id):
        shelf.folder.open(KEY)


def test_only_the_same_login_under_the_current_key_is_up_to_date(shelf: Shelf) -> None:
    credential = login(7000000001, *POINTS)
    moved = login(7000000001, POINTS[0])
    assert not shelf.folder.is_up_to_date(KEY, credential)

    made = shelf.back_up(credential)
    assert shelf.folder.is_up_to_date(KEY, credential)
    assert not shelf.folder.is_up_to_date(KEY, moved)
    assert not shelf.folder.is_up_to_date(OTHER, credential)

    made.path.write_bytes(made.path.read_bytes()[:-1])
    assert not shelf.folder.is_up_to_date(KEY, credential)


def test_a_backup_that_reads_back_differently_is_not_kept(shelf: Shelf) -> None:
    with pytest.raises(BackupDamaged):
        shelf.folder.make(KEY, telethon_file(login()), login(), NOW)
    with pytest.raises(BackupDamaged):
        shelf.folder.make(KEY, b"no session file", login(), NOW)

    assert [path for path in shelf.base.rglob("*") if path.is_file()] == []


def test_strangers_in_the_folder_are_left_alone_and_never_listed(shelf: Shelf) -> None:
    made = shelf.back_up(login())
    strangers = [
        made.path.with_name(name)
        for name in ("notes.txt", "x.usmb", "99999999T999999.000000Z-00000000.usmb", ".hidden.usmb")
    ]
    for path in strangers:
        path.write_bytes(b"")

    assert shelf.ids() == [made.id]
    shelf.folder.expire(KEY, NOW + 10 * DAY, is_wanted=False)
    assert shelf.ids() == []
    assert all(path.exists() for path in strangers)


def test_the_sessions_with_backups_are_found(shelf: Shelf) -> None:
    shelf.back_up(login(), key=OTHER)
    shelf.back_up(login())
    (shelf.base / "not a tenant" / "app").mkdir(parents=True)

    assert list(shelf.folder.keys()) == [KEY, OTHER]


def test_a_folder_that_is_a_file_is_named_with_the_fix(shelf: Shelf) -> None:
    shelf.base.write_bytes(b"")

    with pytest.raises(BackupError, match="BACKUPS_PATH") as caught:
        shelf.back_up(login())
    assert caught.value.code == "backup_folder_unusable"


# -- retention


def test_what_is_older_than_the_retention_goes(shelf: Shelf) -> None:
    made = [shelf.back_up(login(), NOW + day * DAY) for day in range(10)]

    removed = shelf.folder.expire(KEY, NOW + 3 * DAY, is_wanted=True)

    assert removed == 3
    assert shelf.ids() == [entry.id for entry in reversed(made[3:])]


def test_the_newest_good_backup_of_a_session_with_a_login_stays_however_old(shelf: Shelf) -> None:
    made = [shelf.back_up(login(), NOW + day * DAY) for day in range(4)]
    made[3].path.write_bytes(made[3].path.read_bytes()[:-1])

    removed = shelf.folder.expire(KEY, NOW + 100 * DAY, is_wanted=True)

    assert removed == 3
    assert shelf.ids() == [made[2].id]


def test_without_a_login_every_expired_backup_goes(shelf: Shelf) -> None:
    shelf.back_up(login(), NOW)
    kept = shelf.back_up(login(), NOW + 9 * DAY)

    assert shelf.folder.expire(KEY, NOW + 8 * DAY, is_wanted=False) == 1
    assert shelf.ids() == [kept.id]
    assert shelf.folder.expire(KEY, NOW + 10 * DAY, is_wanted=False) == 1
    assert shelf.ids() == []


def test_while_no_backup_is_good_none_is_removed(shelf: Shelf) -> None:
    made = [shelf.back_up(login(), NOW + day * DAY) for day in range(2)]
    for entry in made:
        entry.path.write_bytes(b"USMB")

    assert shelf.folder.expire(KEY, NOW + 100 * DAY, is_wanted=True) == 0
    assert len(shelf.ids()) == 2

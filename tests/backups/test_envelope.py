"""Every changed byte of a backup is noticed, a key that is not there is named, and no auth key is in clear."""

from __future__ import annotations

import pytest

from actors.adapters.backups.errors import BackupDamaged, BackupError, BackupForeign, BackupKeyMissing
from actors.adapters.keyring import add_key
from actors.core.credential import UpdatePoint
from tests.backups.examples import KEY, NOW, Shelf, login


def test_every_flipped_byte_is_noticed(shelf: Shelf) -> None:
    made = shelf.back_up(login(7000000001, UpdatePoint(0, 1, 2, 3, 4)))
    whole = made.path.read_bytes()
    folder = shelf.folder
    unnoticed: list[tuple[int, int]] = []
    for place in range(len(whole)):
        for mask in (0x01, 0x80, 0xFF):
            damaged = bytearray(whole)
            damaged[place] ^= mask
            made.path.write_bytes(damaged)
            try:
                folder.open(KEY)
            except (BackupDamaged, BackupKeyMissing, BackupForeign):
                continue
            unnoticed.append((place, mask))

    assert unnoticed == []
    made.path.write_bytes(whole)
    assert folder.open(KEY).id == made.id


def test_every_cut_is_noticed_and_so_is_what_was_added(shelf: Shelf) -> None:
    made = shelf.back_up(login())
    whole = made.path.read_bytes()
    folder = shelf.folder
    for length in range(len(whole)):
        made.path.write_bytes(whole[:length])
        with pytest.raises(BackupDamaged):
            folder.open(KEY)
    for more in (b"\0", b"\xff" * 16, whole):
        made.path.write_bytes(whole + more)
        with pytest.raises(BackupDamaged):
            folder.open(KEY)


def test_a_huge_file_is_refused_without_being_read_whole(shelf: Shelf) -> None:
    made = shelf.back_up(login())
    with made.path.open("r+b") as file:
        file.truncate(1 << 40)  # sparse: it takes no room

    with pytest.raises(BackupDamaged):
        shelf.folder.open(KEY)
    assert shelf.folder.entries(KEY)[0].size == 1 << 40


def test_a_header_may_be_anything_and_is_only_ever_refused(shelf: Shelf) -> None:
    made = shelf.back_up(login())
    whole = made.path.read_bytes()
    length = int.from_bytes(whole[5:7], "big")
    for header in (b"", b"null", b"[]", b"{}", b'{"id": 1}', b"\xff\xfe", b"[" * 5000, b'"' * 9):
        made.path.write_bytes(whole[:5] + len(header).to_bytes(2, "big") + header + whole[7 + length :])
        with pytest.raises(BackupDamaged):
            shelf.folder.open(KEY)
        assert shelf.folder.entries(KEY)[0].header is None


# -- keys


def test_after_a_rotation_old_backups_open_and_new_ones_need_the_new_key(shelf: Shelf) -> None:
    credential = login()
    old = shelf.back_up(credential, NOW)
    add_key(shelf.keyring_file, "second")

    assert not shelf.folder.is_up_to_date(KEY, credential)
    new = shelf.back_up(credential, NOW + 1)

    assert shelf.folder.is_up_to_date(KEY, credential)
    assert [shelf.folder.open(KEY, entry.id).header.key_name for entry in (old, new)] == ["first", "second"]


def test_a_key_that_was_removed_is_named_with_the_fix(shelf: Shelf) -> None:
    shelf.back_up(login())
    shelf.keyring_file.unlink()
    add_key(shelf.keyring_file, "second")

    with pytest.raises(BackupKeyMissing, match=r"'first'.*put that key's line back") as caught:
        shelf.folder.open(KEY)
    assert caught.value.code == "backup_key_missing"
    header = shelf.folder.entries(KEY)[0].header
    assert header is not None
    assert header.key_name == "first"


def test_another_key_of_the_same_name_is_told_from_damage(shelf: Shelf) -> None:
    shelf.back_up(login())
    shelf.keyring_file.unlink()
    add_key(shelf.keyring_file, "first")

    with pytest.raises(BackupKeyMissing, match="another key of the name 'first'"):
        shelf.folder.open(KEY)


# -- canaries


def test_no_byte_of_the_auth_key_is_in_clear_on_the_disk(shelf: Shelf) -> None:
    credentials = [login() for _ in range(20)]
    for moment, credential in enumerate(credentials):
        shelf.back_up(credential, NOW + moment)
    everything = b"".join(path.read_bytes() for path in shelf.base.rglob("*") if path.is_file())

    assert len(everything) > 20 * 256
    for credential in credentials:
        key = bytes.fromhex(credential.auth_key.reveal())
        assert not any(key[at : at + 8] in everything for at in range(249))
        assert credential.auth_key.reveal()[:16].encode() not in everything


def test_no_error_and_no_name_tells_a_key(shelf: Shelf) -> None:
    credential = login()
    made = shelf.back_up(credential)
    keyring_text = shelf.keyring_file.read_text()
    said = [repr(made), repr(shelf.folder.open(KEY)), str(made.path)]
    made.path.write_bytes(made.path.read_bytes()[:-1])
    with pytest.raises(BackupError) as caught:
        shelf.folder.open(KEY)
    said += [str(caught.value), repr(caught.value)]

    secret, sealing = credential.auth_key.reveal(), keyring_text.split()[1]
    assert not any(secret[:16] in text or sealing in text for text in said)

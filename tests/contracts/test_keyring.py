"""The file of keys: how it is made, read, changed while it is in use, and refused."""

from __future__ import annotations

import base64
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.adapters.keyring import Keyring, KeyringError, KeyringFile, KeyUnknown, add_key

KEYS = [base64.b64encode(bytes([number]) * 32).decode() for number in range(3)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys" / "keyring"


def write(path: Path, text: str, mode: int = 0o600) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(mode)


# -- making


def test_a_first_key_makes_the_file_for_us_only(path: Path) -> None:
    previous = os.umask(0)
    try:
        add_key(path, "first")
    finally:
        os.umask(previous)

    assert Keyring.read(path).names == ("first",)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert [found.name for found in path.parent.iterdir()] == ["keyring"]


def test_the_last_key_added_seals_and_the_others_stay_what_they_were(path: Path) -> None:
    add_key(path, "first")
    before = Keyring.read(path).derive("first", "test")
    add_key(path, "second")
    ring = Keyring.read(path)

    assert ring.names == ("first", "second")
    assert ring.current == "second"
    assert ring.derive("first", "test") == before
    assert ring.derive("second", "test") != before


def test_a_name_is_given_once(path: Path) -> None:
    add_key(path, "first")
    before = path.read_bytes()

    with pytest.raises(KeyringError, match="has a key named 'first' already; choose another name"):
        add_key(path, "first")

    assert path.read_bytes() == before
    assert len(list(path.parent.iterdir())) == 1


@pytest.mark.parametrize("name", ["", " ", "a b", "-a", "a:b", "a\nb", "é", "a" * 33])
def test_a_name_that_could_be_misread_is_refused(path: Path, name: str) -> None:
    with pytest.raises(KeyringError, match="a key's name is 1 to 32"):
        add_key(path, name)

    assert not path.exists()


def test_two_that_add_at_once_lose_no_key(path: Path) -> None:
    add_key(path, "first")
    other = path.with_name(".keyring.new")
    other.touch()

    with pytest.raises(KeyringError, match=r"somebody else is adding a key; if not, remove .*\.keyring\.new"):
        add_key(path, "second")

    assert Keyring.read(path).names == ("first",)
    assert other.exists()


def test_nothing_is_added_to_a_file_that_cannot_be_read(path: Path) -> None:
    write(path, "no keyring\n")

    with pytest.raises(KeyringError, match="line 1"):
        add_key(path, "first")

    assert path.read_text() == "no keyring\n"
    assert len(list(path.parent.iterdir())) == 1


# -- reading


def test_without_a_file_the_fix_is_told(path: Path) -> None:
    with pytest.raises(
        KeyringError, match=f"there is no keyring at {path}; make one with: python -m ops.keys add {path}"
    ):
        Keyring.read(path)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o601, 0o660, 0o644])
def test_a_file_that_is_open_to_others_is_refused(path: Path, mode: int) -> None:
    write(path, f"first {KEYS[0]}\n", mode)

    with pytest.raises(KeyringError, match=f"is open to others; close it with: chmod 600 {path}"):
        Keyring.read(path)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "is empty"),
        ("\n \n", "is empty"),
        (f"first {KEYS[0]}\nsecond\n", "line 2 of the keyring"),
        (f"first {KEYS[0][:-4]}\n", "line 1 of the keyring"),
        (f"first {KEYS[0]}AAAA\n", "line 1 of the keyring"),
        (f"first {KEYS[0]} comment\n", "line 1 of the keyring"),
        (f"{KEYS[0]}\n", "line 1 of the keyring"),
        (f"a:b {KEYS[0]}\n", "line 1 of the keyring"),
        (f"first {KEYS[0]}\nsecond {KEYS[1]}\nfirst {KEYS[2]}\n", "has the same name twice"),
        (f"first {KEYS[0]}\nsecond {KEYS[1]}\nthird {KEYS[0]}\n", "has the same key twice"),
        ("é", "cannot be read"),
    ],
)
def test_a_damaged_file_is_refused_and_no_key_is_shown(path: Path, text: str, sentence: str) -> None:
    write(path, text)

    with pytest.raises(KeyringError, match=sentence) as refused:
        Keyring.read(path)

    assert not any(key[:12] in str(refused.value) for key in KEYS)


def test_a_folder_is_no_keyring(tmp_path: Path) -> None:
    with pytest.raises(KeyringError, match=r"cannot be read \(IsADirectoryError\)"):
        Keyring.read(tmp_path)


def test_empty_lines_and_spaces_do_no_harm(path: Path) -> None:
    write(path, f"\n  first {KEYS[0]}  \n\nsecond {KEYS[1]}")

    assert Keyring.read(path).names == ("first", "second")


# -- deriving


@given(st.text(min_size=1, max_size=20), st.text(min_size=1, max_size=20))
def test_every_purpose_has_a_key_of_its_own(one: str, other: str) -> None:
    ring = Keyring({"first": bytes(32)})

    assert (ring.derive("first", one) == ring.derive("first", other)) == (one == other)
    assert ring.derive("first", one) != bytes(32)


def test_a_key_that_is_not_there_is_named() -> None:
    with pytest.raises(KeyUnknown, match="sealed with the key 'second', which is not in the keyring"):
        Keyring({"first": bytes(32)}).derive("second", "test")


def test_a_keyring_shows_no_key_when_it_is_printed() -> None:
    ring = Keyring({"first": b"k" * 32})

    assert "kkk" not in f"{ring!r}{ring}"


# -- while it is in use


def test_a_key_that_is_added_is_noticed(path: Path) -> None:
    add_key(path, "first")
    file = KeyringFile(path)
    assert file().current == "first"

    add_key(path, "second")

    assert file().names == ("first", "second")


def test_a_file_that_is_gone_or_damaged_leaves_the_keys_as_they_were_until_it_is_back(path: Path) -> None:
    add_key(path, "first")
    file, kept = KeyringFile(path), path.read_text()

    path.unlink()
    assert file().names == ("first",)
    write(path, "no keyring\n")
    assert file().names == ("first",)
    write(path, f"{kept}second {KEYS[1]}\n", 0o644)
    assert file().names == ("first",)
    path.chmod(0o600)
    assert file().names == ("first", "second")


def test_without_a_good_file_there_is_nothing_to_begin_with(path: Path) -> None:
    with pytest.raises(KeyringError, match="there is no keyring"):
        KeyringFile(path)

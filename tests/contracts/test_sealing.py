"""Seals: what they hold, where, and for whom. Everything else is refused, and nothing is told of what was inside."""

from __future__ import annotations

from dataclasses import replace

import pytest

from actors.adapters.keyring import Keyring
from actors.adapters.sealing import DataKey, Place, Seals
from actors.core.credential import Credential
from actors.core.names import SessionKey
from actors.errors import CredentialSealed
from tests.contracts.credentials import credential, seals

KEY = SessionKey("tenant-a", "app-1")
HERE = Place(KEY, version=3, epoch=5)
SEALS = seals("first")
DATA_KEY = SEALS.unwrap(SEALS.new_data_key("tenant-a", 1))
OURS = credential(1, pts=77)


def refuses(open_it: object, *args: object) -> str:
    assert callable(open_it)
    with pytest.raises(CredentialSealed) as refused:
        open_it(*args)
    shown = f"{refused.value!r}{refused.value.__context__!r}{refused.value.__cause__!r}"
    assert OURS.auth_key.reveal()[:16] not in shown
    return str(refused.value)


# -- credentials


@pytest.mark.parametrize("ours", [OURS, replace(OURS, updates=()), replace(OURS, address="2001:67c:4e8::a")])
def test_what_was_sealed_is_opened(ours: Credential) -> None:
    assert SEALS.open(SEALS.seal(ours, HERE, DATA_KEY), HERE, DATA_KEY) == ours


def test_no_two_seals_are_alike() -> None:
    assert len({SEALS.seal(OURS, HERE, DATA_KEY) for _ in range(100)}) == 100


def test_nothing_in_a_seal_is_in_clear() -> None:
    sealed = SEALS.seal(OURS, HERE, DATA_KEY)

    for secret in (OURS.auth_key.reveal().encode(), bytes.fromhex(OURS.auth_key.reveal())):
        assert not any(secret[at : at + 8] in sealed for at in range(len(secret) - 7))
    assert OURS.address.encode() not in sealed


def test_every_flipped_byte_is_refused() -> None:
    sealed = SEALS.seal(OURS, HERE, DATA_KEY)
    assert len(sealed) > 600

    for at in range(len(sealed)):
        for flip in (0x01, 0x80, 0xFF):
            refuses(SEALS.open, sealed[:at] + bytes([sealed[at] ^ flip]) + sealed[at + 1 :], HERE, DATA_KEY)


def test_every_shortened_or_lengthened_seal_is_refused() -> None:
    sealed = SEALS.seal(OURS, HERE, DATA_KEY)

    for length in range(len(sealed)):
        refuses(SEALS.open, sealed[:length], HERE, DATA_KEY)
    refuses(SEALS.open, sealed + b"\0", HERE, DATA_KEY)


@pytest.mark.parametrize(
    "elsewhere",
    [
        replace(HERE, key=SessionKey("tenant-b", "app-1")),
        replace(HERE, key=SessionKey("tenant-a", "app-2")),
        replace(HERE, version=2),
        replace(HERE, version=4),
        replace(HERE, epoch=4),
        replace(HERE, version=5, epoch=3),
    ],
    ids=str,
)
def test_a_seal_holds_in_its_place_only(elsewhere: Place) -> None:
    assert "moved" in refuses(SEALS.open, SEALS.seal(OURS, HERE, DATA_KEY), elsewhere, DATA_KEY)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Place(SessionKey("a", "bc"), 1), Place(SessionKey("ab", "c"), 1)),
        (Place(KEY, version=12, epoch=1), Place(KEY, version=2, epoch=11)),
        (Place(SessionKey("a", "b"), 1, epoch=12), Place(SessionKey("a", "b1"), 1, epoch=2)),
    ],
    ids=str,
)
def test_nothing_can_be_shifted_from_one_name_or_number_to_the_next(one: Place, other: Place) -> None:
    refuses(SEALS.open, SEALS.seal(OURS, one, DATA_KEY), other, DATA_KEY)


def test_a_seal_of_another_environment_is_refused() -> None:
    sealed = SEALS.seal(OURS, HERE, DATA_KEY)

    assert "ENVIRONMENT_NAME" in refuses(seals("first", environment="sandbox").open, sealed, HERE, DATA_KEY)


@pytest.mark.parametrize(
    "other",
    [replace(DATA_KEY, key_id=2), replace(DATA_KEY, tenant_id="b"), replace(DATA_KEY, secret=bytes(32))],
)
def test_a_seal_of_another_data_key_is_refused(other: DataKey) -> None:
    refuses(SEALS.open, SEALS.seal(OURS, HERE, DATA_KEY), HERE, other)


def test_a_format_of_the_future_is_told_from_a_broken_seal() -> None:
    sealed = SEALS.seal(OURS, HERE, DATA_KEY)

    assert "run the release that wrote it" in refuses(SEALS.open, b"\x02" + sealed[1:], HERE, DATA_KEY)


@pytest.mark.parametrize("text", [b"", b"{}", b"[]", b"[1,2,3,4,5,6]", b'["a secret"]', b"\xff"])
def test_what_was_sealed_by_another_release_is_refused_without_showing_it(
    text: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.adapters.sealing._encode", lambda _: text)
    sealed = SEALS.seal(OURS, HERE, DATA_KEY)

    assert refuses(SEALS.open, sealed, HERE, DATA_KEY).startswith("opened, but written by another release")
    with pytest.raises(CredentialSealed) as refused:
        SEALS.open(sealed, HERE, DATA_KEY)
    assert refused.value.__context__ is None


# -- data keys


def test_a_wrapped_key_is_the_same_key_again() -> None:
    wrapped = SEALS.new_data_key("tenant-a", 1)

    assert wrapped.wrapped_by == "first"
    assert SEALS.unwrap(wrapped) == SEALS.unwrap(wrapped)
    assert SEALS.unwrap(wrapped).secret not in wrapped.wrapped
    assert SEALS.unwrap(wrapped) != SEALS.unwrap(SEALS.new_data_key("tenant-a", 1))


def test_every_flipped_byte_of_a_wrapped_key_is_refused() -> None:
    wrapped = SEALS.new_data_key("tenant-a", 1)

    for at in range(len(wrapped.wrapped)):
        changed = bytearray(wrapped.wrapped)
        changed[at] ^= 0x01
        refuses(SEALS.unwrap, replace(wrapped, wrapped=bytes(changed)))


@pytest.mark.parametrize(
    "change", [{"tenant_id": "tenant-b"}, {"key_id": 2}, {"wrapped_by": "second"}], ids=str
)
def test_a_wrapped_key_holds_for_its_tenant_and_number_only(change: dict[str, object]) -> None:
    ring = seals("second", "first")

    refuses(ring.unwrap, replace(ring.new_data_key("tenant-a", 1), **change))  # type: ignore[arg-type]


def test_a_key_wrapped_in_another_environment_or_by_another_keyring_is_refused() -> None:
    wrapped = SEALS.new_data_key("tenant-a", 1)
    same_name = Seals("test", lambda: Keyring({"first": b"x" * 32}))

    refuses(seals("first", environment="production").unwrap, wrapped)
    refuses(same_name.unwrap, wrapped)
    assert "'first', which is not in the keyring: give this process" in refuses(
        seals("second").unwrap, wrapped
    )


def test_rewrapping_changes_the_wrapping_and_not_the_key() -> None:
    wrapped = SEALS.new_data_key("tenant-a", 1)
    both = seals("first", "second")

    rewrapped = both.rewrap(wrapped)

    assert (rewrapped.tenant_id, rewrapped.key_id, rewrapped.wrapped_by) == ("tenant-a", 1, "second")
    assert seals("second").unwrap(rewrapped) == SEALS.unwrap(wrapped)
    refuses(SEALS.unwrap, rewrapped)


def test_no_key_is_shown_when_it_is_printed() -> None:
    assert DATA_KEY.secret.hex() not in repr(DATA_KEY)
    assert repr(DATA_KEY.secret) not in repr(DATA_KEY)


# -- fingerprints


def test_a_fingerprint_names_the_key_it_was_made_with() -> None:
    name, _, digest = SEALS.fingerprint(OURS).partition(":")

    assert name == "first"
    assert len(bytes.fromhex(digest)) == 32


def test_an_auth_key_is_known_by_its_data_centre_and_bytes_alone() -> None:
    same = replace(OURS, account_id=1, address="::1", port=80, updates=())

    assert SEALS.fingerprint(same) == SEALS.fingerprint(OURS)
    assert SEALS.fingerprint(replace(OURS, dc_id=4)) != SEALS.fingerprint(OURS)
    assert SEALS.fingerprint(credential(2)) != SEALS.fingerprint(OURS)


def test_without_the_keyring_a_fingerprint_cannot_be_made() -> None:
    assert seals("second").fingerprint(OURS).split(":")[1] != SEALS.fingerprint(OURS).split(":")[1]


def test_what_was_known_by_an_older_key_stays_known() -> None:
    assert seals("first", "second").fingerprints(OURS) == [
        SEALS.fingerprint(OURS),
        seals("second").fingerprint(OURS),
    ]

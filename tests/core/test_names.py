"""Names of tenants and apps: nothing gets past them that could climb a path or forge a key."""

from __future__ import annotations

import re
from pathlib import PurePosixPath, PureWindowsPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.core.names import NAME_PATTERN, InvalidName, SessionKey

LETTERS_AND_DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
good_names = st.builds(
    lambda first, rest: first + rest,
    st.sampled_from(LETTERS_AND_DIGITS),
    st.text(LETTERS_AND_DIGITS + "_-", max_size=63),
)

BAD_NAMES = [
    "",
    ".",
    "..",
    "../etc",
    "a/b",
    "a\\b",
    "/abs",
    "~",
    "-option",
    "_hidden",
    ".hidden",
    "a.b",
    "a b",
    " a",
    "a ",
    "a\n",
    "\na",
    "a\r\n",
    "a\x00",
    "a\x00.session",
    "a%2e%2e",
    "a:b",
    "a*",
    "a'--",
    "tenänt",
    "tenаnt",  # noqa: RUF001 - a Cyrillic a
    "１２３",  # noqa: RUF001 - full width digits
    "٣",
    "ｔｅｎａｎｔ",  # noqa: RUF001 - full width letters
    "a\u200b",
    "a\u202e",
    "a\u0301",
    "ﬁle",
    "\u212aelvin",
    "a" * 65,
]


@pytest.mark.parametrize("name", BAD_NAMES, ids=ascii)
def test_a_bad_name_is_refused_wherever_it_stands(name: str) -> None:
    with pytest.raises(InvalidName, match="tenant_id must match") as refused:
        SessionKey(name, "app")
    assert refused.value.field == "tenant_id"

    with pytest.raises(InvalidName, match="app_id must match") as refused:
        SessionKey("tenant", name)
    assert refused.value.field == "app_id"


@pytest.mark.parametrize("name", ["a", "0", "A", "tenant_1", "tenant-1", "a--", "a__", "0x1F", "a" * 64])
def test_a_good_name_is_taken(name: str) -> None:
    assert str(SessionKey(name, name)) == f"{name}/{name}"


@given(st.text(max_size=70))
def test_a_name_is_taken_only_if_it_is_plain(name: str) -> None:
    plain = (
        0 < len(name) <= 64 and name[0] in LETTERS_AND_DIGITS and set(name) <= set(LETTERS_AND_DIGITS + "_-")
    )
    try:
        SessionKey("tenant", name)
    except InvalidName:
        assert not plain
    else:
        assert plain


@given(good_names, st.characters(exclude_characters=LETTERS_AND_DIGITS + "_-"), st.integers(0, 64))
def test_one_strange_character_anywhere_spoils_a_name(name: str, strange: str, where: int) -> None:
    with pytest.raises(InvalidName):
        SessionKey("tenant", name[:where] + strange + name[where:])


@given(good_names, good_names)
def test_a_key_is_one_step_down_on_any_file_system(tenant_id: str, app_id: str) -> None:
    key = SessionKey(tenant_id, app_id)

    for path in (PurePosixPath("/base"), PureWindowsPath("C:/base")):
        file = path / key.tenant_id / f"{key.app_id}.session"
        assert file.parent.parent == path
        assert file.name == f"{app_id}.session"


@given(good_names, good_names, good_names, good_names)
def test_different_keys_never_look_alike(a: str, b: str, c: str, d: str) -> None:
    one, other = SessionKey(a, b), SessionKey(c, d)

    assert (one == other) is ((a, b) == (c, d)) is (str(one) == str(other))


def test_an_error_names_the_field_and_the_rule_but_not_the_value() -> None:
    with pytest.raises(InvalidName) as refused:
        SessionKey("<script>", "app")

    assert str(refused.value) == f"tenant_id must match {NAME_PATTERN}"


def test_the_pattern_needs_no_flags_so_that_databases_and_pages_can_share_it() -> None:
    assert re.fullmatch(NAME_PATTERN, "tenant_1")
    assert "\\" not in NAME_PATTERN

"""What is asked of the parts of a login, whatever file they come from: files may be damaged, or made to do damage."""

from __future__ import annotations

from typing import Any

from actors.core.foreign import Fault, Network, Unreadable
from actors.core.secret import Secret

KEY_BYTES = 256
"""Source: core.telegram.org/mtproto/auth_key."""

HIGHEST_ACCOUNT = (1 << 63) - 1
"""A `long` in Telegram's schema (core.telegram.org/constructor/user), and a bigint in our database."""


def key_of(value: Any) -> Secret:
    """An auth key. Raises Unreadable."""
    if value is None or value == b"":
        raise Unreadable(Fault.NO_LOGIN, "there is no login in it: nobody has connected with it yet")
    if not isinstance(value, bytes) or len(value) != KEY_BYTES:
        raise Unreadable(Fault.CORRUPT, f"its auth key is damaged: it does not have {KEY_BYTES} bytes")
    if not any(value):
        raise Unreadable(Fault.NO_LOGIN, "there is no login in it: its auth key is all zeros")
    return Secret(value.hex())


def account_of(value: Any) -> int:
    """A Telegram user id. Raises Unreadable."""
    if value is None:
        raise Unreadable(
            Fault.NO_LOGIN, "there is no login in it: it has a key, but nobody has logged in with it"
        )
    if not isinstance(value, int) or not 0 < value <= HIGHEST_ACCOUNT:
        raise Unreadable(Fault.CORRUPT, "its user id is damaged")
    return value


def number_of(value: Any, what: str) -> int:
    """A number. Raises Unreadable."""
    if not isinstance(value, int):
        raise Unreadable(Fault.CORRUPT, f"{what} is damaged")
    return value


def pyrogram_address(dc_id: int, is_test: Any, network: Network) -> tuple[str, int]:
    """Where a login of Pyrogram's belongs, most of whose formats only number the data centre. Raises Unreadable."""
    if is_test:
        raise Unreadable(Fault.OTHER_TELEGRAM, "it is of Telegram's test servers")
    return network.where(dc_id)

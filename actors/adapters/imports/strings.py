"""Reads session strings: a login in one line of text, as Telethon and Pyrogram export it.

Sources: telethon/sessions/string.py of Telethon 1.45; pyrogram/storage/storage.py of Pyrogram 1.0 to 2.0.106,
Pyrofork and Kurigram, which share its layouts.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import struct
from typing import Any

from actors.adapters.imports.checks import account_of, key_of, pyrogram_address
from actors.core.foreign import Fault, ForeignLogin, Format, Network, Unreadable

LONGEST = 4096
"""Bytes of a file that can still be a string, with white space around it."""

_TELETHON_VERSION = "1"
_TELETHON = {352: ">B4sH256s", 368: ">B16sH256s"}
"""By length without padding: data centre, IPv4 or IPv6 address, port, key."""

_PYROGRAM = {351: ">B?256sI?", 356: ">B?256sQ?", 362: ">BI?256sQ?"}
"""By length without padding: data centre, (app,) test servers, key, account, bot. The last one is today's."""


def read_string(text: str, network: Network) -> ForeignLogin:
    """The login in a session string. Raises Unreadable, whose sentence never quotes the string."""
    if len(text.split()) != 1:
        raise Unreadable(Fault.NOT_A_SESSION, "it holds more than one word, and a session string is one")
    bare = text.rstrip("=")
    if len(bare) in _TELETHON and bare.startswith(_TELETHON_VERSION):
        return _telethon(_unpack(_TELETHON[len(bare)], bare[1:]), network)
    if len(bare) in _PYROGRAM:
        return _pyrogram(_unpack(_PYROGRAM[len(bare)], bare), network)
    raise Unreadable(
        Fault.NOT_A_SESSION,
        f"a text of {len(text)} characters is no session string of Telethon or Pyrogram: it may have been cut off",
    )


def _unpack(layout: str, text: str) -> tuple[Any, ...]:
    padded = text + "=" * (-len(text) % 4)
    try:
        return struct.unpack(layout, base64.b64decode(padded, altchars=b"-_", validate=True))
    except (binascii.Error, struct.error):
        raise Unreadable(
            Fault.NOT_A_SESSION, "it has the length of a session string, but other characters than one"
        ) from None


def _telethon(fields: tuple[Any, ...], network: Network) -> ForeignLogin:
    dc_id, packed, port, key = fields
    address = ipaddress.ip_address(packed).compressed
    auth_key = key_of(key)
    network.check(dc_id, address, port)
    return ForeignLogin(Format.TELETHON_STRING, dc_id, address, port, auth_key)


def _pyrogram(fields: tuple[Any, ...], network: Network) -> ForeignLogin:
    dc_id, *_, is_test, key, user_id, _ = fields
    auth_key, account_id = key_of(key), account_of(user_id)
    address, port = pyrogram_address(dc_id, is_test, network)
    return ForeignLogin(Format.PYROGRAM_STRING, dc_id, address, port, auth_key, account_id)

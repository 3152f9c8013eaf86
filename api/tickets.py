"""Tickets, and every other key that is derived from the one we are given.

A ticket is not stored and not random: it is computed from its login, so that any node can show the live one
again, while whoever reads the stores finds only its hash.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import urlsafe_b64encode

from actors.core.secret import Secret

_SHAPE = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)


def derive_key(key: Secret, label: str) -> bytes:
    """A key of 32 bytes for one purpose: HMAC-SHA256 of its label, so no purpose learns another's key."""
    return hmac.digest(key.reveal().encode(), label.encode(), hashlib.sha256)


def ticket_for(key: Secret, login_id: str) -> Secret:
    """The ticket of a login: 256 bits as 43 characters that need no quoting in a URL."""
    mac = hmac.digest(derive_key(key, "usm login ticket v1"), login_id.encode(), hashlib.sha256)
    return Secret(urlsafe_b64encode(mac).rstrip(b"=").decode())


def looks_like_a_ticket(text: str) -> bool:
    """Whether it is worth asking the store about."""
    return _SHAPE.fullmatch(text) is not None

"""Recognises account holders in a Mini App by what Telegram has signed for them: `Authorization: tma <initData>`.

https://core.telegram.org/bots/webapps#validating-data-received-via-the-mini-app: the own bot's data is proved with
its token (HMAC), another's with Telegram's published key (Ed25519) and the bot's id. init-data-py does both and
refuses repeated keys. What it takes more ways than one, such as hex in capitals or base64 with loose bits, is
refused here: one signed text, one header.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode

import init_data_py
from init_data_py import InitData
from init_data_py.errors import InvalidInitDataError

from actors.core.secret import Secret
from api.caller import Caller, Credential
from api.doors import Doors
from api.errors import InitDataExpired, Unauthenticated
from api.permissions import Role
from api.tokens import CLOCK_SKEW, LONGEST_SESSION, holder_name
from api.trust import MiniApps

LONGEST = 4096
LARGEST_ID = 1 << 63
_HASH = re.compile(r"[0-9a-f]{64}", re.ASCII)
_SIGNATURE = re.compile(r"[A-Za-z0-9_-]{86}", re.ASCII)


async def holder(credential: Credential, here: Doors) -> Caller | None:
    """Recognises init data of one of our tenants' Mini Apps, signed within the last hour."""
    if credential.scheme != "tma":
        return None
    signed = _read(credential.value)
    bot_id = _signer(signed, here.mini_apps)
    now = here.clock.now()
    if signed.auth_date > now + CLOCK_SKEW or signed.user is None or signed.user.is_bot:
        raise Unauthenticated
    if signed.auth_date <= now - LONGEST_SESSION:
        raise InitDataExpired
    account_id = signed.user.id
    if not 0 < account_id < LARGEST_ID:
        raise Unauthenticated
    tenant_id = here.mini_apps.tenants[bot_id]
    return Caller(
        role=Role.MINI_APP,
        tenant_id=tenant_id,
        account_id=account_id,
        proved_at=float(signed.auth_date),
        name=holder_name(tenant_id, account_id),
    )


def _read(init_data: Secret) -> InitData:
    text = init_data.reveal()
    if len(text) > LONGEST or not text.isascii():
        raise Unauthenticated
    try:
        signed = init_data_py.parse(text)
    except (InvalidInitDataError, ValueError, RecursionError):  # the texts of its errors quote what was sent
        raise Unauthenticated from None
    if not _is_canonical(signed):
        raise Unauthenticated
    return signed


def _is_canonical(signed: InitData) -> bool:
    """Whether hash and signature are written as Telegram writes them, and in no other way that means the same."""
    signature = signed.signature
    if not _HASH.fullmatch(signed.get("hash", "") or ""):
        return False
    if signature is None:
        return True
    if not _SIGNATURE.fullmatch(signature):
        return False
    return urlsafe_b64encode(urlsafe_b64decode(signature + "==")).rstrip(b"=").decode() == signature


def _signer(signed: InitData, known: MiniApps) -> int:
    """The bot whose Mini App this was signed for. Raises Unauthenticated."""
    for bot_id in known.tenants:
        if _is_signed_for(signed, bot_id, known):
            return bot_id
    raise Unauthenticated


def _is_signed_for(signed: InitData, bot_id: int, known: MiniApps) -> bool:
    """Whether it is of this bot's Mini App; its age is judged elsewhere, by our clock."""
    if known.own_token is not None and bot_id == known.own_bot:
        return init_data_py.is_valid_by_hash(signed, known.own_token.reveal(), expires_in=None)
    if signed.signature is None:
        return False
    return init_data_py.is_valid_by_signature(signed, bot_id, public_key=known.public_key, expires_in=None)

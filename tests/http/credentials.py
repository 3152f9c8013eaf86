"""One credential of every kind, as its bearer would send it, and signed callbacks."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any
from uuid import uuid4

import init_data_py
import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from actors.core.secret import Secret
from actors.guards import CallbackKey, CallbackKeys, KeyRole
from api.keys import new_key
from api.permissions import Role
from api.signatures import Signed, sign
from api.tokens import short_session
from api.trust import MiniApps, SupabaseTokens
from tests.fakes import FakeApiKeys

OWN_BOT, THEIR_BOT = 7000000001, 7000000002
BOT_TOKEN = f"{OWN_BOT}:AAtest-bot-token-of-nobody-at-all-000"
ANNA = 4242
"""The account that the fake Telegram logs in."""

TELEGRAM_KEY = Ed25519PrivateKey.from_private_bytes(b"telegram, as far as tests go: 32"[:32])
SUPABASE_SECRET = "supabase-jwt-secret-0123456789abcdef0123456789"

MINI_APPS = MiniApps(
    {OWN_BOT: "demo", THEIR_BOT: "demo"},
    Secret(BOT_TOKEN),
    TELEGRAM_KEY.public_key().public_bytes_raw().hex(),
)
SUPABASE = SupabaseTokens(Secret(SUPABASE_SECRET))


def init_data(now: float, account_id: int = ANNA, token: str = BOT_TOKEN, **fields: str) -> str:
    """What Telegram hands a Mini App of the bot with this token."""
    user = json.dumps({"id": account_id, "first_name": "Anna"})
    return init_data_py.sign({"user": user, "query_id": "AAE"} | fields, token, auth_date=int(now))


def third_party(now: float, bot_id: int = THEIR_BOT, account_id: int = ANNA) -> str:
    """The same for a bot whose token we have not, with Telegram's own signature."""
    pairs = init_data(now, account_id, token=f"{bot_id}:unknown-to-us-unknown-to-us-000000")
    parsed = init_data_py.parse(pairs)
    lines = sorted(f"{key}={value}" for key, value in parsed.pairs if key != "hash")
    signed = TELEGRAM_KEY.sign(f"{bot_id}:WebAppData\n{chr(10).join(lines)}".encode())
    return f"{pairs}&signature={jwt.utils.base64url_encode(signed).decode()}"


def supabase_token(now: float, tenant_id: str = "demo", key: str = SUPABASE_SECRET, **changes: Any) -> str:
    """A user's access token, as Supabase signs it with the project's secret."""
    claims = {
        "aud": "authenticated",
        "exp": int(now) + 3600,
        "iat": int(now),
        "sub": "0b7c5c0e-5d0f-4a5e-9a0b-6b8f6f4d1c11",
        "role": "authenticated",
        "app_metadata": {"tenant_id": tenant_id},
        "user_metadata": {"tenant_id": "somebody-else"},
    } | changes
    return jwt.encode(
        {name: value for name, value in claims.items() if value is not None}, key, algorithm="HS256"
    )


def give_key(keys: FakeApiKeys, role: KeyRole, tenant_id: str | None = None, **changes: Any) -> str:
    """An API key that the store knows."""
    key, kept = new_key(role, tenant_id, "a test's", 0.0)
    keys.kept[kept.key_id] = replace(kept, **changes)
    return key.reveal()


def authorization(role: Role, keys: FakeApiKeys, token_key: Secret, service_key: Secret, now: float) -> str:
    """The header of somebody in this role; those of one tenant are demo's."""
    match role:
        case Role.SERVICE:
            return f"Bearer {service_key.reveal()}"
        case Role.ADMIN | Role.OPERATOR:
            return f"Bearer {give_key(keys, KeyRole(role.value))}"
        case Role.TENANT:
            return f"Bearer {give_key(keys, KeyRole.TENANT, 'demo')}"
        case Role.PAGE:
            return f"Bearer {short_session(token_key, 'demo', 600, now).reveal()}"
        case Role.HOLDER:
            return f"Bearer {short_session(token_key, 'demo', 600, now, account_id=ANNA).reveal()}"
        case Role.MINI_APP:
            return f"tma {init_data(now)}"


def callback_request(key: CallbackKey, body: bytes, now: float, **changes: Any) -> Signed:
    """A callback as a tenant's backend signs it."""
    unsigned = Signed(
        method="POST",
        target="/api/qr/callback",
        signature="",
        timestamp=str(int(now)),
        request_id=str(uuid4()),
        key_id=key.key_id,
        body=body,
    )
    unsigned = replace(unsigned, **changes)
    return replace(unsigned, signature=sign(unsigned, key))


def callback_headers(request: Signed) -> dict[str, str]:
    return {
        "X-Miniapp-Signature": request.signature,
        "X-Timestamp": request.timestamp,
        "X-Request-Id": request.request_id,
        "X-Key-Id": request.key_id,
        "Authorization": "",
    }


def callback_body(ticket: str, account_id: int = ANNA, *, two_fa_required: bool = False) -> bytes:
    body = {"ticket": ticket, "tg_user_id": account_id, "two_fa_required": two_fa_required}
    return json.dumps(body).encode()


def demos_key(keys: CallbackKeys, tenant_id: str = "demo") -> CallbackKey:
    return keys.of(tenant_id)[0]

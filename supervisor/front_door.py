"""Whom the service lets in, put together from its settings."""

from __future__ import annotations

from typing import Any

from actors.adapters.api_keys import PostgresApiKeys
from actors.adapters.callback_keys import DerivedCallbackKeys
from actors.adapters.jwks import Jwks
from actors.adapters.postgres import Database
from actors.clock import Clock
from actors.core.secret import Secret
from actors.guards import CallbackKeys, Limits
from api.events import Limited
from api.keys import RememberedKeys
from api.trust import MiniApps, SupabaseTokens
from supervisor.settings import Settings

JWKS_PATH = "/auth/v1/.well-known/jwks.json"


def front_door(settings: Settings, database: Database, limits: Limits, clock: Clock) -> dict[str, Any]:
    """What `Doors` is told about callers."""
    return {
        "api_keys": RememberedKeys(PostgresApiKeys(database), clock),
        "callback_keys": callback_keys(settings),
        "callback_tolerance": float(settings.miniapp_timestamp_tolerance),
        "limits": limits,
        "tenant_limits": {
            Limited.QR_START: settings.limit_qr_starts,
            Limited.CODE_REQUEST: settings.limit_code_requests,
            Limited.PASSWORD: settings.limit_password_attempts,
        },
        "supabase": _supabase(settings, clock),
        "mini_apps": _mini_apps(settings),
    }


def callback_keys(settings: Settings) -> CallbackKeys:
    """The keys of callbacks: while the secret is being replaced, of the old one and of the next."""
    given = (settings.miniapp_hmac_secret, settings.miniapp_hmac_secret_next)
    return DerivedCallbackKeys(*(Secret(secret.get_secret_value()) for secret in given if secret is not None))


def _supabase(settings: Settings, clock: Clock) -> SupabaseTokens | None:
    secret, url = settings.supabase_jwt_secret, settings.supabase_url
    if secret is None and url is None:
        return None
    return SupabaseTokens(
        secret=None if secret is None else Secret(secret.get_secret_value()),
        keys=None if url is None else Jwks(url.rstrip("/") + JWKS_PATH, clock),
    )


def _mini_apps(settings: Settings) -> MiniApps:
    token = settings.telegram_bot_token
    return MiniApps(settings.miniapp_bots, None if token is None else Secret(token.get_secret_value()))

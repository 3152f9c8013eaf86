"""The API: what its doors lead to, whom they let in, and the server behind them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from actors.adapters.callback_keys import DerivedCallbackKeys
from actors.adapters.jwks import Jwks
from actors.core.secret import Secret
from actors.guards import CallbackKeys
from api.app import create_app
from api.doors import Doors, Readiness
from api.events import Limited
from api.keys import RememberedKeys
from api.trust import MiniApps, SupabaseTokens
from supervisor.children.given import Given
from supervisor.children.news import News
from supervisor.children.sessions import Household
from supervisor.children.stores import Stores
from supervisor.routing.router import Router
from supervisor.settings import Settings
from supervisor.view import View
from supervisor.web import serving

JWKS_PATH = "/auth/v1/.well-known/jwks.json"


@asynccontextmanager
async def serve_api(
    given: Given,
    stores: Stores,
    news: News,
    home: Household,
    router: Router,
    view: View,
    ready: Callable[[], Readiness],
) -> AsyncIterator[int]:
    """Serve for the length of the block; yields the port. Raises SettingsError if the address cannot be had."""
    settings = given.settings
    doors = _doors(given, stores, news, home, router, view, ready)
    async with serving(create_app(doors), settings.host, settings.port) as port:
        try:
            yield port
        finally:
            doors.polls.end()


def _doors(
    given: Given,
    stores: Stores,
    news: News,
    home: Household,
    router: Router,
    view: View,
    ready: Callable[[], Readiness],
) -> Doors:
    settings = given.settings
    return Doors(
        directory=router,
        tickets=stores.tickets,
        answers=stores.answers,
        apps=home.apps,
        journal=stores.journal,
        feed=news.feed,
        webhooks=stores.webhooks,
        webhooks_may_be_private=settings.webhook_allow_private,
        ring_webhooks=news.webhooks.ring,
        api_keys=RememberedKeys(stores.api_keys, given.clock),
        callback_keys=_callback_keys(settings),
        callback_tolerance=float(settings.miniapp_timestamp_tolerance),
        limits=stores.limits,
        tenant_limits={
            Limited.QR_START: settings.limit_qr_starts,
            Limited.CODE_REQUEST: settings.limit_code_requests,
            Limited.PASSWORD: settings.limit_password_attempts,
        },
        supabase=_supabase(given),
        mini_apps=_mini_apps(settings),
        tree=view.tree,
        clock=given.clock,
        service_key=Secret(settings.supabase_service_role_key.get_secret_value()),
        token_key=Secret(settings.miniapp_hmac_secret.get_secret_value()),
        sandbox=given.sandbox is not None,
        feature_enabled=settings.feature_unified_session_manager,
        ready=ready,
        tell=given.tell,
        qr_ticket_ttl=settings.qr_ticket_ttl,
    )


def _callback_keys(settings: Settings) -> CallbackKeys:
    """The keys of callbacks: while the secret is being replaced, of the old one and of the next."""
    secrets = (settings.miniapp_hmac_secret, settings.miniapp_hmac_secret_next)
    return DerivedCallbackKeys(
        *(Secret(secret.get_secret_value()) for secret in secrets if secret is not None)
    )


def _supabase(given: Given) -> SupabaseTokens | None:
    secret, url = given.settings.supabase_jwt_secret, given.settings.supabase_url
    if secret is None and url is None:
        return None
    return SupabaseTokens(
        secret=None if secret is None else Secret(secret.get_secret_value()),
        keys=None if url is None else Jwks(url.rstrip("/") + JWKS_PATH, given.clock),
    )


def _mini_apps(settings: Settings) -> MiniApps:
    token = settings.telegram_bot_token
    return MiniApps(settings.miniapp_bots, None if token is None else Secret(token.get_secret_value()))

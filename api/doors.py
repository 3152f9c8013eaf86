"""What the HTTP side is given to work with, as one value; the composition root fills it in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from quart import current_app

from actors.clock import Clock
from actors.core.secret import Secret
from actors.guards import ApiKeys, CallbackKeys, Limits
from actors.ports import Answers, Apps, Directory, Journal, Tickets
from actors.webhooks import Webhooks
from api.errors import FeatureDisabled
from api.events import Limited, Tell
from api.feed import Feed
from api.pictures import Pictures
from api.polls import LongPolls
from api.streams import Streams
from api.trust import MiniApps, SupabaseTokens

Environment = Literal["sandbox", "production"]

TENANT_LIMITS: Mapping[Limited, int] = {
    Limited.QR_START: 300,
    Limited.CODE_REQUEST: 120,
    Limited.PASSWORD: 120,
}


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether the service takes work, and in a few words why not. The text is shown to anybody who asks."""

    ready: bool
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Doors:
    """The ports and the few settings that routes use.

    `service_key` is the credential of the service itself; `token_key` is key material of at least 32 bytes, from
    which the keys of tickets and of short sessions are derived. `qr_ticket_ttl` and `callback_tolerance` are in
    seconds. `tenant_limits` says how often one tenant may do something, within the time that `api.limits` names.
    """

    directory: Directory
    tickets: Tickets
    answers: Answers
    api_keys: ApiKeys
    callback_keys: CallbackKeys
    limits: Limits
    apps: Apps
    journal: Journal
    feed: Feed
    webhooks: Webhooks
    clock: Clock
    service_key: Secret
    token_key: Secret
    sandbox: bool
    feature_enabled: bool
    ready: Callable[[], Readiness]
    tell: Tell
    ring_webhooks: Callable[[], None] = lambda: None
    webhooks_may_be_private: bool = False
    qr_ticket_ttl: float = 600.0
    callback_tolerance: float = 300.0
    tenant_limits: Mapping[Limited, int] = field(default_factory=lambda: dict(TENANT_LIMITS))
    supabase: SupabaseTokens | None = None
    mini_apps: MiniApps = field(default_factory=MiniApps)
    tree: Callable[[], Mapping[str, Any]] = dict
    polls: LongPolls = field(default_factory=LongPolls)
    streams: Streams = field(default_factory=Streams)
    pictures: Pictures = field(default_factory=Pictures)

    @property
    def environment(self) -> Environment:
        """Which Telegram this is; every answer and page says so."""
        return "sandbox" if self.sandbox else "production"


async def require_feature() -> None:
    """Let nobody in while the feature is off."""
    if not doors().feature_enabled:
        raise FeatureDisabled


def doors() -> Doors:
    """The doors of the app that serves the present request."""
    here: Doors = current_app.extensions["doors"]
    return here

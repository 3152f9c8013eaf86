"""News of the journal: for whoever follows it here, and for webhooks."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import trio

from actors.adapters.webhook_sender import WebhookSender
from actors.events import Transitioned
from api.feed import Feed
from supervisor.children.given import Given
from supervisor.children.stores import Stores
from supervisor.events import Event
from supervisor.webhooks import Webhooks


@dataclass(frozen=True, slots=True)
class News:
    """Who reads the journal as it grows."""

    feed: Feed
    webhooks: Webhooks

    def note(self, event: Event) -> None:
        """Have them look at once for what this process has just written."""
        if isinstance(event, Transitioned):
            self.feed.ring(event.key.tenant_id)
            self.webhooks.ring()


@asynccontextmanager
async def spread_news(given: Given, stores: Stores) -> AsyncIterator[News]:
    """Look at the journal, and bring it to webhooks, for the length of the block."""
    sender = WebhookSender(given.clock, allow_private=given.settings.webhook_allow_private)
    news = News(Feed(stores.journal), Webhooks(stores.webhooks, sender, given.clock, given.tell))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(news.feed.keep_looking)
        nursery.start_soon(news.webhooks.keep_delivering)
        yield news
        nursery.cancel_scope.cancel()

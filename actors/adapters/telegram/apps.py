"""Which app a tenant's sessions present themselves as: what it has of its own, over what the service has."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace

import trio

from actors.adapters.telegram.app import TelegramApp
from actors.clock import Clock
from actors.core.app import OwnApp
from actors.core.messages import Unreachable
from actors.core.states import Reason
from actors.errors import AppSealed, StoreUnavailable
from actors.ports import Apps, KeptApp

FRESH = 30.0
"""Seconds that an answer of the store is good for: how long another node may not know of a change."""

REMEMBERED = 10_000
"""Tenants; of more, those that were not asked for the longest time are asked for anew."""


@dataclass(frozen=True, slots=True)
class _Known:
    app: TelegramApp
    until: float


class TelegramApps:
    """The Apps port over another Apps, which remembers for a while, and what comes of it for a connection."""

    def __init__(self, service: TelegramApp, kept: Apps) -> None:
        self.service = service
        self._kept = kept
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._writes = 0

    async def of(self, tenant_id: str, clock: Clock) -> TelegramApp | Unreachable:
        """What to present this tenant's next connection as, or the signal that it cannot be known now.

        In doubt nothing is connected: to do without a proxy that was meant to be used would give an address away.
        While the store is down, what it said last is good enough.
        """
        try:
            return await self._resolved(tenant_id)
        except StoreUnavailable:
            known = self._known.get(tenant_id)
            return Unreachable(clock.now()) if known is None else known.app
        except AppSealed:
            return Unreachable(clock.now(), Reason.APP_SEALED)

    async def read(self, tenant_id: str) -> KeptApp | None:
        """See the port."""
        return await self._kept.read(tenant_id)

    async def write(self, tenant_id: str, app: OwnApp) -> KeptApp:
        """See the port. After it no connection of this process is presented as before."""
        try:
            return await self._kept.write(tenant_id, app)
        finally:  # also when only the answer was lost
            self._forget(tenant_id)

    async def remove(self, tenant_id: str) -> bool:
        """See the port. After it no connection of this process is presented as before."""
        try:
            return await self._kept.remove(tenant_id)
        finally:
            self._forget(tenant_id)

    def _forget(self, tenant_id: str) -> None:
        self._writes += 1
        self._known.pop(tenant_id, None)

    async def _resolved(self, tenant_id: str) -> TelegramApp:
        known = self._known.get(tenant_id)
        if known is not None and trio.current_time() < known.until:
            self._known.move_to_end(tenant_id)
            return known.app
        writes = self._writes
        kept = await self.read(tenant_id)
        app = _over(self.service, tenant_id, KeptApp(OwnApp(), 0) if kept is None else kept)
        if writes == self._writes:  # else what was read may be what a write has just replaced
            self._remember(tenant_id, app)
        return app

    def _remember(self, tenant_id: str, app: TelegramApp) -> None:
        self._known[tenant_id] = _Known(app, trio.current_time() + FRESH)
        self._known.move_to_end(tenant_id)
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)


def _over(service: TelegramApp, tenant_id: str, kept: KeptApp) -> TelegramApp:
    own = kept.app
    app = replace(
        service,
        device=own.device(service.device),
        proxy=own.proxy,
        tenant_id=tenant_id,
        version=kept.version,
        service=service,
    )
    if own.api_id is None or own.api_hash is None:
        return app
    return replace(app, api_id=own.api_id, api_hash=own.api_hash)

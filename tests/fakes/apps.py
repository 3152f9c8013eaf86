"""A twin of where tenants' own apps are kept, in a dict."""

from __future__ import annotations

import trio

from actors.core.app import OwnApp
from actors.errors import AppSealed, StoreUnavailable
from actors.ports import KeptApp, Shared, Way

SERVICE = Way(Shared("master", "the service's own app"))
"""How connections go where nobody has anything of their own."""


class FakeApps:
    """Apps in a dict. `down = True` is an outage, `has_key = False` a keyring that has lost the key."""

    def __init__(self) -> None:
        self.down = False
        self.has_key = True
        self.reads = 0
        self.kept: dict[str, KeptApp] = {}

    async def read(self, tenant_id: str) -> KeptApp | None:
        self.reads += 1
        await self._reach()
        kept = self.kept.get(tenant_id)
        if kept is not None and _has_secrets(kept.app) and not self.has_key:
            raise AppSealed("sealed with a key that is not here")
        return kept

    async def write(self, tenant_id: str, app: OwnApp) -> KeptApp:
        await self._reach()
        before = self.kept.get(tenant_id)
        kept = self.kept[tenant_id] = KeptApp(app, 1 if before is None else before.version + 1)
        return kept

    async def remove(self, tenant_id: str) -> bool:
        await self._reach()
        return self.kept.pop(tenant_id, None) is not None

    async def _reach(self) -> None:
        await trio.lowlevel.checkpoint()
        if self.down:
            raise StoreUnavailable("the fake store of apps is down")


def _has_secrets(app: OwnApp) -> bool:
    return app.api_hash is not None or app.proxy is not None

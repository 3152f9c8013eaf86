"""Who we are to Telegram, and how a Telethon client of ours is made."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import gmpy2
from telethon.crypto import rsa
from telethon.network import authenticator

from actors.adapters.telegram.client import GuardedClient, HomeClient
from actors.adapters.telegram.live_session import LiveSession
from actors.core.app import DeviceProfile, Proxy
from actors.core.secret import Secret
from actors.guard import Guard
from actors.ports import Shared, Way

__all__ = ["DcAddress", "DeviceProfile", "TelegramApp", "new_client", "prepare_telethon"]

MASTER = "master"
"""Whose the service's own app is said to be."""

CONNECT_TIMEOUT = 10
ENTITY_CACHE_LIMIT = 500
"""Telethon's in-memory entity cache per client; its default of 5000 costs 0.4 MB a session."""


@dataclass(frozen=True, slots=True)
class DcAddress:
    """A data centre and where it listens."""

    id: int
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class TelegramApp:
    """What connections present themselves as. `home` and `rsa_public_key` are set for the sandbox only.

    `tenant_id` is for whose sessions it is, `version` which writing of what that tenant has of its own this is, and
    `service` the service's own app. They are not set in the latter.
    """

    api_id: int
    api_hash: Secret
    home: DcAddress | None = None
    rsa_public_key: str | None = None
    device: DeviceProfile = field(default_factory=DeviceProfile)
    proxy: Proxy | None = None
    tenant_id: str | None = None
    version: int = 0
    service: TelegramApp | None = None

    def speaking(self, session: LiveSession) -> TelegramApp:
        """The app that the key of this session speaks as: the one that let it in, whatever the tenant has by now.

        "API ID is supposed to never change after authorization" (a maintainer of TDLib in its issue 2119). A key
        of which nobody noted it was let in by the service's own. To speak takes no api_hash, only a login does.
        """
        service = self.service or self
        api_id = session.api_id or service.api_id
        if api_id == self.api_id:
            return self
        api_hash = service.api_hash if api_id == service.api_id else Secret("")
        return replace(self, api_id=api_id, api_hash=api_hash)

    @property
    def way(self) -> Way:
        """What its connections share with others. Of what was written anew, nothing is known yet."""
        service = self.service or self
        is_service = (self.api_id, self.api_hash) == (service.api_id, service.api_hash)
        own = Shared(self.tenant_id or MASTER, (self.tenant_id, self.version, self.api_id, self.api_hash))
        app = Shared(MASTER, (self.api_id, self.api_hash)) if is_service else own
        proxy = None if self.proxy is None else replace(own, key=(self.tenant_id, self.version, self.proxy))
        return Way(app, proxy)


def prepare_telethon(app: TelegramApp) -> None:
    """Set what Telethon keeps for the whole process: fast big numbers, and for the sandbox whom to trust.

    Telethon's key exchange raises 2048-bit numbers to powers with plain `pow`, 80 ms in which every other
    session waits; gmpy2 needs about 8. A module-level name shadows the builtin there.
    """
    authenticator.pow = lambda base, exponent, modulus: int(gmpy2.powmod(base, exponent, modulus))
    if app.rsa_public_key is not None:
        rsa._server_keys.clear()  # noqa: SLF001 - so that a real DC can never be talked to by mistake
        rsa.add_key(app.rsa_public_key, old=False)
    # Telethon keeps the DC addresses on the class; another sandbox in the same process has others.
    GuardedClient._config = None  # noqa: SLF001


def new_client(app: TelegramApp, session: LiveSession, guard: Guard) -> GuardedClient:
    """A client that never acts on its own: no reconnect, no sleeping through flood waits, its errors as they are.

    Only one that is logged in catches up on what it has missed.
    """
    if app.home is not None and not session.server_address:
        session.set_dc(app.home.id, app.home.host, app.home.port)
    speaking = app.speaking(session)
    is_logged_in = session.account_id is not None
    return (HomeClient if is_logged_in else GuardedClient)(
        session,
        speaking.api_id,
        speaking.api_hash.reveal()
        or "none",  # Telethon insists on one, and sends it with logins of its own only
        guard=guard,
        proxy=app.proxy,
        timeout=CONNECT_TIMEOUT,
        # Retries of a login's request follow a DC migration; all else is retried by the actor, with backoff.
        request_retries=0 if is_logged_in else 3,
        connection_retries=1,
        auto_reconnect=False,
        flood_sleep_threshold=0,
        raise_last_call_error=True,
        device_model=app.device.device_model,
        system_version=app.device.system_version,
        app_version=app.device.app_version,
        entity_cache_limit=ENTITY_CACHE_LIMIT,
        catch_up=is_logged_in,
    )

"""Who we are to Telegram, and how a Telethon client of ours is made."""

from __future__ import annotations

from dataclasses import dataclass, field

import gmpy2
from telethon import TelegramClient
from telethon.crypto import rsa
from telethon.network import authenticator

from actors.adapters.telegram.live_session import LiveSession
from actors.core.secret import Secret

CONNECT_TIMEOUT = 10
ENTITY_CACHE_LIMIT = 500
"""Telethon's in-memory entity cache per client; its default of 5000 costs 0.4 MB a session."""


@dataclass(frozen=True, slots=True)
class DeviceProfile:
    """What the account holder reads in Telegram's Devices list. Honest and the same at every connect."""

    device_model: str = "UnifiedSessionManager"
    system_version: str = "server"
    app_version: str = "0.1.0"


@dataclass(frozen=True, slots=True)
class DcAddress:
    """A data centre and where it listens."""

    id: int
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class TelegramApp:
    """The credentials of an app at Telegram. `home` and `rsa_public_key` are set for the sandbox only."""

    api_id: int
    api_hash: Secret
    home: DcAddress | None = None
    rsa_public_key: str | None = None
    device: DeviceProfile = field(default_factory=DeviceProfile)


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
    TelegramClient._config = None  # noqa: SLF001


def new_client(app: TelegramApp, session: LiveSession) -> TelegramClient:
    """A client that never acts on its own: no reconnect, no sleeping through flood waits, its errors as they are.

    Only one that is logged in catches up on what it has missed.
    """
    if app.home is not None and not session.server_address:
        session.set_dc(app.home.id, app.home.host, app.home.port)
    return TelegramClient(
        session,
        app.api_id,
        app.api_hash.reveal(),
        timeout=CONNECT_TIMEOUT,
        # Retries of a request follow a DC migration; whole connections are retried by the actor, with backoff.
        request_retries=3,
        connection_retries=1,
        auto_reconnect=False,
        flood_sleep_threshold=0,
        raise_last_call_error=True,
        device_model=app.device.device_model,
        system_version=app.device.system_version,
        app_version=app.device.app_version,
        entity_cache_limit=ENTITY_CACHE_LIMIT,
        catch_up=session.account_id is not None,
    )

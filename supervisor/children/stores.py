"""The stores: PostgreSQL and Redis, the ports that stand on them, and whether they answer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

import trio

from actors.adapters.answers import RedisAnswers
from actors.adapters.api_keys import PostgresApiKeys
from actors.adapters.apps import PostgresApps
from actors.adapters.backup_register import PostgresBackupRegister
from actors.adapters.census import Census
from actors.adapters.doorbell import RedisDoorbell
from actors.adapters.inbox import PostgresPost
from actors.adapters.journal import PostgresJournal
from actors.adapters.keeper import SealingKeeper
from actors.adapters.keyring import KeyringError, KeyringFile
from actors.adapters.limits import RedisLimits
from actors.adapters.ownership import PostgresArbiter
from actors.adapters.postgres import PostgresStore, open_postgres
from actors.adapters.redis import RedisTickets, open_redis
from actors.adapters.sealing import Seals
from actors.adapters.vault import PostgresVault
from actors.adapters.webhooks import PostgresWebhooks
from actors.errors import StoreUnavailable
from supervisor.children.given import Given
from supervisor.events import RowDenied
from supervisor.settings import Settings, SettingsError

PING_EVERY = 5.0

WITHIN = 30.0
"""Seconds that PostgreSQL and Redis may take to come up after us."""

TRY_AGAIN = 0.5


class Pulse:
    """Whether both stores answer, looked at every few seconds."""

    def __init__(self, store: PostgresStore, tickets: RedisTickets) -> None:
        self._store = store
        self._tickets = tickets
        self.outage: str | None = None
        """What is wrong, as far as it may be shown to anybody."""

    async def first(self) -> None:
        """Wait for stores that start at the same time as we do. Raises SettingsError, for it may be their address."""
        give_up = trio.current_time() + WITHIN
        while True:
            try:
                return await self._ping()
            except StoreUnavailable as outage:
                if trio.current_time() > give_up:
                    raise SettingsError(
                        f"cannot start: {outage}; check DATABASE_URL and REDIS_URL"
                    ) from outage
            await trio.sleep(TRY_AGAIN)

    async def keep_beating(self) -> None:
        """Look, for ever."""
        while True:
            await trio.sleep(PING_EVERY)
            try:
                await self._ping()
            except StoreUnavailable as outage:
                self.outage = str(outage)
            else:
                self.outage = None

    async def _ping(self) -> None:
        await self._store.ping()
        await self._tickets.ping()


@dataclass(frozen=True, slots=True, kw_only=True)
class Stores:
    """Everything that is kept outside of the process, by what it is for."""

    store: PostgresStore
    vault: PostgresVault
    census: Census
    arbiter: PostgresArbiter
    post: PostgresPost
    apps: PostgresApps
    journal: PostgresJournal
    webhooks: PostgresWebhooks
    api_keys: PostgresApiKeys
    backup_register: PostgresBackupRegister
    tickets: RedisTickets
    answers: RedisAnswers
    limits: RedisLimits
    doorbell: RedisDoorbell
    pulse: Pulse


@asynccontextmanager
async def open_stores(given: Given, place: str) -> AsyncIterator[Stores]:
    """Both stores, once they answer. `place` is the folder of sessions that this process writes to.

    Raises SettingsError for what the operator can mend.
    """
    settings = given.settings
    seals, grace = _seals(settings), timedelta(days=settings.credential_grace_days)
    redis_url = settings.redis_url.get_secret_value()
    async with (
        open_postgres(
            settings.database_url.get_secret_value(),
            keeper=SealingKeeper(seals, grace),
            epochs=given.epochs,
            on_denied=lambda: given.tell(RowDenied()),
        ) as store,
        open_redis(redis_url) as redis,
        open_redis(redis_url, pool_size=1) as listening,
        trio.open_nursery() as nursery,
    ):
        database, tickets = store.database, RedisTickets(redis)
        pulse = Pulse(store, tickets)
        await pulse.first()
        nursery.start_soon(pulse.keep_beating)
        yield Stores(
            store=store,
            vault=PostgresVault(database, seals, grace, given.epochs, place),
            census=Census(database),
            arbiter=PostgresArbiter(database),
            post=PostgresPost(database, seals),
            apps=PostgresApps(database, seals),
            journal=PostgresJournal(database),
            webhooks=PostgresWebhooks(database, seals),
            api_keys=PostgresApiKeys(database),
            backup_register=PostgresBackupRegister(database),
            tickets=tickets,
            answers=RedisAnswers(redis),
            limits=RedisLimits(redis),
            doorbell=RedisDoorbell(redis, listening),
            pulse=pulse,
        )
        nursery.cancel_scope.cancel()


def _seals(settings: Settings) -> Seals:
    try:
        keyring = KeyringFile(settings.backup_encryption_key_path)
    except KeyringError as error:
        raise SettingsError(f"cannot start: BACKUP_ENCRYPTION_KEY_PATH: {error}") from error
    return Seals(settings.environment, keyring)

"""The process: its parts, what each is given, and their order. Only this module builds adapters."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from math import inf

import structlog
import trio

from actors.actor import Surroundings
from actors.adapters.answers import RedisAnswers
from actors.adapters.apps import PostgresApps
from actors.adapters.backup_register import PostgresBackupRegister
from actors.adapters.backups.folder import BackupFolder
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
from actors.adapters.telegram import DcAddress, SessionFiles, TelegramApp, TelegramApps, TelethonLines
from actors.adapters.vault import PostgresVault
from actors.adapters.webhooks import PostgresWebhooks, WebhookSender
from actors.bridge import in_trio, open_loop
from actors.clock import Boottime, Clock
from actors.core.foreign import TELEGRAM
from actors.core.names import SessionKey
from actors.core.owners import NodeEpoch, Verdict
from actors.core.secret import Secret
from actors.epochs import Epochs
from actors.errors import StoreUnavailable
from actors.events import Transitioned
from actors.post import Bell, BellKind
from api.app import create_app
from api.doors import Doors, Readiness
from api.feed import Feed
from api.polls import LongPolls
from supervisor import logs
from supervisor.backups import BackupSchedule, SessionBackups, Times
from supervisor.discovery import discover
from supervisor.events import Event, Orphaned, RowDenied, Sampled, Scope
from supervisor.farewells import Courier
from supervisor.front_door import front_door
from supervisor.gate import ConnectGate, new_breaker, new_breakers
from supervisor.guarded_store import STORE_POLICY, GuardedApps, GuardedStore
from supervisor.imports import Imports, Wishes, network_of
from supervisor.metrics import Metrics
from supervisor.owner import slots
from supervisor.owner.balancing import Balancer
from supervisor.owner.claims import Claims, Errand
from supervisor.owner.gathering import Gatherer
from supervisor.owner.handing_over import hand_over
from supervisor.owner.incident import IncidentBrake
from supervisor.owner.life import Life
from supervisor.owner.watching import Watcher, Witness
from supervisor.ownership.timings import PROFILES
from supervisor.pace import Pace
from supervisor.policy import RestartPolicy
from supervisor.routing.office import PostOffice
from supervisor.routing.router import Router
from supervisor.sessions import Sessions
from supervisor.settings import SandboxTelegram, Settings, SettingsError
from supervisor.standings import Standings
from supervisor.tree import Child, Stage, standing
from supervisor.view import View
from supervisor.web import serving, was_cut_off
from supervisor.webhooks import Webhooks

PING_EVERY = 5.0
SAMPLE_EVERY = 5.0
ANNOUNCE = 2.0
"""Seconds for telling the other nodes that this one comes or goes."""
STORES_WITHIN = 30.0
"""Seconds that PostgreSQL and Redis may take to come up after us."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the running process can be reached."""

    api_port: int
    metrics_port: int


class Process:
    """One supervisor process. Make it inside `trio.run`, then stand in `running`."""

    store: PostgresStore
    vault: PostgresVault
    tickets: RedisTickets
    answers: RedisAnswers
    limits: RedisLimits
    doorbell: RedisDoorbell
    post: PostgresPost
    kept_apps: PostgresApps
    journal: PostgresJournal
    feed: Feed
    kept_webhooks: PostgresWebhooks
    webhooks: Webhooks
    apps: TelegramApps
    sessions: Sessions
    router: Router
    view: View
    slot: slots.Slot
    arbiter: PostgresArbiter
    life: Life
    claims: Claims
    watcher: Watcher
    gatherer: Gatherer

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._sandbox = SandboxTelegram.read(settings.telegram_sandbox) if settings.telegram_sandbox else None
        self._clock = Clock()
        self._metrics = Metrics(sandbox=self._sandbox is not None)
        self._polls = LongPolls()
        self._epochs = Epochs()
        self._incidents: IncidentBrake | None = None
        self._stopping = False
        self._outage: str | None = None
        self._api_port = self._metrics_port = 0
        self.tree = [
            Child("bridge", self._bridge),
            Child("stores", self._stores),
            Child("ownership", self._ownership),
            Child("events", self._events),
            Child("sessions", self._sessions),
            Child("router", self._route),
            *([Child("backups", self._backups)] if settings.enable_session_backup else []),
            Child("metrics", self._serve_metrics),
            Child("api", self._serve_api),
        ]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Addresses]:
        """Be up for the length of the block. Raises SettingsError for what the operator can mend."""
        base = self._settings.sessions_base_path
        with slots.claimed_slot(base) as self.slot:
            if slots.is_alone(self.slot, base):
                await self._sweep()
            async with standing(self.tree):
                yield Addresses(self._api_port, self._metrics_port)
                self._stopping = True
                await self._announce_the_end()
                await hand_over(self.sessions, lambda: self.watcher.has_others)

    async def _announce_the_end(self) -> None:
        """Let the others know that what is given away now should not come here."""
        with trio.move_on_after(ANNOUNCE), suppress(StoreUnavailable):
            await self.arbiter.drain(self.life.me)
            await self.watcher.look()

    async def _sweep(self) -> None:
        swept = await trio.to_thread.run_sync(SessionFiles(self._settings.sessions_base_path).sweep)
        if swept:
            log.info("unfinished session files removed", count=swept)

    def readiness(self) -> Readiness:
        """Whether this process should be sent work."""
        if self._stopping:
            return Readiness(ready=False, text="stopping")
        starting = [child.name for child in self.tree if child.stage is not Stage.UP]
        if starting:
            return Readiness(ready=False, text=f"starting: {', '.join(starting)}")
        if self._outage is not None:
            return Readiness(ready=False, text=self._outage)
        return Readiness(ready=True, text="ready")

    def _tell(self, event: Event) -> None:
        self._metrics.observe(event)
        if self._incidents is not None:
            self._incidents.note(event)
        logs.note(event)
        if isinstance(event, Transitioned):
            self.feed.ring(event.key.tenant_id)
            self.webhooks.ring()

    @asynccontextmanager
    async def _bridge(self) -> AsyncIterator[None]:
        async with open_loop(self._settings.bridge_engine, self._orphan):
            yield

    def _orphan(self, message: str, error: BaseException | None) -> None:
        if not was_cut_off(error):
            self._tell(Orphaned(message, error))

    @asynccontextmanager
    async def _stores(self) -> AsyncIterator[None]:
        database_url, redis_url = self._settings.database_url, self._settings.redis_url
        seals, grace = self._seals(), timedelta(days=self._settings.credential_grace_days)
        async with (
            open_postgres(
                database_url.get_secret_value(),
                keeper=SealingKeeper(seals, grace),
                epochs=self._epochs,
                on_denied=lambda: self._tell(RowDenied()),
            ) as self.store,
            open_redis(redis_url.get_secret_value()) as redis,
            open_redis(redis_url.get_secret_value(), pool_size=1) as listening,
            trio.open_nursery() as nursery,
        ):
            self.doorbell = RedisDoorbell(redis, listening)
            self.post = PostgresPost(self.store.database, seals)
            self.vault = PostgresVault(self.store.database, seals, grace, self._epochs, self.slot.place)
            self.kept_apps = PostgresApps(self.store.database, seals)
            self.journal = PostgresJournal(self.store.database)
            self.kept_webhooks = PostgresWebhooks(self.store.database, seals)
            self.tickets = RedisTickets(redis)
            self.answers = RedisAnswers(redis)
            self.limits = RedisLimits(redis)
            await self._first_ping()
            nursery.start_soon(self._keep_pinging)
            yield
            nursery.cancel_scope.cancel()

    def _seals(self) -> Seals:
        try:
            keyring = KeyringFile(self._settings.backup_encryption_key_path)
        except KeyringError as error:
            raise SettingsError(f"cannot start: BACKUP_ENCRYPTION_KEY_PATH: {error}") from error
        return Seals(self._settings.environment, keyring)

    async def _first_ping(self) -> None:
        """Wait for stores that start at the same time as we do, but not for ever."""
        give_up = trio.current_time() + STORES_WITHIN
        while True:
            try:
                return await self._ping()
            except StoreUnavailable as outage:
                if trio.current_time() > give_up:
                    raise SettingsError(
                        f"cannot start: {outage}; check DATABASE_URL and REDIS_URL"
                    ) from outage
            await trio.sleep(0.5)

    async def _keep_pinging(self) -> None:
        while True:
            await trio.sleep(PING_EVERY)
            try:
                await self._ping()
            except StoreUnavailable as outage:
                self._outage = str(outage)
            else:
                self._outage = None

    async def _ping(self) -> None:
        await self.store.ping()
        await self.tickets.ping()

    @asynccontextmanager
    async def _ownership(self) -> AsyncIterator[None]:
        timings, base = PROFILES[self._settings.ownership_profile], self._settings.sessions_base_path
        clock, arbiter = Boottime(), PostgresArbiter(self.store.database)
        life = Life(arbiter, timings, self._tell, lambda: len(claims), clock)
        ports = slots.NotedPorts(self.slot.sockets, clock)
        claims = Claims(life, arbiter, self._epochs, ports, self._tell, self._verify)
        watcher = Watcher(life, arbiter, claims, self._tell)
        witness = Witness(clock, timings, arbiter, self._tell, base, self.slot.path)
        self.arbiter, self.life, self.claims, self.watcher = arbiter, life, claims, watcher
        watcher.awaited = lambda: witness.awaited
        witness.find_predecessor(self.slot)
        await witness.look()
        await life.boot(self.slot.node_id, slots.boot_id(), self._settings.node_capacity)
        self.slot.occupy(life.me)
        await watcher.look()
        async with trio.open_nursery() as nursery:
            for loop in (
                life.keep_renewing,
                life.keep_ticking,
                claims.keep_pinging,
                claims.keep_tidy,
                partial(claims.keep_ringing, self._ring_freed),
                watcher.keep_watching,
                witness.keep_looking,
            ):
                nursery.start_soon(loop)
            yield
            nursery.cancel_scope.cancel()
        await self._end_in_peace()

    async def _verify(self, me: NodeEpoch, key: SessionKey, epoch: int, is_clean: bool) -> Verdict:
        return await in_trio(partial(self.arbiter.verify, is_clean=is_clean), me, key, epoch)

    async def _end_in_peace(self) -> None:
        """End this life, so that nobody waits for its silence. Not if something is left that nobody knows of."""
        with trio.move_on_after(ANNOUNCE), suppress(StoreUnavailable):
            await self.claims.give_back_waiting()
        if self.claims.is_empty:
            with trio.move_on_after(ANNOUNCE), suppress(StoreUnavailable):
                await self.arbiter.attest(self.life.me)
                self.slot.leave()

    @asynccontextmanager
    async def _sessions(self) -> AsyncIterator[None]:
        gate, store = self._connect_gate(), self._guarded_store()
        self.apps = TelegramApps(self._telegram_app(), GuardedApps(self.kept_apps, store.breaker))
        lines = TelethonLines(
            self.apps,
            self._settings.sessions_base_path,
            self.vault,
            self._clock,
            gate,
            self._tell,
            guards=self.claims.guard,
        )
        idle_after = self._settings.idle_after or inf
        surroundings = Surroundings(store, lines, self._clock, self._tell, idle_after)
        policy, log_out = RestartPolicy(), partial(lines.log_out, guard=Errand(self.life))
        courier = Courier(self.vault, log_out, self._clock, self._tell)
        self.sessions = Sessions(surroundings, policy, self._tell, owner=self.claims)
        self.gatherer = Gatherer(
            store, self._clock, self.sessions, self._pace(), is_mine=self._is_mine, look=self.watcher.look
        )
        breakers = {**gate.breakers.dcs, Scope.STORE: store.breaker}
        self.view = View(self.tree, self.sessions, gate, breakers, policy, self._clock, self.watcher.seen)
        self.watcher.on_held = gate.hold
        incidents = self._incidents = IncidentBrake(self.arbiter, gate.hold, self._tell)
        self.watcher.start = self.sessions.start
        self.claims.on_trusted_again = self.sessions.hurry
        async with self.sessions.open(), trio.open_nursery() as nursery:
            nursery.start_soon(incidents.keep_watching)
            nursery.start_soon(self._keep_sampling, gate)
            nursery.start_soon(self.gatherer.keep_gathering)
            nursery.start_soon(Balancer(self.watcher, self.sessions, self._me).keep_balancing)
            nursery.start_soon(courier.keep_delivering)
            if self._settings.discover_sessions:
                nursery.start_soon(discover, self.imports(), self._tell)
            try:
                yield
            finally:
                gate.close()
                nursery.cancel_scope.cancel()

    async def _ring_freed(self, node_id: str) -> None:
        await self.doorbell.ring(node_id, Bell(BellKind.FREED))

    def _me(self) -> str:
        return self.life.me.node_id

    def _is_mine(self, key: SessionKey) -> bool:
        return self.watcher.place(key) == self._me()

    @asynccontextmanager
    async def _route(self) -> AsyncIterator[None]:
        office = PostOffice(
            self.life.me, self.post, self.doorbell, self.sessions, self._tell, freed=self.gatherer.wake
        )
        self.router = Router(
            self._me(),
            self.sessions,
            office.remote,
            self._owner_of,
            self.watcher.place,
            self.sessions.saved,
        )
        async with office.open():
            yield

    async def _owner_of(self, key: SessionKey) -> str | None:
        row = await self.arbiter.look(key)
        return None if row is None or row.owner is None else row.owner.node_id

    @asynccontextmanager
    async def _events(self) -> AsyncIterator[None]:
        self.feed = Feed(self.journal)
        sender = WebhookSender(self._clock, allow_private=self._settings.webhook_allow_private)
        self.webhooks = Webhooks(self.kept_webhooks, sender, self._clock, self._tell)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.feed.keep_looking)
            nursery.start_soon(self.webhooks.keep_delivering)
            yield
            nursery.cancel_scope.cancel()

    @asynccontextmanager
    async def _backups(self) -> AsyncIterator[None]:
        settings = self._settings
        keyring = KeyringFile(settings.backup_encryption_key_path)
        folder = BackupFolder(settings.backups_folder, keyring, settings.environment)
        backups = SessionBackups(folder, self.vault, self._clock)
        times = Times(settings.backup_every_hours * 3600, settings.backup_retention_days * 86_400)
        register = PostgresBackupRegister(self.store.database)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(BackupSchedule(backups, register, times, self._clock, self._tell).keep)
            yield
            nursery.cancel_scope.cancel()

    def imports(self) -> Imports:
        """Takes over what lies in the folder of sessions and is not in the database."""
        network = network_of(self._sandbox) if self._sandbox else TELEGRAM
        standings = Standings(self.vault, Census(self.store.database))
        return Imports(self._settings.sessions_base_path, network, self.store, standings, Wishes())

    def _pace(self) -> Pace:
        rate = self._settings.connects_per_second
        return Pace(rate, burst=rate)

    def _connect_gate(self) -> ConnectGate:
        return ConnectGate(self._pace(), new_breakers(self._tell), self._clock)

    def _guarded_store(self) -> GuardedStore:
        return GuardedStore(self.store, new_breaker(Scope.STORE, self._tell, STORE_POLICY))

    async def _keep_sampling(self, gate: ConnectGate) -> None:
        while True:
            gate.breakers.sweep()
            self._tell(Sampled(self.sessions.fullest_mailbox, gate.waiting))
            await trio.sleep(SAMPLE_EVERY)

    def _telegram_app(self) -> TelegramApp:
        sandbox = self._sandbox
        if sandbox is not None:
            home = sandbox.home
            return TelegramApp(
                sandbox.api_id,
                Secret(sandbox.api_hash),
                DcAddress(home.id, home.host, home.port),
                sandbox.rsa_public_key,
            )
        api_id, api_hash = self._settings.telegram_api_id_master, self._settings.telegram_api_hash_master
        if api_id is None or api_hash is None:
            raise SettingsError("TELEGRAM_API_ID_MASTER and TELEGRAM_API_HASH_MASTER are missing")
        return TelegramApp(api_id, Secret(api_hash.get_secret_value()))

    @asynccontextmanager
    async def _serve_metrics(self) -> AsyncIterator[None]:
        settings = self._settings
        async with self._metrics.serve(settings.metrics_host, settings.metrics_port) as self._metrics_port:
            yield

    @asynccontextmanager
    async def _serve_api(self) -> AsyncIterator[None]:
        settings = self._settings
        app = create_app(self._doors())
        async with serving(app, settings.host, settings.port) as self._api_port:
            try:
                yield
            finally:
                self._polls.end()

    def _doors(self) -> Doors:
        settings = self._settings
        return Doors(
            directory=self.router,
            tickets=self.tickets,
            answers=self.answers,
            apps=self.apps,
            journal=self.journal,
            feed=self.feed,
            webhooks=self.kept_webhooks,
            webhooks_may_be_private=settings.webhook_allow_private,
            ring_webhooks=self.webhooks.ring,
            **front_door(settings, self.store.database, self.limits, self._clock),
            tree=self.view.tree,
            clock=self._clock,
            service_key=Secret(settings.supabase_service_role_key.get_secret_value()),
            token_key=Secret(settings.miniapp_hmac_secret.get_secret_value()),
            sandbox=self._sandbox is not None,
            feature_enabled=settings.feature_unified_session_manager,
            ready=self.readiness,
            tell=self._tell,
            qr_ticket_ttl=settings.qr_ticket_ttl,
            polls=self._polls,
        )
